"""Inherent structures that the engine of `gensample quench` finds from public configurations."""

import numpy as np
import pytest
import torch

from gensample.errors import MissingDependencyError
from gensample.physics.box import minimum_image
from gensample.physics.mixtures import get_mixture
from gensample.simulate.lammps.engine import find_engine
from gensample.simulate.programs import FORCE_TOLERANCE, Lammps, Task


@pytest.fixture(scope="module")
def engine():
    try:
        return find_engine()
    except MissingDependencyError as error:
        pytest.skip(str(error))


def quenched(engine, folder, mixture, positions, species, box):
    task = Task(mixture, positions[None], species, box[None])
    found = Lammps(engine).minimise(task, FORCE_TOLERANCE, folder)
    return {name: values[0] for name, values in found._asdict().items()}


def test_glassbench_structure(engine, shared_data, tmp_path):
    """GlassBench (doi 10.5281/zenodo.10118191) gives an inherent structure (largest force 0.19)."""
    name = "glassbench/glassbench_ka2d_T0_23_N1290T0.23_151_tc05_positions.npz"
    data = np.load(shared_data / name)
    box = np.full(2, float(data["box"]))
    mixture = get_mixture("ka2d-ternary")
    found = quenched(engine, tmp_path, mixture, data["initial_positions"], data["types"] - 1, box)
    apart = torch.from_numpy(found["inherent"] - data["initial_positions_inherent"])
    distance = minimum_image(apart, torch.from_numpy(box)).norm(dim=1)
    # The same basin: a different one would show particles a good part of a diameter away.
    assert float(distance.median()) < 0.03
    assert float(distance.max()) < 0.2
    assert float(found["residual"]) < 1e-6


def test_botan_energy(engine, shared_data, tmp_path):
    """Mean over the shared configurations -6.8507(15) (DESIGN section 4): 0.006 from one to the next."""
    data = np.load(shared_data / "botan/T0.44/test/isoconfig_N4096T0.44_401_tc07.npz")
    species = data["types"].ravel() - data["types"].min()
    box = np.full(3, 15.05658)
    found = quenched(engine, tmp_path, get_mixture("ka3d-fs"), data["initial_positions"], species, box)
    assert float(found["energy"]) == pytest.approx(-6.8507, abs=0.02)
    assert float(found["residual"]) < 1e-6
