"""A training run killed at any moment goes on to the same bits as one left alone."""

import subprocess
import sys
import time

import torch
import yaml
from synthetic import write_dataset

from gensample.cli import main

CONFIG = {
    "model": {
        "class_path": "gensample.training.dynamics.DynamicsTask",
        "init_args": {
            "network": {
                "class_path": "gensample.nn.botan.Botan",
                "init_args": {"dimension": 2, "outputs": 3, "width": 8, "steps": 2},
            },
        },
    },
    "data": {
        "class_path": "gensample.data.datamodule.KADataModule",
        "init_args": {"dataset": "data.h5", "augment": True},
    },
    "trainer": {
        "accelerator": "cpu",
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "callbacks": [{"class_path": "gensample.training.callbacks.EMA"}],
    },
}


def fit(folder, epochs, *words):
    return ["fit", "--config", "config.yaml", "--out", folder, "--trainer.max_epochs", str(epochs), *words]


def kill_after_first_checkpoint(words, checkpoint):
    process = subprocess.Popen([sys.executable, "-m", "gensample", *words], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 300
    while not checkpoint.exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.communicate()


def test_killed_fit_resumes_to_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    write_dataset(tmp_path / "data.h5")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    last = tmp_path / "killed" / "checkpoints" / "last.ckpt"
    kill_after_first_checkpoint(fit("killed", 100000), last)
    epochs = torch.load(last, weights_only=True)["epoch"] + 3
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert main(fit("killed", epochs, "--ckpt_path", "last")) == 0
        assert main(fit("whole", epochs)) == 0
    finally:
        torch.set_num_threads(threads)
    ends = [
        torch.load(tmp_path / f / "checkpoints" / "last.ckpt", weights_only=True) for f in ("killed", "whole")
    ]
    assert ends[0]["epoch"] == ends[1]["epoch"] == epochs - 1
    for key in ("state_dict", "current_model_state"):
        assert all(torch.equal(ends[0][key][name], ends[1][key][name]) for name in ends[0][key])
