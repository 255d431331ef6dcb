"""What can be wrong with a dataset: one damage at random."""

import os
from pathlib import Path

import h5py
import numpy as np
from damaged_files import ESCAPES, TRICKS
from damaged_members import OF_ARRAYS, OF_GROUPS, known
from damaged_values import VALUES

REQUIRED_ATTRIBUTES = ("format", "version", "mixture", "temperature", "density", "truncation", "source")

Damage = tuple[str, str, str]  # its name, what must come of it, the array that it hides in until that is read
HIDING = ("displacements", "inherent_displacements")


def apply(path: str, rng: np.random.Generator) -> Damage:
    """Damage a file at random."""
    how = [_member, _attribute, _value, _bytes, _trick, _place, _nothing]
    return how[rng.choice(len(how), p=[0.3, 0.15, 0.31, 0.11, 0.1, 0.02, 0.01])](path, rng)


def _nothing(path: str, rng: np.random.Generator) -> Damage:
    return "nothing", "accept", ""


def _member(path: str, rng: np.random.Generator) -> Damage:
    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        name = str(rng.choice(names))
        table = OF_GROUPS if isinstance(file[name], h5py.Group) else OF_ARRAYS
        how = str(rng.choice(list(table)))
        expect = table[how](file, name) or "any"
    return f"{name} {how}", expect if known(name) else "any", ""


def _attribute(path: str, rng: np.random.Generator) -> Damage:
    with h5py.File(path, "r+") as file:
        holders = [file, *(item for item in file.values() if len(item.attrs))]
        holder = holders[0 if rng.random() < 0.7 else rng.integers(len(holders))]
        name, how = str(rng.choice(sorted(holder.attrs))), str(rng.choice(list(OF_ATTRIBUTES)))
        OF_ATTRIBUTES[how](holder.attrs, name)
        where = "" if holder.name == "/" else holder.name
    return f"attribute {where}@{name} {how}", "any" if where else _due(name, how), ""


def _due(name: str, how: str) -> str:
    """What must come of a root attribute of the wrong type."""
    if name not in REQUIRED_ATTRIBUTES:
        return "any"
    if how in ("deleted", "renamed", "null", "compound", "a reference", "complex", "of lists"):
        return "refuse"
    wrong = {
        "a number": name in ("format", "mixture", "truncation"),
        "nan": name != "source",
        "vast": name not in ("source", "temperature"),
        "an array": True,
        "empty": name != "source",
    }
    text = how in ("text", "not utf-8", "escapes", "long")
    return "refuse" if wrong.get(how) or (text and name != "source") else "any"


def _set(value):
    def change(attrs: h5py.AttributeManager, name: str) -> None:
        attrs[name] = value

    return change


def _renamed_attribute(attrs: h5py.AttributeManager, name: str) -> None:
    attrs[f"{name}_"] = attrs[name]
    del attrs[name]


def _lists(attrs: h5py.AttributeManager, name: str) -> None:
    lists = np.empty(1, object)
    lists[0] = np.arange(3.0)
    attrs.create(name, lists, dtype=h5py.vlen_dtype(np.float64))


OF_ATTRIBUTES = {
    "deleted": lambda attrs, name: attrs.__delitem__(name),
    "renamed": _renamed_attribute,
    "null": _set(h5py.Empty("f8")),
    "text": _set("seven"),
    "a number": _set(7),
    "nan": _set(np.nan),
    "vast": _set(2**63 - 1),
    "an array": _set(np.arange(7.0)),
    "empty": _set(""),
    "not utf-8": _set(np.bytes_(b"\xff\xfe not utf-8")),
    "escapes": _set(ESCAPES),
    "long": _set("x" * 8_000_000),
    "compound": _set(np.zeros(1, [("x", "f8")])),
    "complex": _set(1 + 1j),
    "boolean": _set(True),
    "a reference": lambda attrs, name: attrs.create(name, h5py.Reference(), dtype=h5py.ref_dtype),
    "of lists": _lists,
    "dates": lambda attrs, name: attrs.create(name, b"12345678", dtype="V8"),
}


def _value(path: str, rng: np.random.Generator) -> Damage:
    with h5py.File(path, "r+") as file:
        names = [
            name for name, (member, _) in VALUES.items() if member in file and file[member].shape != (0,)
        ]
        name = str(rng.choice(names))
        member, change = VALUES[name]
        change(file, rng)
    return name, "refuse", member if member in HIDING else ""


def _bytes(path: str, rng: np.random.Generator) -> Damage:
    data, file = bytearray(Path(path).read_bytes()), Path(path)
    how = str(
        rng.choice(
            ["flipped", "flipped", "flipped in the head", "zeros", "cut", "longer", "empty", "swapped"]
        )
    )
    place = int(rng.integers(len(data)))
    if how.startswith("flipped"):
        for k in rng.integers(4096 if "head" in how else len(data), size=rng.integers(1, 20)):
            data[k] ^= 1 << int(rng.integers(8))
    elif how == "zeros":
        data[place : place + 512] = bytes(len(data[place : place + 512]))
    elif how == "swapped":
        data = data[place:] + data[:place]
    file.write_bytes({"cut": data[:place], "longer": data + rng.bytes(999), "empty": b""}.get(how, data))
    return f"bytes {how}", "refuse" if how in ("cut", "empty") else "any", ""


def _trick(path: str, rng: np.random.Generator) -> Damage:
    name = str(rng.choice(list(TRICKS)))
    with h5py.File(path, "r+") as file:
        expect = TRICKS[name](file)
    return name, expect, ""


def _place(path: str, rng: np.random.Generator) -> Damage:
    file, how = (
        Path(path),
        str(rng.choice(["a folder", "a pipe", "a link to itself", "a link to nowhere", "/dev/zero"])),
    )
    file.unlink()
    {
        "a folder": file.mkdir,
        "a pipe": lambda: os.mkfifo(file),
        "a link to itself": lambda: file.symlink_to(file.name),
        "a link to nowhere": lambda: file.symlink_to("nowhere"),
        "/dev/zero": lambda: file.symlink_to("/dev/zero"),
    }[how]()
    return f"the file is {how}", "refuse", ""
