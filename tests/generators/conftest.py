"""LAMMPS if it is there, and configurations to start from."""

import pytest

from gensample.data.store import Store
from gensample.errors import MissingDependencyError
from gensample.generators.base import starts
from gensample.simulate.lammps.engine import find_engine
from gensample.simulate.programs import Lammps, Torch


@pytest.fixture(scope="session")
def lammps():
    try:
        return Lammps(find_engine())
    except MissingDependencyError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def batches():
    return Torch("cpu")


@pytest.fixture(scope="session")
def start():
    """A configuration of ka2d-mini, T = 0.45."""
    with Store.open("ka2d-mini") as store:
        return starts(store, [3])[0]
