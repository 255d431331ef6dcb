"""The propensity that a displacement generator reads off a configuration, without a draw."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from gensample.errors import ConfigError
from gensample.predictors.base import register
from gensample.predictors.network import Network


@register
class Conditioner(Network):
    """The conditioner of a generator, used alone.

    Raises:
        ConfigError: the generator has none.
    """

    def __init__(self, model: Any, name: str = "the model", force: bool = False) -> None:
        if model.conditioner is None:
            raise ConfigError(f"{name} has no conditioner, hence no propensity; choose a predictor, or draws")
        super().__init__(model, name, force)

    @classmethod
    def suits(cls, model: Any) -> bool:
        """See `Predictor`."""
        return hasattr(model, "conditioner")

    def _count(self) -> int:
        return len(self.model.lag_time)

    def _outputs(self, batch: Any) -> tuple[Tensor, Tensor]:
        condition = self.model.condition(batch)
        return condition.propensity, condition.elongation
