"""A full disk, as a limit of the size of files: refused writes end in an error, never in a crash."""

import subprocess
import sys

import h5py
import numpy as np

from gensample.data.store import Store, StoreWriter
from gensample.data.writer import Disk
from tests.synthetic import write_dataset

# Files may have so many bytes; beyond, every write fails, as on a full disk.
LIMITS = [0, 3000, 20_000, 40_000, 100_000]
WRITE = """
import resource, signal, sys
import numpy as np
from gensample.data.store import Contents, StoreWriter
from gensample.work import atomic

def write(path):
    x = np.random.default_rng(0).uniform(size=(2, 500, 2)) * 20.4124
    u = np.random.default_rng(1).normal(size=(1, 500, 2))
    common = dict(mixture="ka2d", temperature=0.45, density=1.2, truncation="force-shift", source="a test")
    common |= dict(species=np.arange(500) >= 325, box=np.full((2, 2), 20.4124), split=["train"] * 2)
    with atomic(path) as temporary, StoreWriter.create(
        temporary, Contents(positions=x, times=np.ones(1), replicas=np.full(2, 3), **common)
    ) as writer:
        for c in range(2):
            for r in range(3):
                writer.write_replica(c, r, u - u.mean(1, keepdims=True))

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for limit in map(int, sys.argv[1:]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        write(f"{limit}.h5")
        print("written")
    except OSError as error:
        print(error.strerror)
"""


def test_a_full_disk_is_an_error(tmp_path):
    words = [sys.executable, "-c", WRITE, *map(str, LIMITS)]
    result = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")  # no signal ended it
    assert result.stdout.splitlines() == ["File too large"] * 4 + ["written"]
    assert [path.name for path in tmp_path.iterdir()] == ["100000.h5"]
    assert (tmp_path / "100000.h5").stat().st_size > 40_000


def test_zeros_follow_the_end(tmp_path):
    with Disk(tmp_path / "a", "w+") as disk:
        disk.write(b"abc")
        disk.seek(1)
        buffer = bytearray(b"xxxx")
        assert disk.readinto(buffer) == 4
    assert buffer == b"bc\0\0"


def test_amended_files_are_read_as_written(tmp_path):
    path = write_dataset(tmp_path / "a.h5")
    with Store.open(path) as store:
        before, positions = store.displacements(0), store.positions
    with StoreWriter.resume(path) as writer:
        writer.write_inherent(positions, {})
    with Store.open(path) as store:
        np.testing.assert_array_equal(store.displacements(0), before)
        np.testing.assert_array_equal(store.inherent, positions)
    with h5py.File(path, "r") as file:
        assert "inherent" in file
