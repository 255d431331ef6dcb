"""LAMMPS dumps and data files, extxyz: reading, round trips through export, and what is refused."""

import gzip
import re

import numpy as np
import pytest
from liquid import make_liquid
from sources import imported, refused

from gensample.cli import main
from gensample.data.formats import sniff
from gensample.data.store import Store
from gensample.errors import DataError

STATE = ("--mixture", "ka3d", "--temperature", "0.44")


def write_dump(path, liquid, replica=0, style="xu", first=0, header="", precision=".12g", shuffle=True):
    """A dump of the start and the lags of one replica; ``style``: xu, xsu, x+i, xs+i, x or xs."""
    rng = np.random.default_rng(5)
    frames = [liquid.positions, *liquid.final[replica]]
    low, lines = -1.5, []
    for number, x in enumerate(frames):
        lines += ["ITEM: TIMESTEP", str(first + 1000 * number), *header.splitlines(), "ITEM: NUMBER OF ATOMS"]
        lines += [str(len(x)), "ITEM: BOX BOUNDS pp pp pp", *[f"{low} {low + e:.15g}" for e in liquid.box]]
        image = np.floor(x / liquid.box).astype(int)
        scaled, flagged = "s" in style, style.endswith("+i")
        shown = x if "u" in style else x - image * liquid.box
        shown = shown / liquid.box if scaled else shown + low
        names = [axis + style.removesuffix("+i")[1:] for axis in "xyz"]
        lines += [" ".join(["ITEM: ATOMS id type", *names, *(["ix iy iz"] if flagged else [])])]
        order = rng.permutation(len(x)) if shuffle else range(len(x))
        for i in order:
            row = [str(i + 1), str(liquid.species[i] + 1), *[format(v, precision) for v in shown[i]]]
            lines.append(" ".join(row + (image[i].astype(str).tolist() if flagged else [])))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("style", ["xu", "xsu", "x+i", "xs+i"])
def test_dump_frames_are_lags_and_files_are_replicas(tmp_path, capsys, out, style):
    liquid = make_liquid(lags=2)
    for r in range(3):
        write_dump(tmp_path / "runs" / f"{r}.dump", liquid, r, style)
    said = imported(capsys, out, tmp_path / "runs", *STATE, "--timestep", "0.005")
    assert "3 trajectories from 1 starting configurations" in said
    with Store.open(out) as store:
        assert store.times.tolist() == [5.0, 10.0]
        np.testing.assert_array_equal(store.species, liquid.species)
        np.testing.assert_allclose(store.positions[0], liquid.positions, atol=1e-9)
        np.testing.assert_allclose(store.displacements(0), liquid.without_drift, atol=1e-5)


@pytest.mark.parametrize("style", ["x", "xs"])
def test_wrapped_dump_is_refused_instead_of_unwrapped_by_minimum_image(tmp_path, capsys, out, style):
    path = write_dump(tmp_path / "a.dump", make_liquid(lags=2), style=style)
    err = refused(capsys, out, path, *STATE, "--timestep", "0.005")
    assert "minimum image" in err


def test_a_user_who_vouches_for_wrapped_positions_is_still_checked(tmp_path, capsys, out):
    path = write_dump(tmp_path / "a.dump", make_liquid(lags=2), style="x")
    err = refused(capsys, out, path, *STATE, "--timestep", "0.005", "--unwrapped")
    assert "positions were wrapped" in err


def test_single_wrapped_frame_is_a_configuration(tmp_path, out):
    liquid = make_liquid(lags=1)
    path = write_dump(tmp_path / "train" / "a.dump", liquid, style="x")
    text = path.read_text()
    path.write_text(text[: text.index("ITEM: TIMESTEP", 10)])
    assert main(["import", str(path), *STATE, "--out", str(out)]) == 0
    with Store.open(out) as store:
        assert not store.has_displacements
        assert store.times.size == 0
        np.testing.assert_allclose(store.positions[0], liquid.positions, atol=1e-9)


def test_different_starts_are_different_configurations(tmp_path, capsys, out):
    for seed in range(2):
        liquid = make_liquid(lags=1, seed=seed)
        write_dump(tmp_path / "runs" / f"{seed}.dump", liquid)
    said = imported(capsys, out, tmp_path / "runs", *STATE, "--time", "3")
    assert "2 trajectories from 2 starting configurations" in said
    with Store.open(out) as store:
        assert store.num_configurations == 2
        assert store.replicas.tolist() == [1, 1]


def test_gzipped_dump_is_read(tmp_path, out):
    path = write_dump(tmp_path / "a.dump", make_liquid())
    packed = tmp_path / "a.dump.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert main(["import", str(packed), *STATE, "--time", "3", "--out", str(out)]) == 0


def test_time_items_give_the_lags(tmp_path, out):
    liquid = make_liquid()
    path = write_dump(tmp_path / "a.dump", liquid, header="ITEM: TIME\n@")
    first, second = path.read_text().split("@", 1)
    path.write_text(first + "2.5" + second.replace("@", "4.0"))
    assert main(["import", str(path), *STATE, "--out", str(out)]) == 0
    with Store.open(out) as store:
        assert store.times.tolist() == [1.5]


def test_two_dimensional_dump_drops_the_flat_coordinate(tmp_path, capsys, out):
    flat = make_liquid("ka2d", per_edge=8)
    liquid = make_liquid("ka2d", per_edge=8)
    pad = [(0, 0)] * 3 + [(0, 1)]
    liquid.displacements = np.pad(flat.displacements, pad)
    liquid.positions = np.pad(flat.positions, pad[2:])
    liquid.box = np.array([flat.edge, flat.edge, 1.0])
    path = write_dump(tmp_path / "a.dump", liquid)
    imported(capsys, out, path, "--mixture", "ka2d", "--temperature", "0.45", "--time", "1")
    with Store.open(out) as store:
        np.testing.assert_allclose(store.displacements(0), flat.without_drift[:1], atol=1e-5)


def drop_last(path, lines):
    path.write_text("\n".join(path.read_text().splitlines()[:-lines]) + "\n")


def substitute(old, new):
    def damage(path):
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return damage


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda p: drop_last(p, 10), "truncated"),
        (lambda p: drop_last(p, 222), "truncated"),
        (lambda p: p.write_text(p.read_text()[:-12]), "truncated"),
        (substitute("pp pp pp", "pp pp ff"), "periodic in every direction"),
        (substitute("BOX BOUNDS pp pp pp\n-1.5 ", "BOX BOUNDS xy xz yz pp pp pp\n-1.5 "), "expected shape"),
        (substitute("xu yu zu", "vx vy vz"), "needs x y z"),
        (substitute("id type", "id mol"), "columns id and type"),
        (substitute("ITEM: TIMESTEP", "ITEM: UNITS\nmetal\nITEM: TIMESTEP"), "expected lj units"),
        (substitute("\n17 ", "\n18 "), "ids repeat"),
        (substitute("\n-1.5 ", "\n-2.5 "), "gives density"),
        (substitute("xu yu zu", "type yu zu xu yu zu"), "fewer than"),
        (lambda p: p.write_text(re.sub(r"\n17 (\d) \S+", r"\n17 \1 nan", p.read_text())), "NaN"),
    ],
)
def test_damaged_dumps_are_refused(tmp_path, capsys, out, damage, match):
    path = write_dump(tmp_path / "a.dump", make_liquid(seed=3))
    damage(path)
    assert match in refused(capsys, out, path, *STATE, "--time", "3")


def test_changing_box_is_refused(tmp_path, capsys, out):
    path = write_dump(tmp_path / "a.dump", make_liquid())
    head, tail = path.read_text().rsplit("-1.5 ", 1)
    path.write_text(head + "-1.51 " + tail)
    assert "box changes" in refused(capsys, out, path, *STATE, "--time", "3")


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (("--temperature", "0.44", "--time", "3"), "--mixture"),
        (("--mixture", "ka3d", "--time", "3"), "--temperature"),
        ((*STATE,), "--time"),
        ((*STATE, "--time", "3", "4"), "1 frames after the first, --time gives 2"),
        ((*STATE, "--time", "3", "--format", "extxyz"), "number of particles"),
        ((*STATE, "--time", "-3"), "positive and finite"),
    ],
)
def test_what_a_dump_does_not_say_is_asked_for(tmp_path, capsys, out, words, match):
    path = write_dump(tmp_path / "a.dump", make_liquid())
    assert match in refused(capsys, out, path, *words)


@pytest.fixture
def dataset(tmp_path):
    """A dataset of two configurations, made from dumps."""
    for seed in range(2):
        liquid = make_liquid(lags=2, seed=seed)
        for r in range(3):
            write_dump(tmp_path / "runs" / ("test" if seed else "train") / f"{seed}_{r}.dump", liquid, r)
    path = tmp_path / "dataset.h5"
    assert main(["import", str(tmp_path / "runs"), *STATE, "--time", "1", "10", "--out", str(path)]) == 0
    return path


def test_extxyz_round_trip_of_configurations(tmp_path, dataset, out):
    xyz = tmp_path / "all.extxyz"
    assert main(["export", str(dataset), "--format", "extxyz", "--out", str(xyz)]) == 0
    assert main(["import", str(xyz), "--mixture", "ka3d", "--out", str(out)]) == 0
    with Store.open(dataset) as a, Store.open(out) as b:
        np.testing.assert_array_equal(a.species, b.species)
        np.testing.assert_allclose(a.positions, b.positions, atol=1e-12)
        np.testing.assert_allclose(a.box, b.box)
        assert a.split.tolist() == b.split.tolist()
        assert a.temperature.tolist() == b.temperature.tolist()


def test_extxyz_round_trip_of_trajectories(tmp_path, dataset, out):
    for r in range(3):
        words = ["--configuration", "1", "--replica", str(r), "--out", str(tmp_path / f"{r}.extxyz")]
        assert main(["export", str(dataset), "--format", "extxyz", *words]) == 0
    files = [str(tmp_path / f"{r}.extxyz") for r in range(3)]
    assert main(["import", *files, "--mixture", "ka3d", "--out", str(out)]) == 0
    with Store.open(dataset) as a, Store.open(out) as b:
        assert b.times.tolist() == [1.0, 10.0]
        np.testing.assert_allclose(a.displacements(1), b.displacements(0), atol=1e-5)


def test_extxyz_is_read_by_ase_alike(tmp_path, dataset):
    ase_io = pytest.importorskip("ase.io", reason="ase is the reference reader here")
    xyz = tmp_path / "all.extxyz"
    main(["export", str(dataset), "--format", "extxyz", "--out", str(xyz)])
    frames = ase_io.read(xyz, index=":")
    with Store.open(dataset) as store:
        assert len(frames) == 2
        for c, frame in enumerate(frames):
            np.testing.assert_allclose(frame.positions, store.positions[c], atol=1e-12)
            np.testing.assert_allclose(frame.cell.lengths(), store.box[c])
            np.testing.assert_array_equal(frame.numbers - 1, store.species)
            assert frame.pbc.all()
            assert frame.info["configuration"] == c


def test_extxyz_written_by_ase_is_read(tmp_path, out):
    ase = pytest.importorskip("ase", reason="ase is the reference writer here")
    from ase.io import write

    liquid = make_liquid()
    atoms = ase.Atoms(
        ["Ni" if s == 0 else "P" for s in liquid.species], liquid.positions, cell=liquid.box, pbc=True
    )
    write(tmp_path / "a.extxyz", atoms, format="extxyz")
    assert main(["import", str(tmp_path / "a.extxyz"), *STATE, "--out", str(out)]) == 0
    with Store.open(out) as store:
        np.testing.assert_array_equal(store.species, liquid.species)
        np.testing.assert_allclose(store.positions[0], liquid.positions, atol=1e-7)


def test_lammps_data_round_trip(tmp_path, dataset, out):
    data = tmp_path / "one.data"
    words = ["--configuration", "1", "--out", str(data)]
    assert main(["export", str(dataset), "--format", "lammps-data", *words]) == 0
    assert main(["import", str(data), *STATE, "--split", "val", "--out", str(out)]) == 0
    with Store.open(dataset) as a, Store.open(out) as b:
        np.testing.assert_array_equal(a.species, b.species)
        np.testing.assert_allclose(a.positions[1], b.positions[0], atol=1e-12)
        assert b.split.tolist() == ["val"]


def test_lammps_data_with_images_and_velocities_is_read(tmp_path, out):
    liquid = make_liquid()
    rows = [
        f"{i + 1} {s + 1} {x[0] - 2:.12g} {x[1] - 2:.12g} {x[2] - 2:.12g} 1 0 -1 # a comment"
        for i, (s, x) in enumerate(zip(liquid.species, liquid.positions, strict=True))
    ]
    high = liquid.edge - 2
    text = [
        "LAMMPS data file via write_data, version 2 Aug 2023, timestep = 0, units = lj",
        "",
        f"{len(rows)} atoms",
        "2 atom types",
        "",
        *[f"-2 {high:.15g} {axis}lo {axis}hi" for axis in "xyz"],
        "",
        "Masses",
        "",
        "1 1",
        "2 1",
        "",
        "Atoms # atomic",
        "",
        *reversed(rows),
        "",
        "Velocities",
        "",
        *[f"{i + 1} 0 0 0" for i in range(len(rows))],
    ]
    path = tmp_path / "a.data"
    path.write_text("\n".join(text) + "\n")
    assert main(["import", str(path), *STATE, "--out", str(out)]) == 0
    with Store.open(out) as store:
        np.testing.assert_array_equal(store.species, liquid.species)
        np.testing.assert_allclose(store.positions[0], liquid.positions, atol=1e-9)


@pytest.mark.parametrize(
    ("format", "damage", "match"),
    [
        ("extxyz", lambda p: drop_last(p, 100), "truncated"),
        ("extxyz", lambda p: p.write_text(p.read_text()[:-40]), "truncated"),
        ("extxyz", substitute('Lattice="', 'Lattice="1 2 '), "Lattice"),
        ("extxyz", substitute(":pos:R:3", ":force:R:3"), "Properties must name"),
        ("extxyz", substitute('"T T T"', '"T T T'), "comment line"),
        ("extxyz", substitute('"T T T"', '"T F T"'), "periodic in every direction"),
        ("extxyz", substitute('"T T T"', '"T T F"'), "periodic in every direction"),
        ("lammps-data", lambda p: drop_last(p, 50), "truncated"),
        ("lammps-data", lambda p: p.write_text(p.read_text()[:-40]), "truncated"),
        ("lammps-data", substitute("Atoms # atomic", "Atoms # dipole"), "style dipole"),
        ("lammps-data", substitute("Atoms # atomic", "Bonds"), "no Atoms section"),
    ],
)
def test_damaged_exports_are_refused(tmp_path, dataset, capsys, out, format, damage, match):
    path = tmp_path / "exported"
    words = ["--configuration", "0", "--out", str(path)]
    assert main(["export", str(dataset), "--format", format, *words]) == 0
    damage(path)
    assert match in refused(capsys, out, path, *STATE)


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (("--format", "lammps-data"), "holds one frame"),
        (("--format", "extxyz", "--configuration", "7"), "configurations 0 to 1"),
        (("--format", "extxyz", "--inherent"), "no inherent structures"),
        (("--format", "extxyz", "--lag", "2"), "lags 0 to 1"),
        (("--format", "extxyz", "--replica", "0"), "needs --configuration"),
        (("--format", "extxyz", "--configuration", "0", "--replica", "9"), "complete replicas"),
        (("--format", "extxyz", "--configuration", "0", "--replica", "0", "--lag", "5"), "lags 0 to 1"),
    ],
)
def test_impossible_exports_write_nothing(dataset, capsys, out, words, match):
    assert main(["export", str(dataset), *words, "--out", str(out)]) == 2
    assert match in capsys.readouterr().err
    assert list(out.parent.iterdir()) == []


def test_exported_lag_is_start_plus_displacement(tmp_path, dataset):
    path = tmp_path / "one.extxyz"
    words = ["--configuration", "0", "--replica", "2", "--lag", "1", "--out", str(path)]
    assert main(["export", str(dataset), "--format", "extxyz", *words]) == 0
    table = np.loadtxt(path, skiprows=2, usecols=(1, 2, 3))
    with Store.open(dataset) as store:
        np.testing.assert_allclose(table, store.positions[0] + store.displacements(0)[2, 1], atol=1e-12)


def test_files_of_two_formats_and_unknown_files_are_refused(tmp_path, dataset, capsys, out):
    main(["export", str(dataset), "--format", "extxyz", "--out", str(tmp_path / "a.extxyz")])
    dump = write_dump(tmp_path / "a.dump", make_liquid())
    assert "several formats" in refused(capsys, out, tmp_path / "a.extxyz", dump, *STATE)
    (tmp_path / "notes.txt").write_text("nothing")
    assert "no known format" in refused(capsys, out, tmp_path / "notes.txt", *STATE)
    assert "gensample info" in refused(capsys, out, dataset, *STATE)
    assert "no file or folder" in refused(capsys, out, tmp_path / "absent", *STATE)
    (tmp_path / "empty").mkdir()
    assert "has no file ending" in refused(capsys, out, tmp_path / "empty", *STATE)
    with pytest.raises(DataError):
        sniff(tmp_path / "notes.txt")
