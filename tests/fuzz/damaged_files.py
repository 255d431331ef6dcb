"""Tricks of the HDF5 format, with the whole of a file; each returns what must come of it."""

import zlib

import h5py
import numpy as np
from damaged_members import replace
from harness import SECRET

ESCAPES = "\x1b]0;title\x07\x1b[31mRED\x9b\u202e\nvalid"


def _particles_that_nobody_wrote(file: h5py.File) -> str:
    """All arrays agree on 10^9 particles."""
    _resize(file, file["positions"].shape[1], 10**9)
    return "refuse"


def _resize(file: h5py.File, old: int, new: int) -> None:
    names: list[str] = []
    file.visit(names.append)
    for name in names:
        if isinstance(file[name], h5py.Dataset) and old in file[name].shape:
            shape = tuple(new if n == old else n for n in file[name].shape)
            chunks = tuple(min(n, 1000) for n in shape)
            replace(file, name, shape=shape, dtype=file[name].dtype, chunks=chunks, compression="gzip")


def _replicas_that_nobody_wrote(file: h5py.File) -> str:
    shape, many = file["done"].shape, 10**7
    if "displacements" not in file:
        return "any"
    fields = (shape[0], many, *file["displacements"].shape[2:])
    replace(file, "displacements", shape=fields, dtype="f4", chunks=(1, 1, *fields[2:]))
    replace(file, "done", shape=(shape[0], many), dtype="?", chunks=(1, 10**5))
    file["done"][0, many - 1] = True
    file["replicas"][...] = many
    return "refuse"


def _compressible(file: h5py.File) -> str:
    """4 GB of zeros in 4 MB: positions of 10^8 particles in chunks that were packed beforehand."""
    count, size = file["positions"].shape[0], 10**8
    _resize(file, file["positions"].shape[1], size)
    chunk = (1, 10**6, file["positions"].shape[2])
    replace(file, "positions", shape=(count, size, chunk[2]), dtype="f8", chunks=chunk, compression="gzip")
    packed = zlib.compress(bytes(8 * 10**6 * chunk[2]))
    for k in range(0, size, 10**6):
        file["positions"].id.write_direct_chunk((0, k, 0), packed)
    return "refuse"


def _many_attributes(file: h5py.File) -> str:
    for k in range(1000):
        file.attrs[f"a{k}"] = "x" * 1000
    return "any"


def _root_cycle(file: h5py.File) -> str:
    file["again"] = file["/"]
    file.create_group("a")["b"] = file["/"]
    return "any"


def _deep(file: h5py.File) -> str:
    group = file
    for _ in range(2000):
        group = group.create_group("g")
    return "any"


def _odd_names(file: h5py.File) -> str:
    file[f"predictions/{ESCAPES}"] = np.ones(
        (file["positions"].shape[0], len(file["times"]), file["species"].size)
    )
    return "any"


def _linked_group(file: h5py.File) -> str:
    """A whole group of another file."""
    with h5py.File("other.h5", "w") as other:
        other["botan"] = np.array([SECRET.encode()] * 4)
    if "predictions" in file:
        del file["predictions"]
    file["predictions"] = h5py.ExternalLink("other.h5", "/")
    return "refuse"


def _scaled(file: h5py.File) -> str:
    """Filters that do not give back what was written."""
    data = file["positions"][...]
    return replace(file, "positions", data=data, scaleoffset=1) and "any"


TRICKS = {
    "particles that nobody wrote": _particles_that_nobody_wrote,
    "replicas that nobody wrote": _replicas_that_nobody_wrote,
    "positions that unpack to gigabytes": _compressible,
    "1,000 attributes": _many_attributes,
    "groups in a circle": _root_cycle,
    "2,000 groups deep": _deep,
    "escapes in a name": _odd_names,
    "a group of another file": _linked_group,
    "a lossy filter": _scaled,
}
