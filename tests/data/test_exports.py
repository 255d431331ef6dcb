"""What `gensample export` writes, as ase, OVITO and MDAnalysis read it, and as we do ourselves."""

import re

import h5py
import numpy as np
import pytest
import torch
from lattices import write_glasses, write_lattices

from gensample.cli import main
from gensample.data.formats import read_frames
from gensample.data.importing.export import frames_of, steps_of
from gensample.data.store import Store
from gensample.physics.mixtures import get_mixture
from gensample.physics.potentials import energy_forces_virial

LAG = 1


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two replicas of each of four, hops, a prediction that leaves out B; replica 0 of row 1 is not done."""
    path = write_lattices(tmp_path_factory.mktemp("data") / "a.h5", times=[0.5, 10.0], scale=0.02)
    rng = np.random.default_rng(2)
    with h5py.File(path, "r+") as file:
        shape = file["displacements"].shape
        h = rng.normal(scale=0.05, size=shape)
        file["inherent"] = file["positions"][...]
        file["inherent_displacements"] = (h - h.mean(3, keepdims=True)).astype(np.float32)
        file["inherent_energies"] = np.zeros(shape[:3])
        guess = rng.random((shape[0], shape[2], shape[3])).astype(np.float32)
        guess[:, :, file["species"][...] == 1] = np.nan
        file["predictions/my-model"] = guess
        file["done"][1, 0] = False
    return path


def export(data, out, *words, format="extxyz", code=0):
    given = ["export", str(data), "--format", format, *map(str, words), "--out", str(out)]
    assert main(given) == code
    return out


def of_replica(data, out, replica, *words, c=0, **how):
    return export(data, out, "--configuration", c, "--replica", replica, *words, **how)


def known(data, c, place, lag):
    """Future, displacement, propensity, hop and prediction, as the dataset has them."""
    with Store.open(data) as store:
        u, h = store.displacements(c), store.inherent_displacements(c)
        return {
            "positions": store.positions[c] + u[place, lag],
            "disp": u[place, lag],
            "propensity": np.linalg.norm(u[:, lag].astype(float), axis=-1).mean(0),
            "hop": np.linalg.norm(h[place, lag], axis=-1),
            "prediction_my_model": store.predictions["my-model"][c, lag],
        }


@pytest.mark.parametrize("format", ["extxyz", "lammps-dump"])
def test_a_trajectory_comes_back_bit_for_bit(data, tmp_path, capsys, format):
    movie = of_replica(data, tmp_path / "movie", 1, c=2, format=format)
    said = capsys.readouterr().out
    assert "3 frames with disp, hop, propensity, prediction_my_model" in said
    words = ["--mixture", "ka2d", "--temperature", "0.45", "--split", "val"]
    words += ["--timestep", "0.5"] if format == "lammps-dump" else []
    assert (format == "lammps-dump") == ("gensample import --timestep 0.5" in said)
    assert main(["import", str(movie), *words, "--out", str(tmp_path / "b.h5")]) == 0
    with Store.open(data) as a, Store.open(tmp_path / "b.h5") as b:
        np.testing.assert_array_equal(b.positions[0], a.positions[2])
        np.testing.assert_array_equal(b.box[0], a.box[2])
        np.testing.assert_array_equal(b.species, a.species)
        np.testing.assert_array_equal(b.displacements(0)[0], a.displacements(2)[1])
        assert b.times.tolist() == a.times.tolist()


def test_configurations_come_back_bit_for_bit(data, tmp_path):
    frames = export(data, tmp_path / "all.extxyz", "--lag", LAG)
    assert 'lag_time="10.0"' in frames.read_text()
    assert main(["import", str(frames), "--out", str(tmp_path / "b.h5"), "--mixture", "ka2d"]) == 0
    with Store.open(data) as a, Store.open(tmp_path / "b.h5") as b:
        for name in ("positions", "box", "species", "split", "temperature"):
            np.testing.assert_array_equal(getattr(b, name), getattr(a, name))


def test_species_beyond_hydrogen_and_helium_keep_their_order(tmp_path):
    data = write_glasses(tmp_path / "a.h5", "ka2d-ternary")
    frames = export(data, tmp_path / "all.extxyz")
    assert {line.split()[0] for line in frames.read_text().split("\n")[2:62]} == {"H", "He", "Li"}
    with Store.open(data) as store:  # numbers, not symbols, of which Be would come before H
        np.testing.assert_array_equal(read_frames(frames)[0].types, store.species)
    assert main(["import", str(frames), "--out", str(tmp_path / "b.h5")]) == 0
    with Store.open(data) as a, Store.open(tmp_path / "b.h5") as b:
        np.testing.assert_array_equal(b.species, a.species)


def test_ase_reads_every_column(data, tmp_path):
    read = pytest.importorskip("ase.io", reason="ase is not installed").read
    frames = read(of_replica(data, tmp_path / "a.extxyz", "all", "--lag", LAG), index=":")
    assert len(frames) == 2
    for r, frame in enumerate(frames):
        for name, value in known(data, 0, r, LAG).items():
            found = frame.positions if name == "positions" else frame.arrays[name]
            found = found[:, :2] if found.ndim == 2 else found
            np.testing.assert_array_equal(found.astype(value.dtype), value)
        with Store.open(data) as store:
            np.testing.assert_array_equal(frame.numbers - 1, store.species)
            np.testing.assert_array_equal(frame.arrays["species_index"], store.species)
            np.testing.assert_array_equal(frame.cell.lengths()[:2], store.box[0])
        assert (frame.info["replica"], frame.info["lag_time"]) == (r, 10.0)
        assert frame.pbc.tolist() == [True, True, False]
    dump = of_replica(data, tmp_path / "a.dump", 1, format="lammps-dump")
    frames = read(dump, index=":", format="lammps-dump-text")
    assert [len(frame) for frame in frames] == [60] * 3


def test_what_ase_reads_and_writes_we_read(data, tmp_path):
    io = pytest.importorskip("ase.io", reason="ase is not installed")
    frames = io.read(export(data, tmp_path / "a.extxyz", "--configuration", 3), index=":")
    io.write(tmp_path / "b.extxyz", frames, format="extxyz")
    assert main(["import", str(tmp_path / "b.extxyz"), "--out", str(tmp_path / "b.h5")]) == 0
    with Store.open(data) as a, Store.open(tmp_path / "b.h5") as b:
        np.testing.assert_array_equal(b.species, a.species)
        np.testing.assert_allclose(b.positions[0], a.positions[3], atol=1e-7)  # ase prints eight decimals


@pytest.mark.parametrize("format", ["extxyz", "lammps-dump"])
def test_ovito_reads_every_column(data, tmp_path, format):
    reader = pytest.importorskip("ovito.io", reason="ovito (116 MB) is not installed")
    pipeline = reader.import_file(str(of_replica(data, tmp_path / "a", 1, format=format)))
    assert pipeline.source.num_frames == 3
    found = pipeline.compute(2)
    truth = known(data, 0, 1, LAG)
    images = np.zeros((60, 3))
    if format == "lammps-dump":
        images = np.array(found.particles["Periodic Image"])
        vector = np.stack([found.particles[f"disp_{axis}"] for axis in "xy"], axis=1)
        assert found.attributes["Timestep"] == 20
    else:
        vector = np.array(found.particles["Displacement"])[:, :2]
        assert found.particles["Displacement"].vis is not None  # OVITO draws arrows
        assert found.attributes["time"] == 10.0
        assert list(found.cell.pbc) == [True, True, False]
    with Store.open(data) as store:
        positions = np.array(found.particles.positions)[:, :2] + images[:, :2] * store.box[0]
        np.testing.assert_array_equal(np.array(found.particles.particle_types) - 1, store.species)
        np.testing.assert_allclose(np.diag(np.array(found.cell))[:2], store.box[0])
    np.testing.assert_allclose(positions, truth["positions"], atol=1e-12)
    np.testing.assert_allclose(vector, truth["disp"], atol=1e-7)
    for name in ("propensity", "hop", "prediction_my_model"):
        np.testing.assert_allclose(np.array(found.particles[name]), truth[name], atol=1e-7)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("format", ["extxyz", "lammps-dump"])
def test_mdanalysis_reads_the_motion(data, tmp_path, format):
    mda = pytest.importorskip("MDAnalysis", reason="MDAnalysis is not installed")
    kind = "XYZ" if format == "extxyz" else "LAMMPSDUMP"
    more = {} if format == "extxyz" else {"additional_columns": True, "unwrap_images": True, "dt": 0.5}
    file = of_replica(data, tmp_path / "a", 1, format=format)
    universe = mda.Universe(str(file), format=kind, topology_format=kind, **more)
    assert universe.trajectory.n_frames == 3
    step, truth = universe.trajectory[2], known(data, 0, 1, LAG)
    np.testing.assert_allclose(step.positions[:, :2], truth["positions"], atol=1e-5)
    if format == "lammps-dump":
        assert step.time == 10.0
        with Store.open(data) as store:
            np.testing.assert_array_equal(universe.atoms.types.astype(int) - 1, store.species)
            np.testing.assert_allclose(step.dimensions[:2], store.box[0], rtol=1e-6)
        for name in ("propensity", "hop"):
            np.testing.assert_allclose(step.data[name], truth[name])


def test_gsd_carries_the_columns(data, tmp_path):
    gsd = pytest.importorskip("gsd.hoomd", reason="the optional package gsd is not installed")
    file = of_replica(data, tmp_path / "a.gsd", 1, format="gsd")
    with gsd.open(str(file)) as frames:
        assert [frame.configuration.step for frame in frames] == [0, 1, 20]
        truth = known(data, 0, 1, LAG)
        for name in ("propensity", "hop"):
            np.testing.assert_array_equal(frames[2].log[f"particles/{name}"], truth[name])
        np.testing.assert_array_equal(frames[2].log["particles/disp"][:, :2], truth["disp"])


def test_a_frame_a_replica_is_no_trajectory(data, tmp_path, capsys):
    dump = of_replica(data, tmp_path / "a.dump", "all", "--lag", LAG, format="lammps-dump")
    steps = re.findall(r"ITEM: TIMESTEP\n(\d+)", dump.read_text())
    assert steps == ["0", "1"]
    words = ["--mixture", "ka2d", "--temperature", "0.45", "--timestep", "1", "--out", str(tmp_path / "b.h5")]
    assert main(["import", str(dump), *words]) == 2
    assert "is no start: its column disp is not zero" in capsys.readouterr().err
    frames = of_replica(data, tmp_path / "a.extxyz", "all", "--lag", LAG)
    assert main(["import", str(frames), "--out", str(tmp_path / "b.h5")]) == 0
    assert "each frame taken as a configuration" in capsys.readouterr().out


def test_only_complete_replicas_have_frames(data, tmp_path):
    with Store.open(data) as store:
        frames = frames_of(store, configuration=1, replica="all", lag=LAG)
    assert [frame.info["replica"] for frame in frames] == [1]
    np.testing.assert_array_equal(frames[0].columns["disp"], known(data, 1, 0, LAG)["disp"])


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (("--configuration", "0", "--replica", "all"), "trajectory of one replica"),
        (("--configuration", "0", "--replica", "some"), "a whole number from 0"),
        (("--configuration", "1", "--replica", "0"), "complete replicas [1], not 0"),
        (("--lag", "2"), "lags 0 to 1"),
    ],
)
def test_impossible_choices_are_told(data, tmp_path, capsys, words, match):
    export(data, tmp_path / "a", *words, code=2)
    assert match in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_without_dynamics_there_is_no_propensity(tmp_path, capsys):
    data = write_lattices(tmp_path / "a.h5")
    with h5py.File(data, "r+") as file:
        del file["displacements"]
        file["done"][...] = False
    export(data, tmp_path / "b", "--lag", "0", code=2)
    assert "neither displacements, propensities nor predictions" in capsys.readouterr().err


def test_a_column_called_disp_that_is_something_else_is_not_taken(data, tmp_path, capsys):
    movie = of_replica(data, tmp_path / "a.extxyz", 1)
    lines = movie.read_text().splitlines()
    for number, line in enumerate(lines):
        words = line.split()
        if number > 70 and len(words) > 8:
            words[5] = str(float(words[5]) + 0.25) if words[0] in ("H", "He") else words[5]
            lines[number] = " ".join(words)
    movie.write_text("\n".join(lines) + "\n")
    assert main(["import", str(movie), "--out", str(tmp_path / "b.h5")]) == 0
    assert "displacements are those of the column" not in capsys.readouterr().out
    with Store.open(data) as a, Store.open(tmp_path / "b.h5") as b:
        np.testing.assert_allclose(b.displacements(0)[0], a.displacements(0)[1], atol=1e-6)


def test_sheared_frames_are_the_glass_in_its_tilted_box():
    """Their energies are those that LAMMPS found; displacements are stored to 2^-12."""
    with Store.open("ka2d-shear-mini") as store:
        frames = frames_of(store, configuration=4, replica=1)
        curve = store.group("shear")
        species = torch.from_numpy(store.species)
        assert [frame.info["strain"] for frame in frames] == ["0.0", "0.01", "0.02", "0.05", "0.1"]
        for frame, strain in zip(frames, [0.0, *store.times], strict=True):
            x, box = torch.from_numpy(frame.positions), torch.from_numpy(frame.box)
            energy = energy_forces_virial(x, species, box, get_mixture("ka2d")).energy.mean()
            step = int(np.argmin(np.abs(curve["strain"] - strain)))
            assert float(energy) == pytest.approx(curve["energy"][4, 1, step], abs=1e-4)


@pytest.mark.parametrize(
    ("times", "steps", "unit"),
    [([1.0, 10.0, 100.0], [1, 10, 100], 1.0), ([0.1, 0.25], [2, 5], 0.05), ([4120.0], [1], 4120.0)],
)
def test_steps_of_lag_times(times, steps, unit):
    found, size = steps_of(np.array(times))
    assert found.tolist() == steps
    assert size == pytest.approx(unit, rel=1e-12)
