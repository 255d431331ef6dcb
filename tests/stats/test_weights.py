import numpy as np
import pytest

from gensample.errors import DataError
from gensample.stats import intervals
from gensample.stats import sets as weights


def rng(seed=0):
    return np.random.default_rng(seed)


def harmonic(samples, width, seed=0, dimension=3):
    """U = x^2/2 at T = 1 sampled from a Gaussian of standard deviation ``width``: x, U, log p."""
    x = width * rng(seed).normal(size=(samples, dimension))
    log_p = -(x**2).sum(1) / (2 * width**2) - dimension * np.log(width)
    return x, (x**2).sum(1) / 2, log_p


def test_equal_weights_have_the_full_size():
    found = weights.effective_sample_size(np.full(1200, -7.0))
    assert found.size == pytest.approx(1200)
    assert found.fraction == pytest.approx(1)
    assert found.largest == pytest.approx(1 / 1200)
    assert (found.log_std, found.not_finite, found.enough) == (0, 0, True)


def test_one_weight_rules():
    found = weights.effective_sample_size([0.0, -800.0, -800.0, -800.0])
    assert found.size == pytest.approx(1)
    assert found.largest == pytest.approx(1)
    assert not found.enough


def test_two_to_one():
    """(2 + 1)^2 / (4 + 1)."""
    assert weights.effective_sample_size(np.log([2.0, 1.0])).size == pytest.approx(9 / 5)


@pytest.mark.parametrize("constant", [0.0, 1e4, -1e4])
def test_a_common_constant_changes_nothing(constant):
    logs = rng().normal(size=50)
    assert weights.effective_sample_size(logs + constant).size == pytest.approx(
        weights.effective_sample_size(logs).size
    )


def test_weights_that_are_not_finite_are_counted_and_stay_in_the_number():
    logs = np.array([0.0, 0.0, np.nan, np.inf, -np.inf, 0.0])
    found = weights.effective_sample_size(logs)
    assert (found.samples, found.not_finite) == (6, 3)
    assert found.size == pytest.approx(3)
    assert found.fraction == pytest.approx(0.5)
    np.testing.assert_allclose(weights.normalised(logs), [1 / 3, 1 / 3, 0, 0, 0, 1 / 3])
    none = weights.effective_sample_size([np.nan, -np.inf])
    assert (none.size, none.fraction, none.not_finite) == (0, 0, 2)


@pytest.mark.parametrize(("dimension", "width"), [(1, 1.3), (3, 1.3), (10, 1.1)])
def test_gaussian_proposals_have_the_known_effective_size(dimension, width):
    """ESS/C = (sum w)^2 / (C sum w^2) tends to E[w]^2 / E[w^2] = (s^-2 (2 - s^-2))^(d/2)."""
    _, energy, log_p = harmonic(200_000, width, dimension=dimension)
    found = weights.effective_sample_size(weights.log_weights(energy, 1.0, log_p))
    precision = width**-2
    assert found.fraction == pytest.approx((precision * (2 - precision)) ** (dimension / 2), rel=0.02)


def test_gaussian_proposals_are_reweighted_to_the_target():
    """<U> = d T / 2 with an interval that has it, while the proposal has d s^2 / 2."""
    _, energy, log_p = harmonic(20_000, 1.3)
    logs = weights.log_weights(energy, 1.0, log_p + 123.0)
    found = weights.reweighted_mean(energy, rng(1), logs, 200)
    assert found.low < 1.5 < found.high
    assert found.value == pytest.approx(1.5, abs=0.05)
    assert energy.mean() == pytest.approx(1.5 * 1.69, rel=0.02)


def test_temperature_divides_the_energy():
    energy = np.array([1.0, 3.0])
    logs = weights.log_weights(energy, 0.5, np.zeros(2))
    np.testing.assert_allclose(logs, [-2, -6])
    np.testing.assert_allclose(weights.log_weights(energy, [1.0, 0.5], np.zeros(2)), [-1, -6])


def test_noise_of_the_density_is_corrected_to_second_order():
    """log p known up to noise whose variance differs between low and high energies: <U> needs the -v/2."""
    _, energy, log_p = harmonic(100_000, 1.0, seed=2)
    variance = np.where(energy > 1.5, 1.0, 0.0)
    noisy = log_p + np.sqrt(variance) * rng(3).normal(size=len(energy))
    naive = weights.reweighted_mean(energy, rng(), weights.log_weights(energy, 1.0, noisy), 2).value
    corrected = weights.log_weights(energy, 1.0, noisy, variance)
    assert naive > 1.65
    assert weights.reweighted_mean(energy, rng(), corrected, 2).value == pytest.approx(1.5, abs=0.03)


def test_heat_capacity_of_a_harmonic_solid():
    """Var U = d T^2 / 2 a particle: excess d/2, total d (Dulong and Petit)."""
    x = np.sqrt(0.7) * rng(4).normal(size=(40_000, 3))
    found = weights.heat_capacity((x**2).sum(1) / 2, 0.7, 1, 3, rng(5), bootstrap=200)
    assert found.excess.low < 1.5 < found.excess.high
    assert found.total.value == pytest.approx(3.0, abs=0.05)
    assert found.total.value - found.excess.value == pytest.approx(1.5)


def test_heat_capacity_uses_the_unbiased_variance_and_scales_with_n():
    e = np.array([-1.0, -1.2, -0.9, -1.4])
    found = weights.heat_capacity(e, 0.5, 44, 2, rng(), bootstrap=10)
    assert found.excess.value == pytest.approx(44 * e.var(ddof=1) / 0.25)


def test_reweighted_heat_capacity():
    _, energy, log_p = harmonic(60_000, 1.3, seed=6)
    logs = weights.log_weights(energy, 1.0, log_p)
    found = weights.heat_capacity(energy, 1.0, 1, 3, rng(7), logs, bootstrap=200)
    assert found.excess.value == pytest.approx(1.5, abs=0.08)
    assert found.excess.low < 1.5 < found.excess.high


def test_a_single_effective_sample_has_no_heat_capacity():
    found = weights.heat_capacity([-1.0, -2.0], 1.0, 10, 2, rng(), [0.0, -900.0], bootstrap=5)
    assert np.isnan(found.excess.value)


def test_variance_is_unbiased_and_one_configuration_has_no_interval():
    x = np.array([1.0, 2.0, 4.0])
    assert weights.reweighted_variance(x, rng(), bootstrap=5).value == pytest.approx(x.var(ddof=1))
    found = weights.reweighted_mean([3.0], rng(), bootstrap=5)
    assert found.value == 3
    assert np.isnan(found.low)


def test_the_ideal_gas_has_weights_of_one_and_no_excess():
    """U = 0 and the uniform density -N log V: nothing to correct."""
    log_p = np.full(1000, -44 * np.log(36.7))
    logs = weights.log_weights(np.zeros(1000), 0.5, log_p)
    assert weights.effective_sample_size(logs).fraction == pytest.approx(1)
    assert weights.heat_capacity(np.zeros(1000), 0.5, 44, 2, rng(), logs, bootstrap=5).total.value == 1


def test_an_infinite_energy_has_no_weight_and_spoils_no_mean():
    energy = np.array([1.0, np.inf, 3.0])
    logs = weights.log_weights(energy, 1e6, np.zeros(3))
    assert weights.reweighted_mean(energy, rng(), logs, 5).value == pytest.approx(2.0, abs=1e-5)
    assert weights.effective_sample_size(logs).not_finite == 1


def test_shapes_must_agree():
    with pytest.raises(DataError, match=r"\(C,\)"):
        weights.log_weights(np.zeros(3), 1.0, np.zeros(4))
    with pytest.raises(DataError, match="positive"):
        weights.log_weights(np.zeros(3), 0.0, np.zeros(3))
    with pytest.raises(DataError, match="one entry"):
        weights.reweighted_mean(np.zeros(3), rng(), np.zeros(2))


def test_resampled_sums_are_sums_over_drawn_rows_however_they_are_cut():
    table = rng().normal(size=(30, 4))
    whole = intervals.resampled_sums(table, 50, rng(1))
    drawn = rng(1).integers(30, size=(50, 30))
    np.testing.assert_allclose(whole, table[drawn].sum(axis=1))
    np.testing.assert_allclose(intervals.resampled_sums(table, 50, rng(1), chunk=200), whole)
