"""Inherent displacements h = IS(x + u) - IS(x): what they must be, and how they come into a dataset."""

import shutil

import h5py
import numpy as np
import pytest
import torch
from lattices import PARTICLES, write_lattices

from gensample.cli import main
from gensample.data.positions import MINIMISER
from gensample.data.store import Store, StoreWriter
from gensample.errors import ConfigError, DataError, GensampleError
from gensample.physics.minimize import minimize
from gensample.physics.mixtures import get_mixture
from gensample.simulate import quench as future_jobs
from gensample.simulate.lammps.engine import reported_core_seconds
from gensample.simulate.quench import choose_for_futures, quench, quench_fields, quench_futures
from gensample.simulate.run import simulate
from gensample.simulate.start import lattice_melt
from gensample.work import parts_beside

KA2D = get_mixture("ka2d")


@pytest.fixture
def glass():
    """Positions and inherent structure of 60 particles near a minimum, their species, box and mixture."""
    rng = np.random.default_rng(3)
    box = np.full(2, KA2D.edge_length(PARTICLES))
    species = KA2D.species(PARTICLES).numpy()
    start = torch.from_numpy(lattice_melt(PARTICLES, box, rng))[None]
    minimum = minimize(start, torch.from_numpy(species), torch.from_numpy(box), KA2D, tolerance=1e-9)
    inherent = minimum.positions[0].numpy()
    positions = (inherent + rng.normal(scale=0.03, size=inherent.shape)) % box
    return positions, inherent, species, box, KA2D


@pytest.fixture(params=["lammps", "torch"])
def minimiser(request):
    if request.param == "lammps":
        request.getfixturevalue("engine")
    return choose_for_futures(request.param)


def fields_about(glass, scale, count=4, seed=0):
    u = np.random.default_rng(seed).normal(scale=scale, size=(count, *glass[0].shape))
    return (u - u.mean(1, keepdims=True)).astype(np.float32)


def test_in_the_same_basin_nothing_is_left(glass, minimiser):
    """Vibrations about a minimum, particles on both sides of the walls of the box included."""
    positions, inherent, *rest = glass
    to_minimum = inherent - positions
    to_minimum -= rest[1] * np.round(to_minimum / rest[1])
    vibrations = to_minimum + np.random.default_rng(1).normal(scale=0.02, size=(3, *positions.shape))
    h, energies = quench_fields(*glass, vibrations.astype(np.float32), minimiser)
    assert h.dtype == np.float32
    assert np.abs(h).max() < 1e-3
    assert np.ptp(energies) < 1e-6


def test_of_other_minima(glass, minimiser):
    """Against one minimisation to a much smaller force, each by its own minimiser."""
    _, inherent, species, box, mixture = glass
    fields = fields_about(glass, 0.25)
    h, energies = quench_fields(*glass, fields, minimiser)
    exact, lowest = quench_fields(*glass, fields, choose_for_futures(_name(minimiser), tolerance=1e-8))
    assert (np.linalg.norm(h, axis=-1) > 0.3).any()
    assert np.abs(h - exact).max() < 1e-3
    assert np.abs(energies - lowest).max() < 1e-6
    assert np.abs(h.mean(1)).max() < 1e-6
    at_rest = torch.from_numpy(inherent + exact.astype(np.float64))
    again = minimize(at_rest, torch.from_numpy(species), torch.from_numpy(box), mixture, tolerance=1e-5)
    assert again.energy.numpy() == pytest.approx(lowest, abs=1e-8)
    assert int(again.steps.max()) < 100


def _name(minimiser):
    return "torch" if minimiser.attrs["minimiser"] == MINIMISER else "lammps"


def test_lattice_vectors_are_kept(glass, minimiser):
    """Particles that went around the box have h so much longer."""
    box = glass[3]
    fields = fields_about(glass, 0.05)
    around = fields.astype(np.float64)
    around[:, 0] += [3 * box[0], -box[1]]
    h, energies = quench_fields(*glass, fields, minimiser)
    moved, same = quench_fields(*glass, around, minimiser)
    difference = moved - h
    assert np.ptp(difference[:, 1:], axis=1).max() < 1e-3
    assert np.abs(difference[:, 0] - difference[:, 1] - [3 * box[0], -box[1]]).max() < 1e-3
    assert same == pytest.approx(energies, abs=1e-6)


def test_bits_depend_on_no_other_field(glass, minimiser):
    fields = fields_about(glass, 0.2, count=5)
    h, energies = quench_fields(*glass, fields, minimiser)
    two = choose_for_futures(_name(minimiser), processes=2)
    for these, found in ((slice(3, 5), minimiser), (slice(0, 5), two)):
        part, of_part = quench_fields(*glass, fields[these], found)
        assert (part == h[these]).all()
        assert (of_part == energies[these]).all()


def test_futures_that_overlap_come_apart(glass, minimiser):
    """Energies beyond 1e13 a particle, as generated fields have, and as those of another drawing have."""
    fields = fields_about(glass, 0.5, count=3)
    positions = glass[0]
    fields[0, 1] = positions[0] - positions[1] + np.float32(1e-3)
    h, energies = quench_fields(*glass, fields, minimiser)
    assert np.isfinite(h).all()
    assert (energies < -2.5).all()


@pytest.fixture
def data(tmp_path):
    """Two configurations of three replicas, one of them not complete, with inherent structures."""
    path = write_lattices(tmp_path / "data.h5", count=2, replicas=np.full(2, 3), scale=0.15)
    quench(path, engine="torch")
    return path


def test_added_to_a_dataset(data, monkeypatch):
    """In blocks of one replica; everything else stays, and h is that of the fields one by one."""
    monkeypatch.setattr(future_jobs, "REPLICAS_PER_JOB", 1)
    monkeypatch.setattr("gensample.simulate.programs.Torch.batch", lambda self, particles: 1)
    before = _contents(data)
    summary = quench_futures(data)
    assert "inherent displacements of 8 fields by gensample FIRE 2.0" in summary
    after = _contents(data)
    assert after.keys() - before.keys() == {"inherent_displacements", "inherent_energies"}
    assert all((before[name] == after[name]).all() for name in before)
    with Store.open(data) as store:
        attrs = store.inherent_displacement_attrs
        assert 0 < attrs["max_residual_force"] <= attrs["tolerance"] == 3e-4
        assert attrs["precision"] == 2.0**-13
        for c in range(2):
            u = store.displacements(c).reshape(-1, *store.positions.shape[1:])
            origin = (store.positions[c], store.inherent[c], store.species, store.box[c], KA2D)
            h, energies = quench_fields(*origin, u, choose_for_futures("torch"))
            stored = store.inherent_displacements(c).reshape(h.shape)
            assert np.abs(stored - h).max() <= 2.0**-14 * 1.001
            assert (store.inherent_energies(c).ravel() == energies).all()
        assert np.isnan(store._array("inherent_energies")[0, 2]).all()
    assert "nothing to do" in quench_futures(data)
    quench(data, engine="torch", again=True)
    with Store.open(data) as store:
        assert not store.has_inherent_displacements


def _arrays(file):
    return [(name, item) for name, item in file.items() if isinstance(item, h5py.Dataset)]


def _contents(path):
    with h5py.File(path) as file:
        return {name: item[...] for name, item in _arrays(file)}


def test_resumes_and_refuses_other_settings(data, tmp_path, monkeypatch, assert_same):
    whole, quick = tmp_path / "whole.h5", {"tolerance": 0.05}
    monkeypatch.setattr(future_jobs, "REPLICAS_PER_JOB", 1)
    monkeypatch.setattr("gensample.simulate.programs.Torch.batch", lambda self, particles: 1)
    quench_futures(data, whole, **quick)
    write, left = np.savez, [3]

    def fails_at_last(*words, **arrays):
        if not left[0]:
            raise OSError("the disk is full")
        left[0] -= 1
        write(*words, **arrays)

    monkeypatch.setattr(future_jobs.np, "savez", fails_at_last)
    with pytest.raises(GensampleError, match="the disk is full; finished jobs are kept"):
        quench_futures(data, **quick)
    monkeypatch.setattr(future_jobs.np, "savez", write)
    assert len(list(parts_beside(data, "futures").glob("futures-*"))) == 3
    with pytest.raises(ConfigError, match="other settings"):
        quench_futures(data, precision=0.0, **quick)
    quench_futures(data, **quick)
    assert not parts_beside(data, "futures").exists()
    assert_same(data, whole)


def test_what_cannot_be_is_one_line(data, tmp_path, capsys):
    bare = write_lattices(tmp_path / "bare.h5", count=1)
    with pytest.raises(DataError, match=r"no inherent structures .* `gensample quench` first"):
        quench_futures(bare)
    assert main(["quench", "ka2d-shear-mini", "--futures", "--out", str(tmp_path / "a.h5")]) == 2
    assert "already are between minima" in capsys.readouterr().err
    assert main(["quench", "ka2d-liquid", "--futures", "--out", str(tmp_path / "a.h5")]) == 2
    assert "no displacements" in capsys.readouterr().err
    assert main(["quench", "ka2d-mini", "--futures"]) == 2
    assert "--out" in capsys.readouterr().err
    assert main(["quench", str(data), "--precision", "0.001"]) == 2
    assert "--futures" in capsys.readouterr().err
    assert main(["quench", str(data), "--futures", "--mixture", "ka2d"]) == 2
    assert "drop --mixture" in capsys.readouterr().err


def test_the_command_and_its_summary(data, capsys):
    assert main(["quench", str(data), "--futures", "--engine", "torch", "--precision", "0.001"]) == 0
    assert "quenched: 100.0 % (8 of 8 fields)" in capsys.readouterr().err
    assert main(["info", str(data)]) == 0
    printed = capsys.readouterr().out
    assert "futures      quenched, minimiser gensample FIRE 2.0, tolerance 0.0003" in printed
    with Store.open(data) as store:
        hops = np.linalg.norm(np.stack([store.inherent_displacements(c) for c in range(2)]), axis=-1) > 0.3
        share = hops[:, :, 1][..., store.species == 0].mean()
    (line,) = [line for line in printed.splitlines() if line.split()[:2] == ["10", "A"]]
    assert "|h| > 0.3" in printed
    assert float(line.split()[-1]) == pytest.approx(share, rel=1e-4)


def test_simulate_stores_them(engine, reference, tmp_path):
    """As `gensample quench --futures` finds them from what is stored, and none of both when not asked."""
    copy = shutil.copy(reference, tmp_path / "copy.h5")
    with h5py.File(copy, "r+") as file:
        del file["inherent_displacements"], file["inherent_energies"]
    quench_futures(copy, precision=0.0)
    with Store.open(reference) as store, Store.open(copy) as again:
        attrs = store.inherent_displacement_attrs
        assert attrs["minimiser"] == "LAMMPS cg"
        assert attrs["precision"] == 2.0**-10
        assert store.attrs["core_seconds_per_replica"] > 0
        for c in range(3):
            # The futures are those of the rounded displacements, from positions in and outside the box.
            assert np.abs(store.inherent_displacements(c) - again.inherent_displacements(c)).max() < 2e-3
            assert store.inherent_energies(c) == pytest.approx(again.inherent_energies(c), abs=1e-6)


def test_without_them_nothing_else_changes(engine, reference, tiny_config, tmp_path):
    out = tmp_path / "bare.h5"
    simulate(tiny_config("inherent_displacements=false"), out)
    with h5py.File(reference) as all_of_it, h5py.File(out) as bare:
        assert set(all_of_it) - set(bare) == {"inherent_displacements", "inherent_energies"}
        assert all(
            (bare[n][...] == all_of_it[n][...]).all() for n in bare if isinstance(bare[n], h5py.Dataset)
        )


def test_a_simulation_begun_before_they_were_kept(engine, reference, tiny_config, tmp_path, assert_same):
    """Parts without core-seconds and futures: what is missing is made, what is there is not made again."""
    out = tmp_path / "data.h5"
    simulate(tiny_config(), out, keep_parts=True)
    out.unlink()
    parts = parts_beside(out)
    for folder in parts.glob("futures-*"):
        shutil.rmtree(folder)
    for file in parts.glob("replicas-*/displacements.npz"):
        with np.load(file) as found:
            fields = found["displacements"]
        np.savez(file, displacements=fields)
    kept = {folder.stat().st_ino for folder in parts.glob("replicas-*")}
    simulate(tiny_config(), out, keep_parts=True)
    assert {folder.stat().st_ino for folder in parts.glob("replicas-*")} == kept
    assert_same(out, reference)
    with Store.open(out) as store:
        assert "core_seconds_per_replica" not in store.attrs


LOG = """
Loop time of 2.0 on 1 procs for 100 steps with 60 atoms

Performance: 3e5 tau/day, 800.0 timesteps/s
98.0% CPU use with 1 MPI tasks x 1 OpenMP threads
Section |  min time  |  avg time  |  max time  |%varavg| %total
Loop time of 1e-1 on 2 procs for 3 steps with 60 atoms

50.0% CPU use with 2 MPI tasks x no OpenMP threads
"""


def test_core_seconds_of_a_log():
    assert reported_core_seconds(LOG) == pytest.approx(0.98 * 2 + 0.5 * 2 * 0.1)
    assert reported_core_seconds("ERROR: nothing ran") == 0


def test_writers_refuse_what_is_no_number(data):
    with StoreWriter.resume(data) as writer:
        writer.reserve_inherent_displacements({})
        with pytest.raises(DataError, match="must have shape"):
            writer.write_inherent_displacements(0, 0, np.zeros((1, 60, 2)), np.zeros(1))
        with pytest.raises(DataError, match="inherent_energies must be 2 finite numbers"):
            writer.write_inherent_displacements(0, 0, np.zeros((2, 60, 2)), np.full(2, np.nan))
        for c, r in np.argwhere(writer.done):
            writer.write_inherent_displacements(c, r, np.zeros((2, 60, 2)), np.zeros(2))
