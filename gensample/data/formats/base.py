"""What every importer reads its source into, and the helpers that importers share."""

from __future__ import annotations

import dataclasses
import gzip
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from gensample.errors import DataError

SPECIES_LETTERS = "ABCDEFGH"
SPLIT_FOLDERS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


@dataclasses.dataclass(frozen=True)
class Options:
    """What the user says about a source that its files may not say.

    times: lag times in ascending order; timestep: LJ time per simulation step; box: edge lengths;
    species: type label of the source to species number; frames: whether frames of one file are lag times
    of a trajectory or separate configurations; unwrapped: the user vouches that positions are unwrapped;
    averages: take propensities instead of trajectories where a source has both.
    """

    mixture: str | None = None
    temperature: float | None = None
    times: tuple[float, ...] | None = None
    timestep: float | None = None
    box: tuple[float, ...] | None = None
    density: float | None = None
    split: str = "auto"
    species: dict[str, int] | None = None
    frames: str = "auto"
    unwrapped: bool = False
    averages: bool = False


@dataclasses.dataclass
class Structure:
    """One configuration as its source gives it; positions are measured from the corner of the box.

    positions: (N, d); types: (N,) labels of the source; times: (K,); box: (d,) or None when the source does
    not say; wrapped: the source claims positions inside the box; inherent: (N, d); propensity and
    bond_breaking: (K, N); predictions: published ones by name, (K, N) each; replicas: number that ``load``
    returns; load: displacements (R, K, N, d), unwrapped, drift not yet removed, read only when asked for.
    """

    name: str
    positions: np.ndarray
    types: np.ndarray
    times: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0))
    box: np.ndarray | None = None
    wrapped: bool = False
    split: str | None = None
    temperature: float | None = None
    inherent: np.ndarray | None = None
    propensity: np.ndarray | None = None
    bond_breaking: np.ndarray | None = None
    predictions: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    replicas: int = 0
    load: Callable[[], np.ndarray] | None = None


@dataclasses.dataclass
class Imported:
    """Structures of one import, with what the importer did in words."""

    structures: list[Structure]
    format: str
    mixture: str | None
    notes: list[str]


@dataclasses.dataclass(frozen=True)
class Format:
    """One importer: how to recognise a file by its first bytes, and how to read a list of files."""

    name: str
    sniff: Callable[[Path, bytes], bool]
    read: Callable[[list[Path], Options, list[str]], list[Structure]]
    default_mixture: Callable[[list[Structure]], str | None] = lambda structures: None


def read_head(path: Path, size: int = 4096) -> bytes:
    """First bytes of a file, decompressed when it is gzip."""
    try:
        with path.open("rb") as file:
            head = file.read(size)
        if head[:2] == b"\x1f\x8b":
            with gzip.open(path, "rb") as file:
                head = file.read(size)
    except (OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read ({error})") from None
    if not head:
        raise DataError(f"{path} is empty; fetch or make it again")
    return head


def read_text(path: Path) -> str:
    """Whole text file, decompressed when it is gzip.

    Raises:
        DataError: not text, or cut within its last line, where a shortened number would still look right.
    """
    try:
        raw = path.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
        text = raw.decode()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not a readable text file ({error})") from None
    if not text.endswith("\n"):
        raise DataError(f"{path} is truncated: it ends within a line; if it is whole, end it with a newline")
    return text


def split_of(path: Path) -> str | None:
    """Split named by the nearest folder called train, val or test."""
    for part in reversed(path.parent.parts):
        if part.lower() in SPLIT_FOLDERS:
            return SPLIT_FOLDERS[part.lower()]
    return None


def temperature_of(path: Path) -> float | None:
    """Temperature from a name such as ``N4096T0.44_1`` or a folder such as ``T0.44``."""
    in_name = re.search(r"N\d+T(\d+\.\d+)", path.name)
    if in_name:
        return float(in_name.group(1))
    for part in reversed(path.parent.parts):
        if match := re.fullmatch(r"T(\d+\.\d+)", part):
            return float(match.group(1))
    return None


def as_positions(value: object, name: str, particles: int | None = None) -> np.ndarray:
    """A finite (N, d) float64 array with d = 2 or 3.

    Raises:
        DataError: the shape is another, or a value is not finite.
    """
    array = as_floats(value, name)
    if array.ndim != 2 or array.shape[1] not in (2, 3) or array.shape[0] == 0:
        raise DataError(f"{name}: expected shape (N, 2) or (N, 3), got {array.shape}")
    if particles is not None and array.shape[0] != particles:
        raise DataError(f"{name}: expected {particles} particles, got {array.shape[0]}")
    return array


def as_floats(value: object, name: str, shape: tuple[int | None, ...] | None = None) -> np.ndarray:
    """A finite float64 array, of the given shape when one is given (None: any length).

    Raises:
        DataError: not numbers, another shape, or a value that is not finite.
    """
    try:
        if value is None:  # numpy would make it NaN
            raise TypeError
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{name}: expected an array of numbers, got {type(value).__name__}") from None
    if shape is not None and not _matches(array.shape, shape):
        raise DataError(f"{name}: expected shape {_show(shape)}, got {array.shape}")
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        raise DataError(
            f"{name}: {bad} of {array.size} values are NaN or infinite; mend or leave out the file"
        )
    return array


def _matches(shape: Sequence[int], expected: Sequence[int | None]) -> bool:
    return len(shape) == len(expected) and all(e in (None, s) for s, e in zip(shape, expected, strict=True))


def _show(shape: Sequence[int | None]) -> str:
    return "(" + ", ".join("any" if s is None else str(s) for s in shape) + ")"


def as_types(value: object, name: str, particles: int) -> np.ndarray:
    """Type labels (N,), whole numbers or strings.

    Raises:
        DataError: another length, or numbers that are not whole.
    """
    types = np.asarray(value)
    if types.shape != (particles,):
        raise DataError(f"{name}: expected {particles} particle types, got an array of shape {types.shape}")
    if types.dtype.kind == "f" and np.array_equal(types, np.round(types)):
        types = types.astype(np.int64)
    if types.dtype.kind not in "iuU":
        raise DataError(f"{name}: types must be whole numbers or names, got {types.dtype}")
    return types


def lag_times(
    codes: Sequence[str], options: Options, table: dict[str, float] | None, name: str
) -> np.ndarray:
    """Lag times (K,) of the codes of a source, from the options or else from the source's published table.

    Raises:
        DataError: the lags are not known, or the number of times given is not the number of lags.
    """
    if options.times is not None:
        if len(options.times) != len(codes):
            raise DataError(
                f"{name} has {len(codes)} lag times ({', '.join(codes)}), --time gives {len(options.times)}"
            )
        return checked_times(options.times, name)
    if table is None or any(code not in table for code in codes):
        raise DataError(
            f"{name}: lag time of {', '.join(codes) or 'the file'} is not known; give it with --time"
        )
    return checked_times([table[code] for code in codes], name)


def checked_times(times: Sequence[float] | np.ndarray, name: str) -> np.ndarray:
    """Positive, strictly increasing lag times (K,).

    Raises:
        DataError: they are not.
    """
    array = np.asarray(times, np.float64)
    if not (np.isfinite(array).all() and (array > 0).all() and (np.diff(array) > 0).all()):
        raise DataError(f"{name}: lag times must be positive and increase, got {array.tolist()}")
    return array


def known_temperature(found: float | None, options: Options) -> float | None:
    """Temperature: what the user says, else what the source says."""
    return options.temperature if options.temperature is not None else found


def natural_order(path: Path) -> list[tuple[int, str]]:
    """Sorting key that puts file 2 before file 10."""
    parts = re.split(r"(\d+)", str(path))
    return [(int(p), "") if p.isdigit() else (-1, p) for p in parts]
