"""The two programs of short runs: the same trajectories, batches, refusals."""

import numpy as np
import pytest

from gensample.data.store import Store
from gensample.errors import ConfigError, MissingDependencyError
from gensample.simulate import programs
from gensample.simulate.lammps.scripts import Snapshots
from gensample.simulate.programs import Lammps, Leg, Torch, choose_dynamics
from gensample.simulate.short_runs import Starts


@pytest.fixture(scope="module")
def starts():
    with Store.open("ka2d-mini") as store:
        return Starts.of(store, store.positions)


@pytest.mark.parametrize("thermostat", ["nose-hoover", "none"])
def test_both_programs_give_the_same_trajectory(engine, starts, tmp_path, thermostat):
    """From equal velocities, for 0.2 tau: rounding has not grown yet. Positions may begin outside the box."""
    outside = starts.positions[0] + 1.5 * starts.box[0]
    legs = [
        Leg(outside, 0.7, (1, 2), (10, 40), thermostat=thermostat),
        Leg(starts.positions[0], 0.45, (1, 3), (20,), drawn_at=0.9, thermostat=thermostat),
    ]
    found = [
        program.run(starts.system(0), 0.005, legs, tmp_path) for program in (Lammps(engine), Torch("cpu"))
    ]
    for lammps, torch, leg in zip(*found, legs, strict=True):
        assert lammps.shape == torch.shape == (len(leg.kept), 500, 2)
        assert np.abs(lammps - torch).max() < 1e-6
        assert 0.01 < np.abs(torch[-1] - leg.positions).max() < 0.6


def test_batches_are_of_legs_alike_and_come_back_in_order(starts, tmp_path):
    """Each as if it had been run alone."""
    temperatures = (0.7, 0.5, 0.7, 0.5)
    legs = [Leg(starts.positions[0], t, (0, k), (k // 2 + 1, 4)) for k, t in enumerate(temperatures)]
    program, system = Torch("cpu"), starts.system(0)
    together = program.run(system, 0.005, legs, tmp_path)
    for leg, found in zip(legs, together, strict=True):
        (alone,) = program.run(system, 0.005, [leg], tmp_path)
        assert np.allclose(found, alone, atol=1e-9)
    assert not list(tmp_path.iterdir())


def test_calls_of_lammps_last_long_enough_and_not_too_long(engine):
    width = Lammps(engine).width
    assert (width(500, 0.1), width(500, 25.0), width(4096, 120.0)) == (64, 32, 1)


def test_what_torch_does_not_have_is_refused(starts, tmp_path):
    leg = Leg(starts.positions[0], 0.7, (1,), Snapshots(1, 2, 3))
    with pytest.raises(ConfigError, match="use LAMMPS"):
        Torch("cpu").run(starts.system(0), 0.005, [leg], tmp_path)


def test_lammps_where_it_is_else_torch(monkeypatch):
    def missing(path=None):
        raise MissingDependencyError("LAMMPS was not found")

    monkeypatch.setattr(programs, "find_engine", missing)
    assert isinstance(choose_dynamics(None), Torch)
    for words in ({"engine": "lammps"}, {"engine": None, "lmp": "/nowhere"}):
        with pytest.raises(MissingDependencyError):
            choose_dynamics(**words)


@pytest.mark.parametrize(
    "words",
    [
        {"engine": "torch", "lmp": "lmp"},
        {"engine": "torch", "processes": 2},
        {"engine": "lammps", "processes": 0},
        {"engine": "gromacs"},
        {"engine": "torch", "device": "tpu"},
        {"engine": None, "device": "cuda:77"},
    ],
)
def test_options_that_do_not_go_together_are_refused(words):
    with pytest.raises(ConfigError, match=r"--(lmp|engine|device|processes)"):
        choose_dynamics(**words)
