"""The learning rate over a run."""

import pytest

from gensample.training.shared import fixed_times, warm_cosine


def test_warm_up_then_half_a_cosine_down_to_a_hundredth():
    assert warm_cosine(0, 1000, warmup=10) == pytest.approx(0.1, rel=1e-3)
    assert warm_cosine(9, 1000, warmup=10) == pytest.approx(1.0, rel=1e-3)
    assert warm_cosine(500, 1000, warmup=10) == pytest.approx(0.505)
    assert warm_cosine(1000, 1000) == pytest.approx(0.01)
    assert warm_cosine(5000, 1000) == pytest.approx(0.01)
    rates = [warm_cosine(step, 300) for step in range(100, 300)]
    assert rates == sorted(rates, reverse=True)


def test_fixed_times_are_centres_of_intervals():
    assert fixed_times(4).tolist() == [0.125, 0.375, 0.625, 0.875]
