"""What every importer reads from and into: files with what their folders say, options, structures; checks."""

from __future__ import annotations

import dataclasses
import gzip
import os
import re
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from gensample.errors import ConfigError, DataError
from gensample.physics.box import fractional, lattice, wrap
from gensample.ranges import shown

SPLIT_FOLDERS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
SUFFIXES = (".npz", ".pickle", ".pkl", ".dump", ".lammpstrj", ".data", ".lmp", ".xyz", ".extxyz", ".gsd")
SPECIES = "species_index"
"""Column of frames that has the numbers of our species, beside chemical symbols."""
DISPLACEMENT = "disp"
"""Column of frames that says how far each particle is from where it started."""
_GZIP = b"\x1f\x8b"
# Numbers in text pack to a fifth, small constant arrays to a thousandth: beyond both bounds it is a bomb.
_SMALL = 64 * 2**20
_EXPANSION = 16


@dataclasses.dataclass(frozen=True)
class Source:
    """One file; ``folders``: names from the folder that the user gave down to the file, none above it."""

    path: Path
    folders: tuple[str, ...] = ()

    def __str__(self) -> str:
        return str(self.path)

    @property
    def split(self) -> tuple[str, str] | None:
        """The split that the nearest folder called train, val or test names, and that folder."""
        for folder in reversed(self.folders):
            if folder.lower() in SPLIT_FOLDERS:
                return SPLIT_FOLDERS[folder.lower()], f"the folder name {folder}"
        return None

    @property
    def temperature(self) -> tuple[float, str] | None:
        """Temperature of a name such as ``N4096T0.44_1`` or a folder such as ``T0.44``, and which of them.

        Raises:
            DataError: the two differ.
        """
        file = re.search(r"N\d+T(\d{1,3}\.\d{1,9})", self.path.name)
        folders = [re.fullmatch(r"T(\d{1,3}\.\d{1,9})", folder) for folder in self.folders]
        folder = next((match for match in reversed(folders) if match), None)
        if file and folder and float(file.group(1)) != float(folder.group(1)):
            raise DataError(f"{self}: its name says T = {file.group(1)}, its folder T = {folder.group(1)}")
        if file:
            return float(file.group(1)), "file names"
        return (float(folder.group(1)), f"the folder name {folder.group()}") if folder else None


def find_sources(sources: Sequence[str | Path]) -> list[Source]:
    """Files as named, and the data files below folders as named; each once, however it is called.

    Raises:
        DataError: there is no such file or folder, or nothing to read in it.
    """
    if not sources:
        raise DataError("give files or folders to import")
    found: dict[str, Source] = {}
    for given in map(Path, sources):
        if not (given.is_file() or given.is_dir()):
            raise DataError(f"there is no file or folder {given}")
        top = os.path.basename(os.path.abspath(given))
        inside = (
            [Source(given)]
            if given.is_file()
            else [
                Source(path, (top, *path.relative_to(given).parts[:-1]))
                for path in sorted(given.rglob("*"))
                if path.name.removesuffix(".gz").endswith(SUFFIXES) and path.is_file() and path.name[0] != "."
            ]
        )
        if not inside:
            raise DataError(f"the folder {given} has no file ending in {', '.join(SUFFIXES)}")
        for source in inside:
            found.setdefault(os.path.realpath(source.path), source)
    return list(found.values())


def natural_order(source: Source) -> list[tuple[int, str]]:
    """Sorting key that puts file 2 before file 10."""
    parts = re.split(r"([0-9]+)", str(source))
    return [(int(p[:18]), p) if p.isdecimal() else (-1, p) for p in parts]


def check_expansion(name: str, unpacked: int, packed: int) -> None:
    """Sizes in bytes of what a file promises and of what it has are those of data, not of a bomb.

    Raises:
        DataError: they are not.
    """
    if unpacked > max(_SMALL, _EXPANSION * packed):
        raise DataError(
            f"{name} would grow from {packed} to at least {unpacked} bytes, more than {_EXPANSION} times; "
            "data do not, so it is damaged or made to fill the memory"
        )


def read_head(path: Path, size: int = 4096) -> bytes:
    """First bytes of a file, unpacked when it is gzip.

    Raises:
        DataError: empty, or it cannot be read.
    """
    head = _read(path, size)
    if not head:
        raise DataError(f"{path} is empty; fetch or make it again")
    return head


def read_text(path: Path) -> str:
    """Whole text file, unpacked when it is gzip.

    Raises:
        DataError: not text, or cut within its last line, where a shortened number would still look right.
    """
    try:
        text = _read(path).decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a readable text file ({error})") from None
    if not text.endswith("\n"):
        raise DataError(f"{path} is truncated: it ends within a line; if it is whole, end it with a newline")
    return text


def _read(path: Path, size: int = -1) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(size)
        return _unpack(path, size) if raw[:2] == _GZIP else raw
    except (OSError, EOFError, zlib.error, MemoryError) as error:
        raise DataError(f"{path} cannot be read, it is damaged ({type(error).__name__}: {error})") from None


def _unpack(path: Path, size: int) -> bytes:
    parts, packed, unpacked = [], path.stat().st_size, 0
    with gzip.open(path, "rb") as file:
        while size < 0 or unpacked < size:
            part = file.read(2**20 if size < 0 else size - unpacked)
            if not part:
                break
            unpacked += len(part)
            check_expansion(str(path), unpacked, packed)
            parts.append(part)
    return b"".join(parts)


@dataclasses.dataclass(frozen=True)
class Options:
    """What the user says about a source that its files may not say.

    times: lag times in ascending order; timestep: LJ time per simulation step; box: edge lengths;
    species: type label of the source to species number; frames: whether frames of one file are lag times
    of a trajectory or separate configurations; unwrapped: the user vouches that positions are unwrapped;
    averages: take propensities instead of trajectories where a source has both; bond_breaking: whether
    fractions of neighbours are those "kept" or those "lost".
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
    bond_breaking: str = "auto"


def read_species(pairs: Sequence[str] | None) -> dict[str, int] | None:
    """Species numbers by type labels, of TYPE=N as the command line has them; None for none.

    Raises:
        ConfigError: a pair is none, or names a type again.
    """
    mapping: dict[str, int] = {}
    for pair in pairs or ():
        label, _, number = pair.rpartition("=")
        if not label or not re.fullmatch("[0-9]", number):
            raise ConfigError(f"--species takes TYPE=N with N from 0, such as 1=0 2=1, got {shown(pair)}")
        if label in mapping:
            raise ConfigError(f"--species names type {shown(label)} twice")
        mapping[label] = int(number)
    return mapping or None


@dataclasses.dataclass
class SourceStructure:
    """One configuration as its source gives it; positions are measured from the corner of the box.

    positions: (N, d); types: (N,) labels of the source; times: (K,); box: (d,) or None when the source does
    not say; wrapped: the source claims positions inside the box; mixture, split and temperature: as the file
    itself states them (its folders may say more); inherent: (N, d); propensity and bond_breaking: (K, N);
    predictions: published ones by name, (K, N) each; replicas: number that ``load`` returns;
    load: displacements (R, K, N, d), unwrapped, read only when asked for; drift_free: their drift is removed.
    Of frames: ids: (N,) where the format has them; resolution: spacing of the printed positions; time in LJ
    units, step; displacement: (N, d) from the start, where the file states it beside the positions; tilt:
    factors xy, xz, yz of a box that is not orthogonal.
    """

    name: str
    source: Source
    positions: np.ndarray
    types: np.ndarray
    times: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0))
    box: np.ndarray | None = None
    wrapped: bool = False
    mixture: str | None = None
    split: str | None = None
    temperature: float | None = None
    inherent: np.ndarray | None = None
    propensity: np.ndarray | None = None
    bond_breaking: np.ndarray | None = None
    predictions: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    replicas: int = 0
    load: Callable[[], np.ndarray] | None = None
    drift_free: bool = False
    ids: np.ndarray | None = None
    resolution: float = 0.0
    time: float | None = None
    step: int | None = None
    displacement: np.ndarray | None = None
    tilt: np.ndarray | None = None

    def in_plane(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions (N, 2) and box (2,), or tilted (3,), of a frame in 2D, for `gensample.physics`."""
        assert self.box is not None
        tilt = np.zeros(0) if self.tilt is None else self.tilt[:1]
        return self.positions[:, :2], np.concatenate([self.box[:2], tilt])

    def in_space(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions (N, 3) and box (3,), or tilted (6,), of a frame in 3D, for `gensample.physics`."""
        assert self.box is not None
        return self.positions, np.concatenate([self.box, np.zeros(0) if self.tilt is None else self.tilt])


@dataclasses.dataclass
class OutputFrame:
    """A frame to write: positions (N, d), box (d,) or tilted, and what is said of it where a format can.

    columns: what is known of each particle, (N,), or (N, d) of vectors; step: which frame of a motion, or
    which replica, it is; None where it is neither.
    """

    positions: np.ndarray
    box: np.ndarray
    info: dict[str, object]
    columns: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    step: int | None = None

    @property
    def dimension(self) -> int:
        """d."""
        return int(self.positions.shape[1])

    @property
    def cell(self) -> np.ndarray:
        """Lattice vectors as rows, lower triangular, (3, 3); in 2D the third has length 1."""
        cell = np.eye(3)
        d = self.dimension
        cell[:d, :d] = lattice(torch.from_numpy(np.asarray(self.box, np.float64)), d).numpy()
        return cell

    def wrapped(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions in the box, and the lattice vectors (image flags) that were taken off, (N, 3) each."""
        if len(self.box) == self.dimension:
            images = np.floor(self.positions / self.box)
            inside = self.positions - images * self.box
        else:
            x, box = torch.from_numpy(self.positions), torch.from_numpy(self.box)
            inside = wrap(x, box).numpy()
            images = np.round(fractional(x - wrap(x, box), box).numpy())
        return in_space(inside), in_space(images).astype(np.int32)

    def columns_in_space(self) -> dict[str, np.ndarray]:
        """The columns, vectors with three components."""
        return {name: in_space(c) if c.ndim == 2 else c for name, c in self.columns.items()}


def in_space(vectors: np.ndarray) -> np.ndarray:
    """Vectors (N, d) with three components, the missing one zero."""
    return np.pad(vectors, ((0, 0), (0, 3 - vectors.shape[1])))


@dataclasses.dataclass
class Imported:
    """Structures of one import, the files they come from, and what the importer did in words."""

    structures: list[SourceStructure]
    files: list[Path]
    format: str
    mixture: str | None
    notes: list[str]


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
        DataError: not real numbers, another shape, or a value that is not finite.
    """
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):  # such as lists of several lengths
        array = np.array(None)
    # Never the real part of complex numbers, or the number that a text spells.
    if array.dtype.kind not in "iuf":
        kind = value.dtype if isinstance(value, np.ndarray) else type(value).__name__
        raise DataError(f"{name}: expected an array of real numbers, got {kind}")
    with np.errstate(invalid="ignore"):  # NaN of damaged files are counted below
        array = array.astype(np.float64)
    if shape is not None and (
        len(shape) != array.ndim or any(n not in (None, m) for n, m in zip(shape, array.shape, strict=True))
    ):
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise DataError(f"{name}: expected shape ({wanted}), got {array.shape}")
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        raise DataError(
            f"{name}: {bad} of {array.size} values are NaN or infinite; mend or leave out the file"
        )
    return array


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
        return given_times(
            options.times, len(codes), f"{name} has {len(codes)} lag times ({', '.join(codes)})"
        )
    if table is None or any(code not in table for code in codes):
        raise DataError(
            f"{name}: lag time of {', '.join(codes) or 'the file'} is not known; give it with --time"
        )
    return checked_times([table[code] for code in codes], name)


def given_times(times: Sequence[float], count: int, found: str) -> np.ndarray:
    """Lag times (K,) of the user for a source that has ``count`` of them, as ``found`` says.

    Raises:
        DataError: the number differs, or the times are no lag times.
    """
    if len(times) != count:
        raise DataError(f"{found}, --time gives {len(times)}")
    return checked_times(times, "--time")


def checked_times(times: Sequence[float] | np.ndarray, name: str) -> np.ndarray:
    """Positive, strictly increasing lag times (K,).

    Raises:
        DataError: they are not.
    """
    array = np.asarray(times, np.float64)
    if not (np.isfinite(array).all() and (array > 0).all() and (np.diff(array) > 0).all()):
        raise DataError(f"{name}: lag times must be positive and increase, got {array.tolist()}")
    return array


def temperature_of(source: Source, found: float | None, options: Options) -> float | None:
    """Temperature: what the user says, else the file itself, else its name or folder."""
    if options.temperature is not None:
        return options.temperature
    named = source.temperature
    return found if found is not None or named is None else named[0]


def say(notes: list[str], note: str) -> None:
    """Add a note once."""
    if note not in notes:
        notes.append(note)
