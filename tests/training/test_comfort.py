"""What a training shows while it runs and leaves when it ends; what it may begin with; other loggers."""

import os
import shutil
from pathlib import Path

import lightning
import numpy as np
import pytest
import torch
import yaml
from synthetic import write_dataset

from gensample import zoo
from gensample.cli import main
from gensample.data.datamodule import KADataModule
from gensample.nn.botan import Botan
from gensample.reads import Reads
from gensample.release import release
from gensample.report.course import draw_course, reached, read_course
from gensample.training.configuration import ConfigurationTask
from gensample.training.displacement import DisplacementTask
from gensample.training.dynamics import DynamicsTask

CONFIG = {
    "model": {
        "class_path": "DynamicsTask",
        "init_args": {
            "network": {
                "class_path": "Botan",
                "init_args": {"dimension": 2, "outputs": 3, "width": 8, "steps": 1},
            },
            "edge_epochs": 1,
        },
    },
    "data": {"class_path": "KADataModule", "init_args": {"dataset": "data.h5"}},
    "trainer": {
        "accelerator": "cpu",
        "max_epochs": 2,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "log_every_n_steps": 1,
    },
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A dataset, a config and the run of it."""
    folder, before = tmp_path_factory.mktemp("comfort"), Path.cwd()
    write_dataset(folder / "data.h5", ordered=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    os.chdir(folder)
    try:
        assert main(["fit", "--config", "config.yaml", "--out", "run"]) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def folder(made, tmp_path, monkeypatch):
    shutil.copytree(made, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


# The progress bar


class Bar(lightning.Callback):
    """Keeps what the progress bar shows after each step of training, and after each validation."""

    def __init__(self):
        self.steps, self.validations = [], []

    def on_train_batch_end(self, trainer, module, *rest):
        self.steps.append((trainer.current_epoch, dict(trainer.progress_bar_metrics)))

    def on_validation_end(self, trainer, module):
        self.validations.append(dict(trainer.progress_bar_metrics))


SMALL = {"width": 8, "vectors": 4, "layers": 1, "conditioner_layers": 1, "prior": "species"}
PHASES = [
    (
        "dynamics",
        {"target": "propensity"},
        lambda data: DynamicsTask(Botan(dimension=2, outputs=3, width=8, steps=1), edge_epochs=1),
        [{"loss"}, {"loss"}],
        "val/loss",
    ),
    (
        "displacement",
        {"target": "displacement", "cutoff": 1.6},
        lambda data: DisplacementTask(reads=Reads.of(data), regression_epochs=1, **SMALL),
        [{"train/regression"}, {"train/flow"}],
        "val/regression",
    ),
    (
        "configuration",
        {"target": "configuration"},
        lambda data: ConfigurationTask(reads=Reads.of(data), system=data.system, width=8),
        [{"train/flow"}, {"train/flow"}],
        "val/flow",
    ),
]


@pytest.mark.parametrize(("name", "settings", "make", "shown", "validated"), PHASES)
def test_the_loss_is_in_the_progress_bar_in_every_phase(made, name, settings, make, shown, validated):
    data, bar = KADataModule(str(made / "data.h5"), **settings), Bar()
    data.setup()
    quiet = {"logger": False, "enable_checkpointing": False, "enable_model_summary": False}
    trainer = lightning.Trainer(
        accelerator="cpu", max_epochs=2, enable_progress_bar=False, callbacks=[bar], **quiet
    )
    trainer.fit(make(data), data)
    for epoch, names in enumerate(shown):
        steps = [found for at, found in bar.steps if at == epoch]
        assert steps
        assert all(names <= found.keys() for found in steps), steps
    assert all(validated in found for found in bar.validations[1:])


# The end of a run


def test_the_end_says_what_was_reached_and_draws_it(folder, capsys):
    assert main(["fit", "--config", "config.yaml", "--out", "again"]) == 0
    told, checkpoint, following = capsys.readouterr().out.splitlines()[-3:]
    assert told == f"reached: {reached(read_course(Path('again')))}; curve: again/curve.png"
    assert "val/loss " in told
    assert "val/pearson_A_100 " in told
    assert checkpoint == "checkpoint: again/checkpoints/last.ckpt"
    assert main(following.removeprefix("next: gensample ").split()) == 0
    assert (folder / "again" / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_a_generator_is_sampled_next(folder, capsys):
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["model"] = {"class_path": "DisplacementTask", "init_args": SMALL}
    config["data"]["init_args"] |= {"target": "displacement", "cutoff": 1.6}
    (folder / "flow.yaml").write_text(yaml.safe_dump(config))
    assert main(["fit", "--config", "flow.yaml", "--out", "flow", "--trainer.max_epochs", "1"]) == 0
    following = capsys.readouterr().out.splitlines()[-1].removeprefix("next: gensample ")
    assert following == "sample flow/checkpoints/last.ckpt --data data.h5 --split test --out gen.h5"
    assert main([*following.split(), "--replicas", "1", "--steps", "1"]) == 0


LOG = "epoch,step,train/loss,val/loss,val/pearson_A_10\n"


def test_a_course_goes_over_all_sittings(tmp_path):
    for name, lines in (
        ("metrics-2.csv", "1,19,,0.2,0.6\n"),
        ("metrics-10.csv", "2,29,,0.3,0.4\n"),
        ("metrics-1.csv", "0,9,,0.5,0.1\n0,9,0.7,,\n"),
        ("metrics.csv", "3,39,,0.4,0.5\n"),
    ):
        (tmp_path / name).write_text(LOG + lines)
    course = read_course(tmp_path)
    np.testing.assert_array_equal(course["val/loss"].value, [0.5, 0.2, 0.3, 0.4])
    np.testing.assert_array_equal(course["val/loss"].step, [9, 19, 29, 39])
    assert reached(course) == (
        "val/loss 0.4 (best 0.2, epoch 1 of 3); val/pearson_A_10 0.5 (best 0.6, epoch 1 of 3)"
    )
    assert draw_course(tmp_path, course) == tmp_path / "curve.png"


def test_a_course_without_validation_or_log(tmp_path):
    assert read_course(tmp_path) == {}
    assert draw_course(tmp_path, {}) is None
    (tmp_path / "metrics.csv").write_text("epoch,step,train/loss\n0,9,0.7\n")
    assert reached(read_course(tmp_path)) == "train/loss 0.7 (best 0.7, epoch 0 of 0)"


def test_no_log_no_curve(folder, capsys):
    assert main(["fit", "--config", "config.yaml", "--out", "silent", "--trainer.logger", "false"]) == 0
    assert "reached" not in capsys.readouterr().out


# What a training begins with


def weights(run):
    return torch.load(Path(run) / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


def test_a_training_begins_with_a_model_and_its_settings(folder, caplog):
    (folder / "metrics.json").write_text("{}")
    release("run/checkpoints/last.ckpt", "mine", metrics="metrics.json")
    shutil.copyfile("data.h5", "other.h5")
    for number, source in enumerate(("mine", "run/checkpoints/last.ckpt")):
        words = ["--from", source, "--data.dataset", "other.h5", "--model.lr", "0.0"]
        assert main(["fit", *words, "--out", f"fine{number}"]) == 0
        assert f"from {source}: 22 of 22 weights" in caplog.text
        before, after = weights("run"), weights(f"fine{number}")
        assert all(torch.equal(before[name], after[name]) for name in before)
        settings = yaml.safe_load((folder / f"fine{number}" / "config.yaml").read_text())
        assert settings["model"]["init_args"]["network"]["init_args"]["width"] == 8
        assert settings["data"]["init_args"]["dataset"] == "other.h5"
    words = ["--config", "fine0/config.yaml", "--ckpt_path", "fine0/checkpoints/last.ckpt"]
    assert main(["test", *words]) == 0


def test_a_run_that_began_with_a_model_is_resumed_from_its_own_weights(folder):
    words = ["--from", "run/checkpoints/last.ckpt", "--model.lr", "0.01", "--trainer.max_epochs", "1"]
    assert main(["fit", *words, "--out", "fine"]) == 0
    first = weights("fine")
    shutil.rmtree("run")  # which the resumed run does not need
    words = ["--config", "fine/config.yaml", "--ckpt_path", "last", "--trainer.max_epochs", "2"]
    assert main(["fit", *words, "--model.lr", "0.0"]) == 0
    assert weights("fine").keys() == first.keys()


def test_layers_of_another_shape_begin_anew(folder, caplog):
    words = ["--config", "config.yaml", "--from", "run/checkpoints/last.ckpt", "--model.lr", "0.0"]
    two = ["--data.lags", "[1, 10]", "--model.network.outputs", "2", "--data.cutoff", "1.8"]
    with pytest.warns(UserWarning, match=r"was trained on cutoff 2\.0, not 1\.8"):
        assert main(["fit", *words, *two, "--out", "two"]) == 0
    assert "20 of 22 weights; new are network.decoder" in caplog.text
    before, after = weights("run"), weights("two")
    same = [name for name in before if torch.equal(before[name], after[name])]
    assert "network.decoder.0.weight" in same
    assert 0 < len(same) < len(before)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--from", "ka2d-mini-heated"], "has no settings to train with"),
        (["--from", "ka2d-mini-heated", "--config", "config.yaml"], "needs no training"),
        (["--from", "nowhere"], "no model called nowhere"),
        (["--from", "ka2d-mini-flow", "--config", "config.yaml"], "no weight of ka2d-mini-flow fits"),
        (["--from", "lone.ckpt"], "has no settings to train with"),
    ],
)
def test_what_a_training_cannot_begin_with(folder, capsys, words, text):
    shutil.copyfile("run/checkpoints/last.ckpt", "lone.ckpt")
    before = sorted(folder.rglob("*"))
    assert main(["fit", *words, "--out", "new"]) == 2
    assert text in capsys.readouterr().err.splitlines()[-1]
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("name", ["ka2d-mini-botan", "ka2d-mini-flow", "ka2d-mini-conf"])
def test_settings_of_every_trained_model_are_a_config(name, tmp_path):
    """Also of those that were made before class paths and settings moved."""
    config = zoo.write_settings(name, tmp_path)
    assert config.name == f"{name}.yaml"
    assert "enable_progress_bar" not in config.read_text()  # off where it was trained
    assert main(["fit", "--config", str(config), "--print_config"]) == 0


# Other loggers


def test_tensorboard(folder):
    pytest.importorskip("tensorboard", reason="pip install 'gensample[tensorboard]'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert main(["fit", "--config", "config.yaml", "--out", "tb", "--tensorboard", "true"]) == 0
    found = EventAccumulator(str(folder / "tb" / "tensorboard")).Reload()
    logged = read_course(folder / "tb")
    for name in ("train/loss", "val/loss", "val/pearson_A_10"):
        values = [event.value for event in found.Scalars(name)]
        np.testing.assert_allclose(values, logged[name].value, rtol=1e-6)


def test_tensorboard_that_is_absent(folder, capsys, monkeypatch):
    def missing(*args, **kwargs):
        raise ModuleNotFoundError("tensorboard")

    monkeypatch.setattr("gensample.training.cli.TensorBoardLogger", missing)
    assert main(["fit", "--config", "config.yaml", "--out", "tb", "--tensorboard", "true"]) == 2
    assert "gensample[tensorboard]" in capsys.readouterr().err
    assert not (folder / "tb").exists()


def test_wandb_offline(folder, monkeypatch):
    wandb = pytest.importorskip("wandb", reason="pip install 'gensample[wandb]'")
    monkeypatch.setenv("WANDB_SILENT", "true")
    try:
        assert main(["fit", "--config", "config.yaml", "--out", "w", "--wandb", "offline"]) == 0
        summary = dict(wandb.run.summary)
    finally:
        wandb.finish()
    logged = read_course(folder / "w")
    assert summary["val/loss"] == pytest.approx(logged["val/loss"].value[-1], rel=1e-6)
    assert list((folder / "w" / "wandb").glob("offline-run-*/*.wandb"))
