"""Classifier two-sample test: can a small classifier tell simulated from generated displacement patterns?

Lopez-Paz and Oquab, Revisiting classifier two-sample tests, ICLR 2017. A sample is one particle in one field,
described by its own displacement and by how its initial neighbours move with it. The classifier is a logistic
regression on all quadratic products of the features, solved by Newton's method: no training schedule and no
random start. Whole configurations are held out, so that it cannot remember a structure.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gensample.errors import DataError
from gensample.stats.dynamics import Floats, Integers, as_array
from gensample.stats.pairs import Neighbors

FEATURES = (
    "log |u_i|",
    "log mean |u_j|",
    "log |mean u_j|",
    "log |u_i - mean u_j|",
    "cosine of u_i and mean u_j",
    "mean cosine of u_i and u_j",
    "mean elongation",
    "log spread of elongations",
    "smallest elongation",
    "largest elongation",
    "log smallest new distance / sigma_ab",
    "log largest |u_j|",
)
"""What the classifier sees; mean, spread and extremes run over the neighbours j of particle i."""

_FLOOR = 1e-6
_CLIP = 4.0
_RIDGE = 1e-3
_NEWTON_STEPS = 8


def pad_neighbors(neighbors: Neighbors, members: Integers) -> tuple[Integers, Floats, Floats]:
    """Neighbours of ``members`` in rows: numbers (n, k), -1 for none, vectors (n, k, d), diameters (n, k)."""
    count = np.diff(neighbors.start)[members]
    width = max(int(count.max(initial=0)), 1)
    slot = neighbors.start[members][:, None] + np.arange(width)
    empty = np.arange(width) >= count[:, None]
    slot = np.where(empty, 0, slot)
    if neighbors.other.size == 0:
        raise DataError(
            "no particle has a neighbour: the classifier test needs neighbours; check box and density"
        )
    return np.where(empty, -1, neighbors.other[slot]), neighbors.vector[slot], neighbors.diameter[slot]


def local_features(fields: Any, replica: Integers, particle: Integers, neighbors: Neighbors) -> Floats:
    """Features (n, F) of particle ``particle[k]`` in field ``replica[k]``; ``fields`` is (R, N, d).

    Every feature is a scalar under rotations, reflections and permutations of particles.
    """
    u = as_array(fields)
    other, bond, diameter = pad_neighbors(neighbors, particle)
    there = other >= 0
    count = np.maximum(there.sum(axis=1), 1)

    def mean(values: Floats) -> Floats:
        return np.where(there, values, 0.0).sum(axis=1) / count

    def extreme(values: Floats, sign: float) -> Floats:
        best = np.where(there, sign * values, -np.inf).max(axis=1)
        return sign * np.where(np.isfinite(best), best, 0.0)

    own = u[replica, particle]
    theirs = np.where(there[..., None], u[replica[:, None], other], 0.0)
    drift = theirs.sum(axis=1) / count[:, None]
    length, lengths, drift_length = _norm(own), _norm(theirs), _norm(drift)
    distance = _norm(bond + theirs - own[:, None])
    elongation = distance - _norm(bond)
    cosine = (theirs @ own[..., None])[..., 0] / (lengths * length[:, None] + _FLOOR**2)
    mean_elongation = mean(elongation)
    variance = mean((elongation - mean_elongation[:, None]) ** 2)
    columns = (
        _log(length),
        _log(mean(lengths)),
        _log(drift_length),
        _log(_norm(own - drift)),
        (own * drift).sum(axis=1) / (length * drift_length + _FLOOR**2),
        mean(cosine),
        mean_elongation,
        _log(np.sqrt(variance)),
        extreme(elongation, -1.0),
        extreme(elongation, 1.0),
        _log(extreme(distance / diameter, -1.0)),
        _log(extreme(lengths, 1.0)),
    )
    return np.stack(columns, axis=1)


def _norm(vectors: Floats) -> Floats:
    return np.sqrt(np.einsum("...d,...d->...", vectors, vectors))


def _log(values: Floats) -> Floats:
    return np.log(np.maximum(values, _FLOOR))


def draw_samples(replicas: int, members: Integers, size: int, generator: np.random.Generator) -> Any:
    """``size`` different (replica, particle) pairs, or all where there are fewer: two arrays (n,)."""
    total = replicas * len(members)
    chosen = np.sort(generator.choice(total, size=min(size, total), replace=False))
    return chosen // len(members), members[chosen % len(members)]


def _quadratic(features: Floats) -> Floats:
    """A constant, the features and all their products."""
    i, j = np.triu_indices(features.shape[1])
    return np.concatenate([np.ones((len(features), 1)), features, features[:, i] * features[:, j]], axis=1)


def fit_logistic(design: Floats, label: Floats) -> Floats:
    """Coefficients of a ridge-regularised logistic regression by Newton's method (iteratively reweighted)."""
    n, f = design.shape
    penalty = np.full(f, _RIDGE * n)
    penalty[0] = 0.0
    weights = np.zeros(f)
    for _ in range(_NEWTON_STEPS):
        probability = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        gradient = design.T @ (probability - label) + penalty * weights
        curvature = (design * (probability * (1 - probability))[:, None]).T @ design
        # The floor keeps the system solvable when the classes are perfectly separated.
        curvature[np.diag_indices(f)] += penalty + 1e-6 * n
        step = np.linalg.solve(curvature, gradient)
        weights = weights - step
        if np.abs(step).max() < 1e-4:
            break
    return weights


def _fold_accuracy(train: tuple[Floats, Floats], tests: list[tuple[Floats, Floats]]) -> list[float]:
    first, second = train
    both = np.concatenate([first, second])
    center, scale = both.mean(axis=0), both.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)

    def design(features: Floats) -> Floats:
        return _quadratic(np.clip((features - center) / scale, -_CLIP, _CLIP))

    label = np.concatenate([np.zeros(len(first)), np.ones(len(second))])
    weights = fit_logistic(design(both), label)
    # Mean of the two classes' rates: balanced, whatever their numbers.
    return [
        float(((design(a) @ weights < 0).mean() + (design(b) @ weights >= 0).mean()) / 2) for a, b in tests
    ]


def classifier_accuracy(simulated: list[Floats], generated: list[Floats], folds: int = 5) -> Floats:
    """Held-out balanced accuracy for each configuration (C,), from features (n_c, F) of the two sources.

    Configurations are dealt to min(folds, C) folds in turn; each fold is classified by a fit on all others.
    0.5 means indistinguishable by this classifier, 1 always told apart. nan for a single configuration, where
    nothing can be held out.
    """
    configurations = len(simulated)
    if configurations != len(generated):
        raise DataError(
            f"the two sources must share their configurations, got {configurations} and {len(generated)}"
        )
    accuracy = np.full(configurations, np.nan)
    if configurations < 2:
        return accuracy
    fold = np.arange(configurations) % min(folds, configurations)
    for k in range(fold.max() + 1):
        train = np.flatnonzero(fold != k)
        held = np.flatnonzero(fold == k)
        first, second = (np.concatenate([source[c] for c in train]) for source in (simulated, generated))
        size = min(len(first), len(second))
        spread = np.linspace(0, 1, size)
        pick = [(spread * (len(x) - 1)).astype(np.int64) for x in (first, second)]
        tests = [(simulated[c], generated[c]) for c in held]
        accuracy[held] = _fold_accuracy((first[pick[0]], second[pick[1]]), tests)
    return accuracy
