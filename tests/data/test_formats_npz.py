"""BOTAN and GlassBench archives: what is read, and what is refused."""

import re

import numpy as np
import pytest
from liquid import make_liquid, write_botan, write_model_file
from sources import imported, refused

from gensample.cli import main
from gensample.data.store import Store


def write_glassbench(folder, liquid, number=1, codes=("tc05", "tc10"), temperature="0.23", inherent=None):
    folder.mkdir(parents=True, exist_ok=True)
    for k, code in enumerate(codes):
        np.savez(
            folder / f"N{len(liquid.species)}T{temperature}_{number}_{code}.npz",
            types=liquid.species + 1,
            box=liquid.edge,
            initial_positions=liquid.positions - 2 * liquid.edge,
            initial_positions_inherent=(liquid.positions + 0.01 if inherent is None else inherent),
            positions=liquid.final[:, k] - 2 * liquid.edge,
        )


def test_botan_folders_become_splits_and_lags_are_joined(tmp_path, capsys, out):
    liquids = [make_liquid(lags=2, seed=s) for s in range(3)]
    for number, liquid in enumerate(liquids):
        liquid.species[:] = liquids[0].species
        folder = tmp_path / "T0.44" / ("test" if number == 2 else "train")
        write_botan(folder, liquid, number, lags=("tc06", "tc07"))
    said = imported(capsys, out, tmp_path / "T0.44")
    assert "types 0 -> 0 (A), 1 -> 1 (B)" in said
    assert "come unwrapped" in said
    assert "drift removed from displacements: largest 0.0" in said
    with Store.open(out) as store:
        assert store.split.tolist() == ["test", "train", "train"]
        assert store.times.tolist() == [1300.0, 4120.0]
        assert store.mixture == "ka3d-fs"
        assert store.truncation == "force-shift"
        assert np.all(store.temperature == 0.44)
        np.testing.assert_array_equal(store.species, liquids[0].species)
        np.testing.assert_allclose(store.displacements(1), liquids[0].without_drift, atol=1e-5)
        np.testing.assert_allclose(store.positions[0], liquids[2].positions, atol=1e-12)
        np.testing.assert_allclose(store.box, liquids[0].edge)


def test_a_particle_that_crossed_the_box_keeps_its_long_displacement(tmp_path, capsys, out):
    liquid = make_liquid()
    write_botan(tmp_path / "T0.44", liquid)
    imported(capsys, out, tmp_path / "T0.44")
    with Store.open(out) as store:
        assert np.abs(store.displacements(0)).max() > liquid.edge


def test_species_order_that_differs_between_files_is_sorted(tmp_path, capsys, out):
    liquids = [make_liquid(seed=s) for s in range(2)]
    for number, liquid in enumerate(liquids):
        write_botan(tmp_path, liquid, number)
    said = imported(capsys, out, tmp_path)
    assert "sorted by species" in said
    with Store.open(out) as store:
        order = np.argsort(liquids[1].species, kind="stable")
        assert np.all(np.diff(store.species) >= 0)
        np.testing.assert_allclose(store.positions[1], liquids[1].positions[order], atol=1e-12)
        np.testing.assert_allclose(store.displacements(1), liquids[1].without_drift[:, :, order], atol=1e-5)


def test_val_count_moves_seeded_training_configurations(tmp_path, capsys, out):
    for number in range(5):
        liquid = make_liquid(seed=number, replicas=1)
        write_botan(tmp_path / "train", liquid, number)
    splits = []
    for seed in (1, 1, 2, 3, 4):
        imported(capsys, out, tmp_path, "--val-count", 2, "--seed", seed)
        with Store.open(out) as store:
            splits.append(store.split.tolist())
        out.unlink()
    assert all(split.count("val") == 2 for split in splits)
    assert splits[0] == splits[1]
    assert len({tuple(s) for s in splits}) > 1


def test_val_count_keeps_a_training_configuration(tmp_path, capsys, out):
    write_botan(tmp_path / "train", make_liquid())
    refused(capsys, out, tmp_path / "train", "--val-count", 1, match="some must stay")


def test_species_option_maps_types_by_name(tmp_path, capsys, out):
    liquid = make_liquid()
    write_botan(tmp_path, liquid, types=1 - liquid.species)
    refused(capsys, out, tmp_path, match="would have 173:43")
    imported(capsys, out, tmp_path, "--species", "0=1", "1=0")
    with Store.open(out) as store:
        np.testing.assert_array_equal(store.species, liquid.species)


def test_unknown_lag_asks_for_time(tmp_path, capsys, out):
    write_botan(tmp_path, make_liquid(), lags=("tc99",))
    refused(capsys, out, tmp_path, match="--time")
    imported(capsys, out, tmp_path, "--time", "5.5")
    with Store.open(out) as store:
        assert store.times.tolist() == [5.5]


def test_missing_lag_of_one_structure_is_named(tmp_path, capsys, out):
    liquid = make_liquid(lags=2)
    write_botan(tmp_path, liquid, 1, lags=("tc06", "tc07"))
    write_botan(tmp_path, liquid, 2, lags=("tc06",))
    refused(capsys, out, tmp_path, match="lacks lag tc07")


def truncate(path):
    path.write_bytes(path.read_bytes()[:-500])


def cut_in_the_middle(path):
    path.write_bytes(path.read_bytes()[:2000])


def corrupt_bytes(path):
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2 : len(raw) // 2 + 200] = bytes(200)
    path.write_bytes(bytes(raw))


def rewrite(path, **changes):
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays.update(changes)
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})


def with_nan(path, key="positions"):
    with np.load(path) as archive:
        array = archive[key].copy()
    array.reshape(-1)[17] = np.nan
    rewrite(path, **{key: array})


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (truncate, "truncated"),
        (cut_in_the_middle, "truncated"),
        (corrupt_bytes, "cannot be read as a plain npz"),
        (with_nan, "NaN"),
        (lambda p: with_nan(p, "initial_positions"), "NaN"),
        (lambda p: rewrite(p, positions=np.zeros((3, 5, 3))), "expected shape"),
        (lambda p: rewrite(p, positions=np.zeros((216, 3))), "(replicas, N, d)"),
        (lambda p: rewrite(p, initial_positions=np.zeros((216, 4))), "expected shape (N, 2) or (N, 3)"),
        (lambda p: rewrite(p, types=np.zeros(7, int)), "expected 216 particle types"),
        (lambda p: rewrite(p, types=np.full(216, 0.5)), "whole numbers"),
        (lambda p: rewrite(p, types=None), "no known kind"),
        (lambda p: rewrite(p, initial_positions=np.zeros((216, 3))), "overlap"),
        (lambda p: p.write_bytes(b""), "is empty"),
        (lambda p: p.write_bytes(b"junk"), "no known format"),
    ],
)
def test_damaged_botan_files_are_refused_with_one_line(tmp_path, capsys, out, damage, match):
    write_botan(tmp_path / "T0.44", make_liquid())
    [path] = (tmp_path / "T0.44").iterdir()
    damage(path)
    refused(capsys, out, tmp_path / "T0.44", match=match)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"initial_positions": np.zeros((216, 2))}, "its number of particles or types differs"),
        ({"types": np.zeros(216, [("x", "f8")])}, "whole numbers or names"),
        ({"types": np.zeros(5, int)}, "expected 216 particle types"),
    ],
)
def test_a_later_lag_is_checked_as_the_first(tmp_path, capsys, out, changes, match):
    write_botan(tmp_path / "T0.44", make_liquid(lags=2), lags=("tc06", "tc07"))
    rewrite(next((tmp_path / "T0.44").glob("*tc07.npz")), **changes)
    refused(capsys, out, tmp_path / "T0.44", match=match)


def test_damage_in_the_last_of_several_files_leaves_nothing(tmp_path, capsys, out):
    for number in range(3):
        liquid = make_liquid(seed=0)
        write_botan(tmp_path / "T0.44", liquid, number)
    with_nan(tmp_path / "T0.44" / "isoconfig_N216T0.44_2_tc07.npz")
    refused(capsys, out, tmp_path / "T0.44", match="_2_tc07.npz")


def test_a_refused_import_leaves_an_older_file_as_it_was(tmp_path, capsys, out):
    write_botan(tmp_path / "T0.44", make_liquid())
    imported(capsys, out, tmp_path / "T0.44")
    before = out.read_bytes()
    with_nan(next((tmp_path / "T0.44").iterdir()))
    assert main(["import", str(tmp_path / "T0.44"), "--out", str(out)]) == 2
    assert out.read_bytes() == before
    assert list(out.parent.iterdir()) == [out]


def test_wrapped_replicas_are_refused_not_unwrapped(tmp_path, capsys, out):
    liquid = make_liquid(replicas=8)
    write_botan(tmp_path, liquid)
    [path] = tmp_path.glob("*.npz")
    rewrite(path, positions=np.mod(liquid.final[:, 0], liquid.edge))
    refused(capsys, out, path, match="positions were wrapped")


def test_replicas_from_other_images_are_refused(tmp_path, capsys, out):
    liquid = make_liquid()
    write_botan(tmp_path, liquid)
    [path] = tmp_path.glob("*.npz")
    image = np.random.default_rng(0).integers(-1, 2, liquid.positions.shape)
    rewrite(path, positions=liquid.final[:, 0] + image * liquid.edge)
    refused(capsys, out, path, match="jump by an edge")


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (("--box", "4.0"), "gives density"),
        (("--box", "7.0"), "gives density"),
        (("--box", "5.3", "--density", "1.45"), "overlap"),
        (("--box", "2.0", "--density", "27"), "more than a box outside"),
        (("--box", "5.6", "5.6"), "--box needs 1 or 3"),
        (("--density", "0.5", "--box", "5.646"), "gives density"),
        (("--mixture", "ka2d"), "3 dimensions"),
        (("--mixture", "nonsense"), "mixture must be one of"),
        (("--temperature", "-1", "--time", "1"), "--temperature must be positive"),
        (("--time", "1", "2"), "--time gives 2"),
    ],
)
def test_wrong_statements_about_a_good_file_are_refused(tmp_path, capsys, out, words, match):
    write_botan(tmp_path / "T0.44", make_liquid())
    refused(capsys, out, tmp_path / "T0.44", *words, match=match)


def test_pickled_objects_inside_npz_are_never_loaded(tmp_path, capsys, out):
    marker = tmp_path / "marker"

    class Attack:
        def __reduce__(self):
            import os

            return os.system, (f"touch {marker}",)

    write_botan(tmp_path / "T0.44", make_liquid())
    [path] = (tmp_path / "T0.44").iterdir()
    rewrite(path, types=np.array([Attack()], dtype=object))
    refused(capsys, out, path, match="pickled objects")
    assert not marker.exists()


def test_glassbench_trajectories_join_lags_and_keep_inherent_structures(tmp_path, capsys, out):
    liquid = make_liquid("ka2d-ternary", per_edge=10, lags=2)
    write_glassbench(tmp_path / "train", liquid)
    said = imported(capsys, out, tmp_path)
    assert "types 1 -> 0 (A), 2 -> 1 (B), 3 -> 2 (C)" in said
    assert "wrapped into it" in said
    with Store.open(out) as store:
        assert store.mixture == "ka2d-ternary"
        assert store.times.tolist() == [0.1, 1.1]
        np.testing.assert_array_equal(store.species, liquid.species)
        np.testing.assert_allclose(store.positions[0], liquid.positions, atol=1e-9)
        np.testing.assert_allclose(store.inherent[0], (liquid.positions + 0.01) % liquid.edge, atol=1e-9)
        np.testing.assert_allclose(store.displacements(0), liquid.without_drift, atol=1e-5)
        assert store.inherent_attrs["minimiser"] == "of the source"
        assert store.inherent_energy.shape == (1,)


def test_codes_of_the_warmer_glassbench_set_are_mapped_only_when_complete(tmp_path, capsys, out):
    liquid = make_liquid("ka2d-ternary", per_edge=10, lags=6)
    codes = [f"tc{i:02d}" for i in (1, 6, 11, 16, 21, 26)]
    write_glassbench(tmp_path, liquid, codes=codes, temperature="0.30")
    imported(capsys, out, tmp_path)
    with Store.open(out) as store:
        assert store.times.tolist() == [0.11, 1.25, 14.14, 158.74, 1781.79, 20000.0]
    out.unlink()
    (tmp_path / "N100T0.30_1_tc26.npz").unlink()
    refused(capsys, out, tmp_path, match="--time")


def test_glassbench_inherent_of_another_configuration_is_refused(tmp_path, capsys, out):
    liquid = make_liquid("ka2d-ternary", per_edge=10, lags=2)
    write_glassbench(tmp_path, liquid, inherent=make_liquid("ka2d-ternary", 10).positions[::-1])
    refused(capsys, out, tmp_path / ".", "--temperature", "0.23", match="inherent positions")


def test_glassbench_wrong_box_is_refused(tmp_path, capsys, out):
    liquid = make_liquid("ka2d-ternary", per_edge=10, lags=2)
    liquid.box = liquid.box * 1.3
    write_glassbench(tmp_path, liquid)
    refused(capsys, out, tmp_path, match="gives density")


@pytest.mark.parametrize("kept", [True, False])
def test_glassbench_model_files_give_averages_without_displacements(tmp_path, capsys, out, kept):
    liquid = make_liquid("ka2d-ternary", per_edge=10)
    path = tmp_path / "T0.23" / "test" / f"N{len(liquid.species)}T0.23_7.npz"
    theirs = np.random.default_rng(2).random((8, len(liquid.species)))
    theirs[:, liquid.species == 2] = np.nan  # a model of two species
    words = np.full(theirs.shape, "a")
    moved, broken = write_model_file(path, liquid, kept, BOTAN=np.zeros(3), SE3=theirs, words=words)
    said = imported(capsys, out, tmp_path / "T0.23")
    assert "averages only" in said
    assert "split test taken from the folder name test" in said
    assert "left out: BOTAN, words" in said
    assert "an array for each lag time: SE3" in said
    assert ("1 - bb_prop" in said) == kept
    with Store.open(out) as store:
        assert not store.has_displacements
        assert store.split.tolist() == ["test"]
        assert store.times[0] == 0.1
        assert store.times[-1] == 1.5e6
        np.testing.assert_allclose(store.propensity[0], moved, atol=1e-6)
        np.testing.assert_allclose(store.bond_breaking[0], broken, atol=1e-6)
        assert list(store.predictions) == ["SE3"]
        np.testing.assert_allclose(store.predictions["SE3"][0], theirs, atol=1e-6)
    assert main(["info", str(out)]) == 0
    assert re.search(r"predictions at t = .*: SE3", capsys.readouterr().out)


def test_model_and_trajectory_files_do_not_mix(tmp_path, capsys, out):
    liquid = make_liquid("ka2d-ternary", per_edge=10, lags=2)
    write_glassbench(tmp_path, liquid)
    write_model_file(tmp_path / "N100T0.23_9.npz", liquid)
    refused(capsys, out, tmp_path / ".", match="import them apart")


def test_negative_propensity_is_refused(tmp_path, capsys, out):
    liquid = make_liquid("ka2d-ternary", per_edge=10)
    path = tmp_path / "N100T0.23_7.npz"
    write_model_file(path, liquid)
    rewrite(path, md_prop=-np.ones((8, 100)))
    refused(capsys, out, path, match="negative")


def test_shared_botan_files_give_the_published_numbers(shared_data, capsys, out):
    imported(capsys, out, shared_data / "botan" / "T0.44" / "test")
    with Store.open(out) as store:
        assert store.split.tolist() == ["test", "test"]
        assert store.times.tolist() == [4120.0]
        assert np.bincount(store.species).tolist() == [3277, 819]
        assert store.box[0] == pytest.approx(15.05658, abs=1e-5)
        assert store.done.sum() == 64
        # recomputed from the file itself by plain subtraction (its positions are unwrapped and drift-free)
        file = shared_data / "botan" / "T0.44" / "test" / "isoconfig_N4096T0.44_401_tc07.npz"
        with np.load(file) as raw:
            direct = raw["positions"] - raw["initial_positions"]
        np.testing.assert_allclose(store.displacements(0)[:, 0], direct, atol=1e-5)


def test_shared_glassbench_lags_follow_the_readme(shared_data, capsys, out):
    imported(capsys, out, shared_data / "glassbench")
    with Store.open(out) as store:
        assert store.times.tolist() == [0.1, 1.1, 11.64, 122.47, 1288.41, 13554.0, 142587.0, 1.5e6]
        assert store.displacements(0).shape == (20, 8, 1290, 2)
        msd = (store.displacements(0).astype(float) ** 2).sum(-1).mean((0, 2))
        assert msd[0] == pytest.approx(0.00351, abs=2e-5)
        assert msd[-1] == pytest.approx(0.97475, abs=1e-4)
        assert store.inherent_energy[0] < -2.9
