import h5py
import numpy as np
import pytest
import torch
from lattices import lattices

from gensample.data.dataset import Dataset
from gensample.data.store import Contents, Store
from gensample.errors import ConfigError, DataError, GensampleError, MissingDependencyError
from gensample.physics.mixtures import get_mixture
from gensample.physics.potentials import energy_forces_virial
from gensample.simulate import programs
from gensample.simulate.quench import quench
from gensample.work import parts_beside


def write(path, mixture="ka2d", particles=60, count=3, **changes):
    """Jittered lattices with displacements, averages, further arrays and attributes; species shuffled."""
    generator = np.random.default_rng(1)
    settings = lattices(generator, mixture, count, particles, jitter=0.05)
    settings["species"] = generator.permutation(settings["species"])
    averages = {"times": [1.0], "replicas": 2, "propensity": np.ones((count, 1, particles))}
    settings |= averages | {
        "split": ["train", "val", "test"][:count],
        "extra_attrs": {"note": "kept"},
        **changes,
    }
    field = generator.normal(size=(1, *settings["positions"].shape[1:]))
    fields = {(0, 1): field - field.mean(1, keepdims=True)}
    Dataset.create(Contents(**settings), fields, path, {"further/array": np.arange(5)})
    return path


def everything(path):
    """Arrays with their storage, and attributes, of all but the inherent structures."""
    found = {}
    with h5py.File(path) as file:
        found.update({("/", key): np.asarray(value).tolist() for key, value in file.attrs.items()})

        def visit(name, node):
            if isinstance(node, h5py.Dataset) and name != "inherent":
                found[name] = (
                    node[...].tolist(),
                    node.dtype,
                    node.chunks,
                    node.compression,
                    dict(node.attrs),
                )

        file.visititems(visit)
    return found


def residual(path, truncation=None):
    """Largest force component of each inherent structure, and the energies per particle."""
    with Store.open(path) as store:
        found = energy_forces_virial(
            torch.from_numpy(store.inherent),
            torch.from_numpy(store.species),
            torch.from_numpy(store.box),
            get_mixture(store.mixture),
            truncation,
        )
    return found.forces.abs().amax((1, 2)).numpy(), found.energy.mean(1).numpy()


@pytest.mark.parametrize("mixture", ["ka2d", "ka3d-fs"])
def test_adds_minima_and_changes_nothing_else(engine, tmp_path, mixture):
    path = write(tmp_path / "data.h5", mixture, particles=60 if mixture == "ka2d" else 160)
    before = everything(path)
    summary = quench(path)
    assert everything(path) == before
    assert "3 inherent structures" in summary
    forces, energies = residual(path)
    with Store.open(path) as store:
        attrs = store.inherent_attrs
        assert ((store.inherent >= 0) & (store.inherent < store.box[:, None])).all()
        assert store.inherent_energy == pytest.approx(energies, abs=1e-12)
    assert forces.max() < 1e-6
    assert attrs["residual"] == pytest.approx(forces, abs=1e-9)
    assert attrs["max_residual_force"] == attrs["residual"].max()
    assert attrs["minimiser"] == "LAMMPS cg"
    assert attrs["tolerance"] == 1e-7
    assert "LAMMPS" in attrs["engine"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["data.h5"]


@pytest.mark.parametrize("mixture", ["ka2d", "ka3d-fs"])
def test_torch_adds_minima_and_changes_nothing_else(tmp_path, mixture, monkeypatch):
    """In batches of two configurations, and boxes of their own."""
    particles = 60 if mixture == "ka2d" else 160
    monkeypatch.setitem(programs.PARTICLES_PER_BATCH, "cpu", 2 * particles)
    m = get_mixture(mixture)
    box = m.edge_length(particles) * np.array([[1.0], [1.002], [1.004]]) * np.ones(m.dimension)
    path = write(tmp_path / "data.h5", mixture, particles=particles, box=box)
    before = everything(path)
    summary = quench(path, engine="torch", tolerance=1e-5)
    assert everything(path) == before
    assert "3 inherent structures by gensample FIRE 2.0" in summary
    forces, energies = residual(path)
    with Store.open(path) as store:
        attrs = store.inherent_attrs
        assert ((store.inherent >= 0) & (store.inherent < store.box[:, None])).all()
        assert store.inherent_energy == pytest.approx(energies, abs=1e-10)
    assert forces.max() <= attrs["residual"].max() * (1 + 1e-6)
    assert attrs["max_residual_force"] == attrs["residual"].max() <= 1e-5
    assert attrs["minimiser"] == "gensample FIRE 2.0"
    assert attrs["tolerance"] == 1e-5
    assert "torch" in attrs["engine"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["data.h5"]


def test_both_engines_know_the_same_minima(engine, tmp_path):
    """A minimum of LAMMPS, stored as the thermal positions, is one of torch."""
    path = write(tmp_path / "data.h5")
    quench(path, engine="lammps")
    with Store.open(path) as store:
        minima, energies = store.inherent, store.inherent_energy
    again = write(tmp_path / "minima.h5", positions=minima)
    quench(again, engine="torch")
    with Store.open(again) as store:
        assert store.inherent_energy == pytest.approx(energies, abs=1e-9)


def test_torch_resumes_and_never_stores_what_did_not_converge(tmp_path, monkeypatch):
    path = write(tmp_path / "data.h5", count=2)
    monkeypatch.setitem(programs.PARTICLES_PER_BATCH, "cpu", 60)
    monkeypatch.setattr(programs, "MAX_STEPS", 3)
    with pytest.raises(
        GensampleError, match=r"batch-000000: 1 configurations .* did not reach .*--tolerance"
    ):
        quench(path, engine="torch")
    with Store.open(path) as store:
        assert store.inherent is None
    monkeypatch.undo()
    monkeypatch.setitem(programs.PARTICLES_PER_BATCH, "cpu", 60)
    quench(path, engine="torch")
    assert residual(path)[0].max() < 1e-6


def test_without_lammps_torch_is_the_default(tmp_path, monkeypatch):
    def missing(path):
        raise MissingDependencyError("LAMMPS was not found")

    monkeypatch.setattr(programs, "find_engine", missing)
    path = write(tmp_path / "data.h5", count=1)
    assert "gensample FIRE 2.0" in quench(path)
    with pytest.raises(MissingDependencyError):
        quench(path, engine="lammps", again=True)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"engine": "openmm"}, "--engine must be one of lammps, torch; got 'openmm'"),
        ({"engine": "torch", "tolerance": 0.0}, "--tolerance must be positive"),
        ({"engine": "torch", "device": "abacus"}, "--device must be cpu.*got 'abacus'"),
        ({"engine": "torch", "lmp": "/usr/bin/lmp"}, "leave one of them out"),
        ({"engine": "lammps", "tolerance": 1.0}, "--tolerance must be positive and at most 0.1"),
        ({"device": "cuda"}, "--engine torch"),
    ],
)
def test_options_that_do_not_go_together(tmp_path, options, named):
    path = write(tmp_path / "data.h5", count=1)
    with pytest.raises(ConfigError, match=named):
        quench(path, **options)
    assert [entry.name for entry in tmp_path.iterdir()] == ["data.h5"]


def test_writes_a_copy_when_asked(engine, tmp_path):
    path = write(tmp_path / "data.h5")
    before = path.read_bytes()
    quench(path, tmp_path / "copy.h5", processes=1)
    assert path.read_bytes() == before
    assert everything(tmp_path / "copy.h5") == everything(path)
    assert residual(tmp_path / "copy.h5")[0].max() < 1e-6


def test_uses_the_truncation_of_the_dataset(engine, tmp_path):
    path = write(tmp_path / "data.h5", count=1, truncation="shift")
    quench(path)
    assert residual(path, "shift")[0].max() < 1e-6
    assert residual(path, "force-shift")[0].max() > 1e-3


def test_a_minimum_stays_where_it_is(engine, reference, tmp_path):
    """The inherent structures of `simulate`, and those of the thermal positions it stored, are the same."""
    quench(reference, tmp_path / "again.h5", again=True)
    with Store.open(reference) as store, Store.open(tmp_path / "again.h5") as again:
        assert again.inherent_energy == pytest.approx(store.inherent_energy, abs=1e-8)


def test_inherent_structures_are_replaced_only_when_asked(engine, tmp_path):
    path = write(tmp_path / "data.h5", count=1)
    quench(path)
    before = path.read_bytes()
    assert "nothing to do" in quench(path)
    assert path.read_bytes() == before
    assert "1 inherent structures" in quench(path, again=True)


def test_resumes_what_is_finished(engine, tmp_path, monkeypatch):
    path = write(tmp_path / "data.h5")
    done = []

    def fails_at_the_last(self, script, folder):
        if len(done) == 2:
            raise GensampleError("LAMMPS failed")
        done.append(folder)
        return run(self, script, folder)

    run = type(engine).run
    monkeypatch.setattr(type(engine), "run", fails_at_the_last)
    with pytest.raises(GensampleError, match="structure-00002: LAMMPS failed; finished jobs are kept"):
        quench(path, processes=1)
    folders = parts_beside(path, "quench").glob("structure-*")
    kept = {folder.name: folder.stat().st_mtime_ns for folder in folders}
    assert sorted(kept) == ["structure-00000", "structure-00001"]
    with Store.open(path) as store:
        assert store.inherent is None
    done.clear()
    quench(path, processes=1)
    assert len(done) == 1
    assert residual(path)[0].max() < 1e-6


def test_parts_of_other_positions_are_refused(engine, tmp_path, monkeypatch):
    path = write(tmp_path / "data.h5", count=1)
    (parts_beside(path, "quench") / "structure-00000").mkdir(parents=True)
    (parts_beside(path, "quench") / "work.json").write_text('{"quench": "other"}')
    with pytest.raises(ConfigError, match="other settings"):
        quench(path)


def attribute(name, value):
    return lambda file: file.attrs.__setitem__(name, value)


@pytest.mark.parametrize(
    ("particles", "change", "error", "named"),
    [
        (60, attribute("mixture", "water"), DataError, "water"),
        (60, attribute("truncation", "unknown"), DataError, "unknown"),
        (60, lambda file: file["species"].write_direct(np.full(60, 2, np.int8)), DataError, "species"),
        (28, lambda file: None, ConfigError, "half the shortest box edge"),
    ],
)
def test_refuses_what_has_no_potential(tmp_path, particles, change, error, named):
    path = write(tmp_path / "data.h5", count=1, particles=particles)
    with h5py.File(path, "r+") as file:
        change(file)
    before = path.read_bytes()
    with pytest.raises(error, match=named):
        quench(path)
    assert path.read_bytes() == before


def test_never_overwrites_another_file(engine, tmp_path):
    path, other = write(tmp_path / "data.h5", count=1), tmp_path / "other.h5"
    other.write_text("precious")
    with pytest.raises(ConfigError, match="exists"):
        quench(path, other)
    assert other.read_text() == "precious"


def test_missing_lammps_leaves_nothing(tmp_path):
    path = write(tmp_path / "data.h5", count=1)
    with pytest.raises(MissingDependencyError, match="pip install"):
        quench(path, lmp="/nowhere/lmp")
    assert [entry.name for entry in tmp_path.iterdir()] == ["data.h5"]
