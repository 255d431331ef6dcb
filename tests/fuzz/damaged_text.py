"""What can be wrong with a text file of particles: dumps, data files, extxyz.

A damage takes the text and a generator and returns the text as bytes. "truth": rc 0 only with the data of
the undamaged file; "refuse": the text says what cannot be, and rc is 2; "any": rc 0 with a valid dataset.
"""

import re
from collections.abc import Callable

import numpy as np

Damage = tuple[str, Callable[[str, np.random.Generator], str | bytes]]
BAD_NUMBERS = ("nan", "inf", "-inf", "1e400", "0x10", "1,5", "--1", "1.0.0", "e", "*", "1_000", "\u0661")


def _lines(change) -> Callable[[str, np.random.Generator], str]:
    def damage(text: str, rng: np.random.Generator) -> str:
        lines = text.splitlines(keepends=True)
        change(lines, int(rng.integers(len(lines))), rng)
        return "".join(lines)

    return damage


def _swap(lines: list[str], k: int, rng: np.random.Generator) -> None:
    other = min(k + 1, len(lines) - 1)
    lines[k], lines[other] = lines[other], lines[k]


def _spaced(text: str, rng: np.random.Generator) -> str:
    return text.replace(" ", "  ").replace("\n", " \n")


ANYWHERE: dict[str, Damage] = {
    "nothing": ("accept", lambda text, rng: text),
    "a line dropped": ("truth", _lines(lambda lines, k, rng: lines.pop(k))),
    "a line twice": ("truth", _lines(lambda lines, k, rng: lines.insert(k, lines[k]))),
    "a blank line": ("truth", _lines(lambda lines, k, rng: lines.insert(k, "\n"))),
    "a line of rubbish": ("truth", _lines(lambda lines, k, rng: lines.insert(k, "\x1b[31m rubbish\n"))),
    "a line that is not utf-8": (
        "truth",
        lambda text, rng: text[:200].encode() + b"\xff\n" + text[200:].encode(),
    ),
    "blank lines at the end": ("truth", lambda text, rng: text + "\n\n\n"),
    "other line ends": ("truth", lambda text, rng: text.replace("\n", "\r\n")),
    "a byte order mark": ("truth", lambda text, rng: "\ufeff" + text),
    "utf-16": ("truth", lambda text, rng: text.encode("utf-16")),
    "wide spaces": ("truth", _spaced),
    "a zero byte": ("truth", lambda text, rng: text[: len(text) // 2] + "\0" + text[len(text) // 2 :]),
    "cut": ("part", lambda text, rng: text[: int(rng.integers(len(text)))]),
    "empty": ("refuse", lambda text, rng: ""),
    "bytes flipped": ("any", lambda text, rng: flipped(text.encode(), rng)),
    "two files in one": ("any", lambda text, rng: text + text),
}


def flipped(data: bytes, rng: np.random.Generator) -> bytes:
    """A few bits turned."""
    changed = bytearray(data)
    for k in rng.integers(len(data), size=rng.integers(1, 8)):
        changed[k] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _after(pattern: str, new: str, which: int = 0):
    """Replace the group of a pattern; ``which`` of its matches, -1 for the last."""

    def damage(text: str, rng: np.random.Generator) -> str:
        match = list(re.finditer(pattern, text, re.MULTILINE))[which]
        return text[: match.start(1)] + new + text[match.end(1) :]

    return damage


def _word(row: str, column: int, choose):
    """Replace a column of a random row that matches."""

    def damage(text: str, rng: np.random.Generator) -> str:
        lines = text.splitlines()
        rows = [k for k, line in enumerate(lines) if re.fullmatch(row, line)]
        k = int(rng.choice(rows))
        words = lines[k].split(" ")
        words[column] = choose(rng) if callable(choose) else choose
        lines[k] = " ".join(words)
        return "\n".join(lines) + "\n"

    return damage


def _bad(rng: np.random.Generator) -> str:
    return str(rng.choice(BAD_NUMBERS))


def _last_frame(pattern: str, change):
    """Apply a change to the last frame alone, which begins with ``pattern``."""

    def damage(text: str, rng: np.random.Generator) -> str:
        start = [match.start() for match in re.finditer(pattern, text, re.MULTILINE)][-1]
        return text[:start] + change(text[start:], rng)

    return damage


def _other_type(text: str, rng: np.random.Generator) -> str:
    return re.sub(r"^6 ([12]) ", lambda match: f"6 {3 - int(match[1])} ", text, flags=re.MULTILINE)


def _counts(pattern: str, count: str) -> dict[str, Damage]:
    wrong = (str(int(count) - 1), str(int(count) + 1), "0", "-5", "nan", "10" + "0" * 12, "1.5", "")
    return {f"count {new!r}": ("refuse", _after(pattern, new)) for new in wrong}


DUMP_ROW = r"\d+ [12] \S+ \S+ \S+"
DUMP = {
    **_counts(r"NUMBER OF ATOMS\n(.*)$", "125"),
    "a coordinate": ("refuse", _word(DUMP_ROW, 3, _bad)),
    "an id": ("refuse", _word(DUMP_ROW, 0, lambda rng: str(rng.choice(["nan", "1.5", "-1", "x", "1e30"])))),
    "an id again": ("refuse", _after(r"^(6) [12] ", "7", -1)),
    "an id changes": ("refuse", _after(r"^(6) [12] ", "501", -1)),
    "an id changes at the start": ("refuse", _after(r"^(6) [12] ", "501")),
    "a type": ("refuse", _word(DUMP_ROW, 1, lambda rng: str(rng.choice(["nan", "1.5", "-1", "7", "1e30"])))),
    "a type changes": ("refuse", _last_frame("ITEM: TIMESTEP", _other_type)),
    "columns renamed": ("refuse", lambda text, rng: text.replace(" xu ", " vx ")),
    "no id column": ("refuse", lambda text, rng: text.replace("ATOMS id ", "ATOMS mass ")),
    "a column twice": ("refuse", lambda text, rng: text.replace("xu yu zu", "xu xu zu")),
    "columns of one frame": ("refuse", _after(r"ATOMS (id type)", "type id", -1)),
    "an edge of zero": ("refuse", _after(r"pp\n-1.5 (\S+)$", "-1.5")),
    "a negative edge": ("refuse", _after(r"pp\n-1.5 (\S+)$", "-9")),
    "an edge nan": ("refuse", _after(r"pp\n-1.5 (\S+)$", "nan")),
    "an edge changes": ("refuse", _after(r"pp\n-1.5 (\S+)$", "9", -1)),
    "a tilt": ("refuse", _after(r"BOUNDS (pp pp pp\n.*)$", "xy xz yz pp pp pp\n-1.5 4.1 0.5")),
    "walls": ("refuse", lambda text, rng: text.replace("pp pp pp", "pp ff pp")),
    "steps of a fraction": ("refuse", _after(r"TIMESTEP\n(1000)$", "1000.5")),
    "steps fall": ("refuse", _after(r"TIMESTEP\n(2000)$", "500")),
    "steps equal": ("refuse", _after(r"TIMESTEP\n(2000)$", "1000")),
    "step nan": ("refuse", _after(r"TIMESTEP\n(1000)$", "nan")),
    "step vast": ("any", _after(r"TIMESTEP\n(2000)$", str(2**70))),
    "other units": ("refuse", lambda text, rng: "ITEM: UNITS\nmetal\n" + text),
    "time against steps": ("any", lambda text, rng: text.replace("ITEM: NUM", "ITEM: TIME\n3\nITEM: NUM")),
}
DATA_ROW = r"\d+ [12] \S+ \S+ \S+"
DATA = {
    **_counts(r"^(\d+) atoms", "125"),
    "a coordinate": ("refuse", _word(DATA_ROW, 3, _bad)),
    "an id": ("refuse", _word(DATA_ROW, 0, lambda rng: str(rng.choice(["nan", "1.5", "x", "1e30"])))),
    "an id again": ("refuse", _after(r"^(6) [12] ", "7")),
    "a type": ("refuse", _word(DATA_ROW, 1, lambda rng: str(rng.choice(["nan", "1.5", "-1", "7", "0"])))),
    "an edge of zero": ("refuse", _after(r"^0(?:\.0)? (\S+) xlo xhi", "0")),
    "a negative edge": ("refuse", _after(r"^0(?:\.0)? (\S+) xlo xhi", "-5")),
    "an edge nan": ("refuse", _after(r"^0(?:\.0)? (\S+) xlo xhi", "nan")),
    "no edge": ("refuse", lambda text, rng: re.sub(r"^.*xlo xhi\n", "", text, flags=re.M)),
    "a tilt": (
        "refuse",
        lambda text, rng: re.sub(r"^(.*zlo zhi)$", r"\1\n0.5 0 0 xy xz yz", text, flags=re.M),
    ),
    "a title with Atoms": ("truth", lambda text, rng: "Atoms of mine" + text[text.index("\n") :]),
    "a title with escapes": ("truth", lambda text, rng: "\x1b[31m\x07" + text[text.index("\n") :]),
    "two sections": ("refuse", lambda text, rng: text + "\n" + text[text.index("Atoms") :]),
    "more rows": ("refuse", lambda text, rng: text.rstrip("\n") + "\n501 1 1.0 1.0 1.0\n"),
    "another style": ("refuse", lambda text, rng: text.replace("# atomic", "# full")),
}
XYZ_ROW = r"[AB] \S+ \S+ \S+"
EXTXYZ = {
    **_counts(r"\A(\d+)$", "125"),
    "a count later": ("refuse", _after(r"^(125)$", "124", -1)),
    "a coordinate": ("refuse", _word(XYZ_ROW, 2, _bad)),
    "a species": ("refuse", _word(XYZ_ROW, 0, "Xx")),
    "an edge of zero": ("refuse", _after(r'Lattice="(\S+) ', "0")),
    "a negative edge": ("refuse", _after(r'Lattice="(\S+) ', "-5")),
    "an edge nan": ("refuse", _after(r'Lattice="(\S+) ', "nan")),
    "a lattice of text": ("refuse", _after(r'Lattice="([^"]*)"', "a b c d e f g h i")),
    "a short lattice": ("refuse", _after(r'Lattice="([^"]*)"', "5 5")),
    "a tilt": ("refuse", _after(r'Lattice="\S+ (\S+) ', "0.5")),
    "other columns": ("refuse", lambda text, rng: text.replace(":pos:R:3", ":pos:R:2")),
    "columns of text": ("truth", lambda text, rng: text.replace(":pos:R:3", ":pos:S:3")),
    "vast columns": ("refuse", lambda text, rng: text.replace(":pos:R:3", ":pos:R:999999999999")),
    "walls": ("refuse", lambda text, rng: text.replace('pbc="T T T"', 'pbc="F T T"')),
    "a quote that does not end": ("refuse", lambda text, rng: text.replace('"T T T"', '"T T T')),
    "escapes in the comment": ("truth", _after(r"(Properties)", 'note="\x1b[31m\x07" Properties')),
}
OF_FORMAT = {"dump": DUMP, "dump.gz": DUMP, "data": DATA, "extxyz": EXTXYZ, "frames": EXTXYZ}
