"""Propensities of a dataset's configurations from its replicas and a prediction together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from gensample.data.catalog import is_ours
from gensample.data.datamodule import KADataModule
from gensample.data.schema import PREDICTIONS
from gensample.data.store import Store, StoreWriter
from gensample.errors import ConfigError, DataError
from gensample.predictors.base import Described, read_sample, targets_of
from gensample.predictors.network import Network
from gensample.predictors.ridge import Ridge
from gensample.reads import LAG
from gensample.stats.dynamics import (
    ceiling_exact,
    magnitudes,
    pearson,
    split_variance,
)
from gensample.stats.posterior import Posterior, posterior
from gensample.work import amended, check_output

FOLDS = 5
ALWAYS = ("mechanics", "invariants")
ENOUGH = 8
"""Remaining replicas of a configuration whose mean can judge."""
NORMAL = 1.959964
"""Of the 95 % interval of a normal variable."""


@dataclass(frozen=True)
class Combined:
    """What replicas and a prediction say together.

    mean, spread: posterior mean and standard deviation (C, K, N) float64 of the propensity, in sigma_AA;
    read: what was for the prediction; worth: of each lag and species.
    """

    mean: np.ndarray
    spread: np.ndarray
    read: str
    worth: list[Judged]


@dataclass(frozen=True)
class Judged:
    """What the posterior is worth, for a lag and a species.

    Pearson with the exact propensity, within configurations, of the mean over the replicas, of the
    prediction, and of both, with its standard error over configurations; ``worth``: how many replicas would
    have that of both; ``covered``: share of the means of the remaining replicas within 95 % intervals; None
    without any.
    """

    lag: int
    species: int
    replicas: float
    alone: float
    predicted: float
    both: float
    error: float | None = None
    covered: float | None = None

    @property
    def worth(self) -> float:
        """By the attenuation formula, from that of the replicas alone; NaN where these know nothing."""
        if not 0 < self.alone < 1:
            return math.nan
        noise = self.replicas * (1 / self.alone**2 - 1)
        return noise * self.both**2 / (1 - self.both**2) if self.both < 1 else math.inf


def combine(store: Store, by: Network | Sequence[str] | None = None, replicas: int | None = None) -> Combined:
    """The posterior propensities of every configuration of a dataset.

    by: a predictor that was not trained on them, or sets of descriptors that a regression reads, None for
    those of `descriptor_sets`; replicas: the first so many are taken, the others judge.

    Raises:
        ConfigError: the predictor does not fit the data, or an unknown set.
        DataError: sheared glasses, or too few replicas or configurations.
    """
    if store.is_sheared:
        raise DataError(f"{store.path} holds sheared glasses, which have no propensity")
    lengths, rest = lengths_of(store, replicas)
    if isinstance(by, Network):
        expected, read = predicted_by(by, store), by.name
    else:
        sets = descriptor_sets(store) if by is None else list(by)
        expected, read = cross_fitted(store, sets, lengths), f"ridge regression on {', '.join(sets)}"
    mean, spread, parts = posteriors(store.species, lengths, expected)
    return Combined(mean, spread, read, judge(store.species, lengths, rest, expected, parts))


def place(source: Path, out: Path | None) -> Path:
    """Where the result goes: a copy ``out``, or the dataset itself.

    Raises:
        ConfigError: ``out`` exists, or the dataset belongs to gensample itself.
    """
    if out is None and is_ours(source):
        raise ConfigError(f"{source} belongs to gensample itself: give --out for a copy")
    return check_output(source, replace=True) if out is None else check_output(out, [source])


def write(found: Combined, source: Path, target: Path, name: str, command: str) -> None:
    """Make ``target`` the dataset ``source`` with ``/predictions/NAME`` and ``NAME_spread``."""
    attrs = {"predicted_by": found.read, "command": command}
    with amended(source, target) as temporary, StoreWriter.resume(temporary) as writer:
        writer.write_array(f"{PREDICTIONS}/{name}", found.mean, attrs)
        writer.write_array(f"{PREDICTIONS}/{name}_spread", found.spread, attrs)


def report(found: Combined, times: np.ndarray, letters: str) -> str:
    """A table of what it is worth."""
    judged = "the remaining replicas" if found.worth[0].covered is not None else "the variances found"
    lines = [
        f"prediction: {found.read}",
        f"Pearson with the exact propensity within configurations, by {judged}:",
        "     lag  species  replicas  alone  prediction           both  worth replicas  95 % hold",
    ]
    for each in found.worth:
        both = f"{each.both:.3f}" + ("" if each.error is None else f" +- {each.error:.3f}")
        held = "-" if each.covered is None else f"{100 * each.covered:.1f} %"
        lines.append(
            f"{times[each.lag]:>8g}  {letters[each.species]:>7}  {each.replicas:>8.3g}  {each.alone:.3f}"
            f"  {each.predicted:>10.3f}  {both:>14}  {each.worth:>14.1f}  {held:>9}"
        )
    return "\n".join(lines)


def descriptor_sets(store: Store) -> list[str]:
    """What a regression can read of a dataset: always structure, and what short or heated runs have told."""
    known = {"cage": store.cage is not None, "probe": bool(store.probe_levels)}
    return [*ALWAYS, *(name for name, there in known.items() if there)]


def lengths_of(store: Store, replicas: int | None = None) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """|u| (R, K, N) of the first ``replicas`` of each configuration, or of all; and of the remaining ones.

    Raises:
        DataError: there are not 2 replicas of each configuration, or not so many.
    """
    least = max(2, replicas or 2)
    complete = store.done.sum(1)
    if complete.min() < least:
        row = int(complete.argmin())
        raise DataError(
            f"{store.path}: configuration {row} has {complete[row]} complete replicas, which must be {least}"
        )
    found = [magnitudes(store.displacements(row)) for row in range(store.num_configurations)]
    return [each[:replicas] for each in found], [each[len(each[:replicas]) :] for each in found]


def predicted_by(predictor: Network, store: Store) -> np.ndarray:
    """Prediction (C, N, K) of a model at the lag times of a dataset.

    Raises:
        ConfigError: the model does not say its lag times, or lacks one.
    """
    near = np.isclose(store.times[:, None], np.array(predictor.times), rtol=LAG, atol=0)
    if not (predictor.stated and near.any(1).all()):
        theirs, own = (", ".join(f"{t:g}" for t in times) for times in (predictor.times, store.times))
        raise ConfigError(f"{predictor.name} predicts at t = {theirs}, {store.path} needs {own}")
    rows = np.arange(store.num_configurations)
    return predictor.predict(predictor.open(store.path, rows), rows).numpy()[..., near.argmax(1)]


def cross_fitted(store: Store, sets: Sequence[str], lengths: Sequence[np.ndarray]) -> np.ndarray:
    """Prediction (C, N, K) of each configuration by ridge regression on the replicas of others.

    sets: of descriptors of inherent structures; lengths: |u| (R, K, N) of each configuration.

    Raises:
        DataError: there is one configuration alone.
    """
    count = len(lengths)
    if count < 2:
        raise DataError(f"{store.path} has one configuration: a regression needs others; give --model")
    data = KADataModule.of(store, input="inherent", target="structure", descriptors=list(sets))
    data.setup()
    read = read_sample(data, np.arange(count), with_target=False)
    sample = replace(read, target=[torch.from_numpy(each.mean(0).T) for each in lengths])
    found = np.empty((count, store.num_particles, len(store.times)))
    fold = np.arange(count) % FOLDS
    for number in np.unique(fold):
        ridge = Ridge(within=True, blocks=True)
        ridge.fit_samples([_rows(sample, fold != number)], data.described.widths)
        found[fold == number] = ridge.predict_sample(_rows(sample, fold == number)).numpy()
    return found


def _rows(sample: Described, mask: np.ndarray) -> Described:
    """Some configurations of a sample."""
    at = np.flatnonzero(mask)
    return Described(
        species=sample.species,
        descriptors=[sample.descriptors[row] for row in at],
        energy=sample.energy[at],
        temperature=sample.temperature[at],
        snapshot_id=sample.snapshot_id[at],
        target=[targets_of(sample)[row] for row in at],
    )


def posteriors(
    species: np.ndarray, lengths: Sequence[np.ndarray], expected: np.ndarray
) -> tuple[np.ndarray, np.ndarray, dict[tuple[int, int], list[Posterior]]]:
    """Posterior mean and standard deviation (C, K, N), and what they are made of, by lag and species."""
    count, particles, lags = expected.shape
    mean, spread = np.empty((2, count, lags, particles))
    parts = {}
    for k in range(lags):
        for s in range(int(species.max()) + 1):
            mine = species == s
            found = posterior([each[:, k, mine] for each in lengths], list(expected[:, mine, k]))
            mean[:, k, mine] = [each.mean for each in found]
            spread[:, k, mine] = [np.sqrt(each.variance) for each in found]
            parts[k, s] = found
    return mean, spread, parts


def judge(
    species: np.ndarray,
    lengths: Sequence[np.ndarray],
    rest: Sequence[np.ndarray],
    expected: np.ndarray,
    parts: dict[tuple[int, int], list[Posterior]],
) -> list[Judged]:
    """What it is worth: by the remaining replicas of configurations with `ENOUGH`, or else its variances."""
    enough = [row for row, each in enumerate(rest) if len(each) >= ENOUGH]
    found = []
    for (k, s), of in parts.items():
        mine = species == s
        own, other = ([each[:, k, mine] for each in those] for those in (lengths, rest))
        cases = [Case(*each) for each in zip(own, other, expected[:, mine, k], of, strict=True)]
        replicas = float(np.mean([len(each) for each in own]))
        judged = _held_out([cases[row] for row in enough]) if enough else _by_variances(cases)
        found.append(Judged(k, s, replicas, *judged))
    return found


class Case(NamedTuple):
    """A configuration at a lag, particles of one species: |u| (R, n) of the replicas taken and of the
    remaining ones, prediction (n,), and what comes out."""

    own: np.ndarray
    rest: np.ndarray
    expected: np.ndarray
    found: Posterior


def _by_variances(cases: list[Case]) -> tuple[float, float, float]:
    """Pearson with the exact propensity: sqrt(1 - error / delta) of a posterior mean."""
    split = [split_variance(case.own) for case in cases]
    delta = np.mean([each.delta for each in split])
    noise = np.mean([each.noise / len(case.own) for each, case in zip(split, cases, strict=True)])
    alone = float(ceiling_exact(delta, noise))
    predicted = float(np.mean([pearson(case.expected, case.own.mean(0)) for case in cases]))
    error = np.mean([case.found.error.mean() for case in cases])
    known = float(np.sqrt(max(1 - error / delta, 0.0))) if delta > 0 else 0.0
    return alone, predicted / alone if alone else 0.0, known


def _held_out(cases: list[Case]) -> tuple[float, float, float, float, float]:
    """Pearson with the mean of the remaining replicas over its ceiling, of the last its error; coverage."""
    split = [split_variance(np.concatenate([case.own, case.rest])) for case in cases]
    delta, noise = (np.mean([getattr(each, name) for each in split]) for name in ("delta", "noise"))
    best = float(ceiling_exact(delta, noise * np.mean([1 / len(case.rest) for case in cases])))
    r = np.array([[pearson(x, case.rest.mean(0)) / best for x in _known(case)] for case in cases])
    alone, predicted, both = r.mean(0).tolist()
    error = float(r[:, 2].std(ddof=1) / np.sqrt(len(r))) if len(r) > 1 else math.nan
    return alone, predicted, both, error, float(np.mean([_covered(case) for case in cases]))


def _known(case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return case.own.mean(0), case.expected, case.found.mean


def _covered(case: Case) -> float:
    """Share of the means of the remaining replicas within 95 % intervals about the posterior mean."""
    error = np.sqrt(case.found.variance + case.rest.var(0, ddof=1) / len(case.rest))
    return float((np.abs(case.found.mean - case.rest.mean(0)) < NORMAL * error).mean())
