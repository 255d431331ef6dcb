"""Predictions of each particle's propensity against simulated ones: correlations, heterogeneity, ceilings.

Intervals come from a bootstrap over configurations. With two test configurations that is the range of two
values: an interval then says how far the two are apart, not how sure one can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

from gensample.errors import DataError
from gensample.seeding import numpy_generator
from gensample.stats.dynamics import Floats, ceiling_exact, pearson, pearson_from_sums
from gensample.stats.intervals import percentile_interval, resample_weights
from gensample.stats.pairs import Pairs, close_pairs, largest_cutoff

OVERLAP = 0.3
"""Propensity below which a particle counts as having stayed."""
FEWEST_FOR_CHI4 = 4
BOND_CUTOFF = 1.35
"""Distance below which two A particles are bonded."""
CORRELATION_EDGES: Floats = np.linspace(0.75, 5.05, 44)

Estimate = list[float | None]
"""Value and the ends of its 95 % interval."""


@dataclass(frozen=True)
class Truth:
    """What is predicted of C configurations.

    label, spread: (C, N, K), simulated average and its standard deviation over replicas (ddof = 1; None where
    unknown); replicas: (C,); species: (N,); positions: (C, N, d) and box: (C, d), of chi4 between blocks.
    """

    label: Floats
    spread: Floats | None
    replicas: np.ndarray
    species: np.ndarray
    positions: Floats | None = None
    box: Floats | None = None

    def column(self, of: np.ndarray, lag: int) -> Floats:
        """Labels (C, n) of the particles ``of`` at one lag."""
        return self.label[:, of, lag].astype(np.float64)

    def variances(self, of: np.ndarray, lag: int) -> tuple[Floats, Floats] | None:
        """Variance between particles of the exact propensity, and that of a label about it, (C,) each.

        None where replicas are not known, or single ones.
        """
        if self.spread is None or (self.replicas < 2).any():
            return None
        noise = np.square(self.spread[:, of, lag].astype(np.float64)).mean(1) / self.replicas
        return self.column(of, lag).var(1, ddof=1) - noise, noise


def pearson_each(x: Floats, y: Floats) -> Floats:
    """Pearson (C,) over the particles (C, n) within each configuration; nan where all are alike."""
    return np.array([pearson(p, q) for p, q in zip(x, y, strict=True)])


def pearson_of_bonds(batch: Any, edges: Any, cutoff: float = BOND_CUTOFF) -> Floats:
    """Pearson (B, K) of elongations (E, K) over the A-A bonds of each configuration of a batch of graphs.

    Bonds are edges between two A particles closer than ``cutoff``.
    """
    chosen = (batch.species[batch.edge_index] == 0).all(0) & (batch.edge_vector.norm(dim=-1) < cutoff)
    owner = batch.batch[batch.edge_index[0]]
    mine = [chosen & (owner == i) for i in range(int(batch.num_graphs))]
    pairs = [(edges[of].double().cpu().numpy(), batch.elongation[of].double().cpu().numpy()) for of in mine]
    return np.stack([pearson_each(x.T, y.T) for x, y in pairs])


def summary(predicted: Floats, truth: Truth, lags: Sequence[float], ceilings: bool) -> dict[str, float]:
    """Correlations of predictions (C, N, K) by name, with species letter and lag time.

    ``pearson_A_10`` (mean over configurations), ``pearson_pooled_A_10``, the mean over lags as ``pearson_A``;
    and ``ceiling_A_10`` if asked, and known.
    """
    found: dict[str, float] = {}
    for s in range(int(truth.species.max()) + 1):
        letter, of, each = chr(ord("A") + s), truth.species == s, []
        for k, lag in enumerate(lags):
            x, y = predicted[:, of, k].astype(np.float64), truth.column(of, k)
            each.append(float(pearson_each(x, y).mean()))
            found |= {
                f"pearson_{letter}_{lag:g}": each[-1],
                f"pearson_pooled_{letter}_{lag:g}": pearson(x, y),
            }
            known = truth.variances(of, k) if ceilings else None
            if known is not None:
                delta, noise = known
                found[f"ceiling_{letter}_{lag:g}"] = float(ceiling_exact(delta.mean(), noise.mean()))
        found[f"pearson_{letter}"] = float(np.mean(each))
    return found


def judge(
    predicted: Floats,
    truth: Truth,
    lag: int,
    species: int | None,
    *,
    displacement: bool = True,
    samples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Scores of predictions (C, N, K) at one lag for one species, or for all particles.

    ``pearson`` and ``spearman``: mean over configurations of the correlation within each; ``*_pooled``: over
    the particles of all configurations at once (for the interval of Spearman, ranks stay those of the whole
    set); ``ceiling``: best Pearson of the exact propensity with these labels; ``chi4`` of the predictions and
    ``chi4_simulated``, see `chi4_of_field`; ``chi4_block`` likewise, see `chi4_blocks`; both only where what
    is predicted is a ``displacement``, to which the threshold belongs. Each is [value, low, high], None where
    undefined. Raises DataError for predictions of another shape than the labels.
    """
    if predicted.shape != truth.label.shape:
        raise DataError(f"predictions have shape {predicted.shape}, the labels {truth.label.shape}")
    of = np.ones(len(truth.species), bool) if species is None else truth.species == species
    x, y = predicted[:, of, lag].astype(np.float64), truth.column(of, lag)
    weights = resample_weights(len(x), samples, numpy_generator(seed))
    found: dict[str, Any] = {"configurations": len(x)}
    for name, (a, b) in {"pearson": (x, y), "spearman": (_ranks(x), _ranks(y))}.items():
        each = pearson_each(a, b)
        found[name] = _estimate(float(each.mean()), weights @ each)
        pooled = (a, b) if name == "pearson" else (_pooled_ranks(x), _pooled_ranks(y))
        found[f"{name}_pooled"] = _pooled(*pooled, weights)
    found["ceiling"] = _ceiling(truth.variances(of, lag), weights)
    for name, field in (("chi4", map_linearly(x, y)), ("chi4_simulated", y)):
        known = displacement and bool(np.isfinite(field).all())
        found[name] = _between(field, weights) if known else [None, None, None]
        block = name.replace("chi4", "chi4_block")
        found[block] = _blocks(field, truth, of, weights) if known else [None, None, None]
    return found


def map_linearly(predicted: Floats, label: Floats) -> Floats:
    """Predictions with the mean and standard deviation of the labels, over all of them.

    A regression predicts a conditional mean, whose variance is smaller than the labels'; thresholds and
    variances of predictions mean something only after that.
    """
    scale = predicted.std()
    mapped = (predicted - predicted.mean()) / (scale if scale > 0 else 1.0)
    return np.asarray(label.mean() + label.std() * mapped)


def chi4_of_field(field: Floats, threshold: float = OVERLAP) -> float:
    """N Var_c(Q_c) over configurations, Q_c the share of particles whose field (C, N) lies below a threshold.

    The dynamic susceptibility of the propensity field; of displacements, and not of their means over
    replicas, it would be the chi4 of Berthier et al., J. Chem. Phys. 126, 184503 (2007), between
    configurations.
    """
    stayed = (field < threshold).mean(1)
    return float(field.shape[1] * stayed.var(ddof=1))


def chi4_blocks(field: Floats, positions: Floats, box: Floats, threshold: float = OVERLAP) -> Floats:
    """The same from blocks (C,): each box cut into 2^d, for data of few configurations.

    field: (C, n) with positions (C, n, d) and boxes (C, d). Of each configuration the mean number of
    particles in a block times the variance over blocks (ddof = 1) of the share that stayed; nan where all
    particles are in one block. Particles that do not know of each other give Q (1 - Q). Leaves out what is
    longer than a block: Avila et al., Phys. Rev. Lett. 113, 105701 (2014).
    """
    stayed = (field < threshold).astype(np.float64)
    found = np.zeros(len(field))
    for c, (x, edges) in enumerate(zip(positions, box, strict=True)):
        half = np.floor(2 * x / edges[: x.shape[1]]).astype(int) % 2
        number = half @ (2 ** np.arange(x.shape[1]))
        blocks = [stayed[c][number == b] for b in np.unique(number)]
        square = sum((block.mean() - stayed[c].mean()) ** 2 for block in blocks)
        found[c] = stayed.shape[1] / len(blocks) * square / (len(blocks) - 1) if len(blocks) > 1 else np.nan
    return found


def spatial_correlation(field: Floats, near: Sequence[Pairs]) -> tuple[Floats, Floats]:
    """C(r) = <d_i d_j> / <d^2> of a field (C, n) about its mean in each configuration: (r, C).

    Over the pairs at distance r, those of `pairs_of`, one for each configuration; bins between
    CORRELATION_EDGES, nan without pairs. As for the mobility in Doliwa and Heuer, Phys. Rev. E 61, 6898
    (2000).
    """
    sums, variance = np.zeros((2, len(CORRELATION_EDGES) - 1)), 0.0
    for values, each in zip(field, near, strict=True):
        d = values - values.mean()
        sums[0] += np.histogram(each.distance, CORRELATION_EDGES, weights=d[each.i] * d[each.j])[0]
        sums[1] += np.histogram(each.distance, CORRELATION_EDGES)[0]
        variance += float((d * d).mean()) / len(field)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = sums[0] / sums[1] / variance
    return 0.5 * (CORRELATION_EDGES[1:] + CORRELATION_EDGES[:-1]), found


def pairs_of(positions: Floats, box: Floats) -> list[Pairs]:
    """Pairs of particles (C, n, d) that `spatial_correlation` goes over, as far as half the box allows."""
    reach = largest_cutoff(box[:, : positions.shape[2]], float(CORRELATION_EDGES[-1]))
    return [close_pairs(x, edges, reach) for x, edges in zip(positions, box, strict=True)]


def mean_with_interval(each: Floats, *, samples: int = 1000, seed: int = 0) -> Estimate:
    """Mean of a score (C,) over configurations and its interval, such as Pearson over bonds."""
    each = np.asarray(each, np.float64)
    weights = resample_weights(len(each), samples, numpy_generator(seed))
    return _estimate(float(each.mean()), weights @ each)


# Parts


def _estimate(value: float, resampled: Floats) -> Estimate:
    low, high = percentile_interval(resampled)
    return [None if not np.isfinite(v) else float(v) for v in (value, float(low), float(high))]


def _ranks(x: Floats) -> Floats:
    return np.asarray(rankdata(x, axis=1))


def _pooled_ranks(x: Floats) -> Floats:
    return np.asarray(rankdata(x.ravel())).reshape(x.shape)


def _pooled(x: Floats, y: Floats, weights: Floats) -> Estimate:
    # About the common mean: sums of squares of ranks would lose digits.
    x, y = x - x.mean(), y - y.mean()
    moments = np.stack([v.mean(1) for v in (x, y, x * x, y * y, x * y)], axis=1)
    return _estimate(float(pearson_from_sums(moments.mean(0))), pearson_from_sums(weights @ moments))


def _ceiling(variances: tuple[Floats, Floats] | None, weights: Floats) -> Estimate:
    if variances is None:
        return [None, None, None]
    delta, noise = variances
    return _estimate(
        float(ceiling_exact(delta.mean(), noise.mean())), ceiling_exact(weights @ delta, weights @ noise)
    )


def _between(field: Floats, weights: Floats) -> Estimate:
    count, particles = field.shape
    if count < FEWEST_FOR_CHI4:
        return [None, None, None]
    stayed = (field < OVERLAP).mean(1)
    variance = weights @ stayed**2 - (weights @ stayed) ** 2
    return _estimate(chi4_of_field(field), particles * variance * count / (count - 1))


def _blocks(field: Floats, truth: Truth, of: np.ndarray, weights: Floats) -> Estimate:
    if truth.positions is None or truth.box is None:
        return [None, None, None]
    each = chi4_blocks(field, truth.positions[:, of], truth.box)
    return _estimate(float(each.mean()), weights @ each)
