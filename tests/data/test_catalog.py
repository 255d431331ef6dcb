"""Datasets by name that are not in the package: found, the right ones, and never changed in place."""

import hashlib

import pytest
from lattices import write_lattices

from gensample.cli import main
from gensample.data import catalog
from gensample.data.catalog import dataset_file
from gensample.data.store import Store
from gensample.errors import DataError


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A stand-in, `ka2d-kept`, in the folder of an empty checkout."""
    path = tmp_path / "checkout/datasets/ka2d-kept.h5"
    path.parent.mkdir(parents=True)
    write_lattices(path, count=1)
    monkeypatch.setattr(catalog, "CHECKOUT", tmp_path / "checkout")
    monkeypatch.setitem(catalog.KEPT, "ka2d-kept", hashlib.sha256(path.read_bytes()).hexdigest())
    monkeypatch.chdir(tmp_path)
    return path


def test_found_in_the_checkout_or_where_one_works(kept, tmp_path):
    assert dataset_file("ka2d-kept") == kept
    with Store.open("ka2d-kept") as store:
        assert store.num_configurations == 1
    here = tmp_path / "datasets/ka2d-kept.h5"
    here.parent.mkdir()
    kept.rename(here)
    assert dataset_file("ka2d-kept").resolve() == here
    assert dataset_file(here) == here


def test_absent_says_where_to_get_it(kept, capsys):
    kept.unlink()
    assert main(["info", "ka2d-kept"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "get datasets/ka2d-kept.h5 from the repository of gensample" in line
    with pytest.raises(DataError, match="'ka2d-kept', 'ka2d-liquid'"):
        dataset_file("ka2d-lost")


def test_another_file_of_the_name_is_refused(kept):
    write_lattices(kept.with_name("other.h5"), count=2)
    kept.with_name("other.h5").replace(kept)
    with pytest.raises(DataError, match=r"ka2d-kept.h5 is not ka2d-kept: its sha256 is .*, expected"):
        dataset_file("ka2d-kept")
    assert dataset_file(kept) == kept


def test_never_changed_in_place(kept, capsys):
    before = kept.read_bytes()
    for name in ("ka2d-kept", str(kept)):
        assert main(["quench", name, "--engine", "torch"]) == 2
        assert "give --out for a copy" in capsys.readouterr().err
    assert kept.read_bytes() == before


def test_every_kept_dataset_of_this_checkout_is_the_one_of_its_name():
    present = [name for name in catalog.KEPT if any(file.is_file() for file in catalog.places(name))]
    for name in present:
        dataset_file(name)
