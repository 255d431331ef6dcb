import lightning
import numpy as np
import pytest
import torch
from synthetic import LAGS, write_dataset

from gensample.data.datamodule import KADataModule
from gensample.errors import ConfigError
from gensample.nn.bapst import Bapst
from gensample.nn.botan import Botan
from gensample.nn.glassmlp import GlassMLP, heterogeneity_loss
from gensample.nn.se3 import EquivariantPredictor
from gensample.reads import Reads
from gensample.stats.dynamics import ceiling_exact, split_variance
from gensample.training.callbacks import EMA
from gensample.training.dynamics import DynamicsTask
from gensample.training.shared import as_module
from gensample.zoo import load_model


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return str(write_dataset(tmp_path_factory.mktemp("data") / "tiny.h5"))


def small(outputs=3, **settings):
    torch.manual_seed(0)
    return DynamicsTask(Botan(dimension=2, outputs=outputs, width=8, steps=2), **settings)


def trainer(**settings):
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return lightning.Trainer(accelerator="cpu", **{"enable_checkpointing": False} | quiet | settings)


def batch_of(dataset, row=1, **settings):
    data = KADataModule(dataset, **settings)
    data.setup()
    return data.batch([row])


@pytest.mark.parametrize("normalise", [False, True])
def test_training_lowers_the_loss(dataset, normalise):
    task = small(lr=1e-2, normalise=normalise)
    before = trainer().validate(task, KADataModule(dataset), verbose=False)[0] if not normalise else None
    trainer(max_epochs=12, limit_val_batches=0).fit(task, KADataModule(dataset, augment=True))
    after = trainer().validate(task, KADataModule(dataset), verbose=False)[0]
    if normalise:
        assert after["val/node_loss"] < 1.3  # the labels' own variance is 1 in these units
    else:
        assert after["val/loss"] < 0.5 * before["val/loss"]


def test_official_weights_keep_their_units(dataset, monkeypatch):
    """Of the targets only the mean of the nodes is taken: bonds are predicted as before the fit."""
    start = small()
    monkeypatch.setattr("gensample.training.dynamics.load_official", lambda path: start.network.state_dict())
    task = small(normalise=True, init_from="official.pth", lr=0.0)
    trainer(max_epochs=1, limit_val_batches=0).fit(task, KADataModule(dataset))
    batch = batch_of(dataset)
    with torch.no_grad():
        (nodes, edges), (raw_nodes, raw_edges) = task(batch), start.network(batch)
    torch.testing.assert_close(edges, raw_edges)
    torch.testing.assert_close(nodes - raw_nodes, task.node_mean[batch.species])
    assert (task.node_mean > 0.05).all()


def test_loss_is_the_weighted_sum(dataset):
    task, batch = small(p=0.3), batch_of(dataset)
    nodes, edges = task.network(batch)
    expected = 0.3 * ((nodes - batch.propensity) ** 2).mean() + 0.7 * ((edges - batch.elongation) ** 2).mean()
    task.log_dict = task.log = lambda *a, **k: None
    torch.testing.assert_close(task.training_step(batch, 0), expected)


def test_first_epochs_train_on_bonds_alone(dataset):
    task, batch = small(edge_epochs=1), batch_of(dataset)
    task.log_dict = task.log = lambda *a, **k: None
    _, edges = task.network(batch)
    torch.testing.assert_close(task.training_step(batch, 0), ((edges - batch.elongation) ** 2).mean())


def test_scores_by_brute_force(dataset):
    task, data = small(), KADataModule(dataset, batch_size=2)
    found = trainer().test(task, data, verbose=False)[0]
    batch = data.batch(data.rows("test"))
    with torch.no_grad():
        nodes, edges = task(batch)
    of = batch.species == 1
    expected = np.corrcoef(nodes[of, 2], batch.propensity[of, 2])[0, 1]
    assert found["test/pearson_B_100"] == pytest.approx(expected, abs=1e-5)
    i, j = batch.edge_index
    short = (batch.species[i] == 0) & (batch.species[j] == 0) & (batch.edge_vector.norm(dim=1) < 1.35)
    expected = np.corrcoef(edges[short, 1], batch.elongation[short, 1])[0, 1]
    assert found["test/edge_pearson_10"] == pytest.approx(expected, abs=1e-5)


def test_ceiling_agrees_with_the_statistics(dataset):
    data = KADataModule(dataset)
    found = trainer().test(small(), data, verbose=False)[0]
    lengths = np.linalg.norm(
        data.store.displacements(5)[:, 0, data.store.species == 0].astype(float), axis=-1
    )
    split = split_variance(lengths)
    # Averages do not tell what particles share, which counts as noise here.
    noise = split.iso / len(lengths)
    expected = ceiling_exact(split.delta + split.noise / len(lengths) - noise, noise)
    assert found[f"test/ceiling_A_{LAGS[0]:g}"] == pytest.approx(float(expected), abs=1e-4)


def test_spread_is_a_second_block_of_outputs(dataset):
    task = small(outputs=6, spread=True, normalise=True)
    trainer(max_epochs=1).fit(task, KADataModule(dataset))
    nodes, edges = task(batch_of(dataset))
    assert nodes.shape[1] == 6
    assert edges.shape[1] == 3


@pytest.mark.parametrize("averaged", [False, True])
def test_checkpoint_holds_plain_values_and_loads(dataset, tmp_path, averaged):
    task = small(normalise=True, lr=1e-2)
    fit = trainer(max_epochs=2, callbacks=[EMA(0.9)] if averaged else [])
    fit.fit(task, KADataModule(dataset))
    fit.save_checkpoint(tmp_path / "task.ckpt")
    batch = batch_of(dataset)
    loaded = DynamicsTask.load_from_checkpoint(tmp_path / "task.ckpt", weights_only=True)
    named = load_model(tmp_path / "task.ckpt")
    assert torch.equal(loaded(batch)[0], task(batch)[0])
    assert torch.equal(named(batch)[0], task(batch)[0])
    assert task.node_scale.min() != 1


def test_average_decays_slowly_only_after_the_first_steps():
    weights = [torch.tensor(v) for v in (0.0, 1.0, 1.0, 1.0)]
    average, update = torch.tensor(0.0), EMA(0.3)._kwargs["multi_avg_fn"]
    expected = 0.0
    for number, weight in enumerate(weights, start=1):
        update([average], [weight], torch.tensor(number))
        decay = min(0.3, (1 + number) / (10 + number))
        expected = decay * expected + (1 - decay) * float(weight)
        assert float(average) == pytest.approx(expected)


def test_checkpoint_holds_the_average(dataset, tmp_path):
    task = small(lr=1e-2)
    fit = trainer(max_epochs=2, callbacks=[EMA(0.9)], enable_checkpointing=True, default_root_dir=tmp_path)
    fit.fit(task, KADataModule(dataset))
    content = torch.load(fit.checkpoint_callback.best_model_path, weights_only=True)
    name = "network.decoder.0.weight"
    assert not torch.equal(content["state_dict"][name], content["current_model_state"][name])
    torch.testing.assert_close(content["state_dict"][name], task.network.decoder[0].weight.data)


def test_wrong_number_of_outputs_says_what_to_set(dataset):
    with pytest.raises(ConfigError, match=r"set model.network.outputs to 3"):
        trainer().validate(small(outputs=2), KADataModule(dataset), verbose=False)


def test_columns_are_never_called_other_lag_times_than_they_were_trained_at(dataset):
    task = small(outputs=2, reads=Reads.of(KADataModule(dataset, lags=[1.0, 10.0])))
    others = KADataModule(dataset, lags=[10.0, 100.0])
    with pytest.raises(ConfigError, match=r"trained at lag times \[1.0, 10.0\].*\[10.0, 100.0\]"):
        trainer().validate(task, others, verbose=False)


class Linear(torch.nn.Module):
    """Linear in the descriptors: a network that reads them and nothing else."""

    def __init__(self, descriptors: int, outputs: int) -> None:
        super().__init__()
        self.descriptors, self.outputs = descriptors, outputs
        self.node = torch.nn.Linear(descriptors, outputs)

    def forward(self, data):
        return self.node(data.descriptors), data.edge_vector.new_zeros(len(data.edge_vector), self.outputs)


def test_other_data_are_standardised_as_the_training_data_were(tmp_path):
    ours, theirs = (
        str(write_dataset(tmp_path / f"{seed}.h5", box=10.5, seed=seed, split=["train", "test"]))
        for seed in (1, 2)
    )
    data = KADataModule(ours, descriptors=True)
    task = DynamicsTask(Linear(data.num_descriptors, 3), p=1.0, reads=Reads.of(data))
    trainer(max_epochs=1).fit(task, data)
    other = KADataModule(theirs, descriptors=True)
    trainer().test(task, other, verbose=False)
    for kept, used in zip(other.descriptor_statistics(), data.descriptor_statistics(), strict=True):
        assert torch.equal(kept, used)


def test_warm_cosine_starts_small_and_ends_small(dataset):
    task = small(lr=1.0, schedule="warm-cosine")
    fitting = trainer(max_epochs=100, max_steps=1, limit_val_batches=0)
    fitting.fit(task, KADataModule(dataset))
    rate = fitting.lr_scheduler_configs[0].scheduler.lr_lambdas[0]
    assert rate(0) == pytest.approx(0.01, rel=0.05)
    assert rate(10**6) == pytest.approx(0.01)


class Task(DynamicsTask):
    """Gives the node loss of a batch."""

    def node_loss(self, batch):
        return self._losses(batch, *self._outputs(batch))[0]


def bapst(**settings):
    torch.manual_seed(0)
    return Task(Bapst(dimension=2, outputs=3, width=8, steps=2), p=1.0, **settings)


def test_loss_over_some_species_alone(dataset):
    batch = batch_of(dataset)
    with torch.no_grad():
        nodes, _ = bapst()(batch)
        expected = [
            (nodes[batch.species == s] - batch.propensity[batch.species == s]).square() for s in (0, 1)
        ]
        for species in ([0], [1], [0, 1]):
            found = bapst(loss_species=species).node_loss(batch)
            parts = torch.cat([expected[s] for s in species])
            torch.testing.assert_close(found, parts.mean())


def test_heterogeneity_adds_its_loss(dataset):
    batch = batch_of(dataset)
    with torch.no_grad():
        plain, more = bapst().node_loss(batch), bapst(heterogeneity=0.5).node_loss(batch)
        nodes, _ = bapst()(batch)
        args = (batch.propensity, batch.species, batch.batch, batch.edge_index)
        torch.testing.assert_close(more - plain, 0.5 * heterogeneity_loss(nodes, *args))
        plain = bapst(loss_species=[0]).node_loss(batch)
        more = bapst(loss_species=[0], heterogeneity=0.5).node_loss(batch)
        torch.testing.assert_close(more - plain, 0.5 * heterogeneity_loss(nodes, *args, over=[0]))


def test_networks_without_bonds_train_on_nodes_and_say_so_otherwise(dataset):
    task = bapst()
    trainer(max_epochs=1).fit(task, KADataModule(dataset))
    found = trainer().test(task, KADataModule(dataset), verbose=False)[0]
    assert "test/pearson_A_1" in found
    assert not any("edge_pearson" in name for name in found)
    wrong = DynamicsTask(Bapst(dimension=2, outputs=3, width=8, steps=2), p=0.5)
    with pytest.raises(ConfigError, match=r"set model\.p to 1"):
        trainer(max_epochs=1).fit(wrong, KADataModule(dataset))


@pytest.mark.parametrize(
    "network",
    [
        Bapst(dimension=2, outputs=3, width=8),
        GlassMLP(3, 7, bottleneck=3),
        EquivariantPredictor(outputs=3, width=8, layers=1, read_cage=True, descriptors=4),
    ],
    ids=lambda network: type(network).__name__,
)
def test_networks_come_back_from_their_settings(network):
    """A checkpoint holds plain settings: the network is made from them again."""
    task = DynamicsTask(network, p=1.0)
    again = as_module(task.hparams["network"])
    assert type(again) is type(network)
    again.load_state_dict(network.state_dict())
