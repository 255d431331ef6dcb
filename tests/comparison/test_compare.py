import json

import chi4
import numpy as np
import pytest
from gaussian_ensembles import ensemble, redraw

from gensample.comparison.gather import compare_ensembles as compare
from gensample.comparison.quantities import OfFields, all_quantities
from gensample.comparison.sources import PAIRINGS
from gensample.errors import ConfigError, DataError
from gensample.physics.mixtures import get_mixture
from gensample.stats import dynamics
from gensample.stats.dynamics import Ensemble
from gensample.stats.intervals import difference

TIMES = [1.0, 10.0]
COLUMNS = ("time", "species", "source", "x", "value", "lo", "hi")
LISTS = ("corr_longitudinal", "corr_transverse", "corr_mobility")


def run(sim, gen, **kwargs):
    given = {"seed": 1, "bootstrap": 20, "temperature": 0.45, **kwargs}
    mixture = get_mixture("ka2d" if sim[0].dimension == 2 else "ka3d-fs")
    return compare(sim, gen, TIMES, mixture=mixture, **given)


def simulated(count=3, **kwargs):
    return [ensemble(np.random.default_rng(10 + c), **{"replicas": 8, **kwargs}) for c in range(count)]


def generated(sim, **kwargs):
    return [redraw(e, np.random.default_rng(20 + c), **kwargs) for c, e in enumerate(sim)]


@pytest.fixture(scope="module")
def small():
    sim = simulated()
    gen = generated(sim, replicas=5)
    return sim, gen, run(sim, gen)


def test_every_metric_of_the_schema_is_there(small):
    metrics = small[2].metrics
    json.dumps(metrics, allow_nan=False)
    assert [lag["time"] for lag in metrics["lags"]] == TIMES
    for lag in metrics["lags"]:
        assert list(lag["species"]) == ["A", "B", "all"]
        for blocks in (lag["species"][name] for name in ("A", "B")):
            assert list(blocks) == list(PAIRINGS)
            for name, block in blocks.items():
                wanted = [q for q in quantities(whole=False) if name == "generated" or not q.axis or q.at]
                assert set(block) == {q.name for q in wanted}
                for q in wanted:
                    interval = block[q.name]["interval"]
                    if q.kind == "pair":
                        assert len(block[q.name]["value"]) == len(interval) == 2
                    elif q.axis is None:
                        assert interval is None or len(interval) == 2
                for name in LISTS:
                    assert len(block[name]["value"][1]) == len(metrics["meta"]["r"])
                    assert len(block[name]["interval"][1]) == len(metrics["meta"]["r"])


def quantities(**wanted):
    """Those of fields that nobody quenched."""
    found = all_quantities(OfFields, **wanted)
    return [q for q in found if q.source != "inherent" and q.kind != "curve"]


def block_of(result, lag=0, species="A", source="generated"):
    return result.metrics["lags"][lag]["species"][species][source]


def test_values_are_those_of_the_single_functions(small):
    sim, gen, result = small
    block = block_of(result, lag=1, species="B")
    fields = [[e.displacements[:, 1][:, e.members(1)] for e in side] for side in (sim, gen)]
    for k, side in enumerate(fields):
        lengths = [dynamics.magnitudes(u) for u in side]
        splits = [dynamics.split_variance(m) for m in lengths]
        delta, iso = (np.mean([getattr(s, name) for s in splits]) for name in ("delta", "iso"))
        assert block["mean_propensity"]["value"][k] == pytest.approx(np.mean([m.mean() for m in lengths]))
        assert block["msd"]["value"][k] == pytest.approx(np.mean([dynamics.msd(u) for u in side]))
        assert block["alpha2"]["value"][k] == pytest.approx(dynamics.alpha2(np.concatenate(side)))
        assert block["predictability"]["value"][k] == pytest.approx(
            float(dynamics.predictability(delta, iso))
        )
        q = [dynamics.overlap(u) for u in side]
        within = np.mean([chi4.within(x, 18) for x in q])
        assert block["chi4_iso"]["value"][k] == pytest.approx(within)
        assert block["chi4_between"]["value"][k] == pytest.approx(chi4.between(q, 18))
    mu = [[dynamics.propensity(u) for u in side] for side in fields]
    each = [dynamics.pearson(a, b) for a, b in zip(*mu, strict=True)]
    assert block["pearson"]["value"] == pytest.approx(np.mean(each))
    pooled = dynamics.pearson(np.concatenate(mu[0]), np.concatenate(mu[1]))
    assert block["pearson_pooled"]["value"] == pytest.approx(pooled)


def test_ceilings_follow_the_numbers_of_replicas(small):
    """M = 8 simulated and M' = 5 generated replicas; halves have 4 and 4."""
    sim, _, result = small
    splits = [dynamics.split_variance(dynamics.magnitudes(e.displacements[:, 0, ::2])) for e in sim]
    delta, noise = (np.mean([getattr(s, name) for s in splits]) for name in ("delta", "noise"))
    block = block_of(result)
    expected = dynamics.ceiling_sampler(delta, noise / 8, noise / 5)
    assert block["pearson_ceiling_sampler"]["value"] == pytest.approx(float(expected))
    exact = dynamics.ceiling_exact(delta, noise / 8)
    assert block["pearson_ceiling_exact"]["value"] == pytest.approx(float(exact))
    halves = block_of(result, source="halves")
    assert halves["pearson_ceiling_exact"]["value"] < block["pearson_ceiling_exact"]["value"]
    assert result.metrics["meta"]["replicas"] == {"simulated": [8, 8, 8], "generated": [5, 5, 5]}


def test_controls_show_what_they_lack(small):
    _, _, result = small
    climatology, independent = (block_of(result, source=s) for s in ("climatology", "independent"))
    assert independent["pearson"]["value"] == pytest.approx(1)
    assert abs(climatology["pearson"]["value"]) < 0.6
    assert climatology["overlap"]["value"][0] == pytest.approx(climatology["overlap"]["value"][1])
    assert climatology["chi4_iso"]["value"][0] == pytest.approx(climatology["chi4_iso"]["value"][1])
    assert abs(climatology["crps_skill"]["value"]) < 0.1 < climatology["crps_skill_best"]["value"]
    best = independent["crps_skill_best"]["value"]
    assert independent["crps_skill"]["value"] == pytest.approx(best)


def test_a_perfect_sampler_meets_the_floor_the_best_and_the_ceiling():
    """Generated by the law of the simulation itself, in the same numbers."""
    sim, gen = [], []
    for c in range(6):
        both = ensemble(np.random.default_rng(c), size=10, replicas=32, lags=1, species=1, joint=0.3)
        parts = both.displacements[:16], both.displacements[16:]
        for side, u in zip((sim, gen), parts, strict=True):
            side.append(Ensemble(both.positions, both.box, both.species, u))
    result = compare(sim, gen, [1.0], mixture=get_mixture("ka2d"), temperature=0.45, seed=0, bootstrap=20)
    block = block_of(result)
    assert block["W1"]["value"] < 2 * block["W1_floor"]["value"]
    assert block["pearson"]["value"] == pytest.approx(block["pearson_ceiling_sampler"]["value"], abs=0.03)
    assert block["crps_skill"]["value"] == pytest.approx(block["crps_skill_best"]["value"], abs=0.02)
    assert block["energy_score_skill"]["value"] == pytest.approx(
        block["energy_score_skill_best"]["value"], abs=0.02
    )
    assert block["c2st"]["value"] == pytest.approx(0.5, abs=0.05)


def test_a_wrong_scale_is_seen():
    sim = simulated(4, size=8, species=1, lags=2)
    result = run(sim, generated(sim, factor=1.6, replicas=8))
    block = block_of(result)
    assert block["W1"]["value"] > 3 * block["W1_floor"]["value"]
    assert block["crps_skill"]["value"] < block["crps_skill_best"]["value"] - 0.02
    mean = block["mean_propensity"]
    sim, gen = ((v, *bounds) for v, bounds in zip(mean["value"], mean["interval"], strict=True))
    assert gen[1] < gen[0] < gen[2]
    # Four configurations make wide intervals, but both sources vary with them alike.
    assert difference(gen, sim, 1.0, mean["correlation"])[0] > 0


def test_every_value_lies_within_its_interval(small):
    """Of W1 too, whose percentile interval need not hold it: a resample adds to a distance."""
    _, _, result = small
    for lag in result.metrics["lags"]:
        for blocks in (lag["species"][name] for name in ("A", "B")):
            for block in blocks.values():
                found = [
                    pair for entry in block.values() for pair in known(entry["value"], entry["interval"])
                ]
                assert len(found) > 30
                # A correlation of 1 may be 1 + 2e-16, its interval ends at 1.
                assert all(low - 1e-12 <= value <= high + 1e-12 for value, (low, high) in found)


def known(value, interval):
    """(value, interval) of every number that has one, in nested lists."""
    if isinstance(value, list) and interval is not None:
        for v, bounds in zip(value, interval, strict=True):
            yield from known(v, bounds)
    elif interval is not None:
        yield value, interval


def test_equal_fields_are_refused(small):
    sim, gen, _ = small
    mixed = broken(gen[1], displacements=np.concatenate([gen[1].displacements, sim[1].displacements[4:5]]))
    with pytest.raises(DataError, match="simulated replica 4 and generated replica 5 of configuration 1"):
        run(sim, [gen[0], mixed, gen[2]])
    with pytest.raises(DataError, match="one field"):
        run(sim, sim)


def test_same_seed_same_numbers_and_another_seed_other_controls(small):
    sim, gen, result = small
    assert run(sim, gen).metrics == result.metrics
    other = run(sim, gen, seed=2, bootstrap=0)
    assert block_of(other)["pearson"]["value"] == block_of(result)["pearson"]["value"]
    assert block_of(other, source="climatology") != block_of(result, source="climatology")


def test_the_whole_interval_is_the_bootstrap_of_configurations(small):
    """All configurations alike: resampling them changes nothing, and every interval has no width."""
    sim = [simulated(1, lags=2)[0]] * 3
    block = block_of(run(sim, generated(sim[:1], replicas=4) * 3))
    for name in ("pearson", "pearson_pooled", "pearson_ceiling_exact"):
        low, high = block[name]["interval"]
        assert low == pytest.approx(high)
    low, high = block["msd"]["interval"][1]
    assert low == pytest.approx(high)


def test_one_configuration_has_values_and_no_intervals():
    sim = simulated(1)
    result = run(sim, generated(sim))
    block = block_of(result)
    assert block["pearson"] == {"value": pytest.approx(block["pearson"]["value"]), "interval": None}
    assert block["c2st"]["value"] is None
    assert block["chi4_between"]["value"] == [None, None]
    assert all(row["lo"] is None for row in result.curves["van_hove"])


def test_two_configurations_three_dimensions_and_one_species():
    sim = simulated(2, size=4, dimension=3, species=1)
    result = run(sim, generated(sim, replicas=3))
    assert list(result.metrics["lags"][0]["species"]) == ["A"]
    assert block_of(result)["c2st"]["value"] is not None
    assert max(result.metrics["meta"]["r"]) < 2.0


def test_few_simulated_replicas_leave_out_the_halves():
    sim = simulated(2, replicas=3)
    result = run(sim, generated(sim))
    assert "halves" not in result.metrics["lags"][0]["species"]["A"]
    assert block_of(result)["pearson"]["value"] is not None


def test_curves_are_tidy_rows(small):
    _, _, result = small
    for name in (
        "van_hove",
        "log_displacement",
        "propensity",
        "pearson",
        "predictability",
        *LISTS,
        "chi4_iso",
    ):
        rows = result.curves[name]
        assert rows
        assert all(tuple(row) == COLUMNS for row in rows)
        assert {row["time"] for row in rows} == set(TIMES)
        assert {row["species"] for row in rows} == {"A", "B"}
    assert {r["source"] for r in result.curves["pearson"]} == {*PAIRINGS, "ceiling_exact", "ceiling_sampler"}
    assert {r["source"] for r in result.curves["chi4_iso"]} == {*PAIRINGS, "simulated"}
    row = next(r for r in result.curves["msd"] if r["source"] == "simulated" and r["species"] == "B")
    assert row["value"] == block_of(result, species="B")["msd"]["value"][0]
    point = next(r for r in result.curves["corr_longitudinal"] if r["source"] == "generated")
    value = block_of(result)["corr_longitudinal"]
    assert (point["x"], point["value"]) == (result.metrics["meta"]["r"][0], value["value"][1][0])


def test_ensembles_are_read_one_at_a_time(small):
    """A sequence that builds its items on demand is enough: large datasets need not be in memory."""
    sim, gen, _ = small
    lines = []

    class Lazy:
        def __init__(self, items):
            self.items = items

        def __len__(self):
            return len(self.items)

        def __getitem__(self, c):
            return self.items[c]

    run(Lazy(sim), Lazy(gen), bootstrap=0, progress=lines.append)
    assert len(lines) == 3
    assert "3 of 3" in lines[-1]


def broken(e, **changes):
    fields = ("positions", "box", "species", "displacements")
    return Ensemble(**{**{n: getattr(e, n) for n in fields}, **changes})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: broken(e, positions=e.positions + 0.5), "same order"),
        (lambda e: broken(e, displacements=e.displacements[:1]), "at least 2 replicas"),
        (lambda e: broken(e, displacements=e.displacements[:, :1]), "lag times"),
        (lambda e: broken(e, species=1 - e.species), "other species"),
    ],
)
def test_what_cannot_be_compared_is_refused(small, change, message):
    sim, gen, _ = small
    with pytest.raises(DataError, match=message):
        run(sim, [gen[0], change(gen[1]), gen[2]])


def test_wrong_numbers_are_refused(small):
    sim, gen, _ = small
    with pytest.raises(DataError, match="3 simulated and 2 generated"):
        run(sim, gen[:2])
    with pytest.raises(DataError, match="2 lag times, got 3"):
        compare(sim, gen, [1.0, 2.0, 3.0], mixture=get_mixture("ka2d"), temperature=0.45, seed=0)


def test_positions_may_differ_by_lattice_vectors(small):
    sim, gen, result = small
    moved = [broken(e, positions=e.positions + 2 * e.box) for e in gen]
    found = block_of(run(sim, moved, bootstrap=0))
    assert found["msd"]["value"] == block_of(result)["msd"]["value"]


def quenched(e, rng, replicas=4):
    """The ensemble with inherent displacements of some fields, half of the lengths of displacements."""
    h = 0.5 * e.displacements[:replicas]
    energies = -3.4 + 0.01 * rng.normal(size=h.shape[:2])
    return broken(e, inherent=e.positions, inherent_displacements=h, inherent_energies=energies)


def test_inherent_displacements_are_judged_where_both_have_them(small):
    sim, gen, plain = small
    rng = np.random.default_rng(5)
    result = run([quenched(e, rng, 6) for e in sim], [quenched(e, rng) for e in gen])
    assert result.metrics["meta"]["quenched"] == {"simulated": [6, 6, 6], "generated": [4, 4, 4]}
    block = block_of(result)
    far = [np.linalg.norm(e.displacements[:6, 0, ::2] / 2, axis=-1) > 0.3 for e in sim]
    assert block["hops"]["value"][0] == pytest.approx(np.mean(far))
    climatology = block_of(result, source="climatology")
    assert climatology["hops"]["value"][1] == pytest.approx(climatology["hops"]["value"][0])
    everyone = block_of(result, species="all")
    assert everyone["inherent_energy"]["value"] == pytest.approx([-3.4, -3.4], abs=0.01)
    assert block_of(result, species="all", source="climatology")["inherent_energy"]["value"][1] is None
    assert "hop_pearson" in block_of(result, source="halves")
    assert {r["source"] for r in result.curves["hops"]} == {*PAIRINGS, "simulated"}
    assert "hops" not in block_of(plain)
    alone = run([quenched(e, rng) for e in sim], gen)
    assert "hops" not in block_of(alone)


def test_what_was_there_before_does_not_depend_on_further_sources(small):
    sim, gen, plain = small
    other = generated(sim, factor=1.5, replicas=3)
    result = run(sim, gen, beside={"wide": other})
    assert result.metrics["meta"]["beside"] == ["wide"]
    assert result.metrics["meta"]["replicas"]["wide"] == [3, 3, 3]
    for name in PAIRINGS:
        assert block_of(result, source=name) == block_of(plain, source=name)
    alone = run(sim, other)
    assert block_of(result, source="wide")["msd"] == block_of(alone)["msd"]
    assert block_of(result, source="wide")["pearson"]["value"] == block_of(alone)["pearson"]["value"]
    assert {r["source"] for r in result.curves["van_hove"]} >= {"wide", "generated"}


def test_further_sources_are_checked_as_the_first(small):
    sim, gen, _ = small
    with pytest.raises(ConfigError, match="halves: the comparison has such a source itself"):
        run(sim, gen, beside={"halves": gen})
    with pytest.raises(DataError, match="3 simulated and 2 wide"):
        run(sim, gen, beside={"wide": gen[:2]})
    with pytest.raises(DataError, match="one field"):
        run(sim, gen, beside={"wide": sim})


def test_energies_of_futures_tell_shuffled_fields_apart(small):
    _, _, result = small
    block = block_of(result, lag=1, species="all", source="climatology")
    assert block["future_energy"]["value"][1] > 2 * abs(block["future_energy"]["value"][0])


@pytest.mark.parametrize(
    "change",
    [
        {"inherent_displacements": np.zeros((4, 1, 36, 2))},
        {"inherent_displacements": np.zeros((9, 2, 36, 2))},
        {"inherent_displacements": np.zeros((4, 2, 36, 2)), "inherent_energies": np.zeros(4)},
    ],
)
def test_wrong_inherent_fields_are_refused(small, change):
    sim, _, _ = small
    with pytest.raises(DataError, match="must be those of some of the fields"):
        broken(sim[0], **change)
