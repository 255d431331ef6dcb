"""Datasets and configurations: files, views, memory, arrays of one's own."""

import doctest
import importlib

import numpy as np
import pytest
import torch
from lattices import write_glasses
from synthetic import write_dataset

from gensample.data.configuration import Configuration
from gensample.data.datamodule import KADataModule
from gensample.data.dataset import Dataset, as_dataset, open_dataset
from gensample.data.store import Contents, Store
from gensample.errors import ConfigError, DataError
from gensample.physics.mixtures import get_mixture


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return open_dataset(write_dataset(tmp_path_factory.mktemp("data") / "a.h5"))


def copied(data, **changes):
    """The same in memory."""
    store = data.store
    how = {"times": store.times, "replicas": store.replicas, "inherent": store.inherent, **changes}
    contents = Contents.of(store, **how)
    fields = {
        (c, int(r)): field
        for c in range(len(data))
        for r, field in zip(np.flatnonzero(store.done[c]), data.fields(c), strict=True)
    }
    return Dataset.create(contents, fields)


def test_views_count_within_themselves(data):
    assert data.splits == {"train": 3, "val": 2, "test": 1}
    assert data["val"].rows.tolist() == [3, 4]
    assert data["val"][1:].rows.tolist() == [4]
    assert data[[5, 0]]["train"].rows.tolist() == [0]
    assert data["all"][-1:].rows.tolist() == [5]
    np.testing.assert_array_equal(data["val"][1].positions, data.store.positions[4])
    np.testing.assert_array_equal(data["val"].fields(1), data.store.displacements(4))
    with pytest.raises(DataError, match="in split 'test'"):
        data["val"]["test"]
    with pytest.raises(IndexError):
        data[6]


def test_what_is_known(data):
    assert "6 configurations (train 3, val 2, test 1) of ka2d at T = 0.45; species 26 A, 14 B" in repr(data)
    assert [one.temperature for one in data] == [0.45] * 6
    u = data["val"].displacements
    assert u.shape == (2, 4, 3, 40, 2)
    np.testing.assert_allclose(
        data["val"].propensity, np.linalg.norm(u.astype(float), axis=-1).mean(1).transpose(0, 2, 1)
    )
    with pytest.raises(DataError, match=r"3 to 4 complete replicas.*fields\(i\)"):
        data.displacements  # noqa: B018


def test_memory_is_read_like_a_file(data):
    ours = copied(data)
    assert ours.store.path.name.endswith("in memory")
    for name in ("positions", "box", "temperature", "species", "lag_time", "inherent", "rows"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(data, name))
    np.testing.assert_array_equal(ours["val"].displacements, data["val"].displacements)
    assert ours.splits == data.splits
    batches = []
    for module in (KADataModule(str(data.store.path)), KADataModule.of(ours.store)):
        module.setup()
        batches.append(module.batch([0, 4]))
    for name, value in batches[0].to_dict().items():
        if isinstance(value, torch.Tensor):
            torch.testing.assert_close(batches[1][name], value, rtol=0, atol=0)
    with Store.open(ours.store) as again:
        np.testing.assert_array_equal(again.positions, ours.positions)
    assert len(ours.positions) == 6


def test_memory_refuses_what_a_file_refuses(data):
    with pytest.raises(DataError, match="two particles in one place"):
        Dataset.create(Contents(mixture="ka2d", temperature=1, positions=np.zeros((1, 4, 2)),
                                species=[0, 0, 1, 0], box=np.array([2.0, 2.0])))  # fmt: skip


def test_as_dataset(data):
    assert as_dataset(data) is data
    assert len(as_dataset(str(data.store.path))) == len(as_dataset(data.store)) == 6
    one = as_dataset(data[2])
    np.testing.assert_array_equal(one.positions, data.positions[[2]])
    np.testing.assert_array_equal(one.inherent, data.inherent[[2]])
    assert (one.splits, len(one.lag_time)) == ({"test": 1}, 0)
    assert len(as_dataset(list(data))) == 6
    with pytest.raises(ConfigError, match="expected a dataset"):
        as_dataset(3)
    with pytest.raises(ConfigError, match="mixture and the temperature"):
        as_dataset(Configuration([[0, 0], [1, 1]], [0, 1], 4.0))
    with pytest.raises(DataError, match="same mixture and species"):
        as_dataset([data[0], Configuration(data[0].positions, 1 - data[0].species, 6.0, "ka2d", 0.45)])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"positions": [[0.0, 1.0, 2.0, 3.0]]}, "positions must have shape"),
        ({"positions": [[0.0, np.nan]] * 2}, "not finite"),
        ({"positions": "abc"}, "array of numbers"),
        ({"species": [0.5, 1]}, "whole numbers from 0"),
        ({"species": [0]}, "species must be 2"),
        ({"box": [1.0, -1.0]}, "positive edge lengths"),
        ({"box": [1.0, 1.0, 1.0]}, "one or 2"),
        ({"temperature": 0}, "temperature must be positive"),
        ({"inherent": [[0.0, 0.0]]}, "inherent must have shape"),
    ],
)
def test_configurations_that_cannot_be(changes, message):
    settings = {"positions": [[0.0, 1.0], [1.0, 1.0]], "species": [0, 1], "box": 4.0, **changes}
    with pytest.raises((DataError, ConfigError), match=message):
        Configuration(**settings)


def test_ase_and_back():
    pytest.importorskip("ase")
    for dimension in (2, 3):
        x = np.random.default_rng(0).uniform(0, 5, (6, dimension))
        liquid = "ka2d-ternary" if dimension == 2 else None
        one = Configuration(x, [0, 1, 1, 0, 2, 0], np.arange(1.0, dimension + 1) + 4, liquid, 0.3)
        back = Configuration.from_ase(one.to_ase(), liquid, 0.3)
        np.testing.assert_array_equal(back.positions, one.positions)
        np.testing.assert_array_equal(back.species, one.species)
        np.testing.assert_array_equal(back.box, one.box)


def test_elements_of_ase():
    ase = pytest.importorskip("ase")
    atoms = ase.Atoms("NiP2", positions=np.eye(3), cell=[4, 4, 4], pbc=True)
    assert Configuration.from_ase(atoms).species.tolist() == [1, 0, 0]
    assert Configuration.from_ase(atoms, species={"Ni": 0, "P": 1}).species.tolist() == [0, 1, 1]
    glass = ase.Atoms("Ni4P", positions=np.arange(15).reshape(5, 3), cell=[20, 20, 20], pbc=True)
    assert Configuration.from_ase(glass, "ka3d").species.tolist() == [0, 0, 0, 0, 1]
    with pytest.raises(DataError, match="1 P, 1 Ni are in several ways"):
        Configuration.from_ase(ase.Atoms("NiP", cell=[4, 4, 4], pbc=True), "wahnstrom")
    with pytest.raises(DataError, match="in no way the 8:2 particles"):
        Configuration.from_ase(ase.Atoms("Ni5P5", cell=[4, 4, 4], pbc=True), "ka3d")
    with pytest.raises(DataError, match="no number for P"):
        Configuration.from_ase(atoms, species={"Ni": 0})
    atoms.pbc = [True, False, True]
    with pytest.raises(DataError, match="periodic along x and y"):
        Configuration.from_ase(atoms)
    atoms = ase.Atoms("Ni", cell=[[4, 1, 0], [0, 4, 0], [0, 0, 4]], pbc=True)
    with pytest.raises(DataError, match="tilted"):
        Configuration.from_ase(atoms)


def test_quench_gives_the_bits_of_the_command(tmp_path):
    from gensample.simulate.quench import quench

    path = write_glasses(tmp_path / "a.h5")
    quench(path, tmp_path / "q.h5", engine="torch")
    ours = open_dataset(path)[1].quench()
    with Store.open(tmp_path / "q.h5") as store:
        np.testing.assert_array_equal(ours.positions, store.inherent[1])
    with pytest.raises(ConfigError, match="give the mixture"):
        Configuration(ours.positions, ours.species, ours.box).quench()


@pytest.mark.parametrize("name", ["dataset", "configuration"])
def test_examples(name):
    found = doctest.testmod(importlib.import_module(f"gensample.data.{name}"))
    assert found.attempted
    assert not found.failed


def test_a_mixture_that_is_none_is_refused_at_once():
    with pytest.raises(ConfigError, match="did you mean ka2d"):
        Configuration([[0.5, 0.5]], [0], 4.0, mixture="ka2")


def test_a_configuration_has_the_liquid_of_its_dataset_whatever_its_name():
    mixture = get_mixture("ka2d").truncated("shift")
    one = open_dataset("ka2d-mini")[0]
    again = as_dataset(Configuration(one.positions, one.species, one.box, mixture, 0.45))[0]
    assert again.mixture == mixture != one.mixture


@pytest.mark.parametrize("key", [[], slice(5, 5), [[1, 2], [3, 4]], [1.5], None, True])
def test_views_of_nothing_are_refused(key):
    with pytest.raises(DataError, match=r"none of these|expected a split"):
        open_dataset("ka2d-mini")[key]


@pytest.mark.parametrize(
    "change",
    [
        {"species": np.array([256, 257])},
        {"species": np.array([0, 2])},
        {"mixture": "ka3d"},
        {"temperature": "0.45"},
        {"positions": np.ones((2, 2)) * 1j},
    ],
)
def test_arrays_that_make_no_configuration_are_refused(change):
    given = {"positions": np.eye(2), "species": np.array([0, 1]), "box": 4.0, "mixture": "ka2d"}
    with pytest.raises((DataError, ConfigError)):
        Configuration(**given | change)
