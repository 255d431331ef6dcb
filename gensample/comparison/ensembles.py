"""The ensembles of a comparison, read one at a time; those without inherent displacements are quenched."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gensample.data.dataset import Dataset
from gensample.data.store import Store
from gensample.errors import DataError
from gensample.physics.mixtures import Mixture
from gensample.simulate.futures import choose_for_futures, quench_fields
from gensample.simulate.minimisers import Minimiser
from gensample.stats.ensemble import Ensemble, Floats

log = logging.getLogger(__name__)

Progress = Callable[[str], None]


def mixture_of_data(store: Store) -> Mixture:
    """The mixture of a dataset, truncated as the dataset says; unlike `data.positions`, in any box."""
    liquid = store.liquid
    if not liquid.has_potential:
        log.warning("the potential of %s is not known: what needs energies is left out", liquid.name)
    return liquid


class FieldQuench:
    """Finds the inherent displacements of the first ``replicas`` fields of a configuration, at all lags.

    ``inherent`` (N, d) of a configuration is taken from any of the stores, else found here.
    """

    def __init__(self, replicas: int, processes: int, progress: Progress) -> None:
        self.replicas, self.processes, self.progress = replicas, processes, progress
        self._minimiser: Minimiser | None = None

    def fits(self, store: Store) -> bool:
        """Whether fields of this dataset are to be quenched, and have energies in their boxes."""
        liquid = store.liquid
        fits = liquid.has_potential and 2 * liquid.cutoff <= float(store.box.min())
        return self.replicas > 0 and fits

    def inherent(self, ensemble: Ensemble, mixture: Mixture) -> Floats:
        """The inherent structure of the configuration itself."""
        still = np.zeros((1, *ensemble.positions.shape))
        moved, _ = self._quench(ensemble.positions, ensemble.positions, ensemble, mixture, still)
        return np.asarray(ensemble.positions + moved[0])

    def fields(self, inherent: Floats, ensemble: Ensemble, mixture: Mixture) -> dict[str, Any]:
        """``inherent_displacements`` and ``inherent_energies`` of an `Ensemble`."""
        u = ensemble.displacements[: self.replicas]
        h, energies = self._quench(
            ensemble.positions, inherent, ensemble, mixture, u.reshape(-1, *u.shape[2:])
        )
        return {
            "inherent_displacements": h.reshape(u.shape),
            "inherent_energies": energies.reshape(u.shape[:2]),
        }

    def _quench(
        self, positions: Floats, inherent: Floats, ensemble: Ensemble, mixture: Mixture, u: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        if self._minimiser is None:
            self._minimiser = choose_for_futures(processes=self.processes)
        return quench_fields(positions, inherent, ensemble.species, ensemble.box, mixture, u, self._minimiser)


class Ensembles(Sequence[Ensemble]):
    """Ensembles of the configurations of a dataset at the lag indices ``lags``, read when asked for.

    Inherent displacements are those of the file, else are found once by ``quench``, with the inherent
    structures ``inherent`` (one a configuration, None for unknown).

    Raises:
        DataError: the dataset has no displacements.
    """

    def __init__(
        self,
        name: str,
        data: Dataset,
        lags: Sequence[int],
        quench: FieldQuench,
        inherent: list[Floats | None],
    ) -> None:
        if not data.store.has_displacements:
            raise DataError(
                f"{data.store.path} holds averages only; compare needs displacements of single replicas"
            )
        self.name, self.data, self.lags = name, data, list(lags)
        self._quench, self._inherent = quench, inherent
        self._positions, self._box, self._species = data.positions, data.box, data.species
        self._mixture = mixture_of_data(data.store)
        self._found: dict[int, dict[str, Any]] = {}

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, c: Any) -> Any:
        if isinstance(c, slice):
            return [self[k] for k in range(*c.indices(len(self)))]
        u = self.data.fields(c)[:, self.lags]
        bare = Ensemble(self._positions[c], self._box[c], self._species, u)
        return replace(bare, inherent=self._inherent[c], **self._of_inherent(c, bare))

    def _of_inherent(self, c: int, bare: Ensemble) -> dict[str, Any]:
        """What an `Ensemble` holds of inherent displacements."""
        store, row = self.data.store, int(self.data.rows[c])
        if store.has_inherent_displacements:
            return {
                "inherent_displacements": store.inherent_displacements(row)[:, self.lags],
                "inherent_energies": store.inherent_energies(row)[:, self.lags],
            }
        if c not in self._found and self._quench.fits(store):
            self._quench.progress(f"quenching futures of configuration {c + 1} of {len(self)} ({self.name})")
            inherent = self._inherent[c]
            if inherent is None:
                # Kept in the list, which the sources share: found once for all of them.
                inherent = self._inherent[c] = self._quench.inherent(bare, self._mixture)
            self._found[c] = self._quench.fields(inherent, bare, self._mixture)
        return self._found.get(c, {})


def inherent_structures(sources: Sequence[Dataset]) -> list[Floats | None]:
    """The inherent structure of every configuration, from the first source that has them."""
    found = next((x for data in sources if (x := data.inherent) is not None), None)
    return [None] * len(sources[0]) if found is None else list(found)
