"""Curves whose events are known: sawtooth of springs that slip, and smooth ones that only bend."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gensample.stats.plasticity import (
    dissipated,
    find_events,
    initial_modulus,
    participation,
    stress_drops,
)

VOLUME, MODULUS, STEP = 400.0, 20.0, 1e-3


def sawtooth(slips, steps=100, softening=0.0):
    """Springs of modulus G, whose rest strain jumps by ``slips[k]`` at step k: V G (g - g_p)^2 / 2."""
    strain = STEP * np.arange(steps + 1)
    rest = np.zeros(steps + 1)
    for k, slip in slips.items():
        rest[k:] += slip
    elastic = strain - rest
    stress = MODULUS * elastic - softening * elastic**2
    energy = VOLUME * (MODULUS * elastic**2 / 2 - softening * elastic**3 / 3)
    return strain, stress, energy


def test_events_of_a_sawtooth():
    slips = {30: 0.005, 31: 0.004, 70: 0.02}
    strain, stress, energy = sawtooth(slips)
    events = find_events(strain, stress, energy, VOLUME, 0.05, 1e-3)
    assert events.step.tolist() == [30, 31, 70]
    np.testing.assert_allclose(events.strain, [0.030, 0.031, 0.070])
    np.testing.assert_allclose(events.stress_drop, MODULUS * np.array(list(slips.values())), rtol=1e-9)
    # The trapezoid gives V G s (g_1 + g_2) / 2 for a slip s between elastic strains g_1 and g_2.
    mean = np.array([0.029 + 0.025, 0.025 + 0.022, 0.06 + 0.041]) / 2
    np.testing.assert_allclose(events.energy_drop, VOLUME * MODULUS * np.array([0.005, 0.004, 0.02]) * mean)


def test_no_event_without_slips():
    for softening in (0.0, 130.0):  # the second yields smoothly: the stress falls at the end
        strain, stress, energy = sawtooth({}, softening=softening)
        assert (np.diff(stress)[-1] > 0) == (softening == 0)
        assert find_events(strain, stress, energy, VOLUME, 1e-4, 1e-4).step.size == 0


@given(slip=st.floats(0.002, 0.02), at=st.integers(30, 99), least=st.floats(0.0, 0.5))
def test_thresholds_decide(slip, at, least):
    assume(abs(slip * MODULUS - least) > 1e-9)  # a tie is decided by rounding
    strain, stress, energy = sawtooth({at: slip})
    lost = dissipated(strain, stress, energy, VOLUME)
    assert abs(np.delete(lost, at)).max() < 1e-9
    found = find_events(strain, stress, energy, VOLUME, least, 1e-6).step.tolist()
    assert found == ([at] if slip * MODULUS > least else [])
    assert find_events(strain, stress, energy, VOLUME, 0.0, lost[at] * 0.99).step.tolist() == [at]
    assert find_events(strain, stress, energy, VOLUME, 0.0, lost[at] * 1.01).step.size == 0


def test_a_reversible_fall_is_no_event_and_does_not_hide_the_next():
    """Stress that falls smoothly has lost nothing; the prediction then stays level, it does not fall on."""
    strain, stress, energy = sawtooth({80: 0.06}, softening=160.0)
    assert np.diff(stress)[70] < 0
    events = find_events(strain, stress, energy, VOLUME, 1e-4, 1e-3)
    assert events.step.tolist() == [80]
    assert events.stress_drop[0] == pytest.approx(stress[79] - stress[80])


def test_an_event_may_raise_the_stress():
    """Frozen-in stress against the shear: springs that are pulled backwards slip backwards."""
    strain, stress, energy = sawtooth({0: 0.2, 20: -0.05})
    events = find_events(strain, stress, energy, VOLUME, 0.05, 1e-3)
    assert events.step.tolist() == [20]
    assert events.stress_drop[0] == pytest.approx(-0.05 * MODULUS)
    assert events.energy_drop[0] > 0


def test_prediction_after_an_event_goes_on_with_the_slope_before():
    stress = np.array([0.0, 1.0, 2.0, 0.5, 1.5])
    drops = stress_drops(stress, np.array([False, False, False, True, False]))
    np.testing.assert_allclose(drops, [0, 0, 0, 2.5, 0])


def test_an_event_in_the_first_step():
    stress = np.array([0.0, -1.0, 0.5, 2.0])
    drops = stress_drops(stress, np.array([False, True, False, False]))
    np.testing.assert_allclose(drops, [0, 2.5, 0, 0])
    assert stress_drops(np.array([0.0, -1.0]), np.array([False, True])).tolist() == [0, 1.0]


def test_dissipated_energy_of_an_elastic_branch_is_of_third_order():
    def lost(step):
        g = np.arange(0, 0.1, step)
        return np.abs(dissipated(g, np.sin(8 * g), VOLUME * (1 - np.cos(8 * g)) / 8, VOLUME)).max()

    assert lost(1e-3) / lost(5e-4) == pytest.approx(8, rel=0.02)


def test_modulus_is_the_slope_at_the_start_whatever_one_step_does():
    strain, stress, _ = sawtooth({3: 0.002, 40: 0.02})
    assert initial_modulus(strain, stress) == pytest.approx(MODULUS)
    assert initial_modulus(strain[:3], stress[:3]) == pytest.approx(MODULUS)


def test_participation():
    one, all_ = np.zeros((50, 3)), np.ones((50, 3))
    one[7] = [0.0, 0.3, 0.0]
    assert participation(one) == pytest.approx(1 / 50)
    assert participation(all_) == pytest.approx(1.0)
    assert participation(np.vstack([all_[:10], 0 * all_[:40]])) == pytest.approx(0.2)
    assert participation(0 * all_) == 0.0
    rng = np.random.default_rng(0)
    # Gaussian in 2D: |u|^2 is exponential, <u^2>^2 / <u^4> = 1/2.
    assert participation(rng.normal(size=(200_000, 2))) == pytest.approx(0.5, abs=0.01)
