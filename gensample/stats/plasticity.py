"""Stress-strain curves of athermal quasistatic shear: elastic branches, plastic events, modulus.

Strain and stress are measured along the direction of the shear; energies are of all particles together.
"""

from typing import NamedTuple

import numpy as np

# Steps whose median slope is the initial modulus: one of them may hold an event.
INITIAL_STEPS = 5


class Events(NamedTuple):
    """Plastic events of one curve, in order."""

    step: np.ndarray  # (E,) the event lies between step - 1 and step
    strain: np.ndarray  # (E,) at step
    stress_drop: np.ndarray  # (E,) continued elastic branch minus stress; negative where the stress rose
    energy_drop: np.ndarray  # (E,) energy, of all particles together, that the step dissipates


def find_events(
    strain: np.ndarray,
    stress: np.ndarray,
    energy: np.ndarray,
    volume: float,
    least_drop: float,
    least_energy: float,
) -> Events:
    """Steps that lose more energy than ``least_energy``, with a stress off the elastic by ``least_drop``.

    Near an instability the stress of an elastic branch bends and may fall, reversibly: what tells an event is
    the energy that is lost. In a glass with frozen-in stress against the shear it may rise in an event.
    strain, stress and energy (of all particles together): (S,); volume: area in 2D.
    """
    lost = dissipated(strain, stress, energy, volume)
    drops = stress_drops(stress, lost > least_energy)
    step = np.flatnonzero((lost > least_energy) & (np.abs(drops) > least_drop))
    return Events(step, strain[step], drops[step], lost[step])


def stress_drops(stress: np.ndarray, plastic: np.ndarray) -> np.ndarray:
    """Elastic prediction minus stress at each step, (S,) like the stress; steps of strain are equal.

    The prediction goes on from the step before with the slope of the last step that is not ``plastic`` (S,),
    if that rises, else level. A first step has the slope of the first step that is not plastic.
    """
    steps = np.diff(stress)
    elastic = np.flatnonzero(~plastic[1:])
    slope = float(steps[elastic[0]]) if len(elastic) else 0.0
    drops = np.zeros(len(stress))
    for k, step in enumerate(steps.tolist(), start=1):
        drops[k] = max(slope, 0.0) - step
        slope = slope if plastic[k] else step
    return drops


def dissipated(strain: np.ndarray, stress: np.ndarray, energy: np.ndarray, volume: float) -> np.ndarray:
    """Work done on the system in each step minus the change of its energy, (S,); the first is 0.

    Zero on an elastic branch up to the third order in the step, as dE = V stress dstrain there. The work of a
    step, with or without an event, is that of the mean stress of its ends.
    """
    work = 0.5 * (stress[1:] + stress[:-1]) * np.diff(strain) * volume
    return np.concatenate([np.zeros(1), work - np.diff(energy)])


def initial_modulus(strain: np.ndarray, stress: np.ndarray) -> float:
    """Shear modulus at zero strain: the median slope of the first INITIAL_STEPS steps."""
    slopes = np.diff(stress[: INITIAL_STEPS + 1]) / np.diff(strain[: INITIAL_STEPS + 1])
    return float(np.median(slopes))


def participation(displacement: np.ndarray) -> float:
    """Fraction of particles that take part in a displacement field (N, d): (sum u^2)^2 / (N sum u^4).

    1 for the same displacement of all, 1/N for that of one; 0 if nothing moves.
    """
    squared = (displacement**2).sum(-1)
    total = float((squared**2).sum())
    return float(squared.sum()) ** 2 / (len(squared) * total) if total > 0 else 0.0
