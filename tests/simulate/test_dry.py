"""`simulate --dry-run`: inputs that LAMMPS alone turns into the bits of `simulate`; starting velocities."""

import os
import re
import subprocess

import numpy as np
import pytest

from gensample.cli import main
from gensample.data.dataset import Dataset
from gensample.data.store import Contents, Store
from gensample.errors import DataError
from gensample.simulate.dry import write_inputs
from gensample.simulate.lammps.files import read_dump
from gensample.simulate.run import simulate
from gensample.simulate.start import starting_velocities

CHAINS = """
mode: equilibrium
mixture: ka2d-ternary
particles: 44
temperatures: [1.0, 0.8]
splits: {train: {chains: 1}}
configurations: 2
configurations_per_job: 1
interval: 0.5
equilibration: 1.0
energies: 5
inherent: false
melt: {temperature: 2.0, time: 0.5, cooling_time: 0.5}
seed: 4
"""


def run_alone(folder, engine):
    """Nothing but a shell and LAMMPS."""
    environment = engine._environment() | {"LMP": str(engine.executable)}
    subprocess.run(["sh", "run.sh"], cwd=folder, env=environment, check=True)


def dump(folder, name):
    return read_dump(folder / name, 2)[0]


def test_lammps_alone_gives_the_bits_of_simulate(engine, reference, tiny_yaml, tmp_path, capsys):
    out = tmp_path / "inputs"
    assert main(["simulate", str(tiny_yaml), "--dry-run", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "inputs of 15 jobs" in said
    assert "not among them: the quenches of the futures" in said
    run_alone(out, engine)
    with Store.open(reference) as store:
        for c, replicas in enumerate(store.replicas):
            place = out / f"structure-{c:05d}"
            thermal, inherent = dump(place, "thermal.dump"), dump(place, "inherent.dump")
            for mine, theirs in ((thermal, store.positions[c]), (inherent, store.inherent[c])):
                apart = mine - theirs
                assert np.abs(apart - store.box[c] * np.round(apart / store.box[c])).max() < 1e-12
            for r in range(replicas):
                block = out / f"replicas-{c:05d}-{2 * (r // 2):05d}"
                for k in range(len(store.times)):
                    u = dump(block, f"replica-{r}-{k + 1}.dump") - thermal
                    u -= u.mean(0)
                    rounded = (np.round(u * 1024) / 1024).astype(np.float32)
                    np.testing.assert_array_equal(rounded, store.displacements(c)[r, k])


def test_chains_of_equilibrium_configurations_too(engine, tmp_path):
    from gensample.simulate.run import load_config

    path = tmp_path / "chains.yaml"
    path.write_text(CHAINS)
    config = load_config(path)
    simulate(config, tmp_path / "data.h5")
    assert "inputs of 6 jobs" in write_inputs(config, tmp_path / "inputs")
    run_alone(tmp_path / "inputs", engine)
    with Store.open(tmp_path / "data.h5") as store:
        for c in range(4):
            (frame,) = read_dump(tmp_path / f"inputs/samples-{c // 2:02d}-0000-{c % 2:06d}/kept.dump", 3)[1:]
            order = np.argsort(frame[:, 0], kind="stable")
            apart = frame[order, 1:] - store.positions[c]
            assert np.abs(apart - store.box[c] * np.round(apart / store.box[c])).max() < 1e-12


def test_a_simulation_that_starts_from_given_configurations(engine, reference, tiny_config, tmp_path):
    given = [f"start.dataset={reference}", "relaxation=0.5", "equilibration.time=0", "inherent=false"]
    config = tiny_config(*given, "lags=[0.1]", "displacement_precision=0", single=1)
    simulate(config, tmp_path / "data.h5")
    assert write_inputs(config, tmp_path / "inputs").count("\n") == 0
    run_alone(tmp_path / "inputs", engine)
    thermal = dump(tmp_path / "inputs/structure-00000", "thermal.dump")
    u = dump(tmp_path / "inputs/replicas-00000-00000", "replica-0-1.dump") - thermal
    u -= u.mean(0)
    with Store.open(tmp_path / "data.h5") as store:
        expected = store.displacements(0)[0, 0]
    np.testing.assert_array_equal(u.astype(np.float32), expected)


def test_nothing_runs_and_lammps_need_not_be_there(tiny_yaml, tmp_path, monkeypatch):
    monkeypatch.setattr("gensample.simulate.run.find_engine", None)
    out = tmp_path / "inputs"
    assert main(["simulate", str(tiny_yaml), "--dry-run", "--out", str(out)]) == 0
    names = {path.name for path in out.rglob("*") if path.is_file()}
    assert {re.sub(r"\d+", "#", name) for name in names} == {
        *("in.lammps", "jobs.txt", "run.sh", "start.data", "replica-#.data")
    }


def test_an_existing_folder_is_kept(tiny_yaml, tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("years of work")
    assert main(["simulate", str(tiny_yaml), "--dry-run", "--out", str(tmp_path)]) == 2
    assert "exists; remove it or choose another --out" in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["thesis.txt"]


def test_starting_velocities_are_those_of_the_replica(engine, tiny_config, tmp_path):
    """Ballistic displacements u = v t, of a mixture with masses of its own, and the data files."""
    config = tiny_config(
        *("lags=[0.005]", "displacement_precision=0", "inherent=false", "equilibration.time=2"),
        *("thermostat.replicas=none", "timestep=0.0005", "melt.time=0.5", "melt.cooling_time=0.5"),
        single=3,
    )
    simulate(config, tmp_path / "data.h5")
    write_inputs(config, tmp_path / "inputs")
    with Store.open(tmp_path / "data.h5") as store:
        for r, u in enumerate(store.displacements(0)[:, 0]):
            velocities = starting_velocities(store, 0, r)
            np.testing.assert_allclose(u / 0.005, velocities, atol=1.0)
            assert np.corrcoef(u.ravel(), velocities.ravel())[0, 1] > 0.99
            lines = (tmp_path / f"inputs/replicas-00000-{2 * (r // 2):05d}/replica-{r}.data").read_text()
            rows = lines[lines.index("Velocities") :].splitlines()[2:]
            written = np.array([row.split()[1:3] for row in rows], dtype=float)
            np.testing.assert_array_equal(written, velocities)


def test_velocities_of_other_datasets_are_refused(reference, tmp_path):
    with pytest.raises(DataError, match="no replica 9 of a configuration 0"):
        starting_velocities(reference, 0, 9)
    with Store.open(reference) as store:
        part = Contents.of(store, np.array([1]), times=[], replicas=0)
    Dataset.create(part, path=tmp_path / "part.h5")
    with pytest.raises(DataError, match="is no whole dataset of `gensample simulate`"):
        starting_velocities(tmp_path / "part.h5", 0, 0)
