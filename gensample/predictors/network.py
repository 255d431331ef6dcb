"""A trained network, read as it was trained: what `gensample fit` makes of a ``DynamicsTask``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from gensample.data.datamodule import KADataModule
from gensample.data.dataset import as_dataset
from gensample.errors import ConfigError
from gensample.predictors.base import Predictor, Rows, register
from gensample.reads import Reads
from gensample.stats.predictions import pearson_of_bonds

BATCH_PARTICLES = 4096
SHEARED = ("d2min", "first_event")


@register
class Network(Predictor):
    """A model that `zoo.load_model` gave, by the name that messages call it.

    ``times`` (K,) are the lag times that its outputs belong to; 1 to K where the model does not say, and
    ``stated`` is False. ``force``: read configurations outside the domain of the model too; ``outside`` holds
    how they differ.

    Raises:
        ConfigError: what it predicts is no propensity.
    """

    def __init__(self, model: Any, name: str = "the model", force: bool = False) -> None:
        super().__init__()
        self.model, self.name, self.force = model, name, force
        self.outside: set[str] = set()
        self.reads: Reads = model.reads
        if self.reads.quantity in SHEARED:
            raise ConfigError(
                f"{name} predicts {self.reads.quantity} of sheared glasses, which is no propensity"
            )
        self.parameters = sum(p.numel() for p in model.parameters())
        lags, count = self.reads.lags or (), self._count()
        self.stated = len(lags) == count
        self.times = lags if self.stated else tuple(float(k + 1) for k in range(count))

    @classmethod
    def suits(cls, model: Any) -> bool:
        """See `Predictor`."""
        return hasattr(model, "edge_scale")

    def _count(self) -> int:
        """Number of lag times K."""
        return len(self.model.edge_scale)

    def _outputs(self, batch: Any) -> tuple[Tensor, Tensor]:
        """Propensity (n, K), perhaps followed by more, and elongation (E, K) or none (E, 0)."""
        nodes, edges = self.model(batch)
        return nodes, edges

    def open(self, dataset: Any, rows: Rows | str = "all", **served: Any) -> KADataModule:
        """A dataset as the model reads it, to `predict` the configurations ``rows``; see `Reads.open`."""
        device = next(self.model.parameters()).device
        options = {"model": self.name, "device": device, "force": self.force, **served}
        module: KADataModule = self.model.open(dataset, rows, **options)
        self.outside |= {module.outside} - {""}
        return module

    def predict(self, data: KADataModule, rows: Rows) -> Tensor:
        """See `Predictor`."""
        return torch.cat([self._of_nodes(*batch) for batch in self._batches(data, rows)])

    def predict_with_bonds(
        self, data: KADataModule, rows: Rows, columns: Sequence[int]
    ) -> tuple[Tensor, np.ndarray | None]:
        """Propensities (C', N, K') of the ``columns`` that belong to the lag times served; and of bonds.

        Of bonds Pearson (C', K') over those of each configuration (`stats.predictions.pearson_of_bonds`);
        None where the network or the data have none.
        """
        nodes, bonds = [], []
        for batch, of_nodes, edges in self._batches(data, rows):
            nodes.append(self._of_nodes(batch, of_nodes, edges)[..., columns])
            if edges.shape[1] and "elongation" in batch:
                bonds.append(pearson_of_bonds(batch, edges[:, columns]))
        return torch.cat(nodes), np.concatenate(bonds) if bonds else None

    def propensity(self, data: Any) -> np.ndarray:
        """Propensity (C, N, K) of the configurations of what `as_dataset` takes; ConfigError as `open`."""
        view = as_dataset(data)
        found: np.ndarray = self.predict(self.open(view, view.rows), view.rows).numpy()
        return found

    @torch.no_grad()
    def _batches(self, data: KADataModule, rows: Rows) -> Iterator[tuple[Any, Tensor, Tensor]]:
        """Batches with their outputs; of structures alone graphs are let go: a file may hold many."""
        step = max(1, BATCH_PARTICLES // data.store.num_particles)
        groups = [rows[first : first + step] for first in range(0, len(rows), step)]
        for group in track(groups, "Predicting", disable=len(groups) < 2 or not sys.stderr.isatty()):
            batch = data.batch(group)
            if data.settings.target == "structure":
                data.forget()
            yield batch, *self._outputs(batch)

    def _of_nodes(self, batch: Any, nodes: Tensor, edges: Tensor) -> Tensor:
        """Propensity (B, N, K) of a batch, in double precision on the CPU."""
        shape = (int(batch.num_graphs), -1, len(self.times))
        return nodes[:, : len(self.times)].reshape(shape).double().cpu()
