"""What can be wrong with archives, pickles, packed files and GSD files of particles."""

import gzip
import io
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import gsd.hoomd
import numpy as np
from damaged_text import flipped
from harness import MARKER


class Call:
    """Pickles as the call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


ATTACK = Call(os.system, f"touch {MARKER}")


def _bytes(change) -> Callable[[Path, np.random.Generator], None]:
    return lambda path, rng: path.write_bytes(change(path.read_bytes(), rng)) and None


PLAIN = {
    "nothing": ("accept", lambda path, rng: None),
    "cut": ("truth", _bytes(lambda data, rng: data[: int(rng.integers(len(data)))])),
    "longer": ("truth", _bytes(lambda data, rng: data + rng.bytes(50))),
    "empty": ("refuse", _bytes(lambda data, rng: b"")),
}

# npz


def _npz(change) -> Callable[[Path, np.random.Generator], None]:
    """Change the arrays of an archive, by name; values may be bytes of a member."""

    def damage(path: Path, rng: np.random.Generator) -> None:
        with np.load(path) as archive:
            arrays = dict(archive)
        change(arrays, rng)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, array in arrays.items():
                archive.writestr(f"{name}.npy", array if isinstance(array, bytes) else member(array))

    return damage


def member(array) -> bytes:
    """An array as a file of numpy."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asanyarray(array), allow_pickle=True)
    return buffer.getvalue()


def header(dtype: str, shape: str, data: bytes = b"") -> bytes:
    """A file of numpy whose header says what is not there."""
    text = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def _each(change):
    """Change one array at random."""

    def damage(arrays: dict, rng: np.random.Generator) -> None:
        name = str(rng.choice(sorted(arrays)))
        arrays[name] = change(arrays[name], rng)

    return _npz(damage)


def _positions(change):
    """Change the positions or averages."""

    def damage(arrays: dict, rng: np.random.Generator) -> None:
        names = [name for name in arrays if name in ("positions", "initial_positions", "md_prop", "bb_prop")]
        name = str(rng.choice(sorted(names)))
        arrays[name] = change(np.array(arrays[name]), rng)

    return _npz(damage)


def _renamed(arrays: dict, rng: np.random.Generator) -> None:
    name = str(rng.choice(["types", "initial_positions"]))
    arrays[f"{name}/x"] = arrays.pop(name)


def _one(value):
    def change(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        array.flat[int(rng.integers(array.size))] = value
        return array

    return change


def _unpacks(path: Path, rng: np.random.Generator) -> None:
    """A member of 1.5 GB in 7 MB; the header agrees."""
    with zipfile.ZipFile(path) as archive:
        old = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in old.items():
            with archive.open(name, "w", force_zip64=True) as file:
                if name.startswith("types"):
                    file.write(header("'|i1'", "(1500000000,)"))
                    for _ in range(15):
                        file.write(bytes(10**8))
                else:
                    file.write(data)


def _types(value):
    return _npz(lambda arrays, rng: arrays.update(types=_one(value)(np.array(arrays["types"]), rng)))


NPZ = {
    **PLAIN,
    "bytes flipped": ("truth", _bytes(flipped)),
    "an array missing": (
        "refuse",
        _npz(lambda arrays, rng: arrays.pop(str(rng.choice(["types", "initial_positions"])))),
    ),
    "a name with a slash": ("refuse", _npz(_renamed)),
    "names with slashes besides": (
        "any",
        _npz(lambda arrays, rng: arrays.update({"../a/b": np.ones((8, 100))})),
    ),
    "objects": ("truth", _each(lambda a, rng: np.array([ATTACK], object))),
    "an object that is a number": ("truth", _each(lambda a, rng: np.array(a.tolist(), object))),
    "complex": ("refuse", _positions(lambda a, rng: a + 1j)),
    "text": ("refuse", _positions(lambda a, rng: a.astype("U9"))),
    "records": ("truth", _each(lambda a, rng: np.zeros(a.shape, [("x", "f8")]))),
    "dates": ("refuse", _positions(lambda a, rng: a.astype("M8[s]"))),
    "boolean": ("refuse", _positions(lambda a, rng: a > 0)),
    "nan": ("refuse", _positions(_one(np.nan))),
    "infinite": ("refuse", _positions(_one(np.inf))),
    "huge": ("refuse", _positions(_one(1e300))),
    "scalar": ("refuse", _positions(lambda a, rng: a.ravel()[0])),
    "transposed": ("refuse", _positions(lambda a, rng: np.ascontiguousarray(a.T))),
    "shorter": ("refuse", _positions(lambda a, rng: a[..., :-1] if a.ndim < 3 else a[:, :-1])),
    "no particle": ("refuse", _positions(lambda a, rng: a[..., :0])),
    "another type": ("refuse", _types(9)),
    "a negative type": ("refuse", _types(-3)),
    "types of fractions": ("refuse", _npz(lambda arrays, rng: arrays.update(types=arrays["types"] + 0.5))),
    "fewer types": ("refuse", _npz(lambda arrays, rng: arrays.update(types=arrays["types"][:-1]))),
    "a vast header": ("truth", _each(lambda a, rng: header("'<f8'", "(1000000, 1000000, 3)"))),
    "a negative header": ("truth", _each(lambda a, rng: header("'<f8'", "(-1, -3)"))),
    "a header that is a program": (
        "truth",
        _each(lambda a, rng: header("'<f8'", "__import__('os').system('touch MARKER')")),
    ),
    "a header without end": ("truth", _each(lambda a, rng: header("'<f8'", "(" * 30000))),
    "gigabytes of zeros": ("refuse", _unpacks),
}
BOXES = {
    f"box {value}": ("refuse", _npz(lambda arrays, rng, value=value: arrays.update(box=np.array(value))))
    for value in (0.0, -5.0, np.nan, np.inf, 1e300, 1j, "5")
}

# Pickles


def _pickled(change) -> Callable[[Path, np.random.Generator], None]:
    def damage(path: Path, rng: np.random.Generator) -> None:
        data = pickle.loads(path.read_bytes())
        change(data, rng)
        path.write_bytes(pickle.dumps(data, protocol=int(rng.choice([2, 3, 4, 5]))))

    return damage


def _stream(data: bytes) -> Callable[[Path, np.random.Generator], None]:
    return lambda path, rng: path.write_bytes(data) and None


def _update(**values) -> Callable[[Path, np.random.Generator], None]:
    return _pickled(lambda data, rng: data.update(values))


def _laughs() -> object:
    found: list = ["lol"]
    for _ in range(15):
        found = [found] * 10
    return found


def _held(key: str, value) -> Callable[[Path, np.random.Generator], None]:
    """One element of an array of the pickle, or of the first of a list of arrays."""

    def change(data: dict, rng: np.random.Generator) -> None:
        array = data[key]
        while isinstance(array, list):
            array = array[0]
        array.flat[int(rng.integers(array.size))] = value

    return _pickled(change)


PICKLE = {
    **PLAIN,
    "bytes flipped": ("any", _bytes(flipped)),
    "a call": ("refuse", _update(metadata=ATTACK)),
    "a call alone": ("refuse", lambda path, rng: path.write_bytes(pickle.dumps(ATTACK)) and None),
    "eval": ("refuse", _update(metadata=Call(eval, "open('MARKER', 'w')"))),
    "a copied module": ("refuse", _stream(b"\x80\x04cnumpy.lib.npyio\nload\n(S'a.npy'\ntR.")),
    "builtins by getattr": ("refuse", _stream(b"\x80\x04c__builtin__\ngetattr\n(cos\nsystem\nS'x'\ntR.")),
    "a persistent id": ("refuse", _stream(b"\x80\x04Pabc\n.")),
    "an extension": ("refuse", _stream(b"\x80\x04\x82\x01.")),
    "deep lists": ("refuse", _stream(b"\x80\x04" + b"](" * 100_000 + b"e" * 100_000 + b".")),
    "lists of lists of lists": ("any", _update(metadata=_laughs())),
    "bytes without end": ("refuse", _stream(b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"abc.")),
    "a number without end": ("refuse", _stream(b"\x80\x04\x8b" + struct.pack("<i", 2**31 - 1) + b"1.")),
    "a vast memo": ("refuse", _stream(b"\x80\x04]r\xff\xff\xff\xff.")),
    "a list": ("refuse", _stream(pickle.dumps([1, 2], protocol=3))),
    "a vast array": ("refuse", _update(positions=np.broadcast_to(np.float32(0), (2, 3)).astype("f4")[:, :0])),
    "objects": ("refuse", _update(positions=np.array([[1, "a", None]] * 125, object))),
    "text": ("refuse", _update(positions=np.full((125, 3), "1.0"))),
    "complex": ("refuse", _update(positions=np.full((125, 3), 1 + 1j))),
    "nan": ("refuse", _held("positions", np.nan)),
    "nan in a replica": ("refuse", _held("trajectory_target_positions", np.nan)),
    "a huge number": ("refuse", _held("positions", 1e300)),
    "a type": ("refuse", _held("types", 9)),
    "types of fractions": ("refuse", _update(types=np.full(125, 0.5))),
    "box zero": ("refuse", _update(box=np.zeros(3))),
    "box negative": ("refuse", _update(box=np.full(3, -5.0))),
    "box nan": ("refuse", _update(box=np.full(3, np.nan))),
    "box of text": ("refuse", _update(box="wide")),
    "time of text": ("refuse", _update(time="long")),
    "time falls": ("refuse", _update(time=[0.0, 4.0, 2.0, 1.0, 0.5])),
    "time nan": ("refuse", _update(time=[0.0, np.nan, 1.0, 2.0, 4.0])),
    "indices of fractions": ("refuse", _update(time_indices=[1.5, 4.5, 2.5])),
    "indices beyond": ("refuse", _update(time_indices=[1, 400, 2])),
    "negative indices": ("refuse", _update(time_indices=[-1, 4, 2])),
    "equal indices": ("refuse", _update(time_indices=[1, 1, 2])),
    "no metadata": ("any", _update(metadata=None)),
    "temperature nan": ("refuse", _update(metadata={"temperature": np.nan})),
    "temperature negative": ("refuse", _update(metadata={"temperature": -0.44})),
    "temperature of text": ("refuse", _update(metadata={"temperature": "\x1b[31mcold"})),
    "no positions": ("refuse", _pickled(lambda data, rng: data.pop("positions"))),
    "keys of bytes": ("any", _pickled(lambda data, rng: data.update({b"positions": data.pop("positions")}))),
    "replicas that differ": (
        "refuse",
        _pickled(lambda data, rng: data["trajectory_target_positions"][0].pop()),
    ),
    "fewer particles": (
        "refuse",
        _pickled(lambda data, rng: data["trajectory_target_positions"][0].__setitem__(0, np.zeros((9, 3)))),
    ),
}

# GSD


def _gsd(change, which: int = -1) -> Callable[[Path, np.random.Generator], None]:
    """Change one of the frames of a file."""

    def damage(path: Path, rng: np.random.Generator) -> None:
        with gsd.hoomd.open(str(path), "r") as trajectory:
            frames = list(trajectory)
        change(frames[which], rng)
        path.unlink()
        with gsd.hoomd.open(str(path), "w") as trajectory:
            trajectory.extend(frames)

    return damage


def _particle(name: str, index, value):
    def change(frame, rng: np.random.Generator) -> None:
        array = np.array(getattr(frame.particles, name))
        array[index] = value
        setattr(frame.particles, name, array)

    return change


def _configuration(name: str, value):
    return lambda frame, rng: setattr(frame.configuration, name, value)


def _fewer(frame, rng: np.random.Generator) -> None:
    p = frame.particles
    p.N -= 1
    p.typeid, p.position, p.image = p.typeid[:-1], p.position[:-1], p.image[:-1]
    p.mass = p.charge = p.diameter = p.body = p.moment_inertia = p.velocity = p.orientation = p.angmom = None


GSD = {
    **PLAIN,
    "longer": ("any", PLAIN["longer"][1]),
    "cut": ("any", PLAIN["cut"][1]),
    "bytes flipped": ("any", _bytes(flipped)),
    "nan": ("refuse", _gsd(_particle("position", (3, 0), np.nan))),
    "infinite": ("refuse", _gsd(_particle("position", (3, 1), np.inf), 0)),
    "a type changes": (
        "refuse",
        _gsd(lambda frame, rng: _particle("typeid", 3, 1 - frame.particles.typeid[3])(frame, rng)),
    ),
    "a type beyond": ("refuse", _gsd(_particle("typeid", 3, 7), 0)),
    "fewer particles": ("refuse", _gsd(_fewer)),
    "steps fall": ("refuse", _gsd(_configuration("step", 100))),
    "steps equal": ("refuse", _gsd(_configuration("step", 200))),
    "an edge of zero": ("refuse", _gsd(_configuration("box", [0, 7, 0, 0, 0, 0]), 0)),
    "a negative edge": ("refuse", _gsd(_configuration("box", [-7, 7, 0, 0, 0, 0]), 0)),
    "an edge nan": ("refuse", _gsd(_configuration("box", [np.nan, 7, 0, 0, 0, 0]), 0)),
    "an edge changes": ("refuse", _gsd(_configuration("box", [9, 9, 0, 0, 0, 0]))),
    "a tilt": ("refuse", _gsd(_configuration("box", [7.302967, 7.302967, 0, 0.5, 0, 0]), 0)),
    "images beyond": ("refuse", _gsd(_particle("image", (3, 0), 2**30))),
    "names with escapes": (
        "any",
        _gsd(lambda frame, rng: setattr(frame.particles, "types", ["\x1b[31mA", "B"]), 0),
    ),
}

# Packed text


def _repacked(change) -> Callable[[Path, np.random.Generator], None]:
    return lambda path, rng: (
        path.write_bytes(gzip.compress(change(gzip.decompress(path.read_bytes()), rng))) and None
    )


def _bomb(path: Path, rng: np.random.Generator) -> None:
    """20 GB of blank lines in 20 MB."""
    text = gzip.decompress(path.read_bytes())
    packed = gzip.compress(b"\n" * 10**8)
    path.write_bytes(gzip.compress(text) + packed * 200)


PACKED = {
    **PLAIN,
    "bytes flipped": ("truth", _bytes(flipped)),
    "packed twice": ("truth", _bytes(lambda data, rng: gzip.compress(data))),
    "not packed": ("truth", _bytes(lambda data, rng: gzip.decompress(data))),
    "gigabytes of blank lines": ("refuse", _bomb),
    "an archive": ("refuse", _bytes(lambda data, rng: b"PK\x03\x04" + data)),
    "in two parts": (
        "truth",
        _bytes(
            lambda data, rng: (
                gzip.compress(gzip.decompress(data)[:999]) + gzip.compress(gzip.decompress(data)[999:])
            )
        ),
    ),
}
OF_FORMAT = {
    "botan": NPZ,
    "glassbench": NPZ | BOXES,
    "averages": NPZ,
    "deepmind": PICKLE,
    "gsd": GSD,
    "dump.gz": PACKED,
}
