"""What happens next: molecular dynamics that starts from futures x + u."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from gensample.physics.dynamics import TIMESTEP, Limits, System, run, steps_of
from gensample.physics.mixtures import Mixture
from gensample.stats.dynamics import overlap
from gensample.stats.ensemble import Floats, Integers
from gensample.stats.futures import futures

TIMES = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0)
"""When it is looked at, tau: not at once, when overlapping cores still have any energy."""
FARTHEST_MOVE = 0.05
"""Of a particle in a step, as ``fix nve/limit`` of LAMMPS has it: three times what heat does at most at
T = 0.45, so that overlapping cores part and do not fly."""


class Aftermath(NamedTuple):
    """Of R futures at the K times: energy per particle (R, K) and overlap with the future (R, K)."""

    energy: Floats
    overlap: Floats


def aftermath(
    positions: Floats,
    species: Integers,
    box: Floats,
    mixture: Mixture,
    temperature: float,
    generators: Sequence[np.random.Generator],
) -> Aftermath:
    """Dynamics at ``temperature`` from futures (R, N, d), wrapped or not; each has a generator of velocities.

    Nose-Hoover dynamics of `gensample.physics.dynamics` in which no particle moves farther than
    FARTHEST_MOVE in a step. Energies as in `gensample.stats.futures`; the overlap is that of
    `gensample.stats.dynamics`, with the future in the place of the configuration, drift removed.
    """
    start = np.ascontiguousarray(positions)
    v = np.stack([generator.normal(scale=temperature**0.5, size=start.shape[1:]) for generator in generators])
    v -= v.mean(axis=1, keepdims=True)
    system = System(torch.from_numpy(np.asarray(species, np.int64)), torch.from_numpy(box), mixture)
    steps = [steps_of(time, TIMESTEP) for time in TIMES]
    limits = Limits(temperature, move=FARTHEST_MOVE)
    moved = run(torch.from_numpy(start), torch.from_numpy(v), system, steps, limits).numpy()
    moved -= moved.mean(axis=2, keepdims=True)
    energies = [futures(start + u, species, box, mixture).energy for u in moved]
    return Aftermath(np.stack(energies, axis=1), np.stack([overlap(u) for u in moved], axis=1))
