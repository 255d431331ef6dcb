"""Configurations at chosen temperatures, and the ensemble that a flow starts from."""

import numpy as np
import pytest
import torch
from equilibrium import COLD, HOT, SIZE, SPLIT, write_equilibrium
from synthetic import write_dataset

from gensample.data.datamodule import KADataModule
from gensample.data.liquid import BaseEnsemble, Partners
from gensample.data.store import Store
from gensample.errors import ConfigError, DataError
from gensample.physics.box import minimum_image
from gensample.physics.mixtures import get_mixture
from gensample.physics.potentials import energy
from gensample.seeding import torch_generator

SPECIES = get_mixture("ka2d").species(SIZE).numpy()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return str(write_equilibrium(tmp_path_factory.mktemp("base") / "data.h5"))


def boxes(base, count):
    return base.box.expand(count, -1)


def distances(x, edge):
    """Distances of all pairs by minimum image, (C, N, N)."""
    apart = x[:, :, None] - x[:, None]
    return (apart - edge * (apart / edge).round()).norm(dim=-1)


def make(dataset, **settings):
    data = KADataModule(dataset, **{"target": "configuration", "cutoff": 1.5, **settings})
    data.setup()
    return data


# data.temperatures


@pytest.mark.parametrize("temperatures", [[COLD], [HOT], [COLD, HOT], None])
def test_only_the_temperatures_asked_for_are_served(dataset, temperatures):
    data = make(dataset, temperatures=temperatures, batch_size=2)
    wanted = temperatures or [HOT, COLD]
    assert data.system["temperatures"] == sorted(wanted)
    for loader, split in ((data.train_dataloader(), "train"), (data.val_dataloader(), "val")):
        batches = list(loader)
        served = torch.cat([batch.snapshot_id for batch in batches]).numpy()
        assert set(data.store.split[served]) == {split}
        assert len(set(served)) == len(served) == SPLIT.count(split) * len(wanted)
        for batch in batches:
            assert np.allclose(batch.temperature, data.store.temperature[batch.snapshot_id])
            assert np.isin(batch.temperature, np.float32(wanted)).all()
            assert np.array_equal(
                batch.pos.reshape(-1, SIZE, 2), data.store.positions[batch.snapshot_id.numpy()]
            )


def test_validation_rows_keep_to_the_temperatures(dataset):
    data = make(dataset, temperatures=[HOT], validation=[0, 9])
    assert data.rows("val").tolist() == [0]
    assert data.rows("train").tolist() == [1, 2, 3]


def test_absent_temperatures_are_named(dataset):
    with pytest.raises(ConfigError, match=r"asks for \[0\.7\]; the dataset has \[0\.5, 1\.0\]"):
        make(dataset, temperatures=[0.7, COLD])
    with pytest.raises(ConfigError, match=r"no temperature of \[1\.0\] in split 'val'"):
        make(dataset, temperatures=[HOT], validation=[9]).val_dataloader()


# The base


def test_a_draw_is_a_configuration_moved_and_mirrored(dataset):
    base = BaseEnsemble(dataset, HOT)
    drawn = base.draw("train", 40, boxes(base, 40), SPECIES, torch_generator(0))
    edge = float(base.box[0])
    assert drawn.shape == (40, SIZE, 2)
    assert bool(((drawn >= 0) & (drawn < edge)).all())
    with Store.open(dataset) as store:
        chosen = (store.temperature == HOT) & (store.split == "train")
        source = torch.from_numpy(store.positions[chosen])
    gap = (distances(drawn, edge)[:, None] - distances(source, edge)).abs().amax((2, 3))
    assert bool((gap.min(1).values < 1e-9).all())
    assert set(gap.argmin(1).tolist()) == {0, 1, 2, 3}
    # Where it is and how it is mirrored is random: all four mirror images occur, shifts fill the box.
    vectors = drawn[:, 1] - drawn[:, 0]
    original = (source[:, 1] - source[:, 0])[gap.argmin(1)]
    vectors, original = (v - edge * (v / edge).round() for v in (vectors, original))
    signs = (vectors / original).round().int()
    assert {tuple(s) for s in signs.tolist()} == {(1, 1), (1, -1), (-1, 1), (-1, -1)}
    shift = (drawn[:, 0] - signs * source[gap.argmin(1), 0]).remainder(edge) / edge
    assert len(torch.unique(shift.round(decimals=6))) > 30
    assert (shift.std(0) - 12**-0.5).abs().max() < 0.08


def test_draws_depend_on_the_generator_alone(dataset):
    base, again = BaseEnsemble(dataset, COLD), BaseEnsemble(dataset, COLD)
    draw = lambda b, seed: b.draw("train", 3, boxes(b, 3), SPECIES, torch_generator(seed))  # noqa: E731
    assert torch.equal(draw(base, 1), draw(again, 1))
    assert not torch.equal(draw(base, 1), draw(base, 2))


def test_taken_configurations_are_different_and_keep_their_order(dataset):
    base = BaseEnsemble(dataset, HOT)
    every = base.take("all", 9, torch_generator(3))
    assert len(torch.unique(every[:, 0], dim=0)) == 9
    assert torch.equal(base.take("all", 4, torch_generator(3)), every[:4])
    padded = base.take("all", 4, torch_generator(3), 12)
    assert torch.equal(padded, torch.cat([every, every[:3]]))
    some = base.take("val,test", 5, torch_generator(3))
    with Store.open(dataset) as store:
        chosen = (store.temperature == HOT) & (store.split != "train")
        assert np.array_equal(np.sort(some[:, 0, 0]), np.sort(store.positions[chosen][:, 0, 0]))


def test_what_the_base_cannot_give_is_refused(dataset, tmp_path):
    with pytest.raises(ConfigError, match="say which is the base"):
        BaseEnsemble(dataset)
    with pytest.raises(ConfigError, match=r"no temperature 0\.7"):
        BaseEnsemble(dataset, 0.7)
    base = BaseEnsemble(dataset, HOT)
    with pytest.raises(ConfigError, match="has 3 configurations at T = 1 in test; 4 were asked for"):
        base.take("test", 4, torch_generator(0))
    with pytest.raises(ConfigError, match="no split 'tset'"):
        base.take("val,tset", 1, torch_generator(0))
    with pytest.raises(DataError, match="expected 40 in"):
        base.draw("train", 2, 1.01 * boxes(base, 2), SPECIES, torch_generator(0))
    with pytest.raises(DataError, match="same species in the same order"):
        base.draw("train", 2, boxes(base, 2), SPECIES[::-1], torch_generator(0))
    alone = write_equilibrium(tmp_path / "alone.h5", temperatures=(HOT,), split=("train",) * 2)
    assert BaseEnsemble(str(alone)).temperature == HOT


# The base beside the configurations


def test_a_base_comes_with_every_batch(dataset):
    data = make(dataset, temperatures=[COLD], base=dataset, base_temperature=HOT, batch_size=2)
    assert data.system["base_temperature"] == HOT
    first, again = ([batch.base for batch in data.val_dataloader()] for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    loader = data.train_dataloader()
    epochs = [torch.cat([batch.base for batch in loader]) for _ in range(2)]
    assert epochs[0].shape == (4 * SIZE, 2)
    assert not torch.equal(*epochs)
    other = make(dataset, temperatures=[COLD], base=dataset, base_temperature=HOT, batch_size=2)
    assert torch.equal(epochs[0], torch.cat([batch.base for batch in other.train_dataloader()]))


def test_training_and_validation_start_from_their_own_splits(dataset):
    data = make(dataset, temperatures=[COLD], base=dataset, base_temperature=HOT, passes=10)
    edge = float(data.base.box[0])
    sources = {}
    for split in ("train", "val"):
        chosen = (data.store.temperature == HOT) & (data.store.split == split)
        sources[split] = distances(torch.from_numpy(data.store.positions[chosen]), edge)
    for loader, split in ((data.train_dataloader(), "train"), (data.val_dataloader(), "val")):
        for batch in loader:
            found = distances(batch.base.reshape(-1, SIZE, 2), edge)
            gap = (found[:, None] - sources[split]).abs().amax((2, 3)).min(1).values
            assert bool((gap < 1e-9).all())


def test_a_base_that_does_not_fit_is_refused(dataset, tmp_path):
    with pytest.raises(ConfigError, match="base needs data"):
        make(dataset, target="structure", base=dataset, base_temperature=HOT)
    denser = write_equilibrium(tmp_path / "denser.h5", temperatures=(HOT,), density=1.25)
    with pytest.raises(DataError, match="the base"):
        make(dataset, temperatures=[COLD], base=str(denser)).batch([9])
    other = write_dataset(tmp_path / "other.h5")
    with pytest.raises(DataError, match="same species"):
        make(dataset, temperatures=[COLD], base=str(other)).batch([9])


# heated partners


def test_partners_are_the_configurations_themselves_heated(dataset):
    settings = {"temperatures": [COLD], "base": dataset, "base_temperature": HOT, "heating": 200}
    data = make(dataset, **settings)
    rows = data.rows("train")[:3]
    batch = data.batch(rows, generator=torch_generator(0))
    cold, hot = (x.reshape(3, SIZE, 2) for x in (batch.pos, batch.base))
    kind, species = get_mixture("ka2d"), get_mixture("ka2d").species(SIZE)
    assert 0.01 < minimum_image(hot - cold, data.base.box).square().mean().sqrt() < 0.6
    # The chain is that of the hot temperature: sweeps at the cold one leave lower energies.
    colder = Partners(data.store, COLD, 200, 0).of(rows, [rows])
    means = [energy(x, species, data.base.box, kind).mean() for x in (hot, colder)]
    assert means[0] > means[1] + 0.1
    # One partner for each configuration, whatever is asked for with it.
    again = data.batch(rows[1:2], generator=torch_generator(1))
    assert torch.equal(again.base.reshape(1, SIZE, 2), hot[1:2])
    fresh = make(dataset, **settings).batch(rows[1:2])
    assert torch.equal(fresh.base.reshape(1, SIZE, 2), hot[1:2])
    other = make(dataset, **settings, seed=1).batch(rows[1:2])
    assert not torch.equal(other.base, fresh.base)


def test_heating_without_a_base_is_refused(dataset):
    with pytest.raises(ConfigError, match=r"data\.heating needs data\.base"):
        make(dataset, heating=5)
