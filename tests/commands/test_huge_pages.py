"""The command line has torch put large tensors on huge pages, unless its variable says otherwise."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")
SCRIPT = """
import resource
import gensample.cli
import torch
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
before = faults()
torch.ones(20_000_000)
print(faults() - before)
"""


def faults(**more):
    """Page faults of a tensor of 80 MB: 19,531 pages of 4 kB, 38 of 2 MB."""
    environment = {name: value for name, value in os.environ.items() if name != "THP_MEM_ALLOC_ENABLE"}
    command = [sys.executable, "-c", SCRIPT]
    output = subprocess.run(command, env=environment | more, capture_output=True, text=True, check=True)
    return int(output.stdout)


@pytest.mark.skipif(
    not SETTING.exists() or "[never]" in SETTING.read_text(), reason="no transparent huge pages here"
)
def test_large_tensors_are_on_huge_pages():
    assert faults() < 0.5 * faults(THP_MEM_ALLOC_ENABLE="0")
