import numpy as np
import pytest

from gensample.stats import scores

GRID = scores.LENGTH_GRID


def tables(*shifts: float) -> np.ndarray:
    """(4, 1, E): four samples that are one distribution, each moved by its own shift."""
    base = np.random.default_rng(0).gamma(4.0, 0.1, 20_000)
    return np.stack([scores.cdf_on(base + s, GRID)[None] for s in shifts]).astype(np.float32)


def test_w1_is_the_mean_of_both_pairings_and_the_floor_is_between_the_observed_halves():
    """Observed halves at 0 and 0.01, drawn ones at 0.04 and 0.03: W1 = (0.04 + 0.02) / 2, floor 0.01."""
    cdfs, weights = tables(0.0, 0.01, 0.04, 0.03)[None], np.ones((1, 1))
    distance, floor = scores.half_distance(cdfs, weights), scores.half_distance_floor(cdfs, weights)
    assert distance[0] == pytest.approx(0.03, rel=0.01)
    assert floor[0] == pytest.approx(0.01, rel=0.01)


def test_w1_pools_the_configurations():
    """Two configurations that miss by the same amount in opposite directions: the pools agree."""
    cdfs = np.stack([tables(0.1, 0.1, 0.2, 0.2), tables(0.2, 0.2, 0.1, 0.1)])
    weights = np.array([[0.5, 0.5], [1.0, 0.0]])
    np.testing.assert_allclose(scores.half_distance(cdfs, weights), [0.0, 0.1], atol=1e-3)


def test_halves_share_no_replica_and_have_the_size_of_the_smaller_source():
    """Replica r has all lengths 1 + r, so a cumulative function counts its replicas."""
    seen = np.repeat(1.0 + np.arange(8)[:, None], 5, axis=1)
    made = np.repeat(1.0 + np.arange(6)[:, None], 5, axis=1)
    cdfs = scores.half_cdfs(seen, made, np.random.default_rng(0))
    assert cdfs.shape == (4, scores.SPLITS, len(GRID))
    at = np.searchsorted(GRID, 1.0 + np.arange(9) - 0.5)
    members = np.diff(cdfs[..., at], axis=-1) * 3
    np.testing.assert_allclose(members.sum(axis=-1), 3, atol=1e-5)
    for first, second in ((0, 1), (2, 3)):
        assert (members[first] + members[second]).max() == pytest.approx(1)
