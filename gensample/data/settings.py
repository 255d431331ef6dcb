"""What a data module is asked to serve, and whether a dataset can."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from gensample.data.positions import Input
from gensample.data.schema import SPLITS
from gensample.data.store import Store, lag_rows
from gensample.data.views import Quantity
from gensample.errors import ConfigError
from gensample.ranges import COUNT, NUMBER, POSITIVE, SEED, TEMPERATURE, check_choice, check_table

LIMITS = {
    **dict.fromkeys(("batch_size", "fields", "passes", "train_limit"), COUNT),
    **dict.fromkeys(("cutoff", "lags"), POSITIVE),
    **dict.fromkeys(("temperatures", "base_temperature"), TEMPERATURE),
    **{"heating": NUMBER, "validation": NUMBER, "seed": SEED},
}


@dataclass(frozen=True)
class DataSettings:
    """Settings of `gensample.data.datamodule.KADataModule`.

    Args:
        dataset: file, or name of an embedded dataset.
        target: "propensity" for averages over replicas, "displacement" for whole fields as well,
            "structure" for graphs alone, "configuration" for positions without graphs.
        input: positions the graph is built from: "thermal", "inherent" (found on the way where the dataset
            has no inherent structures), or "cage".
        cage_vectors: serve the vector from the thermal position to the centre, an inherent structure or cage
            position, where there is one, whatever the input; off, it is zero with thermal positions.
        lags: lag times to serve; None for all.
        temperatures: temperatures to serve; None for all.
        base: dataset whose configurations at ``base_temperature`` are served beside each configuration, as
            the base of a flow (target "configuration"); None for none.
        base_temperature: of those; None where ``base`` has one temperature only.
        heating: Metropolis sweeps at the base's temperature that make each configuration's partner in
            training (``data.liquid.Partners``); zero for independent partners.
        cutoff: cut-off of the graph.
        batch_size: configurations in a batch.
        fields: displacement fields drawn per configuration and step.
        passes: times that the training configurations are gone through in an epoch.
        augment: see the training configurations along random axes of the cubic group; of what a shear
            leaves of it for sheared glasses.
        descriptors: serve structural descriptors too, standardised per species by the training split: names
            of sets of ``structure.descriptors``; true for the invariants alone.
        validation: rows of the dataset to validate on (and not to train on) in place of its split "val".
        train_limit: train on the first so many of the training configurations only, for learning curves.
        predict_split: split that ``predict`` goes through.
        quantity: what is predicted of each particle: the length of its "displacement", or the
            "bond_breaking" propensity (``data.views``); of sheared glasses, "displacement" for the length of
            the non-affine one, "d2min", or "first_event".
        resident: keep displacement fields on the device; "auto" decides by their size.
        seed: of the order of the configurations, of the fields drawn, of the augmentation.

    Raises:
        ConfigError: a value outside its range.
    """

    dataset: str
    target: Literal["propensity", "displacement", "structure", "configuration"] = "propensity"
    input: Input = "thermal"
    cage_vectors: bool = True
    lags: list[float] | None = None
    temperatures: list[float] | None = None
    base: str | None = None
    base_temperature: float | None = None
    heating: int = 0
    cutoff: float = 2.0
    batch_size: int = 1
    fields: int = 1
    passes: int = 1
    augment: bool = False
    descriptors: bool | list[str] = False
    validation: list[int] | None = None
    train_limit: int | None = None
    predict_split: str = "test"
    quantity: Quantity = "displacement"
    resident: Literal["auto"] | bool = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        check_table(self, LIMITS, "data.")

    @property
    def sets(self) -> list[str]:
        """Names of the sets of descriptors."""
        return ["invariants"] if self.descriptors is True else list(self.descriptors or [])

    def check(self, store: Store) -> None:
        """Refuse what the dataset cannot serve.

        Raises:
            ConfigError: names the setting, and what the dataset has.
        """
        # Inherent structures that are absent are found on the way; cage positions take simulations.
        if self.input == "cage" and store.cage is None:
            raise ConfigError(
                f"{self.dataset} has no cage positions; add them with `gensample cage {self.dataset}`, "
                "or set data.input to inherent or thermal"
            )
        self._check_target(store)
        self._check_rows(store)
        lag_rows(store.times, self.lags)

    def _check_target(self, store: Store) -> None:
        averages = store.has_displacements or store.propensity is not None
        enough = {"displacement": store.has_displacements, "propensity": averages}
        if not enough.get(self.target, True):
            raise ConfigError(f"{self.dataset} has no displacements, which data.target={self.target} needs")
        half = float(store.box.min()) / 2
        if self.target == "configuration":
            if self.input != "thermal":
                raise ConfigError("configurations are generated as thermal ones: set data.input to thermal")
        elif self.base is not None:
            raise ConfigError(f"data.base needs data.target=configuration, got {self.target}")
        elif self.cutoff > half:  # only the nearest image of a particle is seen
            raise ConfigError(
                f"data.cutoff {self.cutoff:g} is more than half the shortest box edge, {half:g}"
            )
        if self.heating and self.base is None:
            raise ConfigError(
                f"data.heating needs data.base, whose temperature to heat to; got {self.heating}"
            )

    def _check_rows(self, store: Store) -> None:
        rows, count = self.validation, store.num_configurations
        if wrong := [c for c in rows or [] if not 0 <= c < count]:
            raise ConfigError(f"data.validation names rows {wrong} of {count} configurations")
        if rows is not None and len(set(rows)) != max(1, len(rows)):
            raise ConfigError(f"data.validation must name rows, each once, got {rows}")
        check_choice("data.predict_split", self.predict_split, (*SPLITS, "all"))
        known = store.temperature
        absent = [t for t in self.temperatures or [] if not np.isclose(known, t, rtol=1e-6).any()]
        if absent:
            raise ConfigError(
                f"data.temperatures asks for {absent}; the dataset has {np.unique(known).tolist()}"
            )
