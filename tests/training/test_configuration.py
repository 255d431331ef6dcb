"""The configuration task: both bases, what it learns, its density, bits, resumption, refusals."""

import copy
import math
from functools import partial

import lightning
import pytest
import torch
import yaml
from equilibrium import COLD, HOT, SIZE, write_equilibrium
from synthetic import write_dataset

from gensample import zoo
from gensample.cli import main
from gensample.data.datamodule import KADataModule
from gensample.errors import ConfigError
from gensample.physics.box import minimum_image
from gensample.physics.mixtures import get_mixture
from gensample.physics.potentials import pair_potential
from gensample.reads import Reads
from gensample.sampling.solver import Solver
from gensample.sampling.transport import Divergence
from gensample.seeding import torch_generator
from gensample.training.configuration import DRAW, ConfigurationTask
from gensample.training.shared import fixed_times

SMALL = {"width": 8, "vectors": 2, "radial": 6}
QUIET = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False}
BASES = ["uniform", "liquid"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return str(write_equilibrium(tmp_path_factory.mktemp("task") / "data.h5"))


def serve(dataset, base, **settings):
    """The cold configurations, beside the hot ones or alone."""
    hot = {"base": dataset, "base_temperature": HOT} if base == "liquid" else {}
    fixed = {"target": "configuration", "temperatures": [COLD], "cutoff": 1.5, "batch_size": 2}
    data = KADataModule(dataset, **{**fixed, **hot, **settings})
    data.setup()
    return data


def make(data, **settings):
    torch.manual_seed(0)
    return ConfigurationTask(**{"reads": Reads.of(data), "system": data.system, **SMALL, **settings})


def fit(task, data, epochs=1):
    trainer = lightning.Trainer(
        max_epochs=epochs, logger=False, enable_checkpointing=False, num_sanity_val_steps=0, **QUIET
    )
    trainer.fit(task, data)
    return trainer


@torch.no_grad()
def measured_loss(task, data, split="train"):
    """Mean loss of a split at fixed times and noise."""
    rows = data.rows(split).repeat(8)
    return float(task.loss(data.batch(rows), fixed_times(len(rows)), torch_generator(9)).mean())


# Training


@pytest.mark.parametrize("base", BASES)
def test_the_scale_is_that_of_the_paths(dataset, base):
    data = serve(dataset, base)
    task = make(data, lr=0.0)
    fit(task, data)
    displacement, temperature = task._paths(data.batch([9, 10, 11, 12]), torch_generator(0))[2:]
    assert 0.7 < float(displacement.square().mean().sqrt() / task.scale) < 1.4  # few configurations
    assert displacement.mean(1).abs().max() < 1e-12
    assert temperature.tolist() == [COLD] * 4


def without_velocity(task):
    """The same task whose network says nothing."""
    still = copy.deepcopy(task)
    torch.nn.init.zeros_(still.network.out.weight)
    torch.nn.init.zeros_(still.network.out.bias)
    return still


@pytest.mark.parametrize("assignment", [True, False])
def test_assignment_shortens_the_paths(dataset, assignment):
    data = serve(dataset, "uniform")
    found = make(data, assignment=assignment)._paths(data.batch([9, 10]), torch_generator(0))[2]
    # Unassigned displacements are uniform in the cell: mean square edge^2 / 12 a component.
    relative = float(found.square().mean()) / (SIZE / 1.2 / 12)
    assert relative < 0.3 if assignment else 0.8 < relative < 1.2


def nearest(x, box):
    """Mean distance of nearest neighbours."""
    apart = minimum_image(x[:, :, None] - x[:, None], box[:, None, None]).norm(dim=-1)
    return float((apart + 9 * torch.eye(SIZE)).min(-1).values.mean())


def test_paths_lead_from_the_base_served_to_the_data(dataset):
    data = serve(dataset, "liquid")
    batch = data.batch([9, 10])
    box, start, displacement, _ = make(data, assignment=False)._paths(batch, torch_generator(0))
    begin, end = (x.reshape(2, SIZE, 2) for x in (batch.base, batch.pos))
    moved = minimum_image(start - begin, box[:, None])
    assert minimum_image(moved - moved[:, :1], box[:, None]).abs().max() < 1e-9, "as a whole"
    assert minimum_image(start + displacement - end, box[:, None]).abs().max() < 1e-9


@pytest.mark.parametrize("base", BASES)
def test_a_few_configurations_are_learnt(dataset, base):
    data = serve(dataset, base, batch_size=4, passes=200)
    task = make(data, width=16, lr=2e-2)
    fit(task, data)
    # Not to nothing: the base is random, and what it becomes is known on average only.
    assert measured_loss(task, data) < 0.75 * measured_loss(without_velocity(task), data)
    # And the flow leads there, not away: nearest neighbours of samples are nearly as far as in the data.
    batch = data.batch(data.rows("train").repeat(4))
    start = task._base(batch, torch_generator(1))
    drawn = task.carry(start, batch.box, COLD, Solver(steps=8)).positions
    before, after, goal = (nearest(x, batch.box) for x in (start, drawn, batch.pos.reshape(start.shape)))
    assert abs(after - goal) < 0.5 * abs(before - goal)


def record(loss, seen, batch, s, generator):
    if len(s) == 4:  # a batch of the training split
        seen.append(s)
    return loss(batch, s, generator)


def test_training_times_crowd_the_data_when_asked(dataset):
    data, seen = serve(dataset, "uniform", batch_size=4), {}
    for late in (1.0, 4.0):
        task = make(data, late=late)
        task.loss = partial(record, task.loss, seen.setdefault(late, []))
        fit(task, data, epochs=4)
    plain, late = (torch.cat(seen[key]) for key in (1.0, 4.0))
    torch.testing.assert_close(late, 1 - (1 - plain) ** 4)
    quarters = torch.stack(seen[1.0][:4]).sort(1).values
    assert bool((quarters.mul(4).floor() == torch.arange(4)).all()), "one time in each quarter"


@pytest.mark.parametrize("base", BASES)
def test_same_seed_same_weights(dataset, base):
    states = []
    for seed in (0, 0, 1):
        data = serve(dataset, base)
        task = make(data, seed=seed)
        fit(task, data, epochs=2)
        states.append(task.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["network.out.weight"], states[2]["network.out.weight"])


@pytest.mark.parametrize("base", BASES)
def test_validation_logs_loss_and_energies(dataset, base):
    data = serve(dataset, base, temperatures=[COLD, HOT])
    task = make(data, validation_samples=2, validation_every=2, steps=1)
    first = fit(task, data).callback_metrics
    assert torch.isfinite(first["val/flow"])
    assert "val/median_energy_T0.5" not in first, "every second epoch"
    second = fit(task, data, epochs=2).callback_metrics
    for t in ("0.5", "1"):
        assert torch.isfinite(second[f"val/median_energy_T{t}"])


def test_validation_samples_start_from_the_liquid_and_not_from_heated_partners(dataset, monkeypatch):
    data = serve(dataset, "liquid", heating=2)
    task = make(data, validation_samples=2, validation_every=1, steps=1)
    starts, carry = [], task.carry
    monkeypatch.setattr(
        task, "carry", lambda start, *rest, **more: starts.append(start) or carry(start, *rest, **more)
    )
    fit(task, data)
    rows = data.rows("val")[:2]
    species, box = data.store.species, data.base.box.expand(2, -1)
    liquid = data.base.draw("val", 2, box, species, torch_generator(task.settings.seed, DRAW))
    assert torch.equal(starts[0], liquid)
    assert not torch.equal(starts[0], data.batch(rows).base.reshape(liquid.shape))


# Density


def total_energy(x, species, edge):
    """U (C,) by a loop over all pairs."""
    mixture, total = get_mixture("ka2d"), torch.zeros(len(x), dtype=torch.float64)
    for i in range(x.shape[1]):
        for j in range(i):
            apart = x[:, i] - x[:, j]
            r = (apart - edge * (apart / edge).round()).norm(dim=-1)
            pair = [torch.tensor(t[species[i]][species[j]]) for t in (mixture.sigma, mixture.epsilon)]
            total += pair_potential(r, *pair, mixture)[0]
    return total


@pytest.mark.parametrize("base", BASES)
def test_log_density_of_the_base(dataset, base):
    data = serve(dataset, base)
    task, box = make(data), torch.full((2, 2), (SIZE / 1.2) ** 0.5, dtype=torch.float64)
    start = torch.from_numpy(data.store.positions[:2])
    found = task.log_base(start, box)
    if base == "uniform":
        expected = torch.full((2,), -SIZE * math.log(SIZE / 1.2), dtype=torch.float64)
    else:
        expected = -total_energy(start, data.store.species, float(box[0, 0])) / HOT
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("base", BASES)
def test_the_density_changes_by_the_divergence(dataset, base):
    data = serve(dataset, base)
    task, box = make(data), torch.full((2, 2), (SIZE / 1.2) ** 0.5, dtype=torch.float64)
    task.double().eval()
    start = torch.from_numpy(data.store.positions[:2])
    solver = Solver("rk4", 4)
    task.scale.fill_(0.0)
    still = task.carry(start, box, COLD, solver, Divergence("exact"))
    torch.testing.assert_close(still.positions, start)
    torch.testing.assert_close(still.log_density, task.log_base(start, box))
    task.scale.fill_(0.3)
    exact, slow = (task.carry(start, box, COLD, solver, Divergence(kind)) for kind in ("exact", "autograd"))
    assert (exact.log_density - still.log_density).abs().min() > 0.1
    torch.testing.assert_close(exact.log_density, slow.log_density)
    assert bool(((exact.positions >= 0) & (exact.positions < box[:, None])).all())
    warmer = task.carry(start, box, HOT, solver)
    assert (warmer.positions - exact.positions).abs().max() > 1e-6
    assert warmer.log_density is None


# Checkpoints and the command line


def config(dataset, base, **data):
    hot = {"base": dataset, "base_temperature": HOT} if base == "liquid" else {}
    served = {"target": "configuration", "temperatures": [COLD], "cutoff": 1.5, "batch_size": 2, "passes": 2}
    return {
        "model": {"class_path": "gensample.training.configuration.ConfigurationTask", "init_args": SMALL},
        "data": {
            "class_path": "gensample.data.datamodule.KADataModule",
            "init_args": {"dataset": dataset, **served, **hot, **data},
        },
        "trainer": {
            **QUIET,
            "max_epochs": 3,
            "callbacks": [{"class_path": "gensample.training.callbacks.EMA"}],
        },
    }


@pytest.mark.parametrize("base", BASES)
def test_a_resumed_fit_gives_the_bits_of_an_unbroken_one(dataset, base, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config(dataset, base)))
    words = ["fit", "--config", "config.yaml", "--out"]
    assert main([*words, "whole"]) == 0
    step = ConfigurationTask.training_step

    def stop_in_the_third_epoch(self, batch, index):
        if self.current_epoch == 2 and index == 1:
            raise KeyboardInterrupt
        return step(self, batch, index)

    with monkeypatch.context() as patched:
        patched.setattr(ConfigurationTask, "training_step", stop_in_the_third_epoch)
        assert main([*words, "broken"]) == 130
    last = tmp_path / "broken" / "checkpoints" / "last.ckpt"
    assert torch.load(last, weights_only=True)["epoch"] < 2
    assert main([*words, "broken", "--ckpt_path", "last"]) == 0
    ends = [
        torch.load(tmp_path / run / "checkpoints" / "last.ckpt", weights_only=True)
        for run in ("whole", "broken")
    ]
    assert ends[0]["global_step"] == ends[1]["global_step"] == 12
    for key in ("state_dict", "current_model_state"):
        assert all(torch.equal(ends[0][key][name], ends[1][key][name]) for name in ends[0][key])
    assert float(ends[0]["state_dict"]["scale"]) != 1


@pytest.mark.parametrize("base", BASES)
def test_a_checkpoint_draws_what_the_task_drew(dataset, base, tmp_path):
    data = serve(dataset, base)
    task = make(data)
    trainer = fit(task, data)
    task.hparams["_class_path"] = "gensample.training.configuration.ConfigurationTask"
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    batch = data.batch([13, 14])
    start = task._base(batch, torch_generator(5))
    expected = task.eval().carry(start, batch.box, COLD, Solver(steps=2), Divergence("exact"))
    loaded = ConfigurationTask.load_from_checkpoint(tmp_path / "model.ckpt", weights_only=True).eval()
    for other in (loaded, zoo.load_model(tmp_path / "model.ckpt")):
        assert other.system == data.system
        found = other.carry(start, batch.box, COLD, Solver(steps=2), Divergence("exact"))
        assert torch.equal(found.positions, expected.positions)
        assert torch.equal(found.log_density, expected.log_density)


@pytest.mark.parametrize("target", ["structure", "propensity", "displacement"])
def test_other_data_are_refused_in_one_line(tmp_path, capsys, monkeypatch, target):
    monkeypatch.chdir(tmp_path)
    write_dataset(tmp_path / "data.h5")
    settings = config("data.h5", "uniform", target=target, temperatures=None)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
    assert main(["fit", "--config", "config.yaml", "--out", "run"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "data.target=configuration" in line
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_an_unknown_mixture_is_refused(dataset):
    data = serve(dataset, "uniform")
    task = make(data, system={**data.system, "mixture": "ka9d"})
    with pytest.raises(ConfigError, match="ka9d"):
        task.carry(torch.zeros(1, SIZE, 2), torch.full((1, 2), 6.0), COLD)
