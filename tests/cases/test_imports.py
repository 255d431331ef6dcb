"""Files that were read wrongly, made anew from ka2d-mini; the table beside this file says what each is."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from sources import (
    STATE,
    data_file,
    extxyz_frame,
    imported,
    mini,
    model_file,
    refused,
    write_dump,
    write_extxyz,
)

from gensample.cli import main
from gensample.data.store import Store

TERNARY = ("--mixture", "ka2d-ternary", "--temperature", "0.3", "--time", "1")


@pytest.mark.parametrize("gone", [5, 330])
def test_01_a_set_of_ids_that_changes_is_refused(tmp_path, capsys, out, gone):
    case = mini()
    ids = np.tile(case.ids, (4, 1))
    ids[3, gone - 1] = 501
    err = refused(capsys, out, write_dump(tmp_path / "a.dump", case, ids=ids), *STATE)
    assert f"{gone} is gone, 501 is new" in err
    assert "frame 4 (timestep 100000)" in err


def test_02_empty_lines_between_frames_drop_none(tmp_path, capsys, out):
    case = mini()
    path = tmp_path / "a.extxyz"
    path.write_text("\n".join(extxyz_frame(case, x) for x in case.frames()))
    imported(capsys, out, path, *STATE)
    with Store.open(out) as store:
        np.testing.assert_allclose(store.positions, case.frames() % case.box, atol=1e-9)


def test_03_a_flat_cell_of_height_zero_does_not_part_replicas(tmp_path, capsys, out):
    case = mini()
    files = [write_extxyz(tmp_path / f"{r}.extxyz", case, r, height=0.0) for r in range(2)]
    imported(capsys, out, *files, *STATE)
    with Store.open(out) as store:
        assert store.num_configurations == 1
        np.testing.assert_allclose(store.displacements(0), without_drift(case)[:2], atol=1e-5)


def without_drift(case):
    return case.displacements - case.displacements.mean(axis=2, keepdims=True)


@pytest.fixture
def two_temperatures(tmp_path):
    case = mini()
    for folder in ("T0.45", "T0.80"):
        for r in range(2):
            write_dump(tmp_path / folder / f"{r}.dump", case, case.frames(r) if r else case.frames(2 - r))
    write_dump(tmp_path / "T0.80" / "0.dump", case, 0.5 * case.frames(0) + 0.5 * case.frames(1))
    return [tmp_path / "T0.45", tmp_path / "T0.80"]


def test_05_runs_of_one_start_at_two_temperatures_are_two_ensembles(two_temperatures, capsys, out):
    said = imported(capsys, out, *two_temperatures, "--mixture", "ka2d", "--timestep", "0.001")
    assert "an ensemble at each temperature" in said
    with Store.open(out) as store:
        assert store.temperature.tolist() == [0.45, 0.8]
        assert store.replicas.tolist() == [2, 2]


def test_05_one_temperature_for_both_is_refused(two_temperatures, capsys, out):
    err = refused(capsys, out, *two_temperatures, *STATE)
    assert "T = 0.45" in err
    assert "T = 0.8" in err


@pytest.mark.parametrize("words", [(), ("--frames", "trajectory")])
def test_07_a_replica_that_was_cut_short_is_left_out_and_named(tmp_path, capsys, out, words):
    case = mini()
    files = [write_dump(tmp_path / f"run{r}.dump", case, case.frames(r)) for r in range(2)]
    files.append(write_dump(tmp_path / "run2.dump", case, case.frames(2)[:1]))
    said = imported(capsys, out, *files, *STATE, *words)
    assert "run2.dump is short, 1 of 4 frames: left out" in said
    with Store.open(out) as store:
        assert store.times.tolist() == [1.0, 10.0, 100.0]
        np.testing.assert_allclose(store.displacements(0), without_drift(case)[:2], atol=1e-5)


@pytest.mark.parametrize("words", [(), ("--species", "A=0", "B=1")])
def test_08_names_of_gsd_types_are_read(tmp_path, capsys, out, words):
    hoomd = pytest.importorskip("gsd.hoomd", reason="the optional package gsd is not installed")
    case = mini()
    frame = hoomd.Frame()
    frame.configuration.dimensions, frame.configuration.box = 2, [*case.box, 1, 0, 0, 0]
    frame.particles.N, frame.particles.types = len(case.species), ["B", "A"]
    frame.particles.typeid = 1 - case.species
    frame.particles.position = np.pad(case.positions - case.box / 2, [(0, 0), (0, 1)])
    with hoomd.open(tmp_path / "names.gsd", "w") as file:
        file.append(frame)
    imported(capsys, out, tmp_path / "names.gsd", *STATE, *words)
    with Store.open(out) as store:
        np.testing.assert_array_equal(store.species, case.species)


def test_09_a_damaged_gzip_file_is_named(tmp_path, capsys, out):
    raw = bytearray(gzip.compress(write_dump(tmp_path / "a.dump", mini()).read_bytes()))
    middle = len(raw) // 2
    for i in range(middle, middle + 40):
        raw[i] ^= 0xFF
    path = tmp_path / "flip.dump.gz"
    path.write_bytes(raw)
    assert "flip.dump.gz cannot be read, it is damaged" in refused(capsys, out, path, *STATE)


def test_12_a_count_below_the_rows_is_refused_with_both(tmp_path, capsys, out):
    path = tmp_path / "more5.data"
    path.write_text(data_file(mini(), count=495))
    err = refused(capsys, out, path, *STATE)
    assert "counts 495 atoms" in err
    assert "has 500 lines" in err


@pytest.mark.parametrize(
    "title", ["Atoms of a Kob-Andersen glass", "495 atoms", "0 1 xlo xhi", "ITEM: 3 atoms"]
)
def test_12_the_title_of_a_data_file_is_never_read(tmp_path, capsys, out, title):
    case, path = mini(), tmp_path / "title.data"
    path.write_text(data_file(case, title))
    imported(capsys, out, path, *STATE)
    with Store.open(out) as store:
        np.testing.assert_allclose(store.positions[0], case.positions, atol=1e-9)


@pytest.mark.parametrize(("fraction", "lost"), [(1.0, 0.0), (0.0, 0.0), (0.9, 0.1)])
def test_13_calm_particles_have_lost_no_neighbours(tmp_path, capsys, out, fraction, lost):
    imported(capsys, out, model_file(tmp_path / "a.npz", fraction=fraction), *TERNARY)
    with Store.open(out) as store:
        np.testing.assert_allclose(store.bond_breaking, lost, atol=1e-6)


@pytest.mark.parametrize(("moved", "fraction"), [(0.1, 0.5), (2.0, 1.0)])
def test_13_a_file_that_does_not_tell_what_it_counts_asks(tmp_path, capsys, out, moved, fraction):
    path = model_file(tmp_path / "a.npz", moved, fraction)
    assert "--bond-breaking kept or lost" in refused(capsys, out, path, *TERNARY)
    imported(capsys, out, path, *TERNARY, "--bond-breaking", "kept")
    with Store.open(out) as store:
        np.testing.assert_allclose(store.bond_breaking, 1 - fraction, atol=1e-6)


def test_22_folders_above_the_given_source_say_nothing(tmp_path, capsys, out, monkeypatch):
    path = write_dump(tmp_path / "test" / "T0.80" / "glass" / "time.dump", mini())
    monkeypatch.chdir(path.parent)
    for source in (Path(path.name), path, path.parent, Path(".")):
        said = imported(capsys, out, source, *STATE)
        assert "no train, val or test folder at or below the given source" in said
        with Store.open(out) as store:
            assert store.split.tolist() == ["train"]
        out.unlink()


@pytest.mark.parametrize("relative", [True, False])
def test_22_what_a_folder_name_says_is_said(tmp_path, capsys, out, monkeypatch, relative):
    path = write_dump(tmp_path / "T0.45" / "test" / "glass" / "time.dump", mini())
    monkeypatch.chdir(path.parents[1])
    source = Path("..") if relative else Path(os.path.abspath(".."))
    said = imported(capsys, out, source, "--mixture", "ka2d", "--timestep", "0.001")
    assert "split test taken from the folder name test" in said
    assert "temperature 0.45 taken from the folder name T0.45" in said
    with Store.open(out) as store:
        assert store.split.tolist() == ["test"]
        assert store.temperature.tolist() == [0.45]


def test_an_import_never_replaces_what_it_reads(tmp_path, capsys):
    path = write_extxyz(tmp_path / "s.extxyz", mini())
    before = path.read_bytes()
    assert main(["import", str(path), *STATE, "--out", str(path)]) == 2
    assert "is what is read" in capsys.readouterr().err
    assert path.read_bytes() == before
