"""Damaged files of other programs, given to `gensample import`."""

import gzip
import os
from pathlib import Path

import bases
import damaged_binary
import damaged_text
import h5py
import numpy as np
from harness import Case
from soundness import wrong_with
from source_bases import WORDS

OUT = "out.h5"


def make(number: int) -> Case:
    """Case ``number``: one file of a source is damaged."""
    rng = np.random.default_rng([2, number])
    base = str(rng.choice(list(WORDS)))
    bases.copy(f"sources/{base}")
    files = sorted(path for path in Path(f"sources/{base}").rglob("*") if path.is_file())
    path = files[int(rng.integers(len(files)))]
    name, due = _place(path, rng) if rng.random() < 0.01 else _damage(base, path, rng)
    expect = due if due in ("refuse", "accept") else "any"
    words = ["import", f"sources/{base}", *WORDS[base], "--out", OUT]
    return Case(f"{base}: {name}", words, expect, OUT, lambda: _wrong(base, due))


def _damage(base: str, path: Path, rng: np.random.Generator) -> tuple[str, str]:
    text = damaged_text.OF_FORMAT.get(base)
    binary = damaged_binary.OF_FORMAT.get(base)
    if binary is not None and (text is None or rng.random() < 0.6):
        name = str(rng.choice(list(binary)))
        due, change = binary[name]
        change(path, rng)
        return name, due
    table = text if rng.random() < 0.6 else damaged_text.ANYWHERE
    name = str(rng.choice(list(table)))
    due, change = table[name]
    data = path.read_bytes()
    new = change((gzip.decompress(data) if base.endswith(".gz") else data).decode(), rng)
    new = new.encode() if isinstance(new, str) else new
    path.write_bytes(gzip.compress(new) if base.endswith(".gz") else new)
    return name, due


def _place(path: Path, rng: np.random.Generator) -> tuple[str, str]:
    """Something else than a file."""
    how = str(rng.choice(["a pipe", "a link to itself", "/dev/zero", "a folder"]))
    path.unlink()
    {
        "a pipe": lambda: os.mkfifo(path),
        "a link to itself": lambda: path.symlink_to(path.name),
        "/dev/zero": lambda: path.symlink_to("/dev/zero"),
        "a folder": path.mkdir,
    }[how]()
    return f"a file is {how}", "part"


def _wrong(base: str, due: str) -> str | None:
    """What is wrong with the dataset: not valid, or other data than the undamaged source has."""
    found = wrong_with(OUT, fields=True)
    if found or due in ("any", "refuse"):
        return found
    with h5py.File(OUT) as got, h5py.File(bases.FOLDER / f"sources/{base}.h5") as true:
        return _differs(got, true, part=due == "part")


def _differs(got: h5py.File, true: h5py.File, part: bool) -> str | None:
    """The first array that differs; ``part`` allows fewer configurations, replicas and lag times."""
    arrays = (
        "species",
        "box",
        "times",
        "positions",
        "inherent",
        "displacements",
        "propensity",
        "bond_breaking",
    )
    for name in arrays:
        if name not in true or (part and name not in got):
            continue
        if name not in got:
            return f"lost {name}"
        a, b = got[name][...], true[name][...]
        if part and name == "displacements":
            if not all(any(np.allclose(u, v[: len(u)]) for v in b[0]) for u in a[0]):
                return "other displacements"
            continue
        b = b[: len(a)] if part else b
        if a.shape != b.shape or not np.allclose(a, b, rtol=1e-6, atol=1e-6):
            return f"other {name}"
    return None
