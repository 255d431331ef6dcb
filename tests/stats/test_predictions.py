"""Scores of predictions against closed forms, brute force and planted correlations."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from gensample.errors import DataError
from gensample.stats.predictions import (
    CORRELATION_EDGES,
    Truth,
    chi4_blocks,
    chi4_of_field,
    judge,
    map_linearly,
    mean_with_interval,
    pairs_of,
    spatial_correlation,
)

COUNT, PARTICLES, LAGS = 6, 400, 2


def planted(correlation=0.7, noise=0.5, replicas=4, seed=0, count=COUNT):
    """Exact propensities of unit variance, labels that are means over replicas, correlated predictions."""
    rng = np.random.default_rng(seed)
    exact = rng.normal(size=(count, PARTICLES, LAGS))
    lengths = exact + noise * rng.normal(size=(replicas, count, PARTICLES, LAGS))
    predicted = correlation * exact + np.sqrt(1 - correlation**2) * rng.normal(size=exact.shape)
    box = np.full((count, 2), 20.0)
    truth = Truth(
        label=1.0 + lengths.mean(0),
        spread=lengths.std(0, ddof=1),
        replicas=np.full(count, replicas),
        species=(np.arange(PARTICLES) % 4 == 3).astype(int),
        positions=rng.uniform(0, 20, (count, PARTICLES, 2)),
        box=box,
    )
    return predicted, truth


def test_planted_correlation_and_ceiling():
    predicted, truth = planted(count=40)
    found = judge(predicted, truth, 1, 0)
    ceiling = 1 / np.sqrt(1 + 0.25 / 4)
    assert found["ceiling"][0] == pytest.approx(ceiling, abs=0.005)
    for name in ("pearson", "pearson_pooled"):
        value, low, high = found[name]
        assert value == pytest.approx(0.7 * ceiling, abs=0.02)
        assert low < value < high < low + 0.05
    assert found["spearman"][0] == pytest.approx(6 / np.pi * np.arcsin(0.7 * ceiling / 2), abs=0.02)


def test_pooled_scores_are_those_of_all_particles_at_once():
    predicted, truth = planted()
    shifted = predicted + np.arange(COUNT)[:, None, None]  # configurations apart: pooled and within differ
    found = judge(shifted, truth, 0, 1)
    of = truth.species == 1
    x, y = shifted[:, of, 0].ravel(), truth.label[:, of, 0].ravel()
    assert found["pearson_pooled"][0] == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert found["spearman_pooled"][0] == pytest.approx(spearmanr(x, y).statistic)
    assert found["pearson"][0] == pytest.approx(judge(predicted, truth, 0, 1)["pearson"][0])
    assert found["pearson"][0] > found["pearson_pooled"][0] + 0.1


def test_intervals_cover_the_truth():
    """Of 95 % intervals from 12 configurations about 90 % cover: percentile intervals are a little short."""
    inside = 0
    for seed in range(60):
        predicted, truth = planted(noise=0.0, count=12, seed=seed)
        _, low, high = judge(predicted, truth, 0, None, samples=200)["pearson"]
        inside += low < 0.7 < high
    assert 47 <= inside <= 60


def test_without_replicas_there_is_no_ceiling_and_few_configurations_have_no_chi4():
    predicted, truth = planted(count=3)
    found = judge(predicted, Truth(**{**vars(truth), "spread": None}), 0, 0)
    assert found["ceiling"] == [None, None, None]
    assert found["chi4"] == found["chi4_simulated"] == [None, None, None]
    assert found["chi4_block"][0] is not None


def test_other_shapes_are_refused():
    predicted, truth = planted()
    with pytest.raises(DataError, match="predictions have shape"):
        judge(predicted[:, :-1], truth, 0, 0)


def test_chi4_of_whole_configurations_that_stay_or_leave():
    """Q is 1 in half of the configurations, 0 in the others: N Var(Q) = N C / (4 (C - 1))."""
    field = np.repeat(np.array([0.0, 1.0] * 4)[:, None], 50, axis=1)
    assert chi4_of_field(field) == pytest.approx(50 * 8 / (4 * 7))
    positions = np.random.default_rng(0).uniform(0, 5, (8, 50, 2))
    assert np.abs(chi4_blocks(field, positions, np.full((8, 2), 5.0))).max() == 0  # alike in all blocks


def test_blocks_of_independent_particles_and_of_domains():
    rng = np.random.default_rng(1)
    positions, box = rng.uniform(0, 10, (30, 1000, 2)), np.full((30, 2), 10.0)
    stayed = rng.uniform(size=(30, 1000)) < 0.3
    found = chi4_blocks(np.where(stayed, 0.0, 1.0), positions, box)
    assert found.mean() == pytest.approx(0.3 * 0.7, rel=0.15)
    left = positions[..., 0] < 5
    assert chi4_blocks(np.where(left, 0.0, 1.0), positions, box).mean() == pytest.approx(250 / 3, rel=0.02)
    assert np.isnan(chi4_blocks(np.zeros((1, 3)), np.ones((1, 3, 2)), box[:1])).all()


def test_chi4_is_of_displacements_and_of_numbers():
    """The threshold is a length; and a prediction that is not there has no heterogeneity."""
    predicted, truth = planted()
    names = ("chi4", "chi4_simulated", "chi4_block", "chi4_block_simulated")
    found = judge(predicted, truth, 0, 0, displacement=False, samples=20)
    assert [found[name] for name in names] == [[None] * 3] * 4
    predicted[0, 0, 0] = np.nan
    found = judge(predicted, truth, 0, 0, samples=20)
    assert found["chi4"] == found["chi4_block"] == [None] * 3
    assert found["chi4_simulated"][0] > 0


def test_spatial_correlation_against_all_pairs():
    rng = np.random.default_rng(2)
    positions, box = rng.uniform(0, 9, (2, 60, 2)), np.full((2, 2), 9.0)
    field = rng.normal(size=(2, 60))
    r, found = spatial_correlation(field, pairs_of(positions, box))
    edges = CORRELATION_EDGES
    assert len(r) == len(edges) - 1
    products = [[] for _ in r]
    for x, d in zip(positions, field - field.mean(1, keepdims=True), strict=True):
        for i in range(60):
            for j in range(i):
                apart = x[i] - x[j]
                distance = np.linalg.norm(apart - 9 * np.round(apart / 9))
                k = np.searchsorted(edges, distance, side="right") - 1
                if 0 <= k < len(r) and distance < 4.5:
                    products[k].append(d[i] * d[j])
    variance = (field - field.mean(1, keepdims=True)).var(1).mean()
    expected = [np.mean(p) / variance if p else np.nan for p in products]
    np.testing.assert_allclose(found, expected)


def test_linear_map_takes_mean_and_scale_of_the_labels():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(3, 50)), 2 + 0.1 * rng.normal(size=(3, 50))
    mapped = map_linearly(5 * x - 1, y)
    assert (mapped.mean(), mapped.std()) == pytest.approx((y.mean(), y.std()))
    assert np.corrcoef(mapped.ravel(), x.ravel())[0, 1] == pytest.approx(1)


def test_interval_of_a_mean_over_configurations():
    each = np.random.default_rng(4).normal(0.5, 0.1, size=400)
    value, low, high = mean_with_interval(each)
    assert value == pytest.approx(each.mean())
    assert (high - value, value - low) == pytest.approx((1.96 * each.std() / 20,) * 2, rel=0.15)
