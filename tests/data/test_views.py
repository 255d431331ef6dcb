"""Sheared glasses served as configurations: the common frame, rows, and what each quantity is."""

import h5py
import numpy as np
import pytest
import torch
from sheared import DIRECTIONS, write_shear
from synthetic import served, write_dataset

from gensample.data.records import random_shear_symmetry
from gensample.data.store import Store
from gensample.data.views import ShearFrame, ShearView, open_view
from gensample.errors import ConfigError, DataError
from gensample.fields import check_batch
from gensample.physics.box import minimum_image
from gensample.physics.strain import d2min


@pytest.mark.parametrize("direction", ["xy+", "xy-", "xz+", "xz-", "yz+", "yz-"])
def test_frame_turns_every_shear_into_the_same_one(direction):
    a, b = "xyz".index(direction[0]), "xyz".index(direction[1])
    x = np.random.default_rng(0).normal(size=(20, 3))
    u = np.zeros_like(x)
    u[:, a] = (0.1 if direction[2] == "+" else -0.1) * x[:, b]
    frame = ShearFrame.of(direction, 3)
    turned, moved = frame.turn(x), frame.turn(u)
    expected = np.zeros_like(x)
    expected[:, 0] = 0.1 * turned[:, 1]
    np.testing.assert_allclose(moved, expected)


@pytest.mark.parametrize("direction", ["xx+", "xw-", "xy", "+", "", "xz+"])
def test_frame_refuses_what_is_no_direction(direction):
    with pytest.raises(ConfigError, match="unknown shear direction"):
        ShearFrame.of(direction, 2)


@pytest.mark.parametrize("dimension", [2, 3])
def test_rows_are_configurations_along_directions(tmp_path, dimension):
    path = write_shear(tmp_path / "shear.h5", dimension)
    store, view = Store.open(path), open_view(path)
    count = len(DIRECTIONS[dimension])
    assert view.num_configurations == len(view.positions) == len(view.box) == 3 * count
    assert list(view.split) == ["train"] * 2 * count + ["test"] * count
    np.testing.assert_array_equal(view.indices("test"), np.arange(2 * count, 3 * count))
    assert view.replicas.tolist() == [1] * 3 * count
    for row in range(3 * count):
        c, r = view.source_row(row)
        turned = ShearFrame.of(DIRECTIONS[dimension][r], dimension).turn(store.displacements(c)[r])
        np.testing.assert_array_equal(view.displacements(row)[0], turned)


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("name", ["positions", "inherent"])
def test_positions_are_the_same_structure_along_other_axes(tmp_path, dimension, name):
    path = write_shear(tmp_path / "shear.h5", dimension)
    store, view = Store.open(path), ShearView(path)
    box = torch.from_numpy(view.box)
    for row in range(view.num_configurations):
        c, r = view.source_row(row)
        before, after = getattr(store, name)[c], torch.from_numpy(getattr(view, name)[row])
        assert bool(((after >= 0) & (after < box[row])).all())
        separation = ShearFrame.of(DIRECTIONS[dimension][r], dimension).turn(before - before[0])
        apart = minimum_image(after - after[0] - torch.from_numpy(separation), box[row])
        assert float(apart.abs().max()) < 1e-12


def test_d2min_is_that_of_the_fields(tmp_path):
    path = write_shear(tmp_path / "shear.h5")
    store, view = Store.open(path), open_view(path, "d2min")
    assert view.node_target(5).shape == (3, 40)
    found = d2min(
        torch.from_numpy(store.inherent[2]),
        torch.from_numpy(store.displacements(2)[1, 2].astype(np.float64)),
        torch.from_numpy(store.box[2]),
        2.0,
    )
    np.testing.assert_allclose(view.node_target(5)[2], found.d2min.log10().numpy())


def test_first_event_leaves_out_rows_without_one(tmp_path):
    path = write_shear(tmp_path / "shear.h5")
    view = open_view(path, "first_event")
    assert view.indices("train").tolist() == [0, 1, 2]
    assert view.indices("all").tolist() == [0, 1, 2, 4, 5]
    with h5py.File(path) as file:
        np.testing.assert_allclose(10 ** view.node_target(5)[0], file["shear/first_event"][2, 1], rtol=1e-6)
    assert view.times.tolist() == [0.0]
    assert view.displacements(5).shape == (1, 1, 40, 2)


def test_refuses_what_has_no_shear(tmp_path):
    path = write_dataset(tmp_path / "data.h5")
    assert type(open_view(path)) is Store
    with pytest.raises(ConfigError, match="needs a dataset of `gensample shear`"):
        open_view(path, "d2min")
    with pytest.raises(DataError, match="no dataset of `gensample shear`"):
        ShearView(path)
    with pytest.raises(ConfigError, match=r"data\.quantity must be one of"):
        ShearView(write_shear(tmp_path / "shear.h5"), "strain")


def test_refuses_incomplete_rows(tmp_path):
    path = write_shear(tmp_path / "shear.h5")
    with h5py.File(path, "r+") as file:
        file["done"][0, 1] = False
    view = open_view(path)
    view.displacements(0)
    with pytest.raises(DataError, match="configuration 0 is not sheared along xy- yet"):
        view.displacements(1)


@pytest.mark.parametrize("quantity", ["displacement", "d2min", "first_event"])
def test_data_module_serves_every_quantity(tmp_path, quantity):
    path = write_shear(tmp_path / "shear.h5")
    module = served(path, input="inherent", quantity=quantity, cutoff=1.5)
    view, batch = module.store, module.batch([5])
    check_batch(batch)
    fields = torch.from_numpy(view.displacements(5)[0])
    expected = torch.from_numpy(view.node_target(5)) if quantity != "displacement" else fields.norm(dim=-1)
    torch.testing.assert_close(batch.propensity, expected.T.float())
    i, j = batch.edge_index
    stretched = (batch.edge_vector[:, None] + fields.transpose(0, 1)[j] - fields.transpose(0, 1)[i]).norm(
        dim=-1
    )
    torch.testing.assert_close(batch.elongation, stretched - batch.edge_vector.norm(dim=-1)[:, None])
    assert set(module.statistics()) >= {"propensity", "propensity_scale", "elongation_scale"}
    assert next(iter(module.train_dataloader())).propensity.shape == batch.propensity.shape


@pytest.mark.parametrize("dimension", [2, 3])
def test_augmentation_keeps_the_shear(tmp_path, dimension):
    generator, seen = torch.Generator().manual_seed(0), set()
    shear = torch.zeros(dimension, dimension)
    shear[0, 1] = 1
    for _ in range(64):
        permutation, sign = random_shear_symmetry(dimension, generator)
        turn = torch.eye(dimension)[permutation] * sign[:, None]
        torch.testing.assert_close(turn @ shear @ turn.T, shear)
        seen.add(tuple(turn.flatten().tolist()))
    assert len(seen) == 2 ** (dimension - 1)
    module = served(write_shear(tmp_path / "shear.h5", dimension), augment=True, cutoff=1.5)
    plain = module.batch([1])
    for _ in range(8):
        turned = module.batch([1], generator=generator)
        ratio = turned.edge_vector / plain.edge_vector
        torch.testing.assert_close(ratio[:, 0], ratio[:, 1])
        torch.testing.assert_close(ratio.abs(), torch.ones_like(ratio))
