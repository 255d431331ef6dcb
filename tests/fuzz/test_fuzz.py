"""Nothing damaged or hostile ends in a traceback, hangs, eats the memory, runs a program or is called valid.

``python tests/fuzz KIND RANGE`` runs what these tests run; a failure prints the line that repeats it alone.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import gensample

FUZZ = Path(__file__).parent


def fuzz(*words: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(Path(gensample.__file__).parent.parent), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path.rstrip(os.pathsep)}
    return subprocess.run(
        [sys.executable, str(FUZZ), *words], env=environment, capture_output=True, text=True
    )


def test_a_few_of_every_kind_and_planted_faults():
    few = ("datasets", "0:1000:50", "sources", "0:1000:40", "flags", "0:500:50", "folders", "0:200:40")
    result = fuzz("planted", "0:9", *few)
    failed = [line.split()[2] for line in result.stdout.splitlines() if line.startswith("python tests/fuzz")]
    # Every command that does what none may is found; nothing else is.
    assert failed == ["planted"] * 9, result.stdout + result.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "count"), [("datasets", 1000), ("sources", 1000), ("flags", 500), ("folders", 200)]
)
def test_all(kind, count):
    result = fuzz(kind, f"0:{count}")
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.slow
def test_commands_that_allocate_or_wait_are_found():
    assert "2 failed" in fuzz("planted", "9:11").stdout
