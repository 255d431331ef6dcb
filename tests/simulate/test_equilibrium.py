"""Equilibrium sampling from yaml to dataset, against the library's own potentials."""

import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from scipy.signal import lfilter

from gensample.data.dataset import Dataset
from gensample.data.store import Contents, Store
from gensample.errors import ConfigError
from gensample.physics.mixtures import get_mixture
from gensample.physics.potentials import energy, energy_forces_virial
from gensample.simulate.equilibrium.evidence import describe_sampling, half_drift, summarise_sampling
from gensample.simulate.equilibrium.jobs import by_species, fraction_moved
from gensample.simulate.run import describe_made, load_config, simulate
from gensample.work import parts_beside

TINY = """
mode: equilibrium
mixture: ka2d
particles: 44
temperatures: [1.5, 0.8]
splits:
  train: {chains: 2}
  test: {chains: 1}
configurations: 6
interval: [0.2, 0.4]
equilibration: [0.5, 1.0]
energies: 2
configurations_per_job: 4
melt: {temperature: 2.0, time: 1.0, cooling_time: 1.0}
seed: 5
"""
MIXTURE = get_mixture("ka2d")


@pytest.fixture(scope="module")
def sampling_yaml(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "sampling.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture
def settings(sampling_yaml):
    return lambda *overrides: load_config(sampling_yaml, list(overrides))


@pytest.fixture(scope="module")
def sampled(engine, sampling_yaml, tmp_path_factory):
    """The dataset of an uninterrupted run, one process."""
    out = tmp_path_factory.mktemp("sampled") / "sampled.h5"
    simulate(load_config(sampling_yaml, ["processes=1"]), out)
    return out


def energies(store, mixture=MIXTURE):
    x, species, box = (torch.from_numpy(a) for a in (store.positions, store.species, store.box))
    return energy(x, species, box, mixture).mean(1).numpy()


def test_layout_and_provenance(sampled, settings):
    with Store.open(sampled) as store:
        assert (store.num_configurations, store.num_particles, store.dimension) == (36, 44, 2)
        assert store.temperature.tolist() == [1.5] * 18 + [0.8] * 18
        assert store.split.tolist() == (["train"] * 12 + ["test"] * 6) * 2
        assert (store.times.size, store.replicas.tolist(), store.done.shape) == (0, [0] * 36, (36, 0))
        assert not store.has_displacements
        assert store.species.tolist() == [0] * 29 + [1] * 15
        assert ((store.positions >= 0) & (store.positions < store.box[0])).all()
        assert json.loads(store.attrs["config"]) == settings().deciding()
        assert "LAMMPS" in store.source
        assert not parts_beside(sampled).exists()


def test_a_chain_is_in_one_split(sampled):
    with Store.open(sampled) as store:
        chain, split = store.group("equilibration")["chain"], store.split
    assert np.bincount(chain).tolist() == [6] * 6
    assert all(len(set(split[chain == c])) == 1 for c in range(6))


def test_records_the_evidence_of_sampling(sampled):
    with Store.open(sampled) as store:
        attrs, recorded, found = store.attrs, store.group("equilibration")["energy"], energies(store)
    assert recorded.shape == (2, 3, 12)
    assert attrs["sampling_interval"].tolist() == [0.2, 0.4]
    assert attrs["energy_spacing"].tolist() == [0.1, 0.2]
    assert attrs["mean_energy"] == pytest.approx(recorded.mean((1, 2)))
    # The same runs, seen at 18 moments and averaged over short times; sd of one value 0.2 and 0.13.
    assert attrs["mean_energy"] == pytest.approx(found.reshape(2, 18).mean(1), abs=0.1)
    assert attrs["mean_energy"][0] > attrs["mean_energy"][1]
    for name in ("autocorrelation_time", "energy_drift", "energy_drift_error", "moved_fraction"):
        assert attrs[name].shape == (2,)
    made, hot, cold = describe_made(sampled).splitlines()
    assert "36 configurations, 0 replicas" in made
    assert hot.startswith("T = 1.5: energy -")
    assert "drift" in cold


def test_configurations_differ_and_are_liquid(sampled):
    with Store.open(sampled) as store:
        assert len({x.tobytes() for x in store.positions}) == 36
        assert energies(store).max() < 0


def test_the_result_does_not_depend_on_the_number_of_processes(sampled, settings, tmp_path, assert_same):
    simulate(settings("processes=3"), tmp_path / "other.h5")
    assert_same(sampled, tmp_path / "other.h5")


def test_sigkill_resumes_to_the_same_bits(sampled, sampling_yaml, tmp_path, assert_same):
    if not Path("/proc/self/cwd").exists():
        pytest.skip("needs /proc to see processes")
    out, moments = tmp_path / "killed.h5", ["samples-00-0001-000000", "assembly"]
    script = Path(__file__).with_name("killed.py")
    command = [sys.executable, script, sampling_yaml, out, "SIGKILL", *moments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert result.returncode == 0, result.stderr
    lines = [line.split() for line in result.stdout.splitlines()[:2]]
    assert [(line[1], line[3]) for line in lines] == [("-9", "0")] * 2
    assert int(lines[-1][-1]) == 18
    assert_same(out, sampled)


def test_other_settings_never_overwrite(sampled, settings):
    assert "nothing to do" in simulate(settings(), sampled)
    with pytest.raises(ConfigError, match="other settings"):
        simulate(settings("interval=0.2"), sampled)


def test_exchanges_of_species_are_put_in_order(engine, settings, tmp_path):
    """With exchanges the types of LAMMPS' particles change; the dataset's species do not."""
    mixture, out = get_mixture("ka2d-ternary"), tmp_path / "swap.h5"
    simulate(
        settings(
            "mixture=ka2d-ternary",
            "temperatures=[1.0]",
            "interval=1.0",
            "equilibration=1.0",
            "energies=20",
            "swap={every: 10, attempts: 10, pairs: [[0, 2]]}",
            "splits.train.chains=1",
        ),
        out,
    )
    with Store.open(out) as store:
        found, recorded = energies(store, mixture), store.group("equilibration")["energy"]
    # Spaced by 10 steps, an energy is that of one moment, the last of each interval that of a configuration.
    assert found == pytest.approx(recorded.reshape(12, 20)[:, -1], abs=1e-6)


def test_inherent_structures_on_demand(engine, settings, tmp_path):
    out = tmp_path / "inherent.h5"
    short = ["temperatures=[1.0]", "interval=0.2", "equilibration=0.0", "configurations=2"]
    simulate(settings("inherent=true", "splits.train.chains=1", *short), out)
    with Store.open(out) as store:
        x, species, box = (torch.from_numpy(a) for a in (store.inherent, store.species, store.box))
        found = energy_forces_virial(x, species, box, MIXTURE)
        assert found.energy.mean(1).numpy() == pytest.approx(store.inherent_energy, abs=1e-10)
        assert float(found.forces.abs().max()) < 1e-6
        assert (store.inherent_energy < energies(store)).all()


def test_particles_in_order_of_their_type():
    frame = np.array([[2.0, 0.1, 0.2], [1.0, 0.3, 0.4], [2.0, 0.5, 0.6], [1.0, 0.7, 0.8]])
    assert by_species(frame[None])[0].tolist() == [[0.3, 0.4], [0.7, 0.8], [0.1, 0.2], [0.5, 0.6]]


def test_moved_fraction_ignores_the_drift():
    x = np.zeros((3, 4, 2))
    x[1:] += 7.0
    x[1:, 0, 0] += 2.0
    assert fraction_moved(x).tolist() == [1.0, 0.0]  # one went 1.5 ahead of the mean, three 0.5 behind
    x[1:, 1, 0] -= 2.0
    assert fraction_moved(x).tolist() == [0.5, 0.0]


def test_drift_between_the_halves():
    energy = np.array([[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 0.0, 4.0]])
    assert half_drift(energy) == (1.5, pytest.approx(0.5))
    assert np.isnan(half_drift(energy[:1])[1])


def test_times_are_in_tau_and_what_is_not_known_is_said():
    generator = np.random.default_rng(0)
    white = generator.normal(size=(3, 2000))
    slow = lfilter([1.0], [1.0, -0.994], generator.normal(size=(3, 2000)), axis=1)
    energy = np.stack([white, slow, np.cumsum(white, axis=1)])
    attrs = summarise_sampling(energy, np.array([0.5, 2.0, 2.0]), np.full((3, 3, 4), 0.25))
    assert attrs["autocorrelation_time"][:2] == pytest.approx([0.25, 333.0], rel=0.5)
    assert np.isnan(attrs["autocorrelation_time"][2])
    assert attrs["autocorrelation_window"].tolist()[:2] == [10.0, 5.0]
    shared = {"temperatures": np.array([1.0, 0.6, 0.5]), "sampling_interval": np.array([5.0, 20.0, 20.0])}
    known, least, unknown = describe_sampling({**attrs, **shared})
    assert "interval 5 tau = 2" in known
    assert "25% of the particles move" in known
    assert "autocorrelation time at least " in least
    assert "chains too short" in unknown


def test_writing_tens_of_thousands_of_configurations(tmp_path):
    """Temperatures are an attribute, here of 320 kB, beyond the 64 kB of older HDF5 objects."""
    count, path = 40_000, tmp_path / "many.h5"
    temperature = np.linspace(0.4, 1.0, count)
    positions = np.random.default_rng(0).uniform(0, 2.2, (count, 4, 2))
    contents = Contents(
        mixture="ka2d",
        temperature=temperature,
        species=np.array([0, 0, 0, 1]),
        box=np.full(2, 2.2),
        split="train",
        positions=positions,
    )
    Dataset.create(contents, path=path)
    with Store.open(path) as store:
        assert (store.temperature == temperature).all()
        assert (store.positions == positions).all()


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("mode=equlibrium", "isoconfigurational, equilibrium; got 'equlibrium': did you mean equilibrium?"),
        ("lags=[1.0]", "lags"),
        ("temperatures=[]", "temperatures"),
        ("temperatures=[1.0,1.0]", "temperatures"),
        ("temperatures=[1.0,-1.0]", "temperatures[1]"),
        ("interval=[0.2]", "interval must be one number or one for each of 2"),
        ("interval=often", "interval"),
        ("interval=0.25", "change interval or energies"),
        ("interval=0", "interval[0]"),
        ("equilibration=[1.0,-1.0]", "equilibration[1]"),
        ("equilibration=[1.0,2.0,3.0]", "equilibration"),
        ("configurations=0", "configurations"),
        ("splits={dev: {chains: 1}}", "dev"),
        ("splits.train.chains=0", "splits.train.chains"),
        ("splits.train.replicas=1", "replicas"),
        ("thermostat.name=berendsen", "berendsen"),
        ("swap={every: 10}", "attempts"),
        ("swap={every: 10, attempts: 1, pairs: [[0, 2]]}", "[[0, 2]]"),
        ("swap={every: 10, attempts: 1, pairs: [[1, 1]]}", "[[1, 1]]"),
        ("particles=20", "half the shortest box edge"),
    ],
)
def test_refuses_what_cannot_work_and_names_it(settings, override, named):
    with pytest.raises(ConfigError) as error:
        settings(override)
    assert named in str(error.value)
    assert "\n" not in str(error.value)


def test_exchanges_need_a_thermostat(settings):
    with pytest.raises(ConfigError, match="langevin"):
        settings("swap={every: 10, attempts: 1}", "thermostat.name=none")


def test_no_more_attributes_than_documented(sampled):
    documented = (Path(__file__).parents[2] / "docs" / "data-format.md").read_text()
    with h5py.File(sampled) as file:
        assert [name for name in file.attrs if f"`{name}`" not in documented] == []
