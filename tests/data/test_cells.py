"""Cells of any orientation: turned, reduced or refused; energies tell whether a frame is the same."""

import numpy as np
import pytest
import torch
from liquid import make_liquid
from sources import imported, mini, refused

from gensample.cli import main
from gensample.data.configuration import Configuration
from gensample.data.formats import format_of, read_frames
from gensample.data.importing.export import frames_of
from gensample.data.importing.source import OutputFrame
from gensample.data.store import Store
from gensample.errors import DataError, MissingDependencyError
from gensample.physics.mixtures import get_mixture
from gensample.physics.potentials import energy_forces_virial
from gensample.simulate.lammps.engine import find_engine
from gensample.simulate.lammps.scripts import header, interactions

STATE = ("--mixture", "ka3d", "--temperature", "0.44")
TILT = (0.31, -0.22, 0.14)


@pytest.fixture
def engine():
    try:
        return find_engine()
    except MissingDependencyError as error:
        pytest.skip(str(error))


def energy(x, box, species, mixture):
    found = energy_forces_virial(
        torch.from_numpy(x), torch.from_numpy(species), torch.from_numpy(box), mixture
    )
    return float(found.energy.mean())


def tilted_liquid():
    """A 3D liquid, sheared affinely in all three ways: positions, tilted box, species."""
    liquid = make_liquid("ka3d", per_edge=6)
    cell = np.diag(liquid.box)
    cell[[1, 2, 2], [0, 0, 1]] = np.array(TILT) * liquid.edge
    box = np.concatenate([liquid.box, cell[[1, 2, 2], [0, 0, 1]]])
    return liquid.positions / liquid.box @ cell, box, liquid.species.astype(np.int8)


def written(path, format, x, box, species):
    format_of(format).write(path, [OutputFrame(x, box, {}, step=0)], species)
    return path


@pytest.mark.parametrize("format", ["extxyz", "lammps-dump", "lammps-data", "gsd"])
def test_what_is_written_tilted_is_read_tilted(tmp_path, capsys, format):
    if format == "gsd":
        pytest.importorskip("gsd.hoomd", reason="the optional package gsd is not installed")
    x, box, species = tilted_liquid()
    path = written(tmp_path / "a", format, x, box, species)
    (frame,) = read_frames(path)
    found, own = frame.in_space()
    np.testing.assert_allclose(own, box, rtol=1e-6)
    precise = 1e-12 if format != "gsd" else 1e-4
    liquid = get_mixture("ka3d")
    assert energy(found, own, species, liquid) == pytest.approx(energy(x, box, species, liquid), rel=precise)
    out = tmp_path / "out" / "x.h5"
    out.parent.mkdir()
    assert "the box is tilted" in refused(capsys, out, path, *STATE, match="gensample shear")


@pytest.mark.parametrize("format", ["extxyz", "lammps-dump", "lammps-data", "gsd"])
def test_a_sheared_glass_goes_out_and_in(tmp_path, format):
    if format == "gsd":
        pytest.importorskip("gsd.hoomd", reason="the optional package gsd is not installed")
    with Store.open("ka2d-shear-mini") as store:
        frame, species = frames_of(store, configuration=2, replica=0, lag=3)[0], store.species
        path = tmp_path / "a"
        format_of(format).write(path, [frame], species)
    x, box = read_frames(path)[0].in_plane()
    assert abs(box[2]) > 1.0
    expected = energy(frame.positions, frame.box, species, get_mixture("ka2d"))
    assert energy(x, box, species, get_mixture("ka2d")) == pytest.approx(expected, abs=1e-4)


def test_lammps_reads_and_writes_the_same_tilted_boxes(engine, tmp_path):
    """Its energy of our data file is that of the frames which it writes, whatever the coordinates."""
    x, box, species = tilted_liquid()
    liquid = get_mixture("ka3d-fs")
    written(tmp_path / "start.data", "lammps-data", x, box, species)
    styles = {"plain": "x y z", "images": "x y z ix iy iz", "unwrapped": "xu yu zu", "scaled": "xs ys zs"}
    dumps = [
        f"write_dump all custom {k}.dump id type {v} modify format float %.17g" for k, v in styles.items()
    ]
    script = [
        header(3),
        "read_data start.data",
        interactions(liquid),
        "thermo_modify norm no\nfix m all nve\nrun 0",
        *dumps,
        "write_data a.data",
        'print "$(pe/atoms:%.17g)" file energy.txt',
    ]
    engine.run("\n".join(script) + "\n", tmp_path)
    expected = float((tmp_path / "energy.txt").read_text())
    assert energy(x, box, species, liquid) == pytest.approx(expected, abs=1e-9)
    for name in [*(f"{style}.dump" for style in styles), "a.data"]:
        (frame,) = read_frames(tmp_path / name)
        found, own = frame.in_space()
        order = np.argsort(frame.ids)
        np.testing.assert_allclose(own, box, atol=1e-12)
        assert energy(found[order], own, species, liquid) == pytest.approx(expected, abs=1e-9)


def turned_by(rng):
    """A proper rotation, x' = x R."""
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return rotation * np.sign(np.linalg.det(rotation))


def write_extxyz(path, liquid, cell, rotation, replica=0):
    lattice = " ".join(map(repr, (cell @ rotation).ravel().tolist()))
    text = ""
    for k, x in enumerate([liquid.positions, *liquid.final[replica]]):
        comment = f'Lattice="{lattice}" Properties=species:S:1:pos:R:3 time={k} unwrapped=T'
        rows = zip(liquid.species, (x @ rotation).tolist(), strict=True)
        lines = [f"{'AB'[s]} {a!r} {b!r} {c!r}" for s, (a, b, c) in rows]
        text += "\n".join([str(len(x)), comment, *lines]) + "\n"
    path.write_text(text)
    return path


@pytest.mark.parametrize("seed", range(3))
def test_a_rotated_cell_is_turned_back_with_all_that_is_in_it(tmp_path, capsys, seed):
    liquid = make_liquid(lags=2)
    rotation = turned_by(np.random.default_rng(seed))
    path = write_extxyz(tmp_path / "a.extxyz", liquid, np.diag(liquid.box), rotation)
    said = imported(capsys, tmp_path / "b.h5", path, *STATE)
    assert "turned to the convention of LAMMPS" in said
    with Store.open(tmp_path / "b.h5") as store:
        apart = store.positions[0] - liquid.positions
        assert np.abs(apart - liquid.box * np.round(apart / liquid.box)).max() < 1e-9
        np.testing.assert_allclose(store.displacements(0), liquid.without_drift[:1], atol=1e-6)


@pytest.mark.parametrize("order", [(1, 0, 2), (0, 2, 1), (2, 1, 0)])
def test_a_left_handed_cell_becomes_right_handed_without_a_mirror(tmp_path, order):
    liquid = make_liquid(lags=1)
    liquid.box = liquid.box * [1.0, 1.02, 1 / 1.02]  # edges are told apart
    path = write_extxyz(tmp_path / "a.extxyz", liquid, np.diag(liquid.box)[list(order)], np.eye(3))
    assert main(["import", str(path), *STATE, "--out", str(tmp_path / "b.h5")]) == 0
    with Store.open(tmp_path / "b.h5") as store:
        assert sorted(store.box[0]) == pytest.approx(sorted(liquid.box))
        u = store.displacements(0)[0, 0].astype(float)
    truth = liquid.without_drift[0, 0]
    np.testing.assert_allclose(np.linalg.norm(u, axis=1), np.linalg.norm(truth, axis=1), atol=1e-6)
    assert np.linalg.det(u[1:4]) == pytest.approx(np.linalg.det(truth[1:4]), abs=1e-6)


def test_a_flat_cell_along_other_axes_is_turned_in_its_plane(tmp_path, capsys):
    case = mini()
    lattice = "0 {} 0 {} 0 0 0 0 0".format(*(case.box * [1, -1]).tolist())
    x = np.stack([-case.positions[:, 1], case.positions[:, 0]], axis=1)  # a quarter turn
    comment = f'Lattice="{lattice}" Properties=species:S:1:pos:R:3 pbc="T T F"'
    rows = [f"{'AB'[s]} {a!r} {b!r} 0" for s, (a, b) in zip(case.species, x.tolist(), strict=True)]
    path = tmp_path / "a.extxyz"
    path.write_text("\n".join([str(len(rows)), comment, *rows]) + "\n")
    imported(capsys, tmp_path / "b.h5", path, "--mixture", "ka2d", "--temperature", "0.45")
    with Store.open(tmp_path / "b.h5") as store:
        np.testing.assert_allclose(store.positions[0], case.positions, atol=1e-9)


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_tilt_by_whole_edges_is_an_orthogonal_box(tmp_path, capsys, wrapped):
    """As LAMMPS leaves it when a box was sheared by its own length."""
    liquid = make_liquid("ka3d")
    edge = liquid.edge
    cell = np.array([[edge, 0, 0], [edge, edge, 0], [-edge, 2 * edge, edge]])
    images = np.floor(liquid.final[0] @ np.linalg.inv(cell)).astype(int)[0]
    inside = liquid.final[0, 0] - images @ cell
    start = liquid.positions - np.floor(liquid.positions @ np.linalg.inv(cell)) @ cell
    first = np.floor(liquid.positions @ np.linalg.inv(cell)).astype(int)
    bounds = [f"{-edge!r} {2 * edge!r} {edge!r}", f"0 {3 * edge!r} {-edge!r}", f"0 {edge!r} {2 * edge!r}"]
    text = ""
    for step, (x, flags) in enumerate([(start, first), (inside, images)][: 1 if wrapped else 2]):
        columns = "x y z" if wrapped else "x y z ix iy iz"
        text += (
            f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n{len(x)}\nITEM: BOX BOUNDS xy xz yz pp pp pp\n"
        )
        text += "\n".join([*bounds, f"ITEM: ATOMS id type {columns}", ""])
        for i, s in enumerate(liquid.species):
            own = [*map(repr, x[i].tolist()), *([] if wrapped else map(str, flags[i]))]
            text += f"{i + 1} {s + 1} {' '.join(own)}\n"
    path = tmp_path / "a.dump"
    path.write_text(text)
    said = imported(capsys, tmp_path / "b.h5", path, *STATE, *([] if wrapped else ["--time", "1"]))
    assert "tilted by whole edges are orthogonal" in said
    with Store.open(tmp_path / "b.h5") as store:
        apart = store.positions[0] - liquid.positions
        assert np.abs(apart - edge * np.round(apart / edge)).max() < 1e-9
        if not wrapped:
            np.testing.assert_allclose(store.displacements(0), liquid.without_drift[:1], atol=1e-6)


def test_lattice_vectors_in_one_plane_are_refused(tmp_path, capsys):
    liquid = make_liquid(lags=1)
    cell = np.array([[1.0, 1, 0], [2, 2, 0], [0, 0, 1]]) * liquid.edge
    path = write_extxyz(tmp_path / "a.extxyz", liquid, cell, np.eye(3))
    out = tmp_path / "out" / "x.h5"
    out.parent.mkdir()
    assert "lie in one plane" in refused(capsys, out, path, *STATE)


def test_general_triclinic_dumps_of_lammps_are_read(tmp_path):
    x, box, species = tilted_liquid()
    rotation, origin = turned_by(np.random.default_rng(4)), np.array([1.0, -2.0, 3.0])
    cell = np.diag(box[:3])
    cell[[1, 2, 2], [0, 0, 1]] = box[3:]
    rows = np.hstack([cell @ rotation, origin[:, None]])
    text = f"ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n{len(x)}\nITEM: BOX BOUNDS abc origin pp pp pp\n"
    text += "".join(" ".join(map(repr, row)) + "\n" for row in rows.tolist()) + "ITEM: ATOMS id type x y z\n"
    for i, (s, place) in enumerate(zip(species, (x @ rotation + origin).tolist(), strict=True), 1):
        text += f"{i} {s + 1} {' '.join(map(repr, place))}\n"
    (tmp_path / "a.dump").write_text(text)
    found, own = read_frames(tmp_path / "a.dump")[0].in_space()
    np.testing.assert_allclose(own, box, atol=1e-9)
    np.testing.assert_allclose(found, x, atol=1e-9)


def test_files_without_frames_are_told(tmp_path):
    from liquid import write_model_file

    write_model_file(tmp_path / "a.npz", make_liquid("ka2d-ternary", per_edge=10))
    with pytest.raises(DataError, match="is a glassbench file, which holds no frames"):
        read_frames(tmp_path / "a.npz")


def test_ase_atoms_are_turned_too():
    ase = pytest.importorskip("ase")
    x = np.random.default_rng(0).uniform(0, 5, (6, 3))
    atoms = ase.Atoms("NiPNi4", positions=x, cell=[5, 5, 5], pbc=True)
    atoms.rotate(37, (1, 2, 3), rotate_cell=True)
    one = Configuration.from_ase(atoms)
    np.testing.assert_allclose(one.positions, x, atol=1e-9)
    assert one.box.tolist() == pytest.approx([5, 5, 5])
