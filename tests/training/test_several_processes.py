"""Training by several processes (docs/scale.md): that of one process which accumulates as many batches."""

import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from synthetic import write_dataset

from gensample.cli import main

PAGE = (Path(__file__).parents[2] / "docs" / "scale.md").read_text()
NETWORK = {"class_path": "Botan", "init_args": {"dimension": 2, "outputs": 3, "width": 8, "steps": 2}}
DYNAMICS = {
    "model": {"class_path": "DynamicsTask", "init_args": {"network": NETWORK, "normalise": True}},
    "data": {"class_path": "KADataModule", "init_args": {"dataset": "data.h5"}},
}
FLOW = {
    "model": {
        "class_path": "DisplacementTask",
        "init_args": {
            **{"width": 8, "vectors": 4, "layers": 1, "conditioner_layers": 1, "regression_epochs": 1},
            **{"prior": "elastic-mobility", "validation_replicas": 4, "validation_every": 1},
        },
    },
    "data": {
        "class_path": "KADataModule",
        "init_args": {"dataset": "data.h5", "target": "displacement", "cutoff": 1.6},
    },
}
TRAINER = {
    **{"accelerator": "cpu", "max_epochs": 2, "log_every_n_steps": 1, "enable_progress_bar": False},
    **{"enable_model_summary": False, "callbacks": [{"class_path": "EMA"}]},
}


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A dataset of four training configurations, two rounds of two processes, and three to validate."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    write_dataset(tmp_path / "data.h5", split=["train"] * 4 + ["val"] * 3 + ["test"])
    for name, config in {"dynamics": DYNAMICS, "flow": FLOW}.items():
        Path(f"{name}.yaml").write_text(yaml.safe_dump({**config, "trainer": TRAINER}))
    return tmp_path


def command(name, page=PAGE):
    """The line of the page that begins in this way, for two nodes of one process without GPU."""
    line = re.search(rf"^{name} (?:.*\\\n)*.*", page, re.M)[0].replace("\\\n", " ")
    for there, here in {
        "--trainer.devices 4": "--trainer.devices 1",
        "--nproc-per-node 4": "--nproc-per-node 1",
        "accelerator gpu": "accelerator cpu",
        "configs/displacement/ka2d-mini-flow.yaml": "flow.yaml",
    }.items():
        assert there in line or name != "torchrun", (line, there)
        line = line.replace(there, here)
    return line


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def run_together(commands, environments):
    running = [
        subprocess.Popen(words, env=os.environ | more, stderr=subprocess.PIPE, text=True)
        for words, more in zip(commands, environments, strict=True)
    ]
    for process in running:
        _, told = process.communicate(timeout=500)
        assert process.returncode == 0, told


def train_alone(name):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    words = ["--config", f"{name}.yaml", "--out", "alone", "--trainer.accumulate_grad_batches", "2"]
    assert main(["fit", *words]) == 0
    torch.set_num_threads(threads)


def check_same(together):
    """The same weights, averaged weights and validation, to the last bit; one log, one checkpoint."""
    ends = [torch.load(f"{f}/checkpoints/last.ckpt", weights_only=True) for f in ("alone", together)]
    assert ends[0]["global_step"] == ends[1]["global_step"] == 4
    for key in ("state_dict", "current_model_state"):
        assert all(torch.equal(ends[0][key][name], ends[1][key][name]) for name in ends[0][key])
    logs = [validation(Path(f, "metrics.csv")) for f in ("alone", together)]
    assert logs[0] == logs[1]
    assert len(logs[0]) == 2
    files = [sorted(path.name for path in Path(f).rglob("*")) for f in ("alone", together)]
    assert files[0] == files[1]


def validation(path):
    header, *rows = [line.split(",") for line in path.read_text().splitlines()]
    columns = [k for k, name in enumerate(header) if name.startswith("val/")]
    return [found for row in rows if any(found := [row[k] for k in columns])]


def test_two_nodes_by_torchrun_are_one_process_that_accumulates(workplace):
    """The recipe of the page; fields of a flow, whose phases train different weights, with fresh noise."""
    line = command("torchrun").replace("node1:29500", f"localhost:{free_port()}")
    words = [sys.executable, "-m", "torch.distributed.run", *shlex.split(line)[1:]]
    run_together([words, words], [{}, {}])
    train_alone("flow")
    check_same("runs/flow")


@pytest.mark.slow
def test_two_nodes_by_slurm(workplace):
    """As srun starts them: the same command with another rank."""
    words = shlex.split(command("srun"))[1:]
    assert words[0] == "gensample"
    shared = {"SLURM_NTASKS": "2", "SLURM_JOB_ID": str(free_port()), "SLURM_JOB_NAME": "fit"}
    shared |= {"SLURM_NNODES": "2", "SLURM_NTASKS_PER_NODE": "1", "SLURM_NODELIST": "127.0.0.1"}
    ranks = [{**shared, "SLURM_PROCID": k, "SLURM_NODEID": k, "SLURM_LOCALID": "0"} for k in "01"]
    run_together([[sys.executable, "-m", *words]] * 2, ranks)
    train_alone("flow")
    check_same("runs/flow")


@pytest.mark.slow
def test_two_processes_that_one_starts(workplace):
    words = ["-m", "gensample", "fit", "--config", "dynamics.yaml", "--out", "both"]
    run_together([[sys.executable, *words, "--trainer.devices", "2", "--trainer.strategy", "ddp"]], [{}])
    train_alone("dynamics")
    check_same("both")
