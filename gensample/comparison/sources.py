"""Every source of fields: simulation, what was generated, controls made of simulation; read one at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gensample.comparison.quantities import EVERYONE
from gensample.data.dataset import Dataset
from gensample.data.store import Store
from gensample.errors import ConfigError, DataError
from gensample.physics.mixtures import Mixture
from gensample.seeding import numpy_generator
from gensample.simulate.programs import Minimiser
from gensample.simulate.quench import choose_for_futures, quench_fields
from gensample.stats.dynamics import Ensemble, Floats, require_replicas

PAIRINGS = {
    "generated": ("simulated", "generated"),
    "climatology": ("simulated", "climatology"),
    "independent": ("simulated", "independent"),
    "halves": ("first half", "second half"),
}
"""Blocks of the result: which source is observed and which is drawn."""
SHOWN = ("simulated", "generated", "climatology", "independent")
"""Sources with histograms of their own."""


class Fields(NamedTuple):
    """Displacements ``u`` (R, K, N, d) and, where known, inherent ones ``h`` (R', K, N, d) with ``energies``
    (R', K)."""

    u: NDArray[np.float32]
    h: NDArray[np.float32] | None = None
    energies: Floats | None = None


def by_name(words: Sequence[str]) -> dict[str, str]:
    """Files and models by the names of their sources; ConfigError where one has none of its own."""
    names = [Path(word).stem if Path(word).suffix == ".h5" else Path(word).name for word in words]
    for name in names:
        if not name or names.count(name) > 1:
            raise ConfigError(f"--beside needs a name of its own for each source, got {', '.join(names)}")
    return dict(zip(names, words, strict=True))


def check_names(names: Mapping[str, object]) -> None:
    """ConfigError where a further source has the name of one that is always there."""
    taken = {*PAIRINGS, *SHOWN, *PAIRINGS["halves"], EVERYONE} & set(names)
    if taken:
        raise ConfigError(
            f"{', '.join(sorted(taken))}: the comparison has such a source itself; rename yours"
        )


def sources_of(c: int, ensembles: Mapping[str, Ensemble], seed: int) -> dict[str, Fields]:
    """All sources of configuration ``c``: those given, simulated and generated first, and the controls.

    The halves where there are replicas enough.
    """
    given = {
        name: Fields(e.displacements, e.inherent_displacements, e.inherent_energies)
        for name, e in ensembles.items()
    }
    ours, species = given["simulated"], ensembles["simulated"].species
    found = {
        "simulated": ours,
        "generated": given["generated"],
        "climatology": _control(ours, lambda u, key: climatology(u, species, key), seed, 0, c),
        "independent": _control(ours, independent, seed, 1, c),
    }
    if len(ours.u) >= 4:
        found["first half"], found["second half"] = _halves(ours)
    return found | {name: fields for name, fields in given.items() if name not in found}


Control = Callable[[NDArray[np.float32], np.random.Generator], NDArray[np.float32]]


def _control(fields: Fields, control: Control, seed: int, number: int, c: int) -> Fields:
    """A control of u, and one of h; no energies: such fields are no structures that were quenched."""
    u = control(fields.u, numpy_generator(seed, number, c))
    return Fields(u, None if fields.h is None else control(fields.h, numpy_generator(seed, number, c, 1)))


def _halves(fields: Fields) -> tuple[Fields, Fields]:
    first, second = halves(fields.u)
    if fields.h is None or len(fields.h) < 4:
        return Fields(first), Fields(second)
    inherent = halves(fields.h)
    half = len(inherent[0])
    energies = fields.energies
    parts = (None, None) if energies is None else (energies[:half], energies[half : 2 * half])
    return Fields(first, inherent[0], parts[0]), Fields(second, inherent[1], parts[1])


def climatology(
    displacements: NDArray[np.float32], species: Any, generator: np.random.Generator
) -> NDArray[np.float32]:
    """Each field with its displacements permuted among the particles of a species.

    Right van Hove function and, since every field keeps its values, right overlap and chi4 within a
    configuration; no relation to the structure, no correlation in space.
    """
    shuffled = displacements.copy()
    kinds = np.asarray(species)
    for kind in np.unique(kinds):
        members = np.flatnonzero(kinds == kind)
        for replica in range(len(displacements)):
            source = generator.permutation(members)
            shuffled[replica][:, members] = displacements[replica][:, source]
    return shuffled


def independent(displacements: NDArray[np.float32], generator: np.random.Generator) -> NDArray[np.float32]:
    """Replicas permuted for each particle by itself: every particle keeps its own distribution.

    Right propensity and marginals; two particles no longer move together, so chi4 within a configuration and
    the displacement correlations are those of a bag of marginals.
    """
    replicas, _, particles, _ = displacements.shape
    order = generator.permuted(np.tile(np.arange(replicas)[:, None], (1, particles)), axis=0)
    return np.take_along_axis(displacements, order[:, None, :, None], axis=0)


def halves(displacements: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """First and second half of the replicas: a perfect sampler against simulation.

    An odd last replica is left out. Raises DataError for fewer than four replicas.
    """
    require_replicas(len(displacements), 4, "the halves control")
    half = len(displacements) // 2
    return displacements[:half], displacements[half : 2 * half]


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
        self._mixture = data.store.liquid
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
