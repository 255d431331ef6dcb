"""`gensample fit` and its companions: what is refused, what is left behind, what is held."""

import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import h5py
import pytest
import torch
import yaml
from synthetic import write_dataset

from gensample.cli import main
from gensample.work import alone

CONFIG = {
    "model": {
        "class_path": "gensample.training.dynamics.DynamicsTask",
        "init_args": {
            "network": {
                "class_path": "gensample.nn.botan.Botan",
                "init_args": {"dimension": 2, "outputs": 3, "width": 8, "steps": 1},
            },
        },
    },
    "data": {"class_path": "gensample.data.datamodule.KADataModule", "init_args": {"dataset": "data.h5"}},
    "trainer": {
        "accelerator": "cpu",
        "max_epochs": 1,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    },
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A dataset, the same at a higher temperature, a config, and the run of it."""
    folder = tmp_path_factory.mktemp("train")
    write_dataset(folder / "data.h5")
    shutil.copy(folder / "data.h5", folder / "hot.h5")
    with h5py.File(folder / "hot.h5", "r+") as file:
        file.attrs["temperature"] = 1.0
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert main(["fit", "--config", "config.yaml", "--out", "run"]) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def folder(made, tmp_path, monkeypatch):
    """A copy of what was made, to work in."""
    shutil.copytree(made, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def fit(*words):
    return main(["fit", "--config", "config.yaml", *words])


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--model.lr", ".nan"], "model.lr must be finite"),
        (["--model.lr", "-1"], "model.lr must be finite"),
        (["--model.p", ".nan"], "model.p"),
        (["--model.edge_epochs", "-1"], "model.edge_epochs"),
        (["--model.network.width", "0"], "model.network.width"),
        (["--model.network.width", "10000000"], "model.network.width"),
        (["--model.network.outputs", "2"], "outputs to 3"),
        (["--data.cutoff", ".nan"], "data.cutoff must be positive"),
        (["--data.cutoff", "4"], "data.cutoff 4 is more than half the shortest box edge, 3"),
        (["--data.batch_size", "0"], "data.batch_size"),
        (["--data.seed", "-1"], "data.seed"),
        (["--data.lags", "[3]"], "data.lags"),
        (["--data.dataset", "none.h5"], "none.h5"),
        (["--seed_everything", "-1"], "seed_everything"),
        (["--seed_everything", str(2**64)], "seed_everything"),
        (["--trainer.gradient_clip_val", ".nan"], "trainer.gradient_clip_val"),
        (["--trainer.max_epochs", "-5"], "trainer.max_epochs"),
        (["--trainer.accumulate_grad_batches", "0"], "trainer.accumulate_grad_batches"),
        (["--trainer.check_val_every_n_epoch", "0"], "trainer.check_val_every_n_epoch"),
        (["--trainer.precision", "64-true"], "trainer.precision"),
        (["--trainer.max_epochs", "0"], "not one step was trained"),
        (["--trainer.limit_train_batches", "0"], "not one step was trained"),
        (["--data.validation", "[0, 1, 2, 3, 4, 5]"], "not one step was trained"),
        (["--data.validation", "[0, 0]"], "data.validation"),
        (["--data.validation", "[]"], "data.validation"),
        (["--data.predict_split", "tset"], "data.predict_split"),
        (["--model.loss_species", "[7]"], "model.loss_species"),
        (["--trainer.callbacks", "EarlyStopping", "--trainer.callbacks.monitor", "none"], "`none`"),
        (
            ["--trainer.callbacks", "gensample.training.callbacks.EMA", "--trainer.callbacks.decay", "5"],
            "decay",
        ),
        (["--ckpt_path", "hpc"], "no weight file at hpc"),
        (["--ckpt_path", "best"], "no weight file at best"),
        (["--weights_only", "false"], "weights_only"),
        (["--trainer", "[x]"], "trainer"),
        (["--model.network.dimension", "3"], "the data have 2 dimensions, the network 3"),
        (["--ckpt_path", "config.yaml"], "config.yaml is not a checkpoint"),
        (["--ckpt_path", "http://localhost/x.ckpt"], "x.ckpt"),
    ],
)
def test_what_cannot_work_is_one_line_and_leaves_nothing(folder, capsys, words, text):
    before = sorted(folder.rglob("*"))
    assert fit("--out", "runs/new", *words) == 2
    assert text in capsys.readouterr().err.splitlines()[-1]
    assert sorted(folder.rglob("*")) == before


def test_a_compiler_must_be_there_where_it_is_asked_for(folder, capsys, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CXX", raising=False)
    assert fit("--out", "new", "--model.compile", "true") == 2
    assert "set model.compile to false" in capsys.readouterr().err
    assert not (folder / "new").exists()


@pytest.mark.parametrize("out", ["data.h5", "config.yaml", "foreign"])
def test_out_is_a_folder_of_runs_alone(folder, capsys, out):
    (folder / "foreign").mkdir()
    (folder / "foreign" / "thesis.tex").write_text("years of work")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert fit("--out", out) == 2
    assert "choose another --out" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_another_run_in_the_folder_is_refused(folder, capsys):
    with alone(folder / "new"):
        assert fit("--out", "new") == 2
    assert "another gensample works at" in capsys.readouterr().err
    assert not (folder / "new").exists()


def test_a_run_does_not_go_on_in_the_folder_of_another(folder, capsys):
    assert fit("--out", "other") == 0
    before = (folder / "other" / "checkpoints" / "last.ckpt").read_bytes()
    words = ["--ckpt_path", "run/checkpoints/last.ckpt", "--trainer.max_epochs", "2"]
    assert fit("--out", "other", *words) == 2
    assert "holds an earlier run" in capsys.readouterr().err
    assert (folder / "other" / "checkpoints" / "last.ckpt").read_bytes() == before
    assert fit("--out", "run", *words) == 0


def test_a_training_that_diverges_is_an_error_and_keeps_the_last_good_weights(folder, capsys, monkeypatch):
    words = ["--ckpt_path", "last", "--trainer.max_epochs", "4", "--out", "run"]
    before = (folder / "run" / "checkpoints" / "last.ckpt").read_bytes()
    step = "gensample.training.dynamics.DynamicsTask._losses"
    monkeypatch.setattr(step, lambda self, batch, nodes, edges: (nodes.mean() * torch.nan, edges.mean()))
    assert fit(*words) == 2
    assert "diverged by epoch 1" in capsys.readouterr().err
    assert (folder / "run" / "checkpoints" / "last.ckpt").read_bytes() == before


def test_checkpoints_are_written_beside_where_they_belong(folder, monkeypatch):
    monkeypatch.setenv("TMPDIR", "/nowhere")
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    left = folder / "run" / "checkpoints" / ".epoch=7.ckpt.tmp.ckpt"
    left.write_text("of a killed run")
    left.with_name(".epoch=7.ckpt.lock").touch()
    assert fit("--out", "run", "--ckpt_path", "last", "--trainer.max_epochs", "3") == 0
    assert sorted(path.name for path in left.parent.iterdir()) == ["epoch=2.ckpt", "last.ckpt"]
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith(".")) == []


def test_sigterm_is_not_success_and_leaves_a_checkpoint(folder):
    words = ["--config", "config.yaml", "--out", "long", "--trainer.max_epochs", "100000"]
    process = subprocess.Popen([sys.executable, "-m", "gensample", "fit", *words], stderr=subprocess.PIPE)
    last, deadline = folder / "long" / "checkpoints" / "last.ckpt", time.monotonic() + 300
    while not last.exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert "state_dict" in torch.load(last, weights_only=True)
    assert {path.name.partition("=")[0] for path in last.parent.iterdir()} == {"epoch", "last.ckpt"}


@pytest.mark.parametrize("command", ["test", "validate"])
def test_an_evaluation_warns_of_nothing(folder, capfd, command):
    assert fit("--out", "averaged", "--trainer.callbacks+=gensample.training.callbacks.EMA") == 0
    words = ["--config", "averaged/config.yaml", "--ckpt_path", "averaged/checkpoints/last.ckpt"]
    capfd.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert main([command, *words]) == 0
    assert "warn" not in capfd.readouterr().err.lower()


@pytest.mark.parametrize("command", ["test", "validate"])
def test_data_outside_the_domain_are_refused_unless_forced(folder, capsys, command):
    words = [command, "--config", "run/config.yaml", "--ckpt_path", "run/checkpoints/last.ckpt"]
    assert main([*words, "--data.dataset", "hot.h5"]) == 2
    assert "temperature 1, trained on 0.45" in capsys.readouterr().err
    assert main([*words, "--data.dataset", "hot.h5", "--force", "true"]) == 0


def test_a_run_goes_on_with_its_own_data_alone(folder, capsys):
    words = ("--out", "run", "--ckpt_path", "last", "--trainer.max_epochs", "2")
    assert fit(*words, "--data.dataset", "hot.h5") == 2
    assert "outside the domain" in capsys.readouterr().err
    assert fit(*words) == 0


def test_other_lag_times_are_refused(folder, capsys):
    assert fit("--out", "two", "--data.lags", "[1, 10]", "--model.network.outputs", "2") == 0
    words = ["--config", "two/config.yaml", "--ckpt_path", "two/checkpoints/last.ckpt"]
    assert main(["test", *words, "--data.lags", "[10, 100]"]) == 2
    assert "trained at lag times [1.0, 10.0]" in capsys.readouterr().err


def test_an_accelerator_that_is_not_installed_is_one_line(folder, capsys):
    words = ["--trainer.accelerator", "tpu", "--out", "x"]
    assert main(["fit", "--config", "run/config.yaml", *words]) == 2
    assert "torch_xla" in capsys.readouterr().err


def edited(folder, change):
    checkpoint = torch.load(folder / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    change(checkpoint)
    torch.save(checkpoint, folder / "bad.ckpt")


DAMAGE = {
    "empty": None,
    "no loops": lambda c: c.pop("loops"),
    "loops": lambda c: c.update(loops=[1]),
    "optimizer": lambda c: c.update(optimizer_states=[{"state": 3}]),
    "schedulers": lambda c: c.update(lr_schedulers=5),
    "callbacks": lambda c: c.update(callbacks="text"),
    "epoch": lambda c: c.update(epoch="first"),
    "version": lambda c: c.pop("pytorch-lightning_version"),
    "int8": lambda c: c["state_dict"].update({k: v.char() for k, v in c["state_dict"].items()}),
    "class": lambda c: c["hyper_parameters"].update(_class_path="gensample.simulate.lammps.engine.Engine"),
    "width": lambda c: c["hyper_parameters"]["network"]["init_args"].update(width="wide"),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("command", ["fit", "test"])
def test_damaged_checkpoints_are_one_line(folder, capsys, command, damage):
    if DAMAGE[damage] is None:
        (folder / "bad.ckpt").touch()
    else:
        edited(folder, DAMAGE[damage])
    words = ["--trainer.max_epochs", "2"] if command == "fit" else []
    code = main([command, "--config", "run/config.yaml", "--ckpt_path", "bad.ckpt", "--out", "x", *words])
    # An evaluation reads nothing of how the training stood.
    unread = command == "test" and damage in ("no loops", "optimizer", "schedulers", "callbacks", "epoch")
    assert code == (0 if unread else 2), capsys.readouterr().err
