"""Tabulated pair potentials for LAMMPS, for truncations that it has no style for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from gensample.physics.mixtures import Mixture
from gensample.physics.potentials import pair_energy_force

POINTS = 20000
INNER = 0.4


def write_pair_table(path: Path, mixture: Mixture) -> None:
    """Energies and forces of every pair of species from INNER sigma to the cut-off."""
    kinds = range(mixture.num_species)
    sections = [_section(mixture, a, b) for a in kinds for b in kinds if a <= b]
    path.write_text("# gensample\n\n" + "\n".join(sections))


def _section(mixture: Mixture, a: int, b: int) -> str:
    sigma = mixture.sigma[a][b]
    r = np.linspace(INNER * sigma, mixture.cutoff_factor * sigma, POINTS)
    energy, force = pair_energy_force(torch.from_numpy(r), torch.tensor(a), torch.tensor(b), mixture)
    rows = zip(r, energy.tolist(), force.tolist(), strict=True)
    body = "\n".join(f"{i + 1} {x:.12g} {e:.15g} {f:.15g}" for i, (x, e, f) in enumerate(rows))
    return f"PAIR_{a}_{b}\nN {POINTS} R {r[0]:.12g} {r[-1]:.12g}\n\n{body}\n"
