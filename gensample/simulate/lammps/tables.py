"""Tabulated pair potentials for LAMMPS, for truncations that it has no style for."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from gensample.physics.mixtures import Mixture
from gensample.physics.potentials import pair_potential

# In units of sigma_ab: 240,000 eps up the repulsion, so that only a broken start comes closer.
INNER = 0.4
# Also the number LAMMPS interpolates from; the energy of a pair at r = 0.8 sigma is then exact to 1e-9.
POINTS = 10000


def write_pair_table(path: Path, mixture: Mixture) -> None:
    """Energies and forces of every pair of species from INNER sigma to the cut-off."""
    path.write_text(_table(mixture), encoding="utf-8")


@lru_cache
def _table(mixture: Mixture) -> str:
    kinds = range(mixture.num_species)
    sections = [_section(mixture, a, b) for a in kinds for b in kinds if a <= b]
    return "# gensample\n\n" + "\n".join(sections)


def _section(mixture: Mixture, a: int, b: int) -> str:
    sigma, epsilon = (torch.tensor(t[a][b], dtype=torch.float64) for t in (mixture.sigma, mixture.epsilon))
    r = np.linspace(INNER * float(sigma), mixture.cutoff_factor * float(sigma), POINTS)
    energy, slope = pair_potential(torch.from_numpy(r), sigma, epsilon, mixture)
    rows = zip(r, energy.tolist(), (-slope).tolist(), strict=True)
    body = "\n".join(f"{i + 1} {x:.12g} {e:.15g} {f:.15g}" for i, (x, e, f) in enumerate(rows))
    return f"PAIR_{a}_{b}\nN {POINTS} R {r[0]:.12g} {r[-1]:.12g}\n\n{body}\n"
