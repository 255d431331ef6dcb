"""``mixture:`` of a simulation as a file or as values, end to end: three species and masses by LAMMPS."""

import json

import numpy as np
import pytest
import torch

from gensample.cli import main
from gensample.data.store import Store
from gensample.physics.mixtures import get_mixture
from gensample.physics.potentials import energy_forces_virial
from gensample.simulate.run import load_config

MINE = """
dimension: 2
composition: [20, 12, 12]
density: 1.1
sigma: [1.0, 0.88, 0.94]
masses: [1.0, 2.5, 0.5]
truncation: force-shift
"""
SETTINGS = """
mixture: {mixture}
particles: 44
temperature: 1.0
lags: [0.1]
splits: {{test: {{configurations: 1, replicas: 4}}}}
melt: {{temperature: 2.0, time: 1.0, cooling_time: 1.0}}
equilibration: {{time: 2.0, segment: 2.0, snapshots: 8}}
processes: 1
"""


@pytest.fixture(scope="module")
def made(engine, tmp_path_factory):
    """The dataset of a mixture in a file that is gone, and that of the same values in the settings."""
    folder, found = tmp_path_factory.mktemp("mine"), []
    file = folder / "mine.yaml"
    values = get_written(file)
    for k, mixture in enumerate((file, json.dumps({**values, "name": "mine"}))):
        settings, out = folder / f"{k}.config.yaml", folder / f"{k}.h5"
        settings.write_text(SETTINGS.format(mixture=mixture))
        assert main(["simulate", str(settings), "--out", str(out)]) == 0
        found.append((settings, out))
    file.rename(folder / "gone.yaml")
    return found


def get_written(file):
    """The values of the mixture, which the file then holds."""
    file.write_text(MINE)
    return json.loads(get_mixture(file).to_json())


def test_a_file_and_values_make_the_same_dataset(made, assert_same):
    (_, by_file), (settings, by_values) = made
    assert_same(by_file, by_values)
    with Store.open(by_file) as store:
        assert store.mixture == "mine"
        assert store.liquid.masses == (1.0, 2.5, 0.5)
        assert np.bincount(store.species).tolist() == [20, 12, 12]
        assert json.loads(store.attrs["config"]) == load_config(settings).deciding()


def test_energies_are_those_of_its_potential(made):
    with Store.open(made[0][1]) as store:
        box, species = (torch.from_numpy(each) for each in (store.box[0], store.species))
        found = energy_forces_virial(torch.from_numpy(store.inherent[0]), species, box, store.liquid)
        assert float(found.energy.mean()) == pytest.approx(store.inherent_energy[0], abs=1e-12)
        assert float(found.forces.abs().max()) < 1e-6


def test_short_displacements_are_those_of_its_masses(made):
    """For t = 0.1 the lighter species go farther: the fields would not tell with equal masses."""
    with Store.open(made[0][1]) as store:
        square = np.square(store.displacements(0)[:, 0]).sum(-1).mean(0)
        light, middle, heavy = (square[store.species == kind].mean() for kind in (2, 0, 1))
    assert light > 1.2 * middle > 1.2 * 1.2 * heavy
