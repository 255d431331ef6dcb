"""The search for temperatures and times: candidates, their runs, and the choice."""

from dataclasses import replace

import numpy as np
import pytest

from gensample.errors import ConfigError
from gensample.generators.heated import Phase
from gensample.generators.heated_fit import Branches, Candidate, Scores, Search, choose_recipe, score

RNG = np.random.default_rng


@pytest.mark.parametrize("share", [0.05, 1 / 12, 0.2, 1.0])
@pytest.mark.parametrize(("ramps", "step"), [((), None), ((0.5,), None), ((), 0.015)])
def test_candidates_cost_what_is_allowed_and_the_dearest_is_among_them(share, ramps, step):
    search = Search((0.6,), share=share, ramps=ramps, hot_timestep=step)
    lags = [1.0, 10.0, 100.0, 1000.0, 4120.0]
    times = search.grid(lags)
    assert times == sorted(times)
    for lag in lags[1:]:
        costs = [
            search.steps.cost(recipe)
            for recipe in search.recipes(0.45, 0.6, times)
            if search.holds(recipe, lag)
        ]
        allowed = min(lag, max(share * lag, 8.0))
        assert replace(search, most=5.0).allowed(lag) == min(allowed, 5.0)
        assert 0.68 * allowed < max(costs) <= allowed + 0.01
        # Over most of a decade of hot phases, unless the shortest is reached.
        assert min(costs) - search.settle < max(1.5, allowed / 3.9)


@pytest.mark.parametrize(
    ("lag", "plain"), [(0.5, True), (1.0, True), (4.0, True), (4.5, False), (100.0, False)]
)
def test_a_lag_no_longer_than_the_cheapest_candidate_is_plain_dynamics(lag, plain):
    search = Search((0.6,))
    assert search.is_plain(lag) is plain
    assert bool(search.grid([lag])) is not plain


def test_a_ramp_lies_between_the_temperatures():
    search = Search((0.75,), ramps=(0.5,), ramp_time=2.0)
    straight, ramped = search.recipes(0.45, 0.75, [4.0])
    assert straight == (Phase(0.75, 4.0), Phase(None, 3.0))
    assert ramped == (Phase(0.75, 4.0), Phase(0.6, 2.0), Phase(None, 3.0))


def test_every_run_has_random_numbers_of_its_own():
    search = Search((0.6, 0.75), ramps=(0.5,), timestep=0.01)
    positions, keys = np.zeros((4, 2)), []
    for hot in search.temperatures:
        for row in (0, 1):
            branches = Branches(search, row, 0.45, hot, [1.0, 2.0])
            hot_legs = branches.hot_legs(positions, range(3))
            assert [leg.kept for leg in hot_legs] == [[100, 200]] * 3
            ends = np.arange(3 * 4, dtype=float).reshape(3, 4, 1, 1) + positions
            later = [branches.legs(ends, range(3), phase) for phase in (1, 2)]
            assert [len(legs) for legs in later] == [12, 6]
            for k, b, leg in [each for legs in later for each in legs]:
                assert (leg.positions == 4 * k + b).all()
            assert {leg.temperature for _, b, leg in later[1]} == {0.45}
            legs = hot_legs + [leg for legs in later for _, _, leg in legs]
            steps = sum(leg.kept[-1] for leg in legs)
            assert steps * 0.01 / 3 == pytest.approx(branches.cost)
            keys += [leg.key for leg in legs]
    assert len(set(keys)) == len(keys)


def test_scores_of_a_perfect_sampler_and_of_climatology():
    """Each particle has a scale of its own: the right draws reach the best, draws of any particle nothing."""
    scale = RNG(0).uniform(0.2, 2.0, 400)
    species = np.repeat([0, 1], 200)
    observed, right = (np.abs(RNG(k).normal(size=(64, 400))) * scale for k in (1, 2))
    shuffled = np.concatenate([RNG(3).permuted(part, axis=1) for part in (right[:, :200], right[:, 200:])], 1)
    good, bad = score(observed, right, species), score(observed, shuffled, species)
    assert good.crps == pytest.approx(good.best, rel=0.02)
    assert bad.crps == pytest.approx(bad.climatology, rel=0.05)
    assert good.mobile == pytest.approx(good.mobile_simulated, abs=0.01)
    assert good.mobile_simulated == (observed >= 0.3).mean()
    assert good.mean_simulated == pytest.approx(observed.mean())


RECIPES = [Candidate((Phase(0.75, time), Phase(None, 3.0))) for time in (2.0, 5.0, 17.0)]


def planted(skills, mobile=(0.2, 0.2, 0.2), noise=0.0):
    """Scores of 50 configurations with these skills; their differences scatter by ``noise``."""
    rng = RNG(0)
    shared = rng.normal(0, 0.05, 50)
    own = noise * rng.normal(size=(len(skills), 50))
    crps = 1 - np.array(skills)[:, None] + shared + own - own.mean(1, keepdims=True)
    return [[Scores(x, 1.0, 0.8, m, 0.2, 0.3, 0.3) for x in row] for row, m in zip(crps, mobile, strict=True)]


@pytest.mark.parametrize(
    ("skills", "mobile", "noise", "expected"),
    [
        ((0.10, 0.15, 0.18), (0.2, 0.2, 0.2), 0.0, 17.0),
        ((0.18, 0.15, 0.18), (0.2, 0.2, 0.2), 0.0, 2.0),
        ((0.10, 0.178, 0.18), (0.2, 0.2, 0.2), 0.05, 17.0),
        # Beyond the tolerance nothing helps; where all are, the nearest counts.
        ((0.10, 0.15, 0.18), (0.2, 0.21, 0.23), 0.0, 5.0),
        ((0.10, 0.15, 0.18), (0.15, 0.3, 0.4), 0.0, 2.0),
    ],
)
def test_the_best_within_the_tolerance(skills, mobile, noise, expected):
    found = choose_recipe(RECIPES, planted(skills, mobile, noise), 100.0, Search((0.75,)))
    assert found.chosen.recipe[0].time == expected
    (row,) = [row for row in found.table if row["chosen"]]
    assert row["stages"] == [[0.75, expected], [None, 3.0]]
    assert row["share_of_lag"] == pytest.approx((expected + 3) / 100)
    assert [row["skill"] for row in found.table] == pytest.approx(skills, abs=0.03)


@pytest.mark.parametrize(("noise", "expected"), [(0.0, 0.75), (0.1, 0.6)])
def test_the_coldest_within_a_standard_error(noise, expected):
    """Differences of 0.01 in skill count where nothing scatters, and not below their error of 0.02."""
    candidates = [Candidate((Phase(hot, 9.0), Phase(None, 3.0))) for hot in (0.6, 0.75, 0.9)]
    found = choose_recipe(candidates, planted((0.17, 0.18, 0.176), noise=noise), 100.0, Search((0.75,)))
    assert found.chosen.recipe[0].temperature == expected


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"temperatures": (0.4,)}, "--temperatures must be above"),
        ({"temperatures": ()}, "--temperatures must be above"),
        ({"temperatures": (0.6, 1000.0)}, r"--temperatures\[1\]"),
        ({"ramps": (1.0,)}, r"--ramps\[0\]"),
        ({"share": 1.5}, "--share"),
        ({"settle": 0.0}, "--settle"),
        ({"replicas": 1}, "--replicas"),
        ({"ramp_time": -1.0}, "--ramp-time"),
        ({"seed": -1}, "--seed"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, named):
    with pytest.raises(ConfigError, match=named):
        Search(**{"temperatures": (0.6,), **settings}).check(0.45)
