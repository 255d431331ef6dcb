"""Every member and attribute of a dataset in every wrong form: one line, no link followed, no memory."""

import json
import os
import shutil
import subprocess
import sys
import tracemalloc
import zlib

import h5py
import numpy as np
import pytest
from lattices import PARTICLES, write_lattices
from sheared import write_shear

from gensample.cli import main
from gensample.data import door
from gensample.data.members import Members
from gensample.data.schema import (
    ARRAYS,
    ATTRIBUTES,
    GROUPS,
    PREDICTION,
    REQUIRED_ATTRIBUTES,
    check_array,
    check_attributes,
    check_layout,
)
from gensample.data.store import Store, StoreWriter
from gensample.errors import DataError

C = 3
OF_REPLICAS = ("displacements", "inherent_displacements", "inherent_energies")
DRAWN = {
    "source_configuration": np.arange(C),
    "log_density": np.zeros(C),
    "log_density_variance": np.zeros(C),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A dataset with every member but those of shear."""
    path = tmp_path_factory.mktemp("whole") / "whole.h5"
    averages = np.full((C, 2, PARTICLES), 0.1)
    write_lattices(
        path, count=C, cage=True, propensity=averages, bond_breaking=averages, predictions={"m": averages}
    )
    with StoreWriter.resume(path) as writer:
        writer.write_inherent(np.asarray(writer.file["positions"]), {"minimiser": "m", "energy": np.ones(C)})
        spread = np.full((C, PARTICLES), 0.1)
        attrs = dict(writer.file["cage"].attrs)
        writer.write_cage(np.asarray(writer.file["cage"]), attrs, spread)
        length = np.full((C, PARTICLES, 2, 1), 0.5)
        probe = {"length": length, "log_length": np.log(length) - 0.1, "mean_displacement": length / 2}
        writer.write_probe(probe, [0.5, 0.6], [1.0], {"replicas": 2})
        writer.reserve_inherent_displacements({"minimiser": "m", "tolerance": 1e-4})
        for c, r in np.argwhere(writer.done):
            writer.write_inherent_displacements(c, r, np.zeros((2, PARTICLES, 2)), np.array([-3.0, -3.1]))
        for name, array in (DRAWN | {"equilibration/energy": np.zeros(4)}).items():
            writer.write_array(name, array)
    return path


@pytest.fixture(scope="module")
def sheared(tmp_path_factory):
    return write_shear(tmp_path_factory.mktemp("sheared") / "sheared.h5")


def members(path):
    with h5py.File(path) as file:
        found = []
        file.visititems(lambda name, node: found.append(name) if isinstance(node, h5py.Dataset) else None)
    return found


def edited(source, change):
    path = source.with_name("edited.h5")
    shutil.copy(source, path)
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def refused(path):
    """The one line with which a file is refused."""
    with pytest.raises(DataError) as error:
        Store.open(path)
    assert str(path) in str(error.value)
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


# What may stand in the place of an array, by its shape.
def _external(file, name, shape):
    secret = os.path.join(os.path.dirname(file.filename), "secret.txt")
    with open(secret, "w") as text:
        text.write("a line that nobody should see\n" * 10_000)
    kind = ARRAYS[name].type if name in ARRAYS else "f8"
    file.create_dataset(
        name, shape, "S6" if kind == "S" else kind, external=[(secret, 0, h5py.h5f.UNLIMITED)]
    )


def _virtual(file, name, shape):
    layout = h5py.VirtualLayout(shape, "f8")
    layout[...] = h5py.VirtualSource("other.h5", "x", shape)
    file.create_virtual_dataset(name, layout)


def _loop(file, name, shape):
    file.create_group(name)[name.split("/")[-1]] = file["/"]


def _set(make):
    return lambda file, name, shape: file.__setitem__(name, make(file, shape))


WRONG = {
    "text": _set(lambda file, shape: np.full(shape, b"word")),
    "variable text": lambda file, name, shape: file.create_dataset(name, shape, h5py.string_dtype()),
    "compound": _set(lambda file, shape: np.zeros(shape, [("a", "f8"), ("b", "i4")])),
    "reference": _set(lambda file, shape: np.full(shape, file.ref, h5py.ref_dtype)),
    "lists": lambda file, name, shape: file.create_dataset(name, shape, h5py.vlen_dtype("f8")),
    "opaque": _set(lambda file, shape: np.zeros(shape, "V8")),
    "complex": _set(lambda file, shape: np.zeros(shape, complex)),
    "type": _set(lambda file, shape: np.dtype("f8")),
    "nothing": _set(lambda file, shape: h5py.Empty("f8")),
    "number": _set(lambda file, shape: 1.0),
    "group": lambda file, name, shape: file.create_group(name),
    "loop of groups": _loop,
    "loop of links": _set(lambda file, shape: h5py.SoftLink("/loop")),
    "soft link": _set(lambda file, shape: h5py.SoftLink("/positions")),
    "link to a file": _set(lambda file, shape: h5py.ExternalLink("/dev/stdin", "/x")),
    "data of another file": _external,
    "virtual": _virtual,
}


# What is text, or free in its shape.
FITTING_FORMS = {
    "split": {"text", "variable text"},
    "shear/direction": {"text", "variable text"},
    "equilibration/energy": {"number"},
}


@pytest.mark.parametrize("base", ["whole", "sheared"])
def test_every_array_in_every_wrong_form_is_refused(base, request):
    source = request.getfixturevalue(base)
    known = ARRAYS | {f"{group}/{name}": array for group in GROUPS for name, array in GROUPS[group].items()}
    known["predictions/m"] = PREDICTION
    names = [name for name in members(source) if base == "whole" or name.startswith("shear/")]
    assert base == "sheared" or set(ARRAYS) <= set(names)
    path = edited(source, lambda file: file.__setitem__("loop", h5py.SoftLink("/loop")))
    with h5py.File(path, "r+") as file:
        for name in names:
            file.move(name, "aside")
            for what in WRONG.keys() - FITTING_FORMS.get(name, set()):
                WRONG[what](file, name, file["aside"].shape)
                with pytest.raises(DataError) as error:
                    check_array(Members(file, path), name, known.get(name), {})
                assert name in str(error.value), (name, what)
                assert "nobody" not in str(error.value)
                assert len(str(error.value).splitlines()) == 1
                del file[name]
            file.move("aside", name)
        check_layout(Members(file, path))


@pytest.mark.parametrize("what", WRONG)
def test_wrong_forms_are_met_at_the_door(whole, what):
    def change(file):
        shape = file["inherent"].shape
        del file["inherent"]
        file["loop"] = h5py.SoftLink("/loop")
        WRONG[what](file, "inherent", shape)

    assert "inherent" in refused(edited(whole, change))


@pytest.mark.parametrize("name", GROUPS)
def test_a_group_in_every_wrong_form_is_refused(whole, sheared, name):
    for what in ("nothing", "number", "soft link", "link to a file", "loop of groups", "text", "virtual"):

        def change(file, what=what):
            del file[name]
            WRONG[what](file, name, (3,))

        assert name in refused(edited(sheared if name == "shear" else whole, change)), what


ATTRIBUTE_FORMS = {
    "text": "not what is wanted",
    "bytes that are no text": np.bytes_(b"\xff\xfe"),
    "number": 0.5,
    "truth": True,
    "complex": 1j,
    "nothing": h5py.Empty("f8"),
    "list": np.zeros(7),
    "texts": np.array(["a", "b"], dtype=object),
    "compound": np.zeros((), [("a", "f8")]),
    "table": np.zeros((2, 2)),
}
FITTING = {
    "text": {"text"},
    "number": {"number"},
    "whole": set(),
    "json": set(),
}


def test_every_attribute_of_every_wrong_type_is_refused(whole):
    wanted = [(owner, name, kind) for owner in ATTRIBUTES for name, (kind, _) in ATTRIBUTES[owner].items()]
    path, sizes = edited(whole, lambda file: None), {"C": C, "Q": 2}
    with h5py.File(path, "r+") as file:
        for owner, name, kind in wanted:
            attrs = file[owner].attrs
            before = attrs.get(name)
            for what in ATTRIBUTE_FORMS.keys() - FITTING[kind]:
                attrs[name] = ATTRIBUTE_FORMS[what]
                with pytest.raises(DataError, match=name):
                    check_attributes(Members(file, path), owner, {name: ATTRIBUTES[owner][name]}, sizes)
            attrs.__delitem__(name) if before is None else attrs.__setitem__(name, before)
        check_layout(Members(file, path))


@pytest.mark.parametrize("what", sorted(ATTRIBUTE_FORMS.keys() - {"text"}))
def test_wrong_attributes_are_met_at_the_door(whole, what):
    expected = {"format": "not a gensample dataset", "kind": "kind", "version": "version", "seed": "seed"}
    for name in expected.keys() - ({"seed", "version"} if what == "truth" else set()):
        message = refused(
            edited(whole, lambda file, name=name: file.attrs.create(name, ATTRIBUTE_FORMS[what]))
        )
        assert expected[name] in message


@pytest.mark.parametrize("name", REQUIRED_ATTRIBUTES)
def test_required_attributes(whole, name):
    assert name in refused(edited(whole, lambda file: file.attrs.__delitem__(name)))


def test_what_is_unknown_is_neither_followed_nor_read(whole):
    def change(file):
        file["further"] = h5py.ExternalLink("/dev/stdin", "/x")
        file["loop"] = h5py.SoftLink("/loop")
        file["strange"] = np.zeros(3, [("a", "f8")])
        file.attrs["strange"] = np.zeros(3, [("a", "f8")])

    with Store.open(edited(whole, change)) as store:
        assert "strange" not in store.attrs


def test_an_absent_attribute_is_an_error_of_the_file(whole):
    with Store.open(whole) as store, pytest.raises(DataError, match="lacks the attribute nfe"):
        store.attrs["nfe"]


# Sizes


def _huge(name, shape):
    def change(file):
        kind = file[name].dtype
        del file[name]
        file.create_dataset(name, shape, kind, chunks=(1,) * (len(shape) - 2) + (1000, 2), compression="gzip")

    return change


def _bomb(file):
    """A file of a few kB that claims 10^12 particles."""
    many = 10**12
    for name in ("positions", "inherent", "cage"):
        _huge(name, (C, many, 2))(file)
    _huge("displacements", (C, 2, 2, many, 2))(file)
    del file["species"]
    file.create_dataset("species", (many,), "i1", chunks=(1000,), compression="gzip")


def _wide_chunk(file):
    """One chunk that is far larger than what is to be read."""
    del file["times"]
    file.create_dataset("times", (2,), "f8", chunks=(10**8,), maxshape=(None,), compression="gzip")
    file["times"].id.write_direct_chunk((0,), b"\0" * 10)


def _twice_compressed(file):
    del file["positions"]
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((1, PARTICLES, 2))
    properties.set_deflate(9)
    properties.set_filter(h5py.h5z.FILTER_DEFLATE, 0, (9,))
    space = h5py.h5s.create_simple((C, PARTICLES, 2))
    h5py.h5d.create(file.id, b"positions", h5py.h5t.NATIVE_DOUBLE, space, properties)


def _unknown_filter(file):
    data = np.asarray(file["positions"])
    del file["positions"]
    file.create_dataset("positions", data=data, chunks=data.shape, scaleoffset=3)


def _unwritten_replicas(file):
    """Marked complete, never written: more than what is stored would be read."""
    for name in (*OF_REPLICAS, "done", "replicas"):
        del file[name]
    file["replicas"] = np.full(C, 100_000, np.int32)
    file["done"] = np.ones((C, 100_000), bool)
    shape = (C, 100_000, 2, PARTICLES, 2)
    file.create_dataset("displacements", shape, "f4", chunks=(1, 1, *shape[2:]), compression="gzip")


def _zeros(file):
    """150 MB of zeros in 150 kB, all of them stored."""
    count = 150_000_000 // (4 * C * PARTICLES)
    for name in (*OF_REPLICAS, "times", "propensity", "bond_breaking", "predictions"):
        file.pop(name, None)
    file["times"] = np.arange(1.0, count + 1)
    file["done"][:] = False
    chunk, shape = (1, count // 4, PARTICLES), (C, count, PARTICLES)
    file.create_dataset("propensity", shape, "f4", chunks=chunk, compression="gzip")
    packed = zlib.compress(bytes(4 * chunk[1] * PARTICLES), 9)
    for where in np.ndindex(C, -(-count // chunk[1])):
        file["propensity"].id.write_direct_chunk((where[0], where[1] * chunk[1], 0), packed)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_bomb, "claims"),
        (_zeros, "propensity claims"),
        (_wide_chunk, "times claims"),
        (_twice_compressed, "positions is compressed in an unknown way"),
        (_unknown_filter, "positions is compressed in an unknown way"),
        (_unwritten_replicas, "displacements claims"),
    ],
)
def test_bombs_are_refused_without_memory(whole, change, named):
    path = edited(whole, change)
    tracemalloc.start()
    message = refused(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert named in message
    assert peak < 4e6


def test_many_words_may_be_one_long_one(tmp_path):
    """1 MB that is one word of as much, 5,000 times over: 5 GB in memory if read at once."""
    path, count, word = tmp_path / "words.h5", 5_000, "x" * 2**20
    write_lattices(path, count=1)
    with h5py.File(path, "r+") as file:
        for name in ("positions", "box", "done", "replicas", "displacements"):
            values = np.repeat(np.asarray(file[name]), count, axis=0)
            del file[name]
            file.create_dataset(name, data=values, compression="gzip")
        del file["split"]
        file.create_dataset(
            "split", (1,), h5py.string_dtype(), data=[word], maxshape=(None,), chunks=(count,)
        )
        reference = file["split"].id.read_direct_chunk((0,))[1][:16]
        file["split"].resize((count,))
        file["split"].id.write_direct_chunk((0,), reference * count)
    tracemalloc.start()
    assert "split holds a word" in refused(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2e8


def test_replicas_that_are_not_complete_need_not_be_there(tmp_path):
    path = write_lattices(tmp_path / "a.h5", count=2)
    with h5py.File(path, "r+") as file:
        file["done"][1, 0] = False
        stored = np.asarray(file["displacements"][1, 1])
    with Store.open(path) as store:
        assert (store.displacements(1) == stored[None]).all()


def test_arrays_are_read_in_the_type_that_is_documented(whole):
    def change(file):
        for name, kind in (("positions", ">f8"), ("species", ">i8"), ("times", "f4"), ("propensity", "f8")):
            values = np.asarray(file[name]).astype(kind)
            del file[name]
            file[name] = values

    with Store.open(edited(whole, change)) as store, Store.open(whole) as expected:
        for name in ("positions", "species", "times", "propensity"):
            found, wanted = getattr(store, name), getattr(expected, name)
            assert found.dtype == wanted.dtype
            assert found.dtype.isnative
            np.testing.assert_allclose(found, wanted)


# Values


def _put(name, index, value):
    def change(file):
        values = np.asarray(file[name])
        values[index] = value
        file[name][...] = values

    return change


def _swap(name):
    return lambda file: file[name].write_direct(np.asarray(file[name])[::-1].copy())


def _to_other_box(file):
    file["inherent"][0] = np.asarray(file["positions"])[0][::-1]


ATTRS = {"truncation": "soft", "units": "real", "mixture": "water", "density": 0.9, "temperature": -1.0}
VALUES = [
    (_put("split", 0, b"training"), "split names training"),
    (_put("species", slice(None), 0), "composition of ka2d"),
    (lambda file: file["species"].write_direct(1 - np.asarray(file["species"])), "composition of ka2d"),
    (_put("species", 0, 127), "species"),
    (lambda file: _put("positions", (0, 1), file["positions"][0, 0] + 1e-9)(file), "in one place"),
    (_to_other_box, "another configuration"),
    (_put("positions", (0, 0, 0), np.nan), "positions hold values that are not finite"),
    (_put("positions", (0, 3, 1), -0.2), "positions of configuration 0 are not wrapped"),
    (_put("positions", (2, 3, 1), 50), "positions of configuration 2 are not wrapped"),
    (_put("times", ..., 0), "lag times must be positive and increase"),
    (_put("box", ..., -1), "box holds values that are not positive"),
    (_put("replicas", ..., 9), "replicas exceed done flags"),
    (lambda file: file.__delitem__("displacements"), "none is stored"),
    (_put("cage", (0, 0, 0), np.inf), "cage hold values"),
    (_put("cage", (0, 0, 0), -1), "not wrapped"),
    (_put("cage_spread", (0, 0), -1), "cage_spread"),
    (_put("cage_spread", (0, 0), np.nan), "cage_spread"),
    (_put("inherent_energies", (0, 1, 0), np.nan), "inherent_energies of complete replicas"),
    (lambda file: file.__delitem__("inherent_energies"), "both inherent_displacements and inherent_energies"),
    (lambda file: file.__delitem__("inherent_displacements"), "gensample quench --futures --again"),
    (_put("probe/length", (0, 0, 0, 0), np.nan), "probe/length"),
    (_put("probe/log_length", (0, 0, 0, 0), 3), "probe/log_length"),
    (_put("probe/mean_displacement", (0, 0, 0, 0), 2), "probe/mean_displacement"),
    (_put("probe/temperature", 0, 0.6), "probe/temperature must be distinct"),
    (_put("probe/time", 0, -1), "probe/time"),
    (_swap("times"), "lag times must be positive and increase"),
    (_put("propensity", (0, 0, 0), -1), "propensity holds negative"),
    (_put("bond_breaking", (0, 0, 0), np.nan), "bond_breaking holds values"),
    (_put("bond_breaking", (0, 0, 0), 1.5), "bond_breaking holds values above 1"),
    (_put("predictions/m", (0, 0, 0), np.inf), "predictions/m holds infinite"),
    (_put("source_configuration", 0, -1), "source_configuration"),
    (_put("log_density", 0, np.nan), "log_density"),
    (_put("log_density_variance", 0, -1), "log_density_variance"),
    (_put("replicas", 0, 1), "beyond the planned number"),
    (_put("box", (0, 0), 3.0), "density"),
    (lambda file: file.attrs.__setitem__("kind", "shear"), "kind"),
    *((lambda file, n=n, v=v: file.attrs.__setitem__(n, v), n) for n, v in ATTRS.items()),
]


@pytest.mark.parametrize(("change", "named"), VALUES)
def test_values_that_cannot_be_right_are_refused(whole, change, named):
    path = edited(whole, change)
    assert named in refused(path)
    with pytest.raises(DataError):
        StoreWriter.resume(path)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_put("shear/direction", 0, b"xz+"), "directions must be known"),
        (_put("shear/direction", 0, b"xy-"), "directions must be known and distinct"),
        (_put("shear/strain", 3, 0.0), "strains must rise"),
        (_put("shear/stress", (0, 0, 0), np.nan), "shear/stress holds"),
        (_put("shear/event_center", 0, 1000), "events name what is not there"),
        (_put("times", 0, 0.011), "stored strains are none of the steps"),
        (_put("shear/first_event", (1, -1), 1.0), "first_event"),
        (_put("shear/first_event", (0, 0), -1.0), "before the shear"),
        (lambda file: file.__delitem__("inherent"), "minima"),
        (lambda file: file.__delitem__("shear/stress"), "lacks shear/stress"),
        (lambda file: file.attrs.__delitem__("kind"), "kind"),
    ],
)
def test_shear_that_cannot_be_right_is_refused(sheared, change, named):
    assert named in refused(edited(sheared, change))


FIELDS = [
    (_put("displacements", (0, 1, 0, 5, 0), np.nan), "not finite"),
    (_put("displacements", (0, 1), 0), "only zeros"),
    (_put("displacements", (0, 1, 0, 5, 0), 50), "drifts"),
]


@pytest.mark.parametrize("base", ["whole", "sheared"])
@pytest.mark.parametrize(("change", "named"), FIELDS)
def test_displacements_are_checked_when_they_are_read(base, request, change, named):
    from gensample.data.views import open_view

    path = edited(request.getfixturevalue(base), change)
    with open_view(path) as store, pytest.raises(DataError, match=named):
        store.displacements(0 if base == "whole" else 1)


@pytest.mark.parametrize(("value", "named"), [(np.nan, "not finite"), (50, "drifts")])
def test_inherent_displacements_are_checked_when_they_are_read(whole, value, named):
    """All zeros are good ones: nothing hopped."""
    path = edited(whole, _put("inherent_displacements", (0, 1, 0, 5, 0), value))
    with Store.open(path) as store:
        assert not store.inherent_displacements(1).any()
        assert store.inherent_energies(0).shape == (2, 2)
        with pytest.raises(DataError, match=named):
            store.inherent_displacements(0)


def test_writers_are_checked_before_they_publish(tmp_path):
    with pytest.raises(DataError, match="another configuration"):
        write_lattices(
            tmp_path / "a.h5", inherent=np.full((4, PARTICLES, 2), 0.5) + np.arange(PARTICLES)[:, None] / 1e3
        )
    with (
        pytest.raises(DataError, match="drifts"),
        StoreWriter.resume(write_lattices(tmp_path / "b.h5")) as writer,
    ):
        writer.write_replica(0, 0, np.ones((2, PARTICLES, 2)))


def test_values_are_looked_at_once_for_each_content(whole, monkeypatch):
    path = edited(whole, lambda file: None)
    os.utime(path, (1, 1))
    looked = []
    monkeypatch.setattr(door, "check_values", lambda members: looked.append(members.path))
    for _ in range(3):
        Store.open(path).close()
    assert looked == [path]
    os.utime(path, (2, 2))
    Store.open(path).close()
    assert len(looked) == 2


# Files


def test_a_file_that_another_process_writes_says_so(whole):
    path = edited(whole, lambda file: None)
    code = f"import h5py, time; f = h5py.File({str(path)!r}, 'r+'); print('open', flush=True); time.sleep(60)"
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        other.stdout.readline()
        assert "another process has" in refused(path)
    finally:
        other.kill()
        other.wait()


def test_what_is_no_file_of_data(tmp_path, capsys):
    (tmp_path / "empty.h5").touch()
    os.mkfifo(tmp_path / "fifo.h5")
    for name in ("", "empty.h5", "fifo.h5"):
        assert main(["info", str(tmp_path / name)]) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_commands_refuse_what_info_refuses(whole, tmp_path, capsys):
    path = edited(whole, _put("species", 0, 127))
    for words in (["info"], ["export", "--format", "extxyz", "--out", str(tmp_path / "a.xyz")]):
        assert main([words[0], str(path), *words[1:]]) == 2
        assert "species (0, 127)" in capsys.readouterr().err
    assert not (tmp_path / "a.xyz").exists()


def test_software_is_json(whole):
    with h5py.File(whole) as file:
        assert isinstance(json.loads(file.attrs["software"]), dict)
    assert "software" in refused(edited(whole, lambda file: file.attrs.__setitem__("software", "not json")))
