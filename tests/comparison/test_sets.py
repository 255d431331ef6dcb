import numpy as np
import pytest
import torch
from whole_structure import structure_factor

from gensample.comparison import sets as module
from gensample.comparison.sets import Configurations, compare_configurations, histogram
from gensample.errors import ConfigError, DataError
from gensample.physics.mixtures import get_mixture
from gensample.physics.potentials import energy
from gensample.stats.structure import Q_BINS, Q_MAX, common_edges, structure_tables

MIXTURE = get_mixture("ka2d")


def rng(seed=0):
    return np.random.default_rng(seed)


def crystal(count, jitter, seed, side=6, **known):
    """Chessboard-like lattices at the density of the mixture, every particle moved a little."""
    n = side**2
    length = MIXTURE.edge_length(n)
    grid = np.stack(np.meshgrid(*[np.arange(side)] * 2, indexing="ij"), -1).reshape(-1, 2) * length / side
    x = (grid + jitter * rng(seed).normal(size=(count, n, 2))) % length
    species = rng(99).permutation(MIXTURE.species(n).numpy())
    return Configurations(x, np.full((count, 2), length), species, **known)


def gas(count, seed, n=40, length=6.0):
    x = rng(seed).uniform(0, length, (count, n, 2))
    return Configurations(x, np.full((count, 2), length), MIXTURE.species(n).numpy())


def compared(simulated, generated, **settings):
    return compare_configurations(
        simulated,
        generated,
        **{"mixture": MIXTURE, "temperature": 0.5, "seed": 0, "bootstrap": 50} | settings,
    )


def values(result, name, of="all"):
    return {source: entry["value"] for source, entry in result.metrics["quantities"][name][of].items()}


@pytest.fixture(scope="module")
def hotter():
    """The same lattice, jittered more; weights and inherent energies made up."""
    density = rng(5).normal(size=60)
    sim = crystal(80, 0.02, 1, inherent_energy=-3 + 0.1 * rng(7).normal(size=80))
    gen = crystal(60, 0.04, 2, inherent_energy=-2.9 + 0.1 * rng(8).normal(size=60), log_density=density)
    return sim, gen, compared(sim, gen)


def test_energies_are_those_of_the_potential_whatever_the_pieces(monkeypatch):
    sim = crystal(7, 0.05, 3)
    monkeypatch.setattr(module, "ATOMS_AT_ONCE", 80)
    found = module.potential_energies(sim, MIXTURE)
    kinds = torch.from_numpy(sim.species)
    for x, box, expected in zip(sim.positions, sim.box, found, strict=True):
        assert float(energy(torch.tensor(x), kinds, torch.tensor(box), MIXTURE).sum()) == pytest.approx(
            expected
        )


def test_the_energy_gap_comes_first_and_is_positive_for_a_jittered_lattice(hotter):
    sim, gen, result = hotter
    assert next(iter(result.metrics["quantities"])) == "energy_gap"
    means = [module.potential_energies(s, MIXTURE).mean() / 36 for s in (sim, gen)]
    gap = result.metrics["quantities"]["energy_gap"]["all"]["generated"]
    assert gap["value"] == pytest.approx(means[1] - means[0])
    assert 0 < gap["interval"][0] < gap["value"] < gap["interval"][1]
    assert values(result, "energy") == pytest.approx(
        {"simulated": means[0], "generated": means[1], "reweighted": values(result, "energy")["reweighted"]}
    )
    distance = values(result, "energy_W1")
    assert distance["generated"] > 5 * distance["halves"]


def test_inherent_energies_are_compared_alike(hotter):
    result = hotter[2]
    assert values(result, "inherent_energy_gap")["generated"] == pytest.approx(0.1, abs=0.05)
    alone = compared(crystal(4, 0.02, 1), hotter[1])
    assert "inherent_energy_gap" not in alone.metrics["quantities"]
    assert "inherent_energy" not in alone.curves


def test_heat_capacity_and_the_gap_as_a_temperature(hotter):
    sim, _, result = hotter
    e = module.potential_energies(sim, MIXTURE) / 36
    excess = 36 * e.var(ddof=1) / 0.25
    assert values(result, "heat_capacity_excess")["simulated"] == pytest.approx(excess)
    assert values(result, "heat_capacity")["simulated"] == pytest.approx(excess + 1)
    offset = values(result, "temperature_offset")["generated"]
    assert offset == pytest.approx(values(result, "energy_gap")["generated"] / excess)


def test_weights_reweight_by_the_stated_formula(hotter):
    _, gen, result = hotter
    u = module.potential_energies(gen, MIXTURE)
    logs = -u / 0.5 - gen.log_density
    w = np.exp(logs - logs.max())
    assert values(result, "energy")["reweighted"] == pytest.approx((w @ u) / w.sum() / 36)
    assert result.metrics["weights"]["size"] == pytest.approx(w.sum() ** 2 / (w**2).sum())
    assert not result.metrics["weights"]["enough"]
    sources = {row["source"] for row in result.curves["pair_distribution"]}
    assert sources == {"simulated", "generated", "reweighted"}


def test_without_a_density_nothing_is_reweighted():
    result = compared(crystal(6, 0.02, 1), crystal(6, 0.02, 2))
    assert result.metrics["weights"] is None
    assert "reweighted" not in result.metrics["quantities"]["energy"]["all"]
    assert not {"log_weights", "weight_share"} & set(result.curves)


DISTANCES = ("pair_distribution", "structure_factor", "coordination", "angles")


def test_two_ideal_gases_are_as_near_as_halves_of_one():
    result = compared(gas(160, 1), gas(200, 2))
    assert result.metrics["compared"] == 80
    for name in DISTANCES:
        found = values(result, f"{name}_distance")
        assert found["generated"] == pytest.approx(found["halves"], rel=0.25), name
    g = [row for row in result.curves["pair_distribution"] if row["source"] == "generated" and row["x"] > 0.5]
    assert np.mean([row["value"] for row in g]) == pytest.approx(1, abs=0.02)


def test_a_crystal_is_far_from_a_gas():
    result = compared(gas(40, 1, n=36, length=MIXTURE.edge_length(36)), crystal(40, 0.02, 2))
    for name in DISTANCES:
        found = values(result, f"{name}_distance")
        assert found["generated"] > 3 * found["halves"], name


def test_closest_pairs_and_the_expectation_of_a_perfect_sampler(hotter):
    sim, gen, result = hotter
    found = result.metrics["quantities"]
    assert set(found["closest"]) == {"AA", "AB", "BB"}
    assert values(result, "closest", "AA")["generated"] < values(result, "closest", "AA")["simulated"]
    below = values(result, "closest_below", "AB")
    assert below["halves"] == pytest.approx(1 / 81)
    gaps = [s.positions[:, :, None] - s.positions[:, None] for s in (sim, gen)]
    unlike = sim.species[:, None] < sim.species
    least = [
        np.linalg.norm(g - sim.box[0] * np.round(g / sim.box[0]), axis=-1)[:, unlike | unlike.T].min(axis=1)
        for g in gaps
    ]
    assert values(result, "closest_least", "AB")["simulated"] == pytest.approx(least[0].min() / 0.8)
    assert below["generated"] == pytest.approx((least[1] < least[0].min()).mean())


def test_coordination_numbers_are_means_of_their_distribution(hotter):
    result = hotter[2]
    rows = [r for r in result.curves["coordination"] if (r["species"], r["source"]) == ("AB", "generated")]
    mean = sum(r["x"] * r["value"] for r in rows)
    assert values(result, "coordination", "AB")["generated"] == pytest.approx(mean, rel=1e-5)
    # A-B bonds counted from both ends.
    pairs = [values(result, "coordination", k)["simulated"] for k in ("AB", "BA")]
    numbers = np.bincount(hotter[0].species)
    assert pairs[0] * numbers[0] == pytest.approx(pairs[1] * numbers[1], rel=1e-5)


def test_kinds_of_pairs_are_weighed_by_their_share(hotter):
    """23 A and 13 B of 36: the g_ab add up to the total g(r), the S_ab to the total S(q)."""
    sim = hotter[0]
    edges = common_edges(sim.box)
    found = structure_tables(sim.positions, sim.box, sim.species, np.asarray(MIXTURE.sigma), edges).profiles
    a, b = 23 / 36, 13 / 36
    expected = {
        "pair_distribution": [a * a, 2 * a * b, b * b],
        "structure_factor": [a, 2 * np.sqrt(a * b), b],
        "coordination": [a / 2, a / 2, b / 2, b / 2],
        "angles": [a, b],
    }
    for name, composition in expected.items():
        np.testing.assert_allclose(found[name].composition, composition)
    total = structure_factor(sim.positions, sim.box, sim.species, Q_MAX, Q_BINS)[2]
    mean = found["structure_factor"].mean(np.full((1, 80), 1 / 80))[0]
    np.testing.assert_allclose(found["structure_factor"].composition @ mean, total, rtol=1e-4, atol=1e-5)


def test_particles_on_one_point_are_counted_and_do_not_stop_the_comparison():
    gen = crystal(6, 0.02, 2)
    gen.positions[0, 1] = gen.positions[0, 0]
    result = compared(crystal(6, 0.02, 1), gen)
    assert values(result, "energy_not_finite") == {"simulated": 0, "generated": 1}
    assert values(result, "energy_gap")["generated"] == np.inf
    assert np.isfinite(values(result, "energy_median")["generated"])
    assert all(np.isfinite(row["x"]) for row in result.curves["energy"])


def test_other_numbers_of_particles_share_all_but_wave_vectors():
    result = compared(crystal(6, 0.02, 1), crystal(5, 0.02, 2, side=8))
    assert result.metrics["particles"] == {"simulated": 36, "generated": 64}
    assert "structure_factor_distance" not in result.metrics["quantities"]
    assert "structure_factor" in result.curves
    assert abs(values(result, "energy_gap")["generated"]) < 5


def test_one_configuration_gives_numbers_without_intervals():
    result = compared(crystal(1, 0.02, 1), crystal(1, 0.02, 2))
    entry = result.metrics["quantities"]["energy_gap"]["all"]["generated"]
    assert np.isfinite(entry["value"])
    assert entry["interval"] is None
    assert np.isnan(values(result, "energy_W1")["generated"])


def test_propensities_of_particles():
    """Twice the propensity: mean and deviation double, W1 is the mean; its floor stays small."""
    mu = 0.2 + 0.02 * rng(3).normal(size=(40, 36, 2))
    sim = crystal(40, 0.02, 1, propensity=mu, times=(1.0, 10.0))
    gen = crystal(30, 0.02, 2, propensity=2 * mu[:30], times=(1.0, 10.0))
    result = compared(sim, gen)
    found = result.metrics["quantities"]
    assert list(found["propensity_mean"]) == ["A, t = 1", "B, t = 1", "A, t = 10", "B, t = 10"]
    of = sim.species == 1
    assert values(result, "propensity_mean", "B, t = 10")["simulated"] == pytest.approx(mu[:, of, 1].mean())
    sd = values(result, "propensity_sd", "B, t = 10")
    assert sd["simulated"] == pytest.approx(mu[:, of, 1].std())
    distance = values(result, "propensity_W1", "A, t = 1")
    assert distance["generated"] == pytest.approx(0.2, rel=0.05)
    assert distance["halves"] < 0.01
    assert {row["species"] for row in result.curves["propensity"]} == set(found["propensity_mean"])


def test_same_seed_same_numbers():
    sim, gen = crystal(6, 0.02, 1), crystal(6, 0.03, 2)
    assert compared(sim, gen).metrics == compared(sim, gen).metrics
    assert compared(sim, gen).curves == compared(sim, gen).curves


def test_histograms_are_densities_and_cut_the_tails():
    x = np.concatenate([rng(4).normal(size=3000), [1e9, np.inf]])
    centres, density = histogram(x)
    assert centres.max() < 10
    assert (density * np.diff(centres)[0]).sum() == pytest.approx(1, abs=0.003)
    weighted = histogram(np.array([0.0, 1.0, 2.0]), np.array([0.0, 0.0, 1.0]))
    assert weighted[0][weighted[1].argmax()] == pytest.approx(2, abs=0.2)
    assert len(histogram(np.full(3, np.inf))[0]) == 0
    overlaps = 10 ** rng(5).uniform(0, 12, 500)
    centres, density = histogram(overlaps)
    assert (density > 0).all()
    np.testing.assert_allclose(
        np.diff(np.log(centres)), np.log(centres[-1] / centres[0]) / (len(centres) - 1)
    )


def test_sets_that_cannot_be_compared():
    sim = crystal(3, 0.02, 1)
    other = Configurations(sim.positions, sim.box, np.zeros(36, int))
    with pytest.raises(DataError, match="species"):
        compared(sim, other)
    swapped = Configurations(sim.positions, sim.box, 1 - sim.species)
    with pytest.raises(DataError, match="compositions"):
        compared(sim, swapped)
    with pytest.raises(DataError, match=r"\(C, N, d\)"):
        Configurations(sim.positions, sim.box[:2], sim.species)
    with pytest.raises(DataError, match="log_density"):
        Configurations(sim.positions, sim.box, sim.species, log_density=np.zeros(2))
    with pytest.raises(DataError, match="propensity"):
        crystal(3, 0.02, 1, propensity=np.zeros((3, 36, 2)), times=(1.0,))
    read = [crystal(3, 0.02, 1, propensity=np.zeros((3, 36, 1)), times=(t,)) for t in (1.0, 2.0)]
    with pytest.raises(DataError, match="lag times"):
        compared(*read)
    tiny = Configurations(sim.positions[:, :9] % 2.0, np.full((3, 2), 2.0), sim.species[:9])
    with pytest.raises(ConfigError, match="half"):
        compared(tiny, Configurations((tiny.positions + 0.1) % 2.0, tiny.box, tiny.species))
