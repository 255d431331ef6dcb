from dataclasses import replace

import chi4
import numpy as np
import pytest
from comparison.views import structure, view

from gensample.comparison.quantities import OfFields, all_quantities
from gensample.comparison.view import Averages, View, stack
from gensample.stats.dynamics import ceiling_sampler, split_variance

QUANTITY = {q.name: q for q in all_quantities(OfFields)}


def value(name, views, members=None):
    """A quantity of views of several configurations, under equal weights."""
    quantity = QUANTITY[name]
    members = np.arange(len(views[0].species)) if members is None else members
    stacked = stack([quantity.summarise(v, members) for v in views])
    averages = Averages(stacked, np.full((1, len(views)), 1 / len(views)), len(members), 2)
    return quantity.combine(averages)[0]


def planted(place, hops):
    """A view in which the particles ``hops`` (R', ...) of every field hop by one sigma along x."""
    h = np.zeros((len(hops), *place.positions.shape))
    for field, chosen in zip(h, hops, strict=True):
        field[list(chosen), 0] = 1.0
    return View(place, 1.0, np.zeros_like(h), h, np.array([-3.0, -3.2])[: len(hops)])


@pytest.fixture
def place():
    return structure(np.random.default_rng(0), size=8)


def test_planted_hops_are_counted(place):
    """Lattice of 8 x 8, row by row: 0, 1 and 8 are neighbours (spacing 0.95), 27 is alone."""
    seen = planted(place, [(0, 1, 8, 27), (5,)])
    assert value("hops", [seen]) == pytest.approx(5 / 128)
    assert value("hop_cluster", [seen]) == pytest.approx((3 + 1 + 1) / 3)
    assert value("hop_cluster_weighted", [seen]) == pytest.approx((9 + 1 + 1) / 5)
    assert value("inherent_energy", [seen]) == pytest.approx(-3.1)
    assert value("inherent_energy_spread", [seen]) == pytest.approx(np.std([-3.0, -3.2], ddof=1))


def test_no_hop_at_all_has_no_clusters(place):
    still = planted(place, [(), ()])
    assert value("hops", [still]) == 0
    assert np.isnan(value("hop_cluster", [still]))


def test_chi4_of_hops_is_that_of_any_share(place):
    views = [view(np.random.default_rng(c), place, replicas=7, hops=0.2 + 0.1 * c) for c in range(3)]
    shares = [(np.linalg.norm(v.h, axis=-1) > 0.3).mean(1) for v in views]
    within = np.mean([chi4.within(s, 64) for s in shares])
    between = chi4.between(shares, 64)
    assert value("hop_chi4_within", views) == pytest.approx(within)
    assert value("hop_chi4_between", views) == pytest.approx(between)
    assert value("hop_chi4_total", views) == pytest.approx(within + between)


def test_broken_bonds_are_those_of_the_inherent_structure(place):
    """One particle far away has lost all its neighbours, and each of them one; thermal ones do not count."""
    gas = np.random.default_rng(1).uniform(0, place.box, place.positions.shape)
    place = replace(place, positions=gas)
    seen = planted(place, [(27,), ()])
    seen.h[0, 27, 0] = 4.0
    neighbors = place.inherent_neighbors
    counts = np.diff(neighbors.start)
    lost = 1 + (1 / counts[neighbors.other[neighbors.start[27] : neighbors.start[28]]]).sum()
    assert value("inherent_bond_breaking", [seen]) == pytest.approx(lost / 128)


def test_the_ceiling_of_the_propensity_of_h(place):
    rng = np.random.default_rng(3)
    width = np.exp(rng.normal(size=(64, 1)))
    seen, made = (View(place, 1.0, w, w) for w in (width * rng.normal(size=(r, 64, 2)) for r in (8, 5)))
    best = QUANTITY["hop_pearson_ceiling_sampler"]
    stacked = stack([best.summarise(seen, made, np.arange(64))])
    averages = Averages(stacked, np.ones((1, 1)), 64, 2)
    split = split_variance(np.linalg.norm(seen.h, axis=-1))
    expected = ceiling_sampler(split.delta, split.noise / 8, split.noise / 5)
    assert best.combine(averages)[0] == pytest.approx(float(expected))
    assert 0.3 < QUANTITY["hop_pearson"].combine(averages)[0] < 1
