import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from gensample.stats import sets as profiles


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize(("simulated", "generated", "size"), [(10, 20, 5), (100, 7, 7), (1, 5, 0), (3, 3, 1)])
def test_parts_are_disjoint_and_of_one_size(simulated, generated, size):
    assert profiles.part_size(simulated, generated) == size
    found = list(profiles.splits(simulated, generated, rng(), 4))
    assert len(found) == (4 if size else 0)
    for s in found:
        assert len(s.first) == len(s.second) == len(s.drawn) == size
        assert not set(s.first) & set(s.second)
        assert max(s.drawn) < generated


def test_wasserstein_agrees_with_scipy():
    x, y = rng(1).normal(size=(2, 50))
    assert profiles.wasserstein_of_samples(x, y + 1) == pytest.approx(wasserstein_distance(x, y + 1))


def test_a_shift_is_found_and_equal_distributions_stay_at_the_floor():
    sim, same = rng(2).normal(size=400), rng(3).normal(size=900)
    equal = profiles.sample_distance(sim, same, rng(4))
    assert equal.generated.mean() == pytest.approx(equal.halves.mean(), rel=0.35)
    shifted = profiles.sample_distance(sim, same + 3, rng(4))
    assert shifted.generated.mean() == pytest.approx(3, abs=0.15)
    assert shifted.halves.mean() == pytest.approx(equal.halves.mean())


def test_the_larger_set_is_cut_to_the_size_of_the_smaller():
    """Ten draws of the same distribution are as far as ten others, not as far as ten from thousands."""
    sim = rng(5).normal(size=5000)
    found = profiles.sample_distance(sim, rng(6).normal(size=10), rng(7))
    assert found.halves.mean() > 0.2


def profile(value, norm=1.0, labels=("A",)):
    value = np.asarray(value, np.float32)
    norm = np.broadcast_to(np.float32(norm), value.shape)
    return profiles.Profile(labels, np.ones(len(labels)), np.arange(value.shape[-1]), value, norm)


def test_means_are_ratios_of_means():
    p = profile([[[2.0, 0.0]], [[6.0, 0.0]]], np.array([[[1.0, 0.0]], [[3.0, 0.0]]]))
    found = p.mean(np.array([[0.5, 0.5], [0.0, 1.0]]))
    np.testing.assert_allclose(found[:, 0, 0], [2, 2])
    assert np.isnan(found[:, 0, 1]).all()


def test_relative_distance_in_closed_form():
    one, two = np.full((1, 2, 10), 1.0), np.full((1, 2, 10), 1.0)
    two[0, 1] = 1.5
    found = profiles.relative_distance(one, two, one, np.array([0.75, 0.25]))
    assert found[0] == pytest.approx(0.125)
    assert profiles.relative_distance(one, one, one, np.ones(2))[0] == 0


def test_densities_that_share_no_bin_are_at_two_and_unknown_points_count_for_nothing():
    first, second = np.array([[[1.0, 0.0, np.nan]]]), np.array([[[0.0, 1.0, 5.0]]])
    assert profiles.relative_distance(first, second, first, np.ones(1))[0] == 2


def test_profiles_of_one_distribution_stay_at_the_floor_and_others_do_not():
    ours, theirs = (profile(rng(s).exponential(size=(300, 1, 20))) for s in (8, 9))
    equal = profiles.profile_distance(ours, theirs, rng(10))
    assert equal.generated.mean() == pytest.approx(equal.halves.mean(), rel=0.3)
    other = profiles.profile_distance(ours, profile(1.5 * theirs.value), rng(10))
    assert other.generated.mean() == pytest.approx(0.5, abs=0.06)


def test_intervals_hold_the_mean_and_one_configuration_has_none():
    p = profile(1 + 0.1 * rng(11).normal(size=(400, 1, 5)))
    low, high = p.interval(rng(12), 100)
    assert (
        (low < p.mean(np.full((1, 400), 1 / 400))[0]) & (p.mean(np.full((1, 400), 1 / 400))[0] < high)
    ).all()
    np.testing.assert_allclose(high - low, 2 * 1.96 * 0.1 / 20, rtol=0.35)
    assert np.isnan(profile(np.ones((1, 1, 5))).interval(rng(), 3)).all()
