"""Thermal, inherent and cage positions as input, and inherent structures found on the way."""

import numpy as np
import pytest
import torch
from lattices import PARTICLES, WIDE, write_lattices
from synthetic import served as make

from gensample.data import positions as inputs
from gensample.data.store import Store, StoreWriter
from gensample.errors import ConfigError, DataError
from gensample.fields import check_batch
from gensample.physics.box import minimum_image
from gensample.physics.mixtures import get_mixture
from gensample.physics.neighbors import neighbor_list
from gensample.simulate.quench import quench
from gensample.structure.descriptors.invariants import invariants

# Reached in a fraction of the steps that the default takes.
TOLERANCE = 1e-3


@pytest.fixture(autouse=True)
def coarse(monkeypatch):
    monkeypatch.setattr(inputs, "TOLERANCE", TOLERANCE)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return write_lattices(tmp_path_factory.mktemp("raw") / "raw.h5", cage=True)


@pytest.fixture(scope="module")
def quenched(raw):
    """A copy with the inherent structures of `gensample quench --engine torch`."""
    quench(raw, raw.with_name("quenched.h5"), engine="torch", tolerance=TOLERANCE)
    return raw.with_name("quenched.h5")


@pytest.fixture(scope="module")
def wide(raw):
    """All three kinds of positions, the inherent ones made up."""
    path = raw.with_name("wide.h5")
    write_lattices(path, particles=WIDE, count=1, cage=True)
    with Store.open(path) as store:
        shifted = store.positions + np.random.default_rng(2).normal(scale=0.1, size=store.positions.shape)
        wrapped = shifted % store.box[:, None]
    with StoreWriter.resume(path) as writer:
        writer.write_inherent(wrapped, {})
    return path


def assert_same(first, second):
    assert set(first.keys()) == set(second.keys())
    for name, value in first.to_dict().items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, second[name]), name


def test_cage_positions_are_what_the_graph_is_built_from(raw):
    data = make(raw, input="cage")
    batch = data.batch([2])
    check_batch(batch)
    thermal, centre, box = data.store.positions[2], data.store.cage[2], data.store.box[2]
    assert np.array_equal(batch.pos, torch.from_numpy(centre).float())
    edge_index, vector = neighbor_list(torch.from_numpy(centre), torch.from_numpy(box), 2.0)
    assert torch.equal(batch.edge_index, edge_index)
    assert torch.equal(batch.edge_vector, vector.float())
    moved = centre - thermal
    np.testing.assert_allclose(batch.cage_vector, moved - box * np.round(moved / box), atol=1e-6)


def test_targets_and_what_else_is_served_are_those_of_thermal_input(raw):
    """All but the graph and the descriptors."""
    thermal, cage = make(raw).batch([0]), make(raw, input="cage").batch([0])
    assert torch.equal(thermal.propensity, cage.propensity)
    assert torch.equal(thermal.spread, cage.spread)
    common = {tuple(edge): k for k, edge in enumerate(thermal.edge_index.T.tolist())}
    pairs = [
        (common[tuple(edge)], k) for k, edge in enumerate(cage.edge_index.T.tolist()) if tuple(edge) in common
    ]
    left, right = torch.tensor(pairs).T
    torch.testing.assert_close(thermal.elongation[left], cage.elongation[right])
    assert not torch.allclose(thermal.edge_vector[left], cage.edge_vector[right], atol=1e-2)


def test_thermal_and_inherent_input_do_not_see_cage_positions(quenched):
    assert (make(quenched).batch([0]).cage_vector - make(quenched, input="cage").batch([0]).cage_vector).any()
    with make(quenched).store as store:
        expected = store.inherent[0] - store.positions[0]
        expected -= store.box[0] * np.round(expected / store.box[0])
    for source in ("thermal", "inherent"):
        np.testing.assert_allclose(make(quenched, input=source).batch([0]).cage_vector, expected, atol=1e-6)


@pytest.mark.parametrize("source", ["thermal", "inherent", "cage"])
def test_descriptors_are_those_of_the_input(wide, source):
    data = make(wide, input=source, descriptors=True)
    store = data.store
    species, box = torch.from_numpy(store.species.astype(np.int64)), torch.from_numpy(store.box[0])
    thermal, inherent, cage = (torch.from_numpy(x[0]) for x in (store.positions, store.inherent, store.cage))
    positions = {"thermal": thermal, "inherent": inherent, "cage": cage}[source]
    away = minimum_image((cage if source == "cage" else inherent) - thermal, box).float().double()
    expected = invariants(positions, species, box, get_mixture("ka2d"), away.norm(dim=-1))
    assert torch.equal(data._record(0)["descriptors"], expected)


def test_absent_cage_positions_name_the_command(tmp_path):
    path = write_lattices(tmp_path / "raw.h5", count=1)
    with pytest.raises(ConfigError, match=f"`gensample cage {path}`"):
        make(path, input="cage")


def test_inherent_structures_found_on_the_way_are_those_of_quench(raw, quenched, caplog):
    """The same bits as from the file, one at a time or together; said once; the file is not touched."""
    before = raw.read_bytes()
    stored, found, alone = (make(path, input="inherent") for path in (quenched, raw, raw))
    rows = np.arange(4)
    assert_same(found.batch(rows), stored.batch(rows))
    for row in reversed(rows):
        assert_same(alone.batch([row]), stored.batch([row]))
    assert raw.read_bytes() == before
    said = [record.message for record in caplog.records]
    assert len(said) == 2
    assert "no inherent structures" in said[0]
    assert "gensample FIRE 2.0, forces below 0.001" in said[0]
    positions, made = found.inputs.inherent(rows[2:])
    reference, stored_made = stored.inputs.inherent(rows[2:])
    assert np.array_equal(positions, reference)
    assert np.array_equal(made["energy"], stored_made["energy"])
    assert made["max_residual_force"] == made["residual"].max() <= TOLERANCE
    assert {key: stored_made[key] for key in ("minimiser", "tolerance", "engine")} == {
        key: made[key] for key in ("minimiser", "tolerance", "engine")
    }


def test_only_what_is_needed_is_quenched_and_only_once(raw, monkeypatch):
    counted, minimize = [], inputs.minimize

    def count(positions, *arguments, **settings):
        counted.append(len(positions))
        return minimize(positions, *arguments, **settings)

    monkeypatch.setattr(inputs, "minimize", count)
    monkeypatch.setitem(inputs.PARTICLES_AT_ONCE, "cpu", 2 * PARTICLES)
    data = make(raw, input="inherent")
    list(data.val_dataloader())
    assert counted == [1]
    list(data.train_dataloader())
    assert counted == [1, 2]
    data.setup()
    list(data.train_dataloader())
    assert counted == [1, 2]
    for source in ("thermal", "cage"):
        make(raw, input=source).batch([0, 1, 2, 3])
    assert counted == [1, 2]


def test_what_does_not_come_to_rest_is_one_error(raw, monkeypatch):
    monkeypatch.setattr(inputs, "MAX_STEPS", 3)
    with pytest.raises(DataError, match=r"configuration \d came to rest at a force of .*--engine lammps"):
        make(raw, input="inherent").batch([1])


def test_a_force_that_jumps_at_the_cutoff_may_be_left(tmp_path, monkeypatch, caplog):
    path = write_lattices(tmp_path / "shift.h5", count=1, truncation="shift")
    monkeypatch.setattr(inputs, "MAX_STEPS_SHIFT", 400)
    monkeypatch.setattr(inputs, "TOLERANCE", 1e-12)
    data = make(path, input="inherent")
    data.batch([0])
    left = data.inputs.inherent(np.array([0]))[1]["residual"][0]
    assert 1e-12 < left < 0.1
    assert f"forces up to {left:.1e} are left" in caplog.records[-1].message


def test_a_dataset_without_a_known_potential_says_so(tmp_path):
    with pytest.raises(DataError, match="truncation 'unknown'"):
        write_lattices(tmp_path / "odd.h5", count=1, truncation="unknown")
