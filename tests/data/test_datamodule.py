from types import SimpleNamespace

import lightning
import numpy as np
import pytest
import torch
from synthetic import BOX, LAGS, REPLICAS, SIZE, write_dataset
from synthetic import served as make

from gensample.data.datamodule import KADataModule
from gensample.errors import ConfigError
from gensample.fields import check_batch
from gensample.physics.mixtures import get_mixture
from gensample.structure.descriptors.recursive import recursive_names


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return str(write_dataset(tmp_path_factory.mktemp("data") / "tiny.h5"))


def same(first, second):
    assert set(first.keys()) == set(second.keys())
    tensors = [k for k, v in first.to_dict().items() if isinstance(v, torch.Tensor)]
    return all(torch.equal(first[k], second[k]) for k in tensors)


@pytest.mark.parametrize("target", ["propensity", "displacement"])
@pytest.mark.parametrize("source", ["thermal", "inherent"])
def test_batch_keeps_to_the_fields(dataset, target, source):
    data = make(dataset, target=target, input=source, batch_size=2, fields=5, augment=True)
    for loader in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader()):
        batches = list(loader)
        assert len(batches) == len(loader)
        for batch in batches:
            check_batch(batch)
            assert batch.num_graphs == len(batch.snapshot_id)
            assert batch.num_nodes == batch.num_graphs * SIZE


def test_targets_by_brute_force(dataset):
    data = make(dataset)
    batch = data.batch([1, 0])
    for place, row in enumerate([1, 0]):
        u = data.store.displacements(row).astype(float)
        assert len(u) == int(batch.replicas[place])
        nodes = batch.batch == place
        length = np.linalg.norm(u, axis=-1)
        np.testing.assert_allclose(batch.propensity[nodes], length.mean(0).T, rtol=1e-5)
        np.testing.assert_allclose(batch.spread[nodes], length.std(0, ddof=1).T, rtol=1e-4)
        edges = nodes[batch.edge_index[0]]
        i, j = (batch.edge_index[:, edges] - place * SIZE).numpy()
        x = data.store.positions[row]
        apart = x[j] - x[i] - BOX * np.round((x[j] - x[i]) / BOX)
        moved = np.linalg.norm(apart + u[:, :, j] - u[:, :, i], axis=-1) - np.linalg.norm(apart, axis=-1)
        np.testing.assert_allclose(batch.elongation[edges], moved.mean(0).T, atol=1e-5)
        np.testing.assert_allclose(batch.edge_vector[edges], apart, atol=1e-5)


def test_incomplete_replicas_are_never_served(dataset):
    data = make(dataset, target="displacement", fields=12)
    assert int(data.batch([0]).replicas) == REPLICAS - 1
    for seed in range(20):
        drawn = data.batch([0], 12, torch.Generator().manual_seed(seed)).displacement
        assert (drawn.flatten(2).abs().amax((0, 2)) > 0).all()


def test_inherent_graph_but_thermal_elongation(dataset):
    thermal, inherent = make(dataset).batch([1]), make(dataset, input="inherent").batch([1])
    assert torch.equal(thermal.cage_vector, inherent.cage_vector)
    alone = make(dataset, input="thermal", cage_vectors=False).batch([1])
    assert not alone.cage_vector.any()
    assert torch.equal(alone.edge_vector, thermal.edge_vector)
    common = {tuple(e): k for k, e in enumerate(thermal.edge_index.T.tolist())}
    pairs = [
        (common[tuple(e)], k) for k, e in enumerate(inherent.edge_index.T.tolist()) if tuple(e) in common
    ]
    left, right = torch.tensor(pairs).T
    assert len(pairs) > 50
    torch.testing.assert_close(thermal.elongation[left], inherent.elongation[right])
    assert not torch.allclose(thermal.edge_vector[left], inherent.edge_vector[right])


def test_displacement_fields_are_those_of_the_file(dataset):
    data = make(dataset, target="displacement", fields=4)
    batch = data.batch([2])
    u = data.store.displacements(2)
    assert batch.field_lag.tolist() == [[0, 1, 2, 0, 1, 2]]
    expected = np.stack([u[0, 0], u[0, 1], u[0, 2], u[1, 0], u[1, 1], u[1, 2]], axis=1)
    np.testing.assert_array_equal(batch.displacement, expected)


def test_lags_are_drawn_equally_often(dataset):
    data = make(dataset, target="displacement", fields=2, passes=100)
    lags = torch.cat([b.field_lag for b in data.train_dataloader()]).flatten()
    assert len(lags) == 600
    assert torch.bincount(lags, minlength=3).min() > 150


def test_streaming_serves_the_same_batches(dataset):
    settings = {"target": "displacement", "fields": 3, "lags": [100.0, 1.0], "augment": True}
    kept, streamed = make(dataset, resident=True, **settings), make(dataset, resident=False, **settings)
    assert "displacement" in kept._record(0)
    assert "displacement" not in streamed._record(0)
    for a, b in zip(kept.train_dataloader(), streamed.train_dataloader(), strict=True):
        assert same(a, b)
        assert a.lag_time.tolist() == [1.0, 100.0]


def test_training_batches_depend_on_seed_and_epoch_only(dataset):
    settings = {"target": "displacement", "fields": 2, "augment": True, "batch_size": 2}
    first, again = make(dataset, **settings), make(dataset, **settings)
    loader, other = first.train_dataloader(), again.train_dataloader()
    epochs, repeated = [list(loader), list(loader)], [list(other), list(other)]
    assert all(same(a, b) for x, y in zip(epochs, repeated, strict=True) for a, b in zip(x, y, strict=True))
    assert not same(epochs[0][0], epochs[1][0])
    assert not same(epochs[0][0], next(iter(make(dataset, seed=1, **settings).train_dataloader())))


def test_validation_batches_never_change(dataset):
    data = make(dataset, target="displacement", augment=True)
    loader = data.val_dataloader()
    next(iter(loader))  # a pass that is broken off, as in Lightning's sanity check
    assert all(same(a, b) for a, b in zip(loader, loader, strict=True))
    assert len(list(loader)) == 2


def test_loader_goes_on_after_the_batches_served(dataset):
    data = make(dataset, target="displacement", fields=2)
    whole = list(data.train_dataloader())
    broken = data.train_dataloader()
    passes = iter(broken)
    next(passes)
    resumed = data.train_dataloader()
    resumed.load_state_dict(broken.state_dict())
    rest = list(resumed)
    assert len(rest) == len(whole) - 1
    assert all(same(a, b) for a, b in zip(whole[1:], rest, strict=True))


def test_several_processes_share_the_training_and_each_validates(dataset):
    """Of three batches two processes take the same number: the round is filled up from the first."""
    settings = {"target": "displacement", "fields": 2, "augment": True}
    alone = make(dataset, **settings)
    whole, seen = list(alone.train_dataloader()), []
    for rank in range(2):
        data = make(dataset, **settings)
        data.trainer = SimpleNamespace(
            global_rank=rank, world_size=2, current_epoch=0, num_training_batches=2
        )
        seen.append(list(data.train_dataloader()))
        again, val = list(data.val_dataloader()), list(alone.val_dataloader())
        assert all(same(a, b) for a, b in zip(again, val, strict=True))
    first, second = seen
    assert len(whole) == 3
    assert [len(each) for each in seen] == [2, 2]
    taken = [first[0], second[0], first[1]]
    assert all(same(a, b) for a, b in zip(whole, taken, strict=True))
    assert second[1].snapshot_id.tolist() == whole[0].snapshot_id.tolist()


def test_augmentation_turns_all_vectors_alike(dataset):
    plain, turned = make(dataset, target="displacement"), make(dataset, target="displacement", augment=True)
    seen = set()
    for seed in range(80):
        a = plain.batch([1], 3, torch.Generator().manual_seed(seed))
        b = turned.batch([1], 3, torch.Generator().manual_seed(seed))
        q = torch.linalg.lstsq(a.edge_vector, b.edge_vector).solution
        seen.add(tuple(q.round().int().flatten().tolist()))
        torch.testing.assert_close(a.edge_vector @ q, b.edge_vector)
        torch.testing.assert_close(a.displacement @ q, b.displacement)
        torch.testing.assert_close(a.cage_vector @ q, b.cage_vector)
        source, destination = b.edge_index
        apart = b.pos[destination] - b.pos[source]
        torch.testing.assert_close(apart - BOX * (apart / BOX).round(), b.edge_vector, atol=1e-5, rtol=0)
        assert ((b.pos >= 0) & (b.pos < BOX)).all()
    assert len(seen) == 8  # the whole symmetry group of the square


def test_statistics_of_the_training_split(dataset):
    data = make(dataset)
    found = data.statistics()
    for s in range(2):
        of = data.store.species == s
        square = np.mean(
            [(data.store.displacements(c)[:, :, of] ** 2).mean((0, 2, 3)) for c in range(3)], axis=0
        )
        np.testing.assert_allclose(found["rms"][s], np.sqrt(square), rtol=1e-4)
    assert found["lag_time"].tolist() == list(LAGS)


def test_validation_rows_are_not_trained_on(dataset):
    data = make(dataset, validation=[1])
    assert data.rows("train").tolist() == [0, 2]
    assert [int(b.snapshot_id) for b in data.val_dataloader()] == [1]


@pytest.mark.parametrize(("settings", "rows"), [({}, [0, 1]), ({"validation": [0]}, [1, 2])])
def test_train_limit_keeps_the_first_training_configurations(dataset, settings, rows):
    """Of those that are left to train on; validation and test stay as they are."""
    data, limited = make(dataset, **settings), make(dataset, train_limit=2, **settings)
    assert limited.rows("train").tolist() == rows
    assert sorted(int(b.snapshot_id) for b in limited.train_dataloader()) == rows
    for split in ("val", "test", "all"):
        assert limited.rows(split).tolist() == data.rows(split).tolist()
    assert make(dataset, train_limit=9).rows("train").tolist() == [0, 1, 2]


def test_train_limit_is_what_statistics_are_of(dataset):
    one = make(dataset, train_limit=1)
    species = torch.from_numpy(one.store.species.astype(np.int64))
    expected = torch.stack([one.batch([0]).propensity[species == s].mean(0) for s in range(2)])
    torch.testing.assert_close(one.statistics()["propensity"], expected)
    assert not torch.allclose(make(dataset).statistics()["propensity"], expected)


def test_per_particle_is_what_batches_hold(dataset):
    data = make(dataset, lags=[10.0, 100.0])
    for name in ("propensity", "spread", "mobility", "cage_vector"):
        found = data.per_particle(name, [4, 1])
        assert found.shape[:2] == (2, SIZE)
        for row, values in zip((4, 1), found, strict=True):
            assert torch.equal(values, data.batch([row])[name])
    assert data.per_particle("propensity", np.array([2])).shape == (1, SIZE, 2)


def test_per_particle_of_what_is_not_served(dataset):
    with pytest.raises(ConfigError, match="serves no descriptors"):
        make(dataset).per_particle("descriptors", [0])
    with pytest.raises(ConfigError, match="serves no propensity"):
        make(dataset, target="structure").per_particle("propensity", [0])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"train_limit": 0}, "data.train_limit"),
        ({"lags": [2.0]}, "lag times"),
        ({"fields": 0}, "data.fields"),
        ({"validation": [9]}, "data.validation"),
        ({"cutoff": 4.0}, "half the shortest"),
    ],
)
def test_settings_that_cannot_work(dataset, settings, words):
    with pytest.raises(ConfigError, match=words):
        make(dataset, **settings).train_dataloader()


def test_thermal_input_without_inherent_structures(tmp_path):
    path = write_dataset(tmp_path / "thermal.h5", inherent=False)
    assert make(str(path)).batch([0]).cage_vector.abs().max() == 0


class Recorder(lightning.LightningModule):
    """Remembers what it is shown."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen = []

    def training_step(self, batch, _):
        self.seen.append((self.current_epoch, int(batch.snapshot_id[0]), float(batch.displacement.sum())))
        return self.weight**2

    def validation_step(self, batch, _):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def trainer(path, **settings):
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    checkpoint = lightning.pytorch.callbacks.ModelCheckpoint(path, save_top_k=-1, every_n_train_steps=2)
    return lightning.Trainer(accelerator="cpu", callbacks=[checkpoint], **quiet, **settings)


@pytest.mark.parametrize("steps", [2, 4, 6])
def test_a_resumed_run_sees_what_an_unbroken_one_sees(dataset, tmp_path, steps):
    settings = {"target": "displacement", "fields": 2, "augment": True}
    whole, part, rest = Recorder(), Recorder(), Recorder()
    trainer(tmp_path / "a", max_epochs=3).fit(whole, KADataModule(dataset, **settings))
    stopped = trainer(tmp_path / "b", max_epochs=3, max_steps=steps)
    stopped.fit(part, KADataModule(dataset, **settings))
    last = stopped.checkpoint_callback.best_model_path or stopped.checkpoint_callback.last_model_path
    trainer(tmp_path / "c", max_epochs=3).fit(rest, KADataModule(dataset, **settings), ckpt_path=last)
    assert len(whole.seen) == 9
    assert part.seen + rest.seen == whole.seen


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    return str(write_dataset(tmp_path_factory.mktemp("data") / "wide.h5", box=10.5))


def test_descriptors_are_standardised_within_each_species(wide):
    data = make(wide, descriptors=True)
    values = torch.cat([data.batch([row]).descriptors for row in data.rows("train")])
    species = data._species.repeat(3)
    assert values.shape[1] == data.num_descriptors
    for s in range(2):
        varying = data.descriptor_statistics()[1][s] != 1
        of = values[species == s].double()
        assert varying.float().mean() > 0.5
        assert of.mean(0).abs().max() < 1e-3
        torch.testing.assert_close(
            of.std(0, unbiased=False)[varying], torch.ones(int(varying.sum())).double()
        )


def test_descriptors_by_given_statistics(wide):
    data = make(wide, descriptors=True)
    count = data.num_descriptors
    raw = data._record(5)["descriptors"]
    data.described.use(torch.ones(2, count), torch.full((2, count), 2.0), [])
    torch.testing.assert_close(data.batch([5]).descriptors, (raw - 1) / 2)


def test_per_particle_descriptors_are_not_standardised(wide):
    data = make(wide, descriptors=["recursive", "symmetry"])
    raw = data.per_particle("descriptors", [5])
    assert raw.shape == (1, SIZE, data.num_descriptors)
    mean, scale = (x[data._species] for x in data.descriptor_statistics())
    torch.testing.assert_close((raw[0] - mean) / scale, data.batch([5]).descriptors)
    assert raw.max() > 1
    cage = data.per_particle("cage_vector", [5]).norm(dim=-1)
    last = len(recursive_names(get_mixture("ka2d"))) - 1
    torch.testing.assert_close(raw[..., last], cage)


def test_descriptors_of_the_inherent_structure(wide):
    thermal, inherent = make(wide, descriptors=True), make(wide, descriptors=True, input="inherent")
    assert not torch.allclose(thermal._record(0)["descriptors"], inherent._record(0)["descriptors"])
