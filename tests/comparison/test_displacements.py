"""Quantities of displacements whose values are known: cage-relative, scattering, calibration."""

from dataclasses import replace

import numpy as np
import pytest
from comparison.views import structure, view

from gensample.comparison.quantities import OfFields, all_quantities
from gensample.comparison.view import Averages, View, stack
from gensample.physics.mixtures import get_mixture
from gensample.stats import scores

QUANTITY = {q.name: q for q in all_quantities(OfFields)}


def value(name, *summaries, particles=1):
    uniform = np.full((1, len(summaries)), 1 / len(summaries))
    return QUANTITY[name].combine(Averages(stack(list(summaries)), uniform, particles, 2))[0]


def test_a_wave_through_the_box_leaves_no_cage_relative_displacement():
    place = structure(np.random.default_rng(0), size=16)
    wave = np.sin(2 * np.pi * place.positions[:, 1] / place.box[1])
    u = np.zeros((3, 256, 2))
    u[:, :, 0] = 0.2 * np.array([1.0, -1.0, 0.5])[:, None] * wave
    members = place.members(0)
    msd = (u[:, members] ** 2).sum(-1).mean()
    assert value("cr_msd", QUANTITY["cr_msd"].summarise(View(place, 1.0, u), members)) < 0.05 * msd


def test_neighbours_are_those_of_the_diameters_of_the_mixture():
    sigma = np.array([[1.0, 1.2], [1.2, 1.5]])
    mixture = replace(get_mixture("ka2d"), sigma=tuple(map(tuple, sigma)))
    place = structure(np.random.default_rng(0), mixture=mixture)
    gap = place.positions[None] - place.positions[:, None]
    gap -= place.box * np.round(gap / place.box)
    near = np.linalg.norm(gap, axis=-1) < 1.35 * sigma[place.species[:, None], place.species]
    np.fill_diagonal(near, False)
    np.testing.assert_array_equal(place.neighbors.other, near.nonzero()[1])


def test_scattering_of_gaussian_displacements():
    seen = view(np.random.default_rng(1), structure(np.random.default_rng(0), size=16), scale=0.2)
    members = np.arange(256)
    q = np.arange(1.0, 13.0)
    for name, at in (("scattering", 7.25), ("scattering_curve", q)):
        found = value(name, QUANTITY[name].summarise(seen, members))
        np.testing.assert_allclose(found, np.exp(-(at**2) * 0.04 / 2), atol=0.03)


def test_total_chi4_is_the_variance_over_all_fields():
    rng = np.random.default_rng(2)
    place = structure(rng)
    members = place.members(0)
    views = [view(rng, place, replicas=40, scale=s) for s in (0.25, 0.3, 0.35)]
    q = np.array([(np.linalg.norm(v.u[:, members], axis=-1) < 0.3).mean(1) for v in views])
    summaries = [QUANTITY["chi4_total"].summarise(v, members) for v in views]
    within, means = q.var(axis=1, ddof=1), q.mean(axis=1)
    expected = 32 * (within.mean() + means.var(ddof=1) - within.mean() / 40)
    assert value("chi4_total", *summaries, particles=32) == pytest.approx(expected)


@pytest.mark.parametrize("what", ["length", "propensity", "overlap"])
def test_a_perfect_sampler_is_calibrated_and_a_narrow_one_is_not(what):
    """Sixty configurations: coverage within a few of the errors that they leave, flat histograms."""
    rng = np.random.default_rng(3)
    found = {1.0: [], 0.7: []}
    for _ in range(60):
        place = structure(rng)
        members = place.members(0)
        for factor, summaries in found.items():
            seen, made = (view(rng, place, replicas=r, scale=0.25 * s) for r, s in ((12, 1.0), (9, factor)))
            summaries.append(QUANTITY[f"{what}_coverage_80"].summarise(seen, made, members))
    for level in scores.PIT_LEVELS:
        name = f"{what}_coverage_{100 * level:.0f}"
        assert value(name, *found[1.0]) == pytest.approx(level, abs=0.06)
        assert QUANTITY[name].reference == level
    np.testing.assert_allclose(value(f"{what}_ranks", *found[1.0]), 1.0, atol=0.5)
    assert value(f"{what}_coverage_80", *found[0.7]) < 0.7


def test_shuffled_particles_have_calibrated_lengths_and_no_calibrated_propensities():
    rng = np.random.default_rng(4)
    place = structure(rng, size=16)
    members = place.members(0)
    width = np.exp(0.5 * rng.normal(size=(256, 1)))
    seen, made = (view(rng, place, replicas=12) for _ in range(2))
    for field in made.u:  # anew in every field
        field[members] *= rng.permutation(width[members])
    seen.u[:, members] *= width[members]
    found = {
        what: value(f"{what}_coverage_80", QUANTITY[f"{what}_coverage_80"].summarise(seen, made, members))
        for what in ("length", "propensity")
    }
    assert found["length"] == pytest.approx(0.8, abs=0.05)
    assert found["propensity"] < 0.6
