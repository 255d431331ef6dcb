"""Indicators of soft spots, from the normal modes about a minimum."""

import torch
from torch import Tensor

from gensample.structure.modes import debye_waller, modes, soft_mode_participation
from gensample.structure.particles import Indicator, Particles

SOFT_FRACTION = 0.015
"""Share of the d N modes that count as soft: 30 of 2048 in Widmer-Cooper et al., Nat. Phys. 4, 711 (2008)."""


def _vibrality(c: Particles) -> Tensor:
    return torch.from_numpy(c.vibrality).to(c.positions)


def _debye_waller(c: Particles) -> Tensor:
    return torch.from_numpy(debye_waller(c.vibrality, c.temperature)).to(c.positions)


def _soft_modes(c: Particles) -> Tensor:
    number = max(1, round(SOFT_FRACTION * c.positions.numel()))
    masses = c.mixture.masses_of(c.species)
    lowest = modes(c.hessian, c.mixture.dimension, number, None if masses is None else masses.numpy())
    return torch.from_numpy(soft_mode_participation(lowest, number)).to(c.positions)


INDICATORS = {
    "vibrality": Indicator("sum over modes of |e_i|^2 / omega^2", _vibrality, needs_minimum=True),
    "debye_waller": Indicator("harmonic mean-square displacement", _debye_waller, needs_minimum=True),
    "soft_modes": Indicator(
        f"participation in the softest {SOFT_FRACTION:.1%} of the modes", _soft_modes, needs_minimum=True
    ),
}
