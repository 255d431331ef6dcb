"""No command writes over what it reads, over what exists, or leaves anything where it was refused."""

import os
import shutil

import numpy as np
import pytest

from gensample.cli import main
from gensample.data import catalog
from gensample.data.store import Store, StoreWriter
from gensample.work import claim
from tests.synthetic import write_dataset


def itself(source, folder):
    return source


def hard_link(source, folder):
    os.link(source, folder / "link.h5")
    return folder / "link.h5"


def symbolic_link(source, folder):
    (folder / "link.h5").symlink_to(source)
    return folder / "link.h5"


COMMANDS = {
    "export": ["--format", "extxyz"],
    "quench": ["--engine", "torch", "--again"],
    "cage": ["--again"],
    "probe": ["--temperatures", "1", "--times", "1", "--replicas", "1", "--again"],
}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("other", [itself, hard_link, symbolic_link])
def test_the_input_is_never_the_output(tmp_path, capsys, name, other):
    source = write_dataset(tmp_path / "a.h5")
    before, out = source.read_bytes(), other(source, tmp_path)
    names = sorted(tmp_path.iterdir())
    assert main([name, str(source), "--out", str(out), *COMMANDS[name]]) == 2
    assert "is what is read" in capsys.readouterr().err
    assert source.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == names


@pytest.mark.parametrize("name", COMMANDS)
def test_what_exists_is_kept(tmp_path, capsys, name):
    source, out = write_dataset(tmp_path / "a.h5"), tmp_path / "thesis.txt"
    out.write_text("years of work")
    assert main([name, str(source), "--out", str(out), *COMMANDS[name]]) == 2
    assert "exists; remove it" in capsys.readouterr().err
    assert out.read_text() == "years of work"


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_is_written_into_unfinished_work(tmp_path, capsys, name):
    source, root = write_dataset(tmp_path / "a.h5"), tmp_path / "b.h5.parts"
    with claim(root, {}):
        assert main([name, str(source), "--out", str(root / "c.h5"), *COMMANDS[name]]) == 2
    assert "unfinished work" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["quench", "cage", "probe"])
@pytest.mark.parametrize("other", [itself, hard_link, symbolic_link])
def test_embedded_datasets_are_never_amended(tmp_path, monkeypatch, capsys, name, other):
    """Neither by name nor by any path: stand-ins, as a fault would destroy the real ones."""
    (tmp_path / "package").mkdir()
    source = write_dataset(tmp_path / "package" / "mini.h5")
    monkeypatch.setitem(catalog.EMBEDDED, "ka2d-mini", source)
    before = source.read_bytes()
    for data in ("ka2d-mini", str(other(source, tmp_path))):
        assert main([name, data, *COMMANDS[name]]) == 2
        assert "belongs to gensample itself" in capsys.readouterr().err
    assert source.read_bytes() == before


def complete(path):
    """A dataset that has all that could be added."""
    write_dataset(path)
    with Store.open(path) as store:
        positions, shape = store.positions, (*store.positions.shape[:2], 1, 1)
    with StoreWriter.resume(path) as writer:
        writer.write_cage(positions, {})
        found = {"length": 1.0, "log_length": 0.0, "mean_displacement": 0.5}
        averages = {name: np.full(shape, value) for name, value in found.items()}
        writer.write_probe(averages, [1.0], [1.0], {})
    return path


@pytest.mark.parametrize("name", ["quench", "cage", "probe"])
def test_a_copy_that_was_asked_for_is_there(tmp_path, capsys, name):
    source, out = complete(tmp_path / "a.h5"), tmp_path / "b.h5"
    words = [word for word in COMMANDS[name] if word != "--again"]
    assert main([name, str(source), *words]) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert main([name, str(source), "--out", str(out), *words]) == 0
    assert "is a copy of" in capsys.readouterr().out
    assert out.read_bytes() == source.read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_a_report_never_takes_the_place_of_what_is_compared(tmp_path, capsys):
    report = tmp_path / "report"
    (report / "curves").mkdir(parents=True)
    for name in ("metrics.json", "index.html"):
        (report / name).write_text("{}")
    source = write_dataset(report / "curves" / "a.h5")
    other = shutil.copy(source, tmp_path / "b.h5")
    assert main(["compare", str(other), str(source), "--out", str(report)]) == 2
    assert "holds what is read" in capsys.readouterr().err
    assert source.exists()


def test_a_benchmark_removes_no_folder_of_others(tmp_path):
    from gensample.benchmark.cache import Cache, Opened
    from gensample.benchmark.settings import load_settings, units
    from gensample.errors import ConfigError
    from tests.small_benchmark import small

    settings = load_settings(small(tmp_path), [])
    work = Cache(tmp_path, units(settings)[0], Opened(settings))
    work.folder.mkdir(parents=True)
    (work.folder / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="of no benchmark"):
        work.begin()
    assert (work.folder / "thesis.txt").exists()
