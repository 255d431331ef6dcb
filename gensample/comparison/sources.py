"""Every source of fields in a comparison: simulation, what was generated, and controls made of simulation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gensample.errors import ConfigError
from gensample.seeding import numpy_generator
from gensample.stats import controls
from gensample.stats.ensemble import Ensemble, Floats

PAIRINGS = {
    "generated": ("simulated", "generated"),
    "climatology": ("simulated", "climatology"),
    "independent": ("simulated", "independent"),
    "halves": ("first half", "second half"),
}
"""Blocks of the result: which source is observed and which is drawn."""
CONTROLS = ("halves", "independent", "climatology")
SHOWN = ("simulated", "generated", "climatology", "independent")
"""Sources with histograms of their own."""
EVERYONE = "all"
"""In place of a species: all particles together."""


class Fields(NamedTuple):
    """Displacements ``u`` (R, K, N, d) and, where known, inherent ones ``h`` (R', K, N, d) with ``energies``
    (R', K)."""

    u: NDArray[np.float32]
    h: NDArray[np.float32] | None = None
    energies: Floats | None = None


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
        "climatology": _control(ours, lambda u, key: controls.climatology(u, species, key), seed, 0, c),
        "independent": _control(ours, controls.independent, seed, 1, c),
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
    first, second = controls.halves(fields.u)
    if fields.h is None or len(fields.h) < 4:
        return Fields(first), Fields(second)
    inherent = controls.halves(fields.h)
    half = len(inherent[0])
    energies = fields.energies
    parts = (None, None) if energies is None else (energies[:half], energies[half : 2 * half])
    return Fields(first, inherent[0], parts[0]), Fields(second, inherent[1], parts[1])
