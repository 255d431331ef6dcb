"""Chains: each step is drawn from where the last has led, the same bits however the work is cut."""

import h5py
import numpy as np
import pytest
import torch
from mini import first_of_ka2d_mini

import gensample as gs
from gensample.cli import main
from gensample.data.dataset import Dataset, open_dataset
from gensample.data.store import Contents, Store
from gensample.data.summary import describe_dataset, inspect
from gensample.errors import ConfigError, DataError
from gensample.generators.base import FieldStart, PhysicsGenerator, by_replica, drift_free
from gensample.generators.chain import ChainDrawing, Step
from gensample.generators.drawing import carry_out
from gensample.generators.heated import Heated
from gensample.physics.box import minimum_image, wrap
from gensample.physics.potentials import energy_forces_virial
from gensample.reads import Reads
from gensample.seeding import numpy_generator
from gensample.simulate.programs import Torch

SEED = 7


class Kick(PhysicsGenerator):
    """Small displacements that depend on where particles are; keeps all it was asked to start from."""

    width = 2

    def __init__(self, lag_time=(5.0, 10.0)):
        super().__init__(list(lag_time))
        self.asked: list[FieldStart] = []

    def draw(self, start, replicas, seed, lags=None):
        starts = by_replica(start, replicas)
        self.asked += starts.values()
        drawn = [
            self.one(starts[r], r, seed, k) for r in replicas for k in (range(2) if lags is None else lags)
        ]
        return np.stack(drawn).reshape(len(replicas), -1, *drawn[0].shape)

    def one(self, start, replica, seed, lag):
        noise = numpy_generator(seed, start.row, replica, lag).normal(size=start.positions.shape)
        return drift_free(0.02 * (lag + 1) * noise + 0.1 * np.sin(start.positions))


class Sheared(Kick):
    """The same and a wave, of inherent structures."""

    needs_inherent = True

    def one(self, start, replica, seed, lag):
        moved = super().one(start, replica, seed, lag)
        moved[:, 0] += 2 * np.sin(2 * np.pi * start.positions[:, 1] / start.box[1])
        return drift_free(moved)


@pytest.fixture(scope="module")
def data():
    return open_dataset("ka2d-mini")[[3, 8]]


@pytest.fixture(scope="module")
def whole(data):
    return Kick().sample(data, replicas=5, seed=SEED, lag=10.0, chain=3)


def wrapped(positions, box):
    return wrap(torch.from_numpy(positions), torch.from_numpy(box)).numpy()


def test_a_step_starts_where_the_last_has_led(data):
    model = Kick()
    chain = model.sample(data, replicas=5, seed=SEED, lag=10.0, chain=3)
    u = chain.displacements
    assert u.shape == (2, 5, 3, 500, 2)
    assert chain.lag_time.tolist() == [10.0, 20.0, 30.0]
    assert chain.store.attrs["trajectory"] == 10.0
    asked = [model.asked[step * 10 : step * 10 + 10] for step in range(3)]
    for step, starts in enumerate(asked):
        assert [start.row for start in starts] == [3] * 5 + [8] * 5
        for number, start in enumerate(starts):
            c, r = divmod(number, 5)
            before = u[c, r, step - 1].astype(float) if step else 0.0
            gap = torch.from_numpy(start.positions - data.positions[c] - before)
            assert minimum_image(gap, torch.from_numpy(data.box[c])).abs().max() < 1e-5
            moved = u[c, r, step] - before
            assert np.allclose(moved, model.one(start, r, SEED, 1), atol=1e-5) != (step > 0)
            # Where it is enters the step, and other noise.
            assert np.corrcoef(moved.ravel(), np.sin(start.positions).ravel())[0, 1] > 0.8


def test_the_first_step_and_a_lag_alone_are_the_fields_of_a_sample(data, whole):
    usual, alone = Kick().sample(data, 5, SEED), Kick().sample(data, 5, SEED, lag=5.0)
    assert np.array_equal(whole.displacements[:, :, 0], usual.displacements[:, :, 1])
    assert np.array_equal(alone.displacements[:, :, 0], usual.displacements[:, :, 0])
    assert alone.lag_time.tolist() == [5.0]
    assert whole.store.is_trajectory
    assert not usual.store.is_trajectory
    assert data.store.is_trajectory


def test_same_bits_however_the_work_is_cut(data, whole, tmp_path, monkeypatch):
    few = Kick().sample(data[[1]], 3, SEED, lag=10.0, chain=2)
    assert np.array_equal(few.displacements[0], whole.displacements[1, :3, :2])
    out = tmp_path / "gen.h5"
    how = {"split": None, "force": False, "how": {}, "lag": 10.0, "chain": 3}
    first = carry_out(Kick().plan(data, 5, SEED, **how), out, (1, 2))
    assert first.dataset is None
    assert first.missing == 9
    draw, count = Step.draw, []

    def stop_at_fifth(self, *given):
        count.append(given)
        if len(count) == 5:
            raise KeyboardInterrupt
        return draw(self, *given)

    monkeypatch.setattr(Step, "draw", stop_at_fifth)
    with pytest.raises(KeyboardInterrupt):
        Kick().sample(data, 5, SEED, out, lag=10.0, chain=3)
    with pytest.raises(ConfigError, match="other settings"):
        Kick().sample(data, 5, SEED, out, lag=10.0, chain=2)
    found = Kick().sample(data, 5, SEED, out, lag=10.0, chain=3)
    assert len(count) == 5 + 9 - 4
    assert np.array_equal(found.displacements, whole.displacements)
    assert [path.name for path in tmp_path.iterdir()] == ["gen.h5"]
    with pytest.raises(ConfigError, match="another sample"):
        Kick().sample(data, 5, SEED, out)


def test_inherent_structures_are_found_anew_at_each_step(data, caplog):
    model = Sheared()
    model.sample(data[[0]], 2, SEED, lag=5.0, chain=2)
    before, after = model.asked[:2], model.asked[2:]
    assert np.array_equal(before[0].inherent, data.inherent[0])
    kinds, edges = torch.from_numpy(data.species.astype(np.int64)), torch.from_numpy(data.box[0])
    for start in after:
        found = energy_forces_virial(torch.from_numpy(start.inherent), kinds, edges, start.mixture)
        assert found.forces.norm(dim=-1).max() < 1e-5
        near = minimum_image(torch.from_numpy(start.inherent - start.positions), edges).norm(dim=-1)
        assert near.median() < 0.5
        assert np.abs(start.inherent - data.inherent[0]).max() > 0.5
    assert "quench" not in caplog.text


def test_heated_runs_of_all_replicas_go_on_from_where_they_are(data):
    model = Heated([1.0, 2.0], [[[None, 0.005]], [[0.6, 0.01], [None, 0.005]]])
    legs, run = [], Torch.run

    class Watched(Torch):
        def run(self, system, timestep, asked, folder):
            legs.append([leg.positions for leg in asked])
            return run(self, system, timestep, asked, folder)

    chain = model.sample(data[[0]], 3, SEED, lag=2.0, chain=2, dynamics=Watched("cpu"))
    assert [len(each) for each in legs] == [3] * 4
    u = chain.displacements[0].astype(float)
    reached = wrapped(data.positions[0] + u[:, 0], data.box[0])
    assert np.allclose(legs[2], reached, atol=1e-5)
    # Another 0.015 tau: the thermal motion goes on, at fresh velocities.
    assert 1.5 < (u[:, 1] ** 2).mean() / (u[:, 0] ** 2).mean() < 2.5


@pytest.mark.parametrize(
    ("how", "named"),
    [
        ({"lag": 7.0}, "--lag must be one of the lag times of the model, 5, 10; got 7"),
        ({"chain": 2}, "--lag must be one of the lag times of the model, 5, 10; got None"),
        ({"lag": 5.0, "chain": 0}, "--chain"),
        ({"lag": -1.0, "chain": 2}, "--lag"),
    ],
)
def test_impossible_chains_are_refused(data, how, named):
    with pytest.raises(ConfigError, match=named):
        Kick().sample(data, 1, **how)


def test_what_futures_do_not_have_is_refused(data):
    model = Kick()
    model.reads = Reads("cage", lags=(5.0, 10.0))
    with pytest.raises(ConfigError, match="reads cage, averages over runs"):
        model.sample(data, 1, lag=5.0, chain=2)


def test_lag_times_of_a_trajectory_are_its_steps(data, whole, tmp_path):
    whole.save(tmp_path / "a.h5")
    with Store.open(tmp_path / "a.h5") as store:
        assert store.is_trajectory
    assert "one motion, in steps of 10" in "\n".join(describe_dataset(inspect(tmp_path / "a.h5")))
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["times"][2] = 40.0
    with pytest.raises(DataError, match="lag times of a trajectory must be the multiples of 10"):
        Store.open(tmp_path / "a.h5")


def test_a_chain_is_compared_at_the_lags_it_shares_with_simulation(data, whole):
    rows = data.rows
    with Store.open("ka2d-mini") as store:
        contents = Contents.of(store, times=[1.0, 20.0], replicas=4)
        noise = numpy_generator(1).normal(scale=0.2, size=(4, 2, 500, 2)).astype(np.float32)
        noise -= noise.mean(2, keepdims=True)
        simulated = Dataset.create(contents, {(int(c), r): noise[r] for c in rows for r in range(4)})
    result = gs.compare(simulated, whole, bootstrap=10, quench=0, follow=0)
    (block,) = result.metrics["lags"]
    assert block["time"] == 20.0
    assert result["A", 20.0]["msd"].generated.value == pytest.approx(
        float((whole.displacements[:, :, 1][:, :, data.species == 0] ** 2).sum(-1).mean()), rel=1e-5
    )


def export(path, out, *words, code=0):
    given = ["--configuration", "1", "--replica", "4", "--out", str(out), *words]
    assert main(["export", str(path), *given]) == code


@pytest.mark.parametrize("format", ["extxyz", "lammps-dump"])
def test_a_chain_becomes_a_movie(data, whole, tmp_path, format):
    whole.save(tmp_path / "a.h5")
    export(tmp_path / "a.h5", tmp_path / "movie", "--format", format)
    text = (tmp_path / "movie").read_text()
    assert text.count("ATOMS id" if format == "lammps-dump" else "Lattice=") == 4
    again = tmp_path / "b.h5"
    state = ["--mixture", "ka2d", "--temperature", "0.45", "--out", str(again)]
    state += ["--timestep", "10"] if format == "lammps-dump" else []
    assert main(["import", str(tmp_path / "movie"), *state]) == 0
    with Store.open(again) as store:
        assert store.times.tolist() == [10.0, 20.0, 30.0]
        assert (store.displacements(0)[0] == whole.displacements[1, 4]).all()
        assert np.allclose(store.positions[0], data.positions[1])


def test_fields_drawn_one_by_one_are_no_movie(data, tmp_path, capsys):
    Kick().sample(data, 5, SEED, tmp_path / "gen.h5")
    export(tmp_path / "gen.h5", tmp_path / "movie", "--format", "extxyz", code=2)
    assert "were drawn one by one and are no trajectory" in capsys.readouterr().err
    export(tmp_path / "gen.h5", tmp_path / "one", "--format", "extxyz", "--lag", "1")
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["gen.h5", "one"]


def test_a_dump_of_frames_that_are_no_motion_is_refused(tmp_path, capsys):
    with first_of_ka2d_mini(tmp_path / "a.h5", ["test"] * 2):
        pass
    words = ["--format", "lammps-dump", "--out", str(tmp_path / "b")]
    assert main(["export", str(tmp_path / "a.h5"), *words]) == 2
    assert "frames of a dump are of one motion" in capsys.readouterr().err


def test_a_plan_of_several_steps_is_a_chain(data):
    assert isinstance(
        Kick().plan(data, 1, 0, lag=5.0, chain=1, split=None, force=False, how={}), ChainDrawing
    )
