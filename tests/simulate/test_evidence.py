import numpy as np
import pytest

from gensample.data.summary import describe_equilibration
from gensample.simulate.isoconfigurational.evidence import (
    WAVE_NUMBER,
    energy_drift,
    overlap_decay,
    relaxation_time,
    scattering_decay,
    summarise,
)


def test_overlap_of_particles_that_hop_one_by_one():
    # At every snapshot one more of the ten A particles has hopped far away, for good; B never moves.
    # Separation k: k of ten have hopped meanwhile, so Q = 1 - k / 10.
    snapshots = np.zeros((16, 12, 2))
    for hop in range(16):
        # A pair hops in opposite directions so that the centre of mass stays.
        snapshots[hop:, hop % 10, 0] += 5.0
        snapshots[hop:, 10, 0] -= 5.0
    species = np.array([0] * 10 + [1] * 2)
    assert overlap_decay(snapshots, species) == pytest.approx([0.9, 0.8, 0.7, 0.6])


def test_overlap_ignores_the_drift_of_all():
    snapshots = np.arange(16.0)[:, None, None] * np.ones((16, 5, 2))
    assert overlap_decay(snapshots, np.zeros(5)).tolist() == [1.0] * 4


def test_relaxation_time_of_an_exponential():
    times = np.linspace(1, 40, 400)
    assert relaxation_time(times, np.exp(-times / 7.0)) == pytest.approx(7.0, rel=1e-3)


def test_relaxation_time_is_unknown_without_decay():
    assert np.isnan(relaxation_time(np.arange(1.0, 5.0), np.full(4, 0.9)))


def test_relaxation_time_shorter_than_the_first_time():
    tau = relaxation_time(np.array([10.0, 20.0]), np.array([0.1, 0.0]))
    assert 0 < tau < 10
    assert relaxation_time(np.array([10.0]), np.array([1 / np.e - 1e-12])) == pytest.approx(10.0)


def test_energy_drift_and_its_error():
    # Runs whose last quarter lies 0.5, 1.0 and 1.5 above the third: mean 1, error 0.5 / sqrt(3).
    steps = np.array([9.0, 9.0, 5.0, 5.0, 1.0, 1.0, 0.0, 0.0])
    energy = np.stack(
        [steps + change * (np.arange(8) >= 6) + 1.0 * (np.arange(8) >= 6) for change in (0.5, 1, 1.5)]
    )
    drift, error = energy_drift(energy)
    assert drift == pytest.approx(1.0)
    assert error == pytest.approx(0.5 / np.sqrt(3))


def test_energy_drift_of_one_run_has_no_error():
    drift, error = energy_drift(np.array([[0.0, 0.0, 1.0, 3.0]]))
    assert drift == 2.0
    assert np.isnan(error)


def test_summary_counts_relaxation_times():
    times = 2.0 * np.arange(1, 30)
    overlap = np.tile(np.exp(-times / 10.0), (3, 1))
    summary = summarise(np.zeros((3, 8)), overlap**0.5, overlap, 2.0, 120.0)
    assert summary["tau_alpha"] == pytest.approx(10.0, rel=0.01)
    assert summary["equilibration_over_tau_alpha"] == pytest.approx(12.0, rel=0.01)
    assert summary["energy_drift"] == 0.0


def test_scattering_of_a_diffusing_gaussian():
    rng = np.random.default_rng(0)
    step = 0.05
    walk = np.cumsum(rng.normal(scale=step, size=(16, 4000, 2)), axis=0)
    found = scattering_decay(walk, np.zeros(4000))
    k = np.arange(1, 5)
    assert found == pytest.approx(np.exp(-(WAVE_NUMBER**2) * step**2 * k / 2), abs=0.01)


def test_description_says_what_could_not_be_measured():
    known = {
        "equilibration_time": 60.0,
        "tau_alpha": 9.4,
        "energy_drift": -0.014,
        "energy_drift_error": 0.0177,
    }
    text = describe_equilibration(known)
    assert text.startswith("60 tau = 6.4 tau_alpha (tau_alpha = 9.4); energy drift -0.0140 +- 0.0177")
    for unknown in (None, float("nan")):
        text = describe_equilibration({**known, "tau_alpha": unknown, "energy_drift_error": unknown})
        assert "run longer" in text
        assert "+-" not in text
