"""The displacement task: exactness where it is known, phases, statistics, refusals."""

from dataclasses import replace

import lightning
import numpy as np
import pytest
import torch
from lattices import WIDE, write_lattices

from gensample.data.datamodule import KADataModule
from gensample.errors import ConfigError
from gensample.generators.mobility import averaging_of, mobility_of
from gensample.nn.conditioner import FOLDS
from gensample.physics.mobility import average
from gensample.reads import Reads
from gensample.sampling.solver import Solver
from gensample.stats.regression import block_ridge
from gensample.training.displacement import DisplacementTask
from tests.synthetic import write_dataset

SMALL = {"width": 8, "vectors": 4, "layers": 1, "conditioner_layers": 1}


@pytest.fixture
def module(tmp_path):
    data = KADataModule(
        str(write_dataset(tmp_path / "data.h5")), target="displacement", cutoff=1.6, batch_size=1, fields=3
    )
    data.setup()
    return data


def make(data, **settings):
    return DisplacementTask(reads=Reads.of(data), **{**SMALL, **settings})


def fit(task, data, epochs=1, **settings):
    trainer = lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        **settings,
    )
    trainer.fit(task, data)
    return trainer


@pytest.mark.parametrize("prior", ["species", "particle", "elastic", "elastic-particle", "elastic-mobility"])
def test_every_prior_trains_and_draws_drift_free_fields(module, prior):
    task = make(module, prior=prior, regression_epochs=1)
    fit(task, module, epochs=2)
    batch = module.batch([5])
    generator = torch.Generator().manual_seed(0)
    lag = torch.tensor([[0, 1, 2, 2]])
    shape = (batch.num_nodes, 4, 2)
    fields, nfe = task.draw(
        batch, lag, lambda: torch.randn(shape, generator=generator), solver=Solver(steps=3)
    )
    assert nfe == (12 if prior == "elastic-mobility" else 6)
    assert torch.isfinite(fields).all()
    assert fields.mean(0).abs().max() < 1e-5
    assert fields.norm(dim=-1).mean() > 0.01


@pytest.mark.parametrize(
    ("settings", "solver"),
    [
        ({"conditioner": "none"}, {"method": "sde", "steps": 4}),
        ({"conditioner": "botan", "train_conditioner": False}, {"method": "euler", "steps": 4}),
        ({"path": "variance-preserving"}, {"method": "dopri5", "tolerance": 1e-2}),
    ],
    ids=["none-sde", "botan-euler", "preserving-dopri5"],
)
def test_two_stages_train_in_batches_and_draw_with_every_solver(module, settings, solver):
    module.settings = replace(module.settings, batch_size=2)
    task = make(module, prior="elastic-mobility", regression_epochs=1, **settings)
    fit(task, module, epochs=2)
    batch = module.batch([4, 5])
    generator = torch.Generator().manual_seed(0)
    shape = (batch.num_nodes, 3, 2)
    white = lambda: torch.randn(shape, generator=generator)  # noqa: E731
    fields, _ = task.draw(batch, torch.tensor([[0, 1, 2]] * 2), white, solver=Solver(**solver))
    assert torch.isfinite(fields).all()
    assert fields.reshape(2, -1, 3, 2).mean(1).abs().max() < 1e-5
    assert fields.norm(dim=-1).mean() > 0.01


@pytest.mark.parametrize("conditioner", ["none", "equivariant"])
def test_learning_rates_are_never_negative(module, conditioner):
    task = make(module, conditioner=conditioner, regression_epochs=2)
    trainer = fit(task, module, epochs=4)
    schedule = trainer.lr_scheduler_configs[0].scheduler.lr_lambdas[0]
    rates = [schedule(step) for step in range(12)]
    assert min(rates) > 0


def test_a_single_replica_has_no_mobility_to_fluctuate(tmp_path):
    data = KADataModule(
        str(write_dataset(tmp_path / "one.h5", replicas=2)), target="displacement", cutoff=1.6
    )
    data.setup()  # the last replica of row 0 is incomplete
    with pytest.raises(ConfigError, match="2 replicas"):
        make(data, prior="elastic-mobility", conditioner="none").fit_statistics(data, 0)


def test_mobility_needs_the_first_neighbours():
    with pytest.raises(ConfigError, match=r"cutoff is 1\.2"):
        DisplacementTask(
            reads=Reads(cutoff=1.2, lags=(1.0,), species=2, dimension=2), prior="elastic-mobility"
        )


@pytest.mark.parametrize("path", ["linear", "trigonometric", "variance-preserving"])
@pytest.mark.parametrize("method", ["heun2", "dopri5"])
def test_untrained_generator_reproduces_its_prior(module, path, method):
    """Without a learned part the flow is the exact one between equal Gaussians: the variance is kept."""
    task = make(module, path=path, conditioner="none")
    task.fit_statistics(module, 0)
    batch = module.batch([5])
    generator = torch.Generator().manual_seed(0)
    lag = torch.full((1, 100), 1)
    noise = torch.randn((batch.num_nodes, 100, 2), generator=generator)
    fields, _ = task.draw(batch, lag, lambda: noise, solver=Solver(method, 25))
    scale = task.prior.table[:, 1]
    for species in (0, 1):
        assert abs(fields[batch.species == species].std() / scale[species] - 1) < 0.05


def test_untrained_loss_is_one_for_gaussian_data(module):
    """The loss is in units of the best linear prediction, which the untrained network is."""
    task = make(module, conditioner="none")
    task.fit_statistics(module, 0)
    generator = torch.Generator().manual_seed(0)
    losses = []
    for _ in range(40):
        batch = module.batch([0, 1, 2], fields=6, generator=generator)
        losses.append(task.flow_loss(batch, None, generator).mean())
    assert abs(torch.stack(losses).mean() - 1) < 0.03


def test_regression_comes_first(module):
    task = make(module, regression_epochs=1)
    before = {name: value.clone() for name, value in task.network.state_dict().items()}
    conditioner = {name: value.clone() for name, value in task.conditioner.state_dict().items()}
    fit(task, module, epochs=1)
    assert all(
        torch.equal(value, before[name])
        for name, value in task.network.state_dict().items()
        if "norm" in name
    )
    assert any(not torch.equal(v, conditioner[n]) for n, v in task.conditioner.state_dict().items())


def test_a_frozen_conditioner_stays(module):
    task = make(module, train_conditioner=False, weight_decay=0.0)
    before = {name: value.clone() for name, value in task.conditioner.state_dict().items()}
    fit(task, module, epochs=1)
    assert all(torch.equal(value, before[name]) for name, value in task.conditioner.state_dict().items())


def test_same_seed_same_weights(module):
    states = []
    for _ in range(2):
        torch.manual_seed(7)
        task = make(module, regression_epochs=1, prior="elastic")
        fit(task, module, epochs=2)
        states.append(task.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_statistics_are_those_of_the_training_split(module):
    task = make(module)
    task.fit_statistics(module, 0)
    store = module.store
    for species in (0, 1):
        rows = [store.displacements(c)[:, :, store.species == species] for c in store.indices("train")]
        rms = np.mean([np.square(u).mean((0, 2, 3)) for u in rows], 0) ** 0.5
        np.testing.assert_allclose(task.prior.table[species].numpy(), rms, rtol=1e-4)


def test_validation_logs_the_ensemble(module):
    task = make(module, validation_replicas=4, validation_every=1, steps=2)
    trainer = fit(task, module, epochs=1)
    logged = trainer.callback_metrics
    for name in ("val/flow", "val/chi4_A_t10", "val/pearson_draws_A_t100", "val/mean_ratio_A_t1"):
        assert torch.isfinite(logged[name])


def test_training_configurations_are_predicted_by_the_others(tmp_path):
    """The linear part of a row is that of the other folds; on new rows it is that of all."""
    split = ["train"] * 6 + ["test"]
    path = write_dataset(tmp_path / "large.h5", size=120, box=10.5, split=split)
    data = KADataModule(str(path), target="displacement", cutoff=1.6, fields=3, descriptors=True)
    data.setup()
    task = make(data)
    task.fit_statistics(data, 0)
    linear, held_out = task.conditioner.linear, task.conditioner.held_out
    task.conditioner.collective.zero_()
    batch = data.batch([2])
    mine = task.conditioner.regression(batch, held_out=True)
    weights = held_out[2][batch.species]
    torch.testing.assert_close(mine, torch.einsum("nd,ndk->nk", batch.descriptors, weights))
    usual = task.conditioner.regression(batch, held_out=False)
    torch.testing.assert_close(usual, torch.einsum("nd,ndk->nk", batch.descriptors, linear[batch.species]))
    assert not torch.allclose(mine, usual)
    target = task.targets.standardise(batch)
    assert (usual - target).square().mean() < (mine - target).square().mean()


def test_the_linear_part_within_configurations_is_the_estimator_s(tmp_path):
    """Any sets of descriptors, each with its own penalty, fitted to deviations: what `Ridge` does."""
    path = write_lattices(tmp_path / "wide.h5", count=5, split=["train"] * 5, particles=WIDE)
    sets = ["invariants", "mechanics"]
    data = KADataModule(str(path), target="displacement", cutoff=1.6, fields=3, descriptors=sets)
    data.setup()
    task = make(data, linear="within")
    task.fit_statistics(data, 0)
    assert task.reads.descriptors == tuple(sets)
    linear = task.conditioner.linear
    batches = [data.batch([row]) for row in range(5)]
    inputs = [b.descriptors[b.species == 0] for b in batches]
    outputs = [task.targets.standardise(b)[b.species == 0] for b in batches]
    deviations = ([x - x.mean(0) for x in values] for values in (inputs, outputs))
    expected, _, _ = block_ridge(zip(*deviations, strict=True), list(range(5)), data.described.widths)
    torch.testing.assert_close(linear[0], expected)


def test_levels_of_configurations_follow_their_energy(tmp_path):
    """Means over each species: the line through the others' (energy, mean) in training, through all later."""
    path = write_lattices(tmp_path / "wide.h5", count=6, split=["train"] * 6, particles=WIDE)
    data = KADataModule(str(path), target="displacement", cutoff=1.6, fields=3, descriptors=["mechanics"])
    data.setup()
    task = make(data, linear="within")
    task.fit_statistics(data, 0)
    batches = [data.batch([row]) for row in range(6)]
    energy = np.array([float(b.energy) for b in batches])
    whole = data.batch(np.arange(6))  # configurations of a batch keep to themselves
    for held_out in (False, True):
        found = task.conditioner.regression(whole, held_out).reshape(6, WIDE, -1)
        for s in (0, 1):
            of = batches[0].species == s
            y = np.stack([task.targets.standardise(b)[of].mean(0).numpy() for b in batches])
            for c in range(6):
                others = [k for k in range(6) if not held_out or k % FOLDS != c % FOLDS]
                slope, intercept = np.polyfit(energy[others], y[others], 1)
                expected = intercept + slope * energy[c]
                np.testing.assert_allclose(found[c, of].mean(0), expected, rtol=1e-3, atol=2e-4)


def test_means_over_configurations_are_not_shrunk(tmp_path):
    """The measured means have slope one against those predicted from the other folds."""
    split = ["train"] * 7
    path = write_dataset(tmp_path / "large.h5", size=120, box=10.5, split=split)
    data = KADataModule(str(path), target="displacement", cutoff=1.6, fields=3, descriptors=True)
    data.setup()
    task = make(data)
    task.fit_statistics(data, 0)
    batches = [data.batch([row]) for row in range(7)]
    predicted = torch.stack([task.conditioner.regression(b, held_out=True).mean(0) for b in batches])
    measured = torch.stack([task.targets.standardise(b).mean(0) for b in batches])
    slope = (predicted * measured).sum(0) / predicted.square().sum(0)
    torch.testing.assert_close(slope, torch.ones(9), rtol=1e-3, atol=1e-3)
    both = task.conditioner.regression(data.batch([0, 1]), held_out=True)
    torch.testing.assert_close(both[:120], task.conditioner.regression(batches[0], held_out=True))


def test_mobility_drawn_first_has_the_statistics_of_the_training_split(module):
    """Untrained, the mobility is its Gaussian prior about the mean of the species."""
    task = make(module, prior="elastic-mobility", conditioner="none")
    task.fit_statistics(module, 0)
    batch = module.batch([0], fields=12)
    generator = torch.Generator().manual_seed(0)
    lag, shape = torch.full((1, 400), 1), (batch.num_nodes, 400)
    white = lambda: torch.randn(shape, generator=generator)  # noqa: E731
    drawn, evaluations = task.mobility.draw(batch, lag, None, white, Solver(steps=10))
    assert evaluations == 20
    for species in (0, 1):
        of = drawn[batch.species == species]
        assert abs(of.mean() - task.mobility.mean[species, 1]) < 0.1 * task.mobility.scale[species, 1]
        assert abs(of.std() / task.mobility.scale[species, 1] - 1) < 0.1


def test_the_displacement_flow_never_sees_an_exact_mobility(module):
    """An exact one gives every length away to a network that undoes the average: good loss, bad samples."""
    task = make(module, prior="elastic-mobility", mobility_blur=0.5)
    task.fit_statistics(module, 0)
    batch, seen = module.batch([0], fields=6), []
    bind = task.bind
    task.bind = lambda data, context, condition: (
        seen.append(context.mobility) or bind(data, context, condition)
    )
    condition, generator = task.condition(batch), torch.Generator().manual_seed(0)
    task.flow_loss(batch, condition, generator)
    noise = seen[0] - mobility_of(batch)
    assert abs(noise.std() - 0.5) < 0.05
    # Drawn mobilities get the same noise: white, where the draw itself is smooth.
    shape = (batch.num_nodes, 200, 2)
    white = lambda: torch.randn(shape, generator=generator)  # noqa: E731
    task.draw(
        batch, torch.zeros((1, 200), dtype=torch.long), white, condition=condition, solver=Solver(steps=1)
    )
    matrix = averaging_of(batch)
    rough = seen[1] - average(seen[1], matrix, 1)
    exact = mobility_of(batch)
    assert rough.var() > 0.5**2 / 2 + (exact - average(exact, matrix, 1)).var()


def test_particle_scales_need_a_conditioner(module):
    with pytest.raises(ConfigError, match="conditioner"):
        make(module, prior="particle", conditioner="none")
