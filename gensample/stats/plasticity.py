"""Stress-strain curves of athermal quasistatic shear: elastic branches, plastic events, modulus.

Conventions: strain and stress are measured along the direction of the shear; energies are per particle.
"""

from typing import NamedTuple

import numpy as np

# Steps whose median slope is the initial modulus: one of them may hold an event.
INITIAL_STEPS = 5


class Events(NamedTuple):
    """Plastic events of one curve, in order."""

    step: np.ndarray  # (E,) the event lies between step - 1 and step
    strain: np.ndarray  # (E,) at step
    stress_drop: np.ndarray  # (E,) stress below the continued elastic branch
    energy_drop: np.ndarray  # (E,) energy per particle that the event dissipates


def find_events(
    strain: np.ndarray, stress: np.ndarray, energy: np.ndarray, density: float, threshold: float
) -> Events:
    """Events of a curve: steps whose stress falls below the elastic prediction by more than the threshold.

    strain, stress, energy: (S,), in equal steps of strain. Returns `Events`.
    """
    drops = stress_drops(stress, threshold)
    step = np.flatnonzero(drops > threshold)
    return Events(step, strain[step], drops[step], dissipated(strain, stress, energy, density)[step])


def stress_drops(stress: np.ndarray, threshold: float) -> np.ndarray:
    """Elastic prediction minus stress, (S,) like the stress.

    The prediction continues the slope of the last elastic step: one whose drop is at most the threshold. The
    first step has none before it: the larger of its own slope and the second step's stands for it.
    """
    steps = np.diff(stress)
    drops = np.zeros(len(stress))
    if len(steps) < 2:
        return drops
    slope = max(steps[0], steps[1])
    for k, step in enumerate(steps, start=1):
        drops[k] = slope - step
        if drops[k] <= threshold:
            slope = step
    return drops


def dissipated(strain: np.ndarray, stress: np.ndarray, energy: np.ndarray, density: float) -> np.ndarray:
    """Work done on the system in each step minus the change of its energy, per particle, (S,); first 0.

    Zero on an elastic branch up to the third order in the step, as dE = V stress dstrain there. The work of a
    step with an event is that of its mean stress.
    """
    work = 0.5 * (stress[1:] + stress[:-1]) * np.diff(strain) / density
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
