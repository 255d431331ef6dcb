"""Writing a dataset: laid out at once, replicas in any order, nothing half-written on bad input."""

from __future__ import annotations

import datetime
import io
import itertools
import json
import os
import platform
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

import h5py
import numpy as np
import torch

import gensample
from gensample.data.door import check_fields, open_members
from gensample.data.schema import ARRAYS, FORMAT, PREDICTIONS, PROBE, SPLITS, VERSION, array_of, check_shape
from gensample.errors import DataError
from gensample.physics.mixtures import MIXTURES, Mixture, get_mixture

if TYPE_CHECKING:
    from gensample.data.store import Store

# Objects of HDF5 1.8 and later: attributes may exceed 64 KiB (energies of 8,000 configurations).
LIBVER = ("v108", "v110")
PACKED: dict[str, Any] = {"compression": "gzip", "compression_opts": 9, "shuffle": True}


def software_versions() -> dict[str, str]:
    """Versions that a dataset records about the programs that wrote it."""
    return {
        "gensample": gensample.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "h5py": h5py.__version__,
    }


_numbers = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class Contents:
    """A dataset before its first replica; arrays and their shapes as in docs/data-format.md.

    box: (C, d), or (d,) where all are alike; split: one for each configuration, or one for all; replicas:
    planned, likewise; density: that of the boxes unless given; truncation: the mixture's unless given; the
    mixture is kept by value;
    extra_attrs: further attributes of the file; displacements: whether fields are to come, unless given where
    replicas are planned.
    """

    mixture: str | Mixture
    temperature: float | np.ndarray
    positions: np.ndarray
    species: np.ndarray
    box: np.ndarray
    split: str | Sequence[str] = "test"
    times: np.ndarray | Sequence[float] = ()
    replicas: int | np.ndarray = 0
    density: float | None = None
    truncation: str | None = None
    source: str = "gensample"
    command: str | None = None
    seed: int | None = None
    inherent: np.ndarray | None = None
    inherent_attrs: Mapping[str, Any] | None = None
    propensity: np.ndarray | None = None
    bond_breaking: np.ndarray | None = None
    predictions: Mapping[str, np.ndarray] = field(default_factory=dict)
    extra_attrs: Mapping[str, Any] = field(default_factory=dict)
    displacements: bool | None = None

    @classmethod
    def of(cls, store: Store, rows: Any = slice(None), **changes: Any) -> Contents:
        """The thermal configurations ``rows`` of a dataset, without dynamics, with ``changes``."""
        known: dict[str, Any] = {
            "mixture": store.liquid,
            "species": store.species,
            "density": store.density,
            "truncation": store.truncation,
            "source": store.source,
            "temperature": store.temperature[rows],
            "box": store.box[rows],
            "split": list(store.split[rows]),
            "positions": store.positions[rows],
        }
        return cls(**known | changes)

    def complete(self) -> Contents:
        """With what is not given found.

        Raises:
            DataError: positions or times of another shape, lag times that do not rise, or an unknown split.
        """
        positions = np.asarray(self.positions, np.float64)
        if positions.ndim != 3:
            raise DataError(f"positions must have shape (C, N, d), got {positions.shape}")
        count, particles = positions.shape[:2]
        box, times = np.asarray(self.box, np.float64), np.asarray(self.times, np.float64)
        box = np.tile(box, (count, 1)) if box.ndim == 1 else box
        split = [self.split] * count if isinstance(self.split, str) else [str(name) for name in self.split]
        replicas = np.asarray(self.replicas)
        replicas = np.full(count, replicas) if replicas.ndim == 0 else replicas
        if len(split) != count or not set(split) <= set(SPLITS):
            raise DataError(
                f"split must name one of {SPLITS} for each of {count} configurations, got {split}"
            )
        if times.ndim != 1 or not (times > 0).all() or not (np.diff(times) > 0).all():
            raise DataError(f"lag times must be positive and increase, got {times.tolist()}")
        mixture = MIXTURES.get(self.mixture, self.mixture) if isinstance(self.mixture, str) else self.mixture
        density = particles / box.prod(axis=-1).mean() if self.density is None else self.density
        planned = bool(replicas.max(initial=0))
        return replace(
            self,
            positions=positions,
            box=box,
            split=split,
            times=times,
            replicas=replicas,
            density=float(density),
            mixture=mixture,
            truncation=self.truncation or get_mixture(mixture).truncation,
            displacements=planned if self.displacements is None else self.displacements,
        )

    def attributes(self) -> dict[str, Any]:
        """Attributes of the file, those of this process among them."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "mixture": str(getattr(self.mixture, "name", self.mixture)),
            **({"mixture_values": self.mixture.to_json()} if isinstance(self.mixture, Mixture) else {}),
            "temperature": self.temperature,
            "density": self.density,
            "units": "lj",
            "truncation": self.truncation,
            "source": self.source,
            "command": self.command or "",
            "seed": -1 if self.seed is None else self.seed,
            "software": json.dumps(software_versions()),
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            **(self.extra_attrs or {}),
        }


class StoreWriter:
    """Writes one dataset; replicas may come in any order and are marked when complete.

    Without a path it is made in memory: ``Store(writer.file)`` reads it once the writer is closed.

    Raises:
        DataError: an array has the wrong shape or is not finite.
    """

    def __init__(self, path: str | Path | None, mode: Literal["w", "r+"]) -> None:
        name = f"dataset {next(_numbers)} in memory" if path is None else path
        self._path, self._disk = Path(name), None
        if path is None:
            self.file = h5py.File(name, "w", driver="core", backing_store=False, libver=LIBVER)
        else:
            self._disk = Disk(path, "w+" if mode == "w" else mode)
            self.file = h5py.File(self._disk, mode, libver=LIBVER)
        self._packed = PACKED if path is not None else {}
        self._sizes: dict[str, int] = {}
        for held in ("positions", "times", "done") if mode == "r+" else ():
            self._sizes |= zip(ARRAYS[held].letters, self.file[held].shape, strict=True)

    @classmethod
    def create(cls, path: str | Path | None, contents: Contents) -> StoreWriter:
        """Lay out a new file at ``path``, or with None a dataset in memory."""
        contents = contents.complete()
        with ExitStack() as undo:
            if path is not None:
                undo.callback(Path(path).unlink, missing_ok=True)
            writer = cls(path, "w")
            undo.callback(writer._abandon)
            writer._lay_out(contents)
            undo.pop_all()
        return writer

    def _lay_out(self, contents: Contents) -> None:
        count, longest = len(contents.positions), int(np.max(contents.replicas, initial=0))
        temperature = np.asarray(contents.temperature, np.float64)
        if temperature.shape not in ((), (count,)) or not (temperature > 0).all():
            raise DataError(
                f"temperature must be positive, one or {count} values, got {contents.temperature}"
            )
        self.file.attrs.update(contents.attributes())
        self.file.create_dataset("split", data=contents.split, dtype=h5py.string_dtype())
        self.file.create_dataset("done", data=np.zeros((count, longest), bool))
        self._sizes["R"] = longest
        for name in ("positions", "species", "box", "times", "replicas", "propensity", "bond_breaking"):
            if (array := getattr(contents, name)) is not None:
                self.write_array(name, array)
        self.write_group(PREDICTIONS, contents.predictions)
        if contents.inherent is not None:
            self.write_inherent(contents.inherent, contents.inherent_attrs or {})
        if contents.displacements:
            self._reserve("displacements")

    @classmethod
    def resume(cls, path: str | Path) -> StoreWriter:
        """Open an existing file for writing more replicas, inherent structures or cage positions."""
        open_members(Path(path)).close()
        return cls(path, "r+")

    def write_array(self, name: str, array: Any, attrs: Mapping[str, Any] | None = None) -> None:
        """Store an array by its name in docs/data-format.md, of the type there, in place of an older one.

        attrs: how it was made.

        Raises:
            DataError: it has another shape, or is not finite; an older one is left then.
        """
        known = array_of(name)
        array = np.asarray(array, known and known.type)
        if known is not None:
            check_shape(self._path, name, known.letters, array.shape, self._sizes)
        # Of groups, strings, and NaN for what there is not, may be among them.
        if "/" not in name and not np.isfinite(array).all():
            raise DataError(f"{name} holds values that are not finite; mend the source")
        self._remove(name)
        self.file.create_dataset(name, data=array, **(self._packed if array.size else {}))
        self.file[name].attrs.update(attrs or {})

    def write_group(self, name: str, arrays: Mapping[str, Any]) -> None:
        """Store the arrays of a group in place of an older one."""
        self._remove(name)
        for letter in "QWSE":  # sizes that an older one had
            self._sizes.pop(letter, None)
        for key, array in arrays.items():
            self.write_array(f"{name}/{key}", array)

    def write_attribute(self, name: str, value: float) -> None:
        """Store a further number, or put another in its place."""
        self.file.attrs[name] = value

    def _remove(self, *names: str) -> None:
        for name in names:
            if name in self.file:
                del self.file[name]

    def _reserve(self, name: str, **how: Any) -> None:
        """Room for an array of replicas, one chunk for each."""
        known = ARRAYS[name]
        shape = tuple(self._sizes[letter] for letter in known.letters)
        layout: dict[str, Any] = {} if 0 in shape else {"chunks": (1, 1, *shape[2:]), **self._packed}
        self.file.create_dataset(name, shape=shape, dtype=known.type, **layout, **how)

    def _write_fields(self, name: str, configuration: int, replica: int, field: np.ndarray) -> None:
        target = self.file[name]
        if field.shape != target.shape[2:]:
            raise DataError(f"{name} of a replica must have shape {target.shape[2:]}, got {field.shape}")
        check_fields(self._path, configuration, field[None], inherent=name == "inherent_displacements")
        target[configuration, replica] = field

    def write_replica(self, configuration: int, replica: int, displacement: np.ndarray) -> None:
        """Store one replica (K, N, d) and mark it complete."""
        planned = int(self.file["replicas"][configuration])
        if not 0 <= replica < planned:
            raise DataError(f"configuration {configuration} has {planned} replicas, got number {replica}")
        self._write_fields("displacements", configuration, replica, displacement)
        self.file["done"][configuration, replica] = True
        self._check_disk()

    def reserve_inherent_displacements(self, attrs: Mapping[str, Any]) -> None:
        """Room for the inherent displacements of replicas, made as ``attrs`` say; older ones go."""
        self._remove("inherent_displacements", "inherent_energies")
        self._reserve("inherent_displacements")
        self.file["inherent_displacements"].attrs.update(attrs)
        self._reserve("inherent_energies", fillvalue=np.nan)

    def write_inherent_displacements(
        self, configuration: int, replica: int, h: np.ndarray, energies: np.ndarray
    ) -> None:
        """Store those (K, N, d) of one replica, and the energies per particle (K,) of its minima."""
        if energies.shape != h.shape[:1] or not np.isfinite(energies).all():
            raise DataError(f"inherent_energies must be {len(h)} finite numbers, got {energies}")
        self._write_fields("inherent_displacements", configuration, replica, h)
        self.file["inherent_energies"][configuration, replica] = energies
        self._check_disk()

    def write_inherent(self, inherent: np.ndarray, attrs: Mapping[str, Any]) -> None:
        """Store inherent structures (C, N, d) and how they were made, replacing older ones.

        Probe runs and inherent displacements, which start from them, go with the older ones.
        """
        replaced = "inherent" in self.file
        self.write_array("inherent", inherent, attrs)
        if replaced:
            self._remove("probe", "inherent_displacements", "inherent_energies")

    def write_cage(
        self, cage: np.ndarray, attrs: Mapping[str, Any], spread: np.ndarray | None = None
    ) -> None:
        """Store cage positions (C, N, d) and how they were made, replacing older ones.

        ``spread`` (C, N) of the runs they are means of.
        """
        self.write_array("cage", cage, attrs)
        self._remove("cage_spread")
        if spread is not None:
            self.write_array("cage_spread", spread)

    def write_probe(
        self,
        averages: Mapping[str, np.ndarray],
        temperatures: Sequence[float],
        times: Sequence[float],
        attrs: Mapping[str, Any],
    ) -> None:
        """Store averages (C, N, Q, W) of probe runs, those of `PROBE`, by temperature and time, and how they
        were made, replacing older ones.
        """
        of = {name: averages[name] for name in PROBE}
        self.write_group("probe", {"temperature": temperatures, "time": times, **of})
        self.file["probe"].attrs.update(attrs)

    @property
    def done(self) -> np.ndarray:
        """Which replicas are complete, (C, R)."""
        return np.asarray(self.file["done"][...])

    def close(self) -> None:
        """Close the file and check it as whoever reads it will.

        Raises:
            DataError: what would be refused.
            OSError: not everything could be written, as on a full disk.
        """
        if self._disk is None:
            self.file.flush()
            open_members(self.file)
        else:
            self._abandon()
            open_members(self._path).close()

    def _abandon(self) -> None:
        """Close without a look at what is there, unless it could not be written."""
        self.file.close()
        if self._disk is not None:
            self._disk.close()
            self._disk.check()

    def _check_disk(self) -> None:
        if self._disk is not None:
            self._disk.check()

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close() if error is None else self._abandon()


class Disk(io.RawIOBase):
    """A file for `h5py.File`, which crashes when the program ends if it could not write all that it holds.

    Failures are therefore hidden from it, and raised by ``check``.
    """

    def __init__(self, path: str | Path, mode: str) -> None:
        self._file = io.FileIO(path, mode)
        self._error: OSError | None = None

    def check(self) -> None:
        """Raise the first failure, such as a full disk."""
        if self._error is not None:
            raise self._error

    def write(self, data: Any) -> int:
        """Write all of it, or remember why not."""
        left = memoryview(data).cast("B")
        size = len(left)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            self._error = self._error or error
        return size

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer, with zeros beyond the end of the file, as HDF5's own drivers do."""
        view = memoryview(buffer).cast("B")
        found = self._file.readinto(view) or 0
        view[found:] = bytes(len(view) - found)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Change the size of the file, or remember why not."""
        try:
            return self._file.truncate(size)
        except OSError as error:
            self._error = self._error or error
            return size or 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """The position."""
        return self._file.tell()

    def close(self) -> None:
        """Close the file; failures to do so count as those of writing."""
        try:
            self._file.close()
        except OSError as error:
            self._error = self._error or error
        super().close()
