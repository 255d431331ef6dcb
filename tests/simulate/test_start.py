"""Dynamics from given configurations, in both modes."""

import numpy as np
import pytest
import torch

from gensample.data.dataset import Dataset
from gensample.data.store import Contents, Store
from gensample.errors import ConfigError, DataError
from gensample.physics.mixtures import get_mixture
from gensample.physics.potentials import energy_forces_virial
from gensample.simulate.run import describe_made, load_config, simulate
from gensample.simulate.start import ABSURD_FORCE, load_start
from gensample.work import parts_beside

MIXTURE = get_mixture("ka2d")
REPLICAS = """
mixture: ka2d
particles: 60
temperature: 1.0
lags: [0.1, 0.5]
splits: {train: {configurations: 1, replicas: 3}, test: {configurations: 1, replicas: 2}}
inherent: false
seed: 6
"""
CHAINS = """
mode: equilibrium
mixture: ka2d
particles: 60
temperatures: [1.0, 0.9]
splits: {train: {chains: 2}}
configurations: 3
interval: 0.1
equilibration: 0.0
energies: 1
seed: 6
"""


@pytest.fixture
def load(tmp_path, reference):
    """Settings that start from the reference dataset, with overrides."""

    def settings(text, *overrides):
        path = tmp_path / "start.yaml"
        path.write_text(f"{text}start: {{dataset: {reference}, split: train}}\n")
        return load_config(path, list(overrides))

    return settings


def test_replicas_start_from_the_given_configurations(engine, load, reference, tmp_path):
    out = tmp_path / "started.h5"
    simulate(load(REPLICAS), out)
    with Store.open(reference) as given, Store.open(out) as store:
        assert (store.positions == given.positions[:2]).all()
        assert store.source_configuration.tolist() == [0, 1]
        assert store.split.tolist() == ["train", "test"]
        assert store.done.sum(1).tolist() == [3, 2]
        assert store.attrs["start"] == str(reference)
        # Ballistic and the first collisions: what a liquid does, no explosion.
        msd = (store.displacements(0).astype(float) ** 2).sum(-1).mean((0, 2))
        assert 0.005 < msd[0] < 0.02
        assert msd[1] < 0.3
    assert f"started from {reference}" in describe_made(out)


def test_relaxation_moves_them_on(engine, load, reference, tmp_path):
    out = tmp_path / "relaxed.h5"
    simulate(load(REPLICAS, "relaxation=0.1", "splits={test: {configurations: 1, replicas: 0}}"), out)
    with Store.open(reference) as given, Store.open(out) as store:
        u = store.positions[0] - given.positions[0]
        u -= np.round(u / store.box[0]) * store.box[0]
    assert 0.05 < np.sqrt((u**2).sum(-1).mean()) < 0.25


def test_chains_start_from_the_given_configurations(engine, load, reference, tmp_path):
    out = tmp_path / "chains.h5"
    simulate(load(CHAINS), out)
    with Store.open(reference) as given, Store.open(out) as store:
        rows = store.source_configuration
        assert rows.tolist() == [0] * 3 + [1] * 3 + [0] * 3 + [1] * 3
        u = store.positions - given.positions[rows]
        u -= np.round(u / store.box[0]) * store.box[0]
        far = np.sqrt((u**2).sum(-1).mean(1))
    # Thermal flights of 0.1, 0.2 and 0.3 tau, slowed by collisions; two velocities from each starting point.
    assert (far > 0.05).all()
    assert (far < 0.5).all()
    assert (far[::3] < far[2::3]).all()
    assert len({x.tobytes() for x in u}) == 12


def copy(path, reference, close=None, **other):
    """The reference's configurations; ``close``: one in which a pair is brought to this distance."""
    with Store.open(reference) as store:
        positions, box = store.positions.copy(), store.box
        if close is not None:
            positions[1, 1] = (positions[1, 0] + [close, 0.0]) % box[1]
        values = {"temperature": 1.0, "mixture": "ka2d", "split": "train", "positions": positions} | other
        Dataset.create(Contents.of(store, **values), path=path)
    return path


def test_absurd_forces_are_refused_in_one_line(load, reference, tmp_path):
    path = copy(tmp_path / "close.h5", reference, close=0.3)
    with pytest.raises(DataError, match=r"1 configurations have a force above .* first row 1 ") as error:
        load_start(load(REPLICAS, f"start.dataset={path}"), 2)
    assert "start.minimise=true" in str(error.value)
    assert "\n" not in str(error.value)
    assert load_start(load(REPLICAS, f"start.dataset={path}"), 1) is not None


def test_close_pairs_are_pushed_apart_on_demand(engine, load, reference, tmp_path):
    path, out = copy(tmp_path / "close.h5", reference, close=0.3), tmp_path / "pushed.h5"
    simulate(load(REPLICAS, f"start.dataset={path}", "start.minimise=true"), out)
    with Store.open(out) as store:
        x, species, box = (torch.from_numpy(a) for a in (store.positions, store.species, store.box))
        assert float(energy_forces_virial(x, species, box, MIXTURE).forces.abs().max()) < ABSURD_FORCE / 10
        assert np.abs(store.displacements(1)).max() < 3.0


def test_only_those_of_a_temperature(load, reference, tmp_path):
    path = copy(tmp_path / "two.h5", reference, temperature=np.array([0.5, 1.0, 0.5]))
    start = load_start(load(CHAINS, f"start.dataset={path}", "start.temperature=0.5"), 2)
    assert start.rows.tolist() == [0, 2]
    with pytest.raises(ConfigError, match="ask for fewer"):
        load_start(load(CHAINS, f"start.dataset={path}", "start.temperature=1.0"), 2)


def test_other_starting_points_are_other_settings(engine, load, reference, tmp_path, monkeypatch):
    path, out = copy(tmp_path / "a.h5", reference), tmp_path / "out.h5"

    def interrupted(jobs, *args):
        (parts_beside(out) / jobs[0].name).mkdir(exist_ok=True)
        raise KeyboardInterrupt

    monkeypatch.setattr("gensample.simulate.run.run_jobs", interrupted)
    config = load(CHAINS, f"start.dataset={path}", "start.minimise=true")
    for _ in range(2):  # the same starting points resume
        with pytest.raises(KeyboardInterrupt):
            simulate(config, out)
    copy(path, reference, close=0.9)
    with pytest.raises(ConfigError, match="other settings"):
        simulate(config, out)


def test_a_complete_dataset_of_other_starting_points_is_refused(engine, load, reference, tmp_path):
    path, out = copy(tmp_path / "a.h5", reference), tmp_path / "out.h5"
    config = load(CHAINS, f"start.dataset={path}", "start.minimise=true")
    simulate(config, out)
    assert "nothing to do" in simulate(config, out)
    copy(path, reference, close=0.9)
    with pytest.raises(ConfigError, match="other configurations"):
        simulate(config, out)
    path.unlink()  # what was made of them is no worse for their absence
    assert "nothing to do" in simulate(config, out)


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("particles=64", "particles 60"),
        ("mixture=ka3d", "mixture ka2d"),
        ("density=1.21", "set density to 1.2"),
        ("start.split=val", "no configuration in split 'val'"),
        ("start.dataset=nowhere.h5", "no dataset at nowhere.h5"),
        ("splits.train.configurations=2", "ask for fewer"),
    ],
)
def test_another_liquid_is_refused(load, override, named):
    extra = ["particles=200"] if "ka3d" in override else []
    config = load(REPLICAS, override, *extra)
    with pytest.raises((ConfigError, DataError)) as error:
        load_start(config, config.starting_points())
    assert named in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (["equilibration.time=4.0"], "relaxation"),
        (["relaxation=-1"], "relaxation"),
        (["start.path=here"], "path"),
        (["start=null", "relaxation=1.0", "equilibration.time=1000"], "set start"),
        (["start=null"], "equilibration.time"),
    ],
)
def test_refuses_settings_that_contradict_each_other(load, overrides, named):
    with pytest.raises(ConfigError) as error:
        load(REPLICAS, *overrides)
    assert named in str(error.value)


def test_datasets_of_before_stay_valid():
    import json
    from pathlib import Path

    path = Path(__file__).parents[2] / "configs" / "simulate" / "ka2d-mini.yaml"
    with Store.open("ka2d-mini") as store:
        assert json.loads(store.attrs["config"]) == load_config(path).deciding()
