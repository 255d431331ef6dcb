"""Which particle, which replica, which configuration: what files say of it is compared, never assumed."""

import numpy as np
import pytest
from sources import STATE, data_file, extxyz_frame, mini, write_dump, write_extxyz

from gensample.cli import main
from gensample.data.formats import read_sources
from gensample.data.importing.convert import check_repeats, contents_of
from gensample.data.importing.source import Options
from gensample.data.store import Store
from gensample.errors import DataError

OPTIONS = Options(mixture="ka2d", temperature=0.45, timestep=0.001)


def structures(*paths, options=OPTIONS):
    return read_sources(paths, "auto", options).structures


def assembled(*paths, options=OPTIONS):
    imported = read_sources(paths, "auto", options)
    return contents_of(imported, options)[0], imported


def test_order_is_restored_by_ids_in_every_frame_and_replica(tmp_path):
    case, rng = mini(), np.random.default_rng(0)
    for r in range(2):
        orders = np.stack([rng.permutation(case.ids) for _ in range(4)])
        frames = np.stack([x[order - 1] for x, order in zip(case.frames(r), orders, strict=True)])
        write_dump(tmp_path / f"{r}.dump", case, frames, ids=orders, types=case.species[orders - 1] + 1)
    [structure] = structures(tmp_path)
    np.testing.assert_allclose(structure.load()[..., :2], case.displacements[:2], atol=1e-8)


def test_repeated_ids_are_refused_by_name(tmp_path):
    case = mini()
    ids = np.tile(case.ids, (4, 1))
    ids[2, 7] = 12
    with pytest.raises(DataError, match=r"frame 3 .timestep 10000.: particle ids repeat: 12"):
        structures(write_dump(tmp_path / "a.dump", case, ids=ids))
    path = tmp_path / "a.data"
    path.write_text(data_file(case).replace("\n12 1 ", "\n8 1 "))
    with pytest.raises(DataError, match="ids repeat: 8"):
        structures(path)


def test_a_type_that_changes_is_told_from_an_id_that_changes(tmp_path):
    case = mini()
    types = np.tile(case.species + 1, (4, 1))
    types[3, [4, 400]] = 2, 1
    with pytest.raises(DataError, match=r"particle of id 5 has type '2', '1' in the first frame .2 such"):
        structures(write_dump(tmp_path / "a.dump", case, types=types))


def test_replicas_with_other_ids_are_refused(tmp_path):
    case = mini()
    a = write_dump(tmp_path / "a.dump", case)
    b = write_dump(tmp_path / "b.dump", case, case.frames(1), ids=case.ids + 1)
    with pytest.raises(DataError, match="1 is gone, 501 is new"):
        structures(a, b)


def test_a_start_in_another_order_is_not_another_start(tmp_path):
    case = mini()
    a = write_dump(tmp_path / "a.dump", case)
    b = write_dump(tmp_path / "b.dump", case, case.frames(1)[:, ::-1], types=case.species[::-1] + 1)
    with pytest.raises(DataError, match="particles come in another order"):
        structures(a, b)


def test_ids_of_extxyz_restore_the_order(tmp_path):
    case, path = mini(), tmp_path / "a.extxyz"
    text = []
    for x, t, turn in zip(case.frames(), [0, *case.times], (1, -1, 1, -1), strict=True):
        lines = extxyz_frame(case, x, info=f"unwrapped=T time={t:g}").splitlines()
        rows = [f"{line} {i}" for line, i in zip(lines[2:], case.ids, strict=True)]
        text += [lines[0], lines[1].replace("pos:R:3", "pos:R:3:id:I:1"), *rows[::turn]]
    path.write_text("\n".join(text) + "\n")
    [structure] = structures(path)
    np.testing.assert_allclose(structure.load()[0, ..., :2], case.displacements[0], atol=1e-8)


@pytest.mark.parametrize(("digits", "decimals"), [(".6g", 4), (".7g", 5), (".5f", 5)])
def test_starts_are_one_to_the_digits_that_are_printed(tmp_path, digits, decimals):
    case, rng = mini(), np.random.default_rng(1)
    for r in range(2):  # each run rounds its own start: they differ in the last digit
        frames = case.frames(r)
        frames[0] += rng.uniform(-1, 1, frames[0].shape) * 0.3 * 10.0**-decimals
        write_dump(tmp_path / f"{r}.dump", case, frames, digits=digits)
    [structure] = structures(tmp_path)
    assert structure.replicas == 2


@pytest.mark.parametrize("shift", [0.001, 0.005])
def test_a_near_miss_of_two_starts_is_an_error_that_says_so(tmp_path, shift):
    case = mini()
    a = write_dump(tmp_path / "a.dump", case)
    frames = case.frames(1)
    frames[0] += shift * np.random.default_rng(0).normal(size=frames[0].shape)
    with pytest.raises(DataError, match=r"starts nearly where .* half of them"):
        structures(a, write_dump(tmp_path / "b.dump", case, frames))


def test_one_particle_elsewhere_or_all_elsewhere_is_a_near_miss(tmp_path):
    case = mini()
    a, frames = write_dump(tmp_path / "a.dump", case), case.frames(1)
    frames[0, 17] += 3.0
    with pytest.raises(DataError, match="starts nearly where"):
        structures(a, write_dump(tmp_path / "b.dump", case, frames))
    with pytest.raises(DataError, match="by one and the same vector"):
        structures(a, write_dump(tmp_path / "b.dump", case, case.frames(1) + 0.3))


def test_positions_with_two_digits_are_no_trajectory(tmp_path):
    with pytest.raises(DataError, match="too few digits"):
        structures(write_dump(tmp_path / "a.dump", mini(), digits=".1f"))


def test_replicas_in_two_splits_are_refused(tmp_path):
    case = mini()
    for r, split in enumerate(("train", "test")):
        write_dump(tmp_path / split / f"{r}.dump", case, case.frames(r))
    with pytest.raises(DataError, match="one configuration belongs to one split"):
        structures(tmp_path)
    [structure] = structures(tmp_path, options=Options(mixture="ka2d", timestep=0.001, split="val"))
    assert structure.replicas == 2


@pytest.mark.parametrize("change", ["none", "rounded", "moved", "permuted"])
def test_one_configuration_in_two_splits_is_refused(tmp_path, change):
    case = mini()
    write_dump(tmp_path / "train" / "a.dump", case, case.frames()[:1])
    write_dump(tmp_path / "test" / "a.dump", case, case.frames()[:1])
    dataset, imported = assembled(tmp_path)
    copy = dataset.positions[1]
    if change == "rounded":
        copy += 5e-5 * np.random.default_rng(0).uniform(-1, 1, copy.shape)
    if change == "moved":
        copy += 0.3 * dataset.box[1]
    if change == "permuted":
        copy[:] = np.random.default_rng(0).permutation(copy)
    with pytest.raises(DataError, match="are one configuration, in splits"):
        check_repeats(dataset, imported.structures, imported.notes)


def test_configurations_moved_to_val_leave_no_copy_in_train(tmp_path, capsys):
    case = mini()
    for temperature in ("T0.45", "T0.80"):
        write_dump(tmp_path / temperature / "a.dump", case, case.frames(0))
    words = ("--mixture", "ka2d", "--timestep", "0.001", "--val-count", "1", "--out", str(tmp_path / "x.h5"))
    assert main(["import", str(tmp_path), *words]) == 2
    assert "are one configuration, in splits" in capsys.readouterr().err
    assert not (tmp_path / "x.h5").exists()


def test_a_run_given_twice_is_refused(tmp_path, capsys):
    case = mini()
    for name in ("a", "b"):
        write_dump(tmp_path / f"{name}.dump", case)
    assert main(["import", str(tmp_path), *STATE, "--out", str(tmp_path / "x.h5")]) == 2
    assert "a run was given twice" in capsys.readouterr().err


def test_a_file_is_read_once_however_it_is_called(tmp_path, monkeypatch):
    path = write_dump(tmp_path / "a.dump", mini())
    (tmp_path / "b.dump").symlink_to(path)
    monkeypatch.chdir(tmp_path)
    [structure] = structures("a.dump", path, "b.dump", tmp_path)
    assert structure.replicas == 1


@pytest.mark.parametrize("short", [1, 2])
def test_runs_longer_than_the_others_and_short_starts_are_refused(tmp_path, short):
    case = mini()
    for r in range(2):
        write_dump(tmp_path / f"{r}.dump", case, case.frames(r)[:3])
    write_dump(tmp_path / "2.dump", case, case.frames(2))
    with pytest.raises(DataError, match="has 4 frames, most of the others have 3"):
        structures(tmp_path)
    write_dump(tmp_path / "2.dump", case, (case.frames(2) * 0.5)[:short])
    with pytest.raises(DataError, match=f"has {short} frames, the other starts have 3"):
        structures(tmp_path)


def test_frames_are_what_was_asked_for_or_refused(tmp_path):
    case = mini()
    one = write_dump(tmp_path / "one.dump", case, case.frames()[:1])
    with pytest.raises(DataError, match="hold one frame each"):
        structures(one, options=Options(frames="trajectory"))
    several = write_dump(tmp_path / "several.dump", case)
    assert len(structures(several, options=Options(frames="configurations"))) == 4
    data = tmp_path / "a.data"
    data.write_text(data_file(case))
    with pytest.raises(DataError, match="hold one frame each"):
        structures(data, options=Options(frames="trajectory"))
    with pytest.raises(DataError, match="--unwrapped means nothing for lammps-data"):
        structures(data, options=Options(unwrapped=True))
    with pytest.raises(DataError, match="--averages means nothing for lammps-dump"):
        structures(several, options=Options(averages=True))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"times": (1.0,)}, "--time gives lag times, but"),
        ({"box": (20.5,)}, "--box gives"),
        ({"species": {"1": 0, "2": 1, "3": 1}}, "names type '3'"),
        ({"density": 1.1}, "gives density"),
    ],
)
def test_what_the_user_says_of_a_configuration_is_compared_with_it(tmp_path, options, match):
    case = mini()
    path = write_dump(tmp_path / "a.dump", case, case.frames()[:1])
    with pytest.raises(DataError, match=match):
        assembled(path, options=Options(mixture="ka2d", temperature=0.45, **options))


def test_lag_times_of_the_user_are_compared_with_those_of_the_frames(tmp_path):
    path = write_extxyz(tmp_path / "a.extxyz", mini())
    [structure] = structures(path, options=Options(times=(1.0, 10.0, 100.0)))
    assert structure.times.tolist() == [1.0, 10.0, 100.0]
    with pytest.raises(DataError, match="--time gives lag times"):
        structures(path, options=Options(times=(1.0, 10.0, 50.0)))


def test_times_out_of_proportion_to_the_steps_are_said(tmp_path):
    path = write_dump(tmp_path / "a.dump", mini())
    _, imported = assembled(path, options=Options(mixture="ka2d", temperature=0.45, times=(1.0, 10.0, 50.0)))
    assert any("not in proportion to the steps" in note for note in imported.notes)


def test_a_temperature_of_the_user_overrides_one_of_the_file_aloud(tmp_path):
    case, path = mini(), tmp_path / "a.extxyz"
    path.write_text(extxyz_frame(case, case.positions, info="temperature=0.6"))
    dataset, imported = assembled(path)
    assert dataset.temperature.tolist() == [0.45]
    assert "--temperature 0.45 overrides 0.6 of the files" in imported.notes


def test_a_name_and_a_folder_that_differ_in_temperature_are_refused(tmp_path):
    write_dump(tmp_path / "T0.45" / "N500T0.80_1.dump", mini())
    with pytest.raises(DataError, match=r"name says T = 0.80, its folder T = 0.45"):
        assembled(tmp_path, options=Options(mixture="ka2d", timestep=0.001))


@pytest.mark.parametrize("mixed", ["all", "B"])
def test_fields_as_wide_as_the_box_are_no_motion(tmp_path, capsys, mixed):
    """Formats without ids: the order of the particles, of all or of one species, changes between frames."""
    case, path = mini(), tmp_path / "a.extxyz"
    order = np.arange(500)
    chosen = order if mixed == "all" else np.flatnonzero(case.species == 1)
    if mixed == "all":
        order = np.concatenate([np.roll(order[case.species == s], 1) for s in range(2)])
    else:
        order[chosen] = np.roll(chosen, 1)
    frames = [case.frames()[0], case.frames()[1][order]]
    path.write_text(
        "".join(
            extxyz_frame(case, x, info=f"unwrapped=T time={t}") for x, t in zip(frames, (0, 1), strict=True)
        )
    )
    assert main(["import", str(path), *STATE, "--out", str(tmp_path / "x.h5")]) == 2
    assert "as wide as the box" in capsys.readouterr().err


def test_long_diffusion_is_motion(tmp_path):
    case, path = mini(), tmp_path / "a.extxyz"
    far = case.positions + np.random.default_rng(0).normal(0, 8.0, case.positions.shape)
    path.write_text(
        "".join(
            extxyz_frame(case, x, info=f"unwrapped=T time={t}") for x, t in ((case.positions, 0), (far, 5000))
        )
    )
    assert main(["import", str(path), *STATE, "--out", str(tmp_path / "x.h5")]) == 0
    with Store.open(tmp_path / "x.h5") as store:
        assert store.displacements(0).std() == pytest.approx(8.0, rel=0.1)


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (("--temperature", "nan"), "--temperature must be positive and finite"),
        (("--timestep", "inf"), "--timestep must be positive and finite"),
        (("--density", "-1"), "--density must be positive and finite"),
        (("--box", "20", "nan"), "--box must be positive and finite"),
        (("--time", "1", "nan", "3"), "--time must be positive"),
        (("--val-count", "-1"), "--val-count"),
        (("--seed", str(2**70)), "--seed"),
        (("--species", "1=²"), "--species takes TYPE=N"),
        (("--species", "1=0", "1=1"), "names type '1' twice"),
        (("--bond-breaking", "kept"), "--bond-breaking means nothing"),
    ],
)
def test_settings_of_an_import_are_checked(tmp_path, capsys, words, match):
    path = write_dump(tmp_path / "a.dump", mini())
    assert main(["import", str(path), *STATE, *words, "--out", str(tmp_path / "x.h5")]) == 2
    assert match in capsys.readouterr().err
    assert not (tmp_path / "x.h5").exists()
