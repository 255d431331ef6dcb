"""LAMMPS if it is there, a tiny simulation, and comparison of two datasets."""

import h5py
import numpy as np
import pytest

from gensample.errors import MissingDependencyError
from gensample.simulate.isoconfigurational.config import Split
from gensample.simulate.lammps.engine import find_engine
from gensample.simulate.run import load_config, simulate

TINY = """
mixture: ka2d
particles: 60
temperature: 1.0
lags: [0.1, 0.5]
splits:
  train: {configurations: 2, replicas: 3}
  test: {configurations: 1, replicas: 4}
melt: {temperature: 2.0, time: 1.0, cooling_time: 1.0}
equilibration: {time: 4.0, segment: 2.0, snapshots: 8}
seed: 5
displacement_precision: 0.0009765625
replicas_per_job: 2
"""
# What may differ between two runs of the same simulation.
CIRCUMSTANCES = ("created", "command", "software", "source", "core_seconds_per_replica")


@pytest.fixture(scope="session")
def engine():
    try:
        return find_engine()
    except MissingDependencyError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def tiny_yaml(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture
def tiny_config(tiny_yaml):
    """The tiny settings with overrides; ``single``: one training configuration with so many replicas."""

    def load(*overrides, single=None):
        config = load_config(tiny_yaml, list(overrides))
        if single is not None:
            config.splits = {"train": Split(1, single)}
        return config

    return load


@pytest.fixture(scope="session")
def reference(engine, tiny_yaml, tmp_path_factory):
    """The dataset of an uninterrupted run of the tiny settings, one process."""
    out = tmp_path_factory.mktemp("reference") / "tiny.h5"
    simulate(load_config(tiny_yaml, ["processes=1"]), out)
    return out


def contents(path):
    """Every array and attribute that two runs must share, as bytes."""
    found = {}
    with h5py.File(path) as file:
        names = ["/"]
        file.visit(names.append)
        for name in names:
            node = file[name]
            if isinstance(node, h5py.Dataset):
                found[name] = (node.dtype.str, node.shape, np.asarray(node[...].tolist()).tobytes())
            for key, value in node.attrs.items():
                if key not in CIRCUMSTANCES:
                    found[name, key] = np.asarray(value).tobytes()
    return found


@pytest.fixture
def assert_same():
    """Two datasets are the same, bit for bit."""

    def compare(path, other):
        first, second = contents(path), contents(other)
        assert first.keys() == second.keys()
        assert [name for name in first if first[name] != second[name]] == []

    return compare
