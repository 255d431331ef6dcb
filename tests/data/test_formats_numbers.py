"""Numbers, names, counts and sizes of foreign files: read as they stand or refused."""

import gzip
import io
import pickle
import struct
import zipfile

import numpy as np
import pytest
from liquid import make_liquid
from sources import data_file, extxyz_frame, mini, model_file, write_dump

from gensample.data.formats import read_sources
from gensample.data.importing import pickles
from gensample.data.importing import source as files
from gensample.data.importing import text as tables
from gensample.data.importing.convert import contents_of
from gensample.data.importing.source import Options
from gensample.errors import DataError

OPTIONS = Options(mixture="ka2d", temperature=0.45, timestep=0.001)
TERNARY = Options(mixture="ka2d-ternary", temperature=0.3, times=(1.0,), bond_breaking="kept")


def read(*paths, options=OPTIONS):
    return read_sources(paths, "auto", options)


@pytest.mark.parametrize("word", ["1.5D+00", "1_0", "٣", "0x10", "", "1,5", "--1"])
def test_what_is_no_number_is_refused_by_name(word):
    with pytest.raises(DataError, match="expected a number such as"):
        tables.floats([["1.0", word]], "x")


@pytest.mark.parametrize("word", ["10.5", "1e3", "9" * 19, "²", "1_0", "nan"])
def test_what_is_no_whole_number_is_refused_by_name(word):
    with pytest.raises(DataError, match="expected a whole number"):
        tables.integers(["1", word], "id")


def replaced(path, old, new, count=-1):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, count))
    return path


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("\n1000\n", "\n1000.5\n", "TIMESTEP: expected a whole number"),
        ("\n500\n", "\n499\n", "expected an ITEM of a dump, got '500 2 "),
        ("\n500\n", "\n0\n", "at least 1"),
        ("\n500\n", "\n1000000000000\n", "needs 1000000000000 lines"),
        ("\n7 1 ", "\n7.5 1 ", "id: expected a whole number"),
        ("\n7 1 ", "\n7 1.5 ", "type: expected a whole number"),
        (" 0\n8 ", " 1.5D+00\n8 ", "such as 1.5e-3, got '1.5D"),
        (" 0\n7 1", " 0 0\n7 1", "more than the 5 columns"),
        ("BOX BOUNDS pp", "BOX BOUNDS abc origin pp", r"expected shape \(3, 4\)"),
        ("-0.5 0.5", "0.5 -0.5", "box edges must be positive"),
        ("id type xu", "id id xu", "has the name of another"),
    ],
)
def test_dumps_are_read_as_they_stand(tmp_path, old, new, match):
    path = replaced(write_dump(tmp_path / "a.dump", mini()), old, new)
    with pytest.raises(DataError, match=match):
        read(path)


def test_fractional_image_flags_are_refused(tmp_path):
    case = mini()
    flags = np.concatenate([case.positions, np.zeros((500, 1)), np.full((500, 2), 0.5)], axis=1)
    path = write_dump(tmp_path / "a.dump", case, flags[None], columns="x y z ix iy iz")
    with pytest.raises(DataError, match="ix: expected a whole number"):
        read(path)


def test_elements_of_a_dump_are_names(tmp_path):
    case = mini()
    path = write_dump(tmp_path / "a.dump", case, types=np.array(["Ni", "P"])[case.species])
    replaced(path, "id type", "id element")
    imported = read(path)
    np.testing.assert_array_equal(contents_of(imported, OPTIONS)[0].species, case.species)
    assert "types Ni -> 0 (A), P -> 1 (B)" in imported.notes


@pytest.mark.parametrize("kinds", ["12", "AB"])
def test_labels_of_a_data_file_are_names(tmp_path, kinds):
    case, path = mini(), tmp_path / "a.data"
    labels = "Atom Type Labels # comment\n\n1 A\n2 B\n\n"
    path.write_text(data_file(case, labels=labels, kinds=kinds, style="Atoms  # atomic"))
    options = Options(mixture="ka2d", temperature=0.45, species={"A": 0, "B": 1})
    np.testing.assert_array_equal(contents_of(read(path, options=options), options)[0].species, case.species)


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("500 atoms", "501 atoms", "counts 501 atoms, the Atoms section has 500"),
        ("500 atoms", "500.5 atoms", "expected a whole number"),
        ("500 atoms", "500 atoms\n500 atoms", "expected numbers and a keyword"),
        ("\n-0.5 0.5 zlo zhi", "\n-0.5 0.5 zlo zhi\n1 0 0 avec", "lacks bvec"),
        ("\n9 1 ", "\n\n9 1 ", "counts 500 atoms, the Atoms section has 8|outside any section"),
        ("Atoms # atomic\n\n", "Atoms # atomic\n", "expected an empty line"),
        ("0.0 20", "0.0D+00 20", "such as 1.5e-3, got '0.0D"),
        ("\n9 1 ", "\n9 1.5 ", "whole number"),
    ],
)
def test_data_files_are_read_as_lammps_reads_them(tmp_path, old, new, match):
    path = tmp_path / "a.data"
    path.write_text(data_file(mini()))
    with pytest.raises(DataError, match=match):
        read(replaced(path, old, new))


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("pos:R:3", "pos:R:2:q:R:1", "three columns pos"),
        ("pos:R:3", "pos:R:3:id:I:1", "particle 1 has 4 columns, Properties give 5"),
        ("pbc=", "pbc=", None),
        ("500\n", "499\n", "expected a number of particles, got 'B "),
        ("500\n", "²\n", "expected a number of particles|no known format"),
        ("500\n", "0\n", "at least 1"),
        ("temperature=0.45", "temperature=0.45+0.1j", "expected a number"),
        ("temperature=0.45", "temperature=0.45 temperature=0.8", "gives a key twice"),
        ("temperature=0.45", "split=holdout", "states split 'holdout'"),
    ],
)
def test_extxyz_is_read_as_it_stands(tmp_path, old, new, match):
    case, path = mini(), tmp_path / "a.extxyz"
    path.write_text(extxyz_frame(case, case.positions, info="temperature=0.45"))
    replaced(path, old, new, 1)
    if match is None:
        contents_of(read(path), OPTIONS)
        return
    with pytest.raises(DataError, match=match):
        contents_of(read(path), OPTIONS)


def test_trailing_rubbish_is_refused(tmp_path):
    case = mini()
    dump, xyz = write_dump(tmp_path / "a.dump", case), tmp_path / "a.extxyz"
    xyz.write_text(extxyz_frame(case, case.positions))
    for path in (dump, xyz):
        path.write_text(path.read_text() + "\n\n")
        read(path)
        path.write_text(path.read_text() + "end of job\n")
        with pytest.raises(DataError, match="end of job"):
            read(path)


@pytest.mark.parametrize(
    ("key", "change", "match"),
    [
        ("md_prop", lambda a: a * (1 + 1j), "real numbers, got complex128"),
        ("initial_positions", lambda a: a + 0j, "real numbers, got complex128"),
        ("types", lambda a: a + 0j, "whole numbers or names, got complex128"),
        ("box", lambda a: a.astype(str), "real numbers, got <U"),
        ("bb_prop", lambda a: a + 0.5, "outside 0 to 1"),
        ("md_prop", lambda a: a * 1e30, "infinite or beyond"),
    ],
)
def test_arrays_of_another_kind_are_refused(tmp_path, key, change, match):
    path = model_file(tmp_path / "a.npz")
    with np.load(path) as archive:
        arrays = dict(archive)
    np.savez(path, **{**arrays, key: change(arrays[key])})
    with pytest.raises(DataError, match=match):
        contents_of(read(path, options=TERNARY), TERNARY)


def test_keys_that_are_no_names_are_left_out_and_named(tmp_path):
    values = np.ones((1, 100))
    path = model_file(tmp_path / "a.npz", **{"a/b": values, "../c": values, "\x1b[31m": values, "ok": values})
    imported = read(path, options=TERNARY)
    assert list(imported.structures[0].predictions) == ["ok"]
    assert r"left out: \x1b[31m, ../c, a/b" in imported.notes


def test_time_indices_that_are_not_whole_are_refused(tmp_path):
    path, liquid = tmp_path / "a.pickle", make_liquid(lags=1)
    data = {
        "positions": liquid.positions,
        "types": liquid.species,
        "box": liquid.box,
        "time": [0.0, 0.5, 1.0],
    }
    path.write_bytes(pickle.dumps({**data, "time_indices": [1.5], "targets": [np.ones(216)]}))
    with pytest.raises(DataError, match="time_indices are not whole"):
        read(path, options=Options(temperature=0.44, averages=True))


def archive(path, shape, size, names=("types", "initial_positions", "positions")):
    """Arrays whose headers say one shape and that hold ``size`` bytes of zeros."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name in names:
            header = io.BytesIO()
            np.lib.format.write_array_header_1_0(
                header, {"descr": "<f8", "fortran_order": False, "shape": shape}
            )
            file.writestr(f"{name}.npy", header.getvalue() + bytes(size))
    return path


@pytest.mark.parametrize(
    ("shape", "size", "match"),
    [
        ((10**12, 3), 96, "takes 24000000000000 bytes, the file has 96"),
        ((4, 3), 104, "takes 96 bytes, the file has 104"),
        ((2**16, 3), 3 * 2**19, "made to fill the memory"),
    ],
)
def test_sizes_of_arrays_are_compared_before_they_are_read(tmp_path, monkeypatch, shape, size, match):
    monkeypatch.setattr(files, "_SMALL", 2**20)
    with pytest.raises(DataError, match=match):
        read(archive(tmp_path / "a.npz", shape, size))


def test_two_arrays_of_one_name_are_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = archive(tmp_path / "a.npz", (4,), 32, ("types", "types", "initial_positions", "positions"))
    with pytest.raises(DataError, match="two arrays of one name"):
        read(path)


def test_a_gzip_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_SMALL", 2**20)
    path = tmp_path / "a.dump.gz"
    with gzip.open(path, "wb") as file:
        file.write(b"ITEM: TIMESTEP\n0\n" + bytes(2**23))
    with pytest.raises(DataError, match="made to fill the memory"):
        read(path)


def test_particles_that_a_gsd_file_only_counts_are_refused(tmp_path):
    fl = pytest.importorskip("gsd.fl", reason="the optional package gsd is not installed")
    with fl.open(str(tmp_path / "a.gsd"), "w", "x", "hoomd", [1, 4]) as file:
        file.write_chunk("configuration/box", np.array([20, 20, 1, 0, 0, 0], np.float32))
        file.write_chunk("particles/N", np.array([10**9], np.uint32))
        file.end_frame()
    with pytest.raises(DataError, match="made to fill the memory"):
        read(tmp_path / "a.gsd")


NUMPY = b"cnumpy\ndtype\n"
HOSTILE = {
    "a key of nested tuples": b"}" + b")" + b"\x85" * 1000 + b"K\x01s.",
    "a list in itself": b"]q\x00h\x00a.",
    "laughter": b"(K\x01K\x01lq\x00"
    + b"".join(b"(" + bytes([104, k]) * 100 + bytes([108, 113, k + 1]) for k in range(5))
    + b".",
    "a promise of a terabyte": b"\x8e" + struct.pack("<Q", 2**40) + b"abc.",
    "a type of objects": NUMPY + b"X\x01\x00\x00\x00O\x85R.",
    "a type of records": NUMPY + b"X\x05\x00\x00\x00f8,f8\x85R.",
    "a wide type": NUMPY + b"X\x08\x00\x00\x00S9999999\x85R.",
    "state of a global": NUMPY + b"N}X\x01\x00\x00\x00aK\x01s\x86b.",
    "an old call": b"(ios\nsystem\n.",
    "a new object": b"cnumpy\ndtype\n)\x81.",
    "an outer object": b"Px\n.",
    "too many steps": b"]" * 20_000 + b".",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pickles_are_refused(tmp_path, monkeypatch, name):
    monkeypatch.setattr(pickles, "_STEPS", 10_000)
    path = tmp_path / "a.pickle"
    path.write_bytes(b"\x80\x04" + HOSTILE[name])
    with pytest.raises(DataError, match=r"nothing was run|made to fill the memory"):
        pickles.load_pickle(path)


def test_references_to_one_array_do_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_SMALL", 2**20)
    path, array = tmp_path / "a.pickle", np.random.default_rng(0).random(2**11)
    path.write_bytes(pickle.dumps([array] * 5))
    assert len(pickles.load_pickle(path)) == 5
    path.write_bytes(pickle.dumps([array] * 500))
    with pytest.raises(DataError, match="made to fill the memory"):
        pickles.load_pickle(path)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("layout", ["C", "F"])
@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_arrays_of_pickles_are_those_that_were_written(tmp_path, order, layout, protocol):
    path = tmp_path / "a.pickle"
    arrays = [
        np.asarray(np.arange(6.0).reshape(2, 3), f"{order}{kind}", order=layout) for kind in ("f8", "i4")
    ]
    path.write_bytes(pickle.dumps({"arrays": arrays, "scalar": np.float32(0.5)}, protocol))
    content = pickles.load_pickle(path)
    assert content["scalar"] == 0.5
    for found, array in zip(content["arrays"], arrays, strict=True):
        np.testing.assert_array_equal(np.asarray(found), array)
