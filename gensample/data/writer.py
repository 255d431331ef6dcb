"""Writing a dataset: laid out at once, replicas in any order, nothing half-written on bad input."""

from __future__ import annotations

import datetime
import io
import itertools
import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import h5py
import numpy as np
import torch

import gensample
from gensample.data.door import check_fields, open_members
from gensample.data.schema import FORMAT, PREDICTIONS, PROBE, SPLITS, VERSION
from gensample.errors import DataError
from gensample.physics.mixtures import MIXTURES, Mixture, get_mixture

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

    def complete(self) -> Contents:
        """With arrays of their documented types, and what is not given found.

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
        replicas = np.asarray(self.replicas, np.int32)
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
            species=np.asarray(self.species, np.int8),
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

    @classmethod
    def create(cls, path: str | Path | None, contents: Contents) -> StoreWriter:
        """Lay out a new file at ``path``, or with None a dataset in memory."""
        contents = contents.complete()
        positions, times = contents.positions, np.asarray(contents.times)
        count, particles, dimension = positions.shape
        with _removed_on_error(path):
            writer = cls(path, "w")
            with writer._closed_on_error():
                writer._write_attributes(contents.attributes(), count)
                writer._put("species", contents.species, (particles,))
                writer._put("box", contents.box, (count, dimension))
                writer.file.create_dataset("split", data=contents.split, dtype=h5py.string_dtype())
                writer._put("positions", positions, positions.shape)
                writer._put("times", times, times.shape)
                writer._put("replicas", np.asarray(contents.replicas), (count,))
                for name in ("propensity", "bond_breaking"):
                    array = getattr(contents, name)
                    if array is not None:
                        writer._put(name, np.asarray(array, np.float32), (count, len(times), particles))
                # NaN where a published model says nothing, such as a species.
                writer.write_group(PREDICTIONS, contents.predictions or {})
                if contents.inherent is not None:
                    writer.write_inherent(contents.inherent, contents.inherent_attrs or {})
                longest = int(np.max(contents.replicas, initial=0))
                writer.file.create_dataset("done", data=np.zeros((count, longest), bool))
                if contents.displacements:
                    shape = (count, longest, len(times), particles, dimension)
                    writer._reserve_fields("displacements", shape)
        return writer

    @classmethod
    def resume(cls, path: str | Path) -> StoreWriter:
        """Open an existing file for writing more replicas, inherent structures or cage positions."""
        open_members(Path(path)).close()
        return cls(path, "r+")

    @contextmanager
    def _closed_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._abandon()
            raise

    def _write_attributes(self, attributes: Mapping[str, Any], count: int) -> None:
        temperature = np.asarray(attributes["temperature"], np.float64)
        if temperature.shape not in ((), (count,)) or not (temperature > 0).all():
            raise DataError(
                f"temperature must be positive, one or {count} values, got {attributes['temperature']}"
            )
        for name, value in attributes.items():
            self.file.attrs[name] = value

    def _put(self, name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
        _check(name, array, shape)
        self.file.create_dataset(name, data=array, **self._packed)

    def _reserve_fields(self, name: str, shape: tuple[int, ...]) -> None:
        """Room for fields (C, R, K, N, d), one chunk for each replica."""
        layout: dict[str, Any] = {} if 0 in shape else {"chunks": (1, 1, *shape[2:]), **self._packed}
        self.file.create_dataset(name, shape=shape, dtype="f4", **layout)

    def write_replica(self, configuration: int, replica: int, displacement: np.ndarray) -> None:
        """Store one replica (K, N, d) and mark it complete."""
        target, planned = self.file["displacements"], int(self.file["replicas"][configuration])
        if not 0 <= replica < planned:
            raise DataError(f"configuration {configuration} has {planned} replicas, got number {replica}")
        if displacement.shape != target.shape[2:]:
            raise DataError(f"a replica must have shape {target.shape[2:]}, got {displacement.shape}")
        check_fields(self._path, configuration, displacement[None])
        target[configuration, replica] = displacement
        self.file["done"][configuration, replica] = True
        self._check_disk()

    def reserve_inherent_displacements(self, attrs: Mapping[str, Any]) -> None:
        """Room for the inherent displacements of replicas, made as ``attrs`` say; older ones go."""
        self._remove("inherent_displacements", "inherent_energies")
        shape = self.file["displacements"].shape
        self._reserve_fields("inherent_displacements", shape)
        self.file["inherent_displacements"].attrs.update(attrs)
        options = self._packed if 0 not in shape[:3] else {}
        self.file.create_dataset(
            "inherent_energies", shape=shape[:3], dtype="f8", fillvalue=np.nan, **options
        )

    def write_inherent_displacements(
        self, configuration: int, replica: int, h: np.ndarray, energies: np.ndarray
    ) -> None:
        """Store those (K, N, d) of one replica, and the energies per particle (K,) of its minima."""
        target = self.file["inherent_displacements"]
        _check("inherent_displacements", h, target.shape[2:])
        _check("inherent_energies", energies, target.shape[2:3])
        check_fields(self._path, configuration, h[None], inherent=True)
        target[configuration, replica] = h
        self.file["inherent_energies"][configuration, replica] = energies
        self._check_disk()

    def _remove(self, *names: str) -> None:
        for name in names:
            if name in self.file:
                del self.file[name]

    def write_inherent(self, inherent: np.ndarray, attrs: Mapping[str, Any]) -> None:
        """Store inherent structures (C, N, d) and how they were made, replacing older ones.

        Probe runs and inherent displacements, which start from them, go with the older ones.
        """
        if "inherent" in self.file:
            self._remove("probe", "inherent_displacements", "inherent_energies")
        self._put_structures("inherent", inherent, attrs)

    def write_cage(
        self, cage: np.ndarray, attrs: Mapping[str, Any], spread: np.ndarray | None = None
    ) -> None:
        """Store cage positions (C, N, d) and how they were made, replacing older ones.

        ``spread`` (C, N) of the runs they are means of.
        """
        self._put_structures("cage", cage, attrs)
        self._remove("cage_spread")
        if spread is not None:
            shape = self.file["positions"].shape[:2]
            _check("cage_spread", spread, shape)
            self._put("cage_spread", np.asarray(spread, np.float64), shape)

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
        shape = (*self.file["positions"].shape[:2], len(temperatures), len(times))
        for name in PROBE:
            _check(f"probe/{name}", averages[name], shape)
        self._remove("probe")
        self.file.create_group("probe").attrs.update(attrs)
        self._put("probe/temperature", np.asarray(temperatures, np.float64), shape[2:3])
        self._put("probe/time", np.asarray(times, np.float64), shape[3:])
        for name in PROBE:
            self._put(f"probe/{name}", np.asarray(averages[name], np.float32), shape)

    def _put_structures(self, name: str, positions: np.ndarray, attrs: Mapping[str, Any]) -> None:
        positions = np.asarray(positions, np.float64)
        shape = self.file["positions"].shape
        _check(name, positions, shape)
        self._remove(name)
        self._put(name, positions, shape)
        self.file[name].attrs.update(attrs)

    def write_array(self, name: str, array: np.ndarray) -> None:
        """Store a further array, such as ``source_configuration`` or ``equilibration/energy``."""
        self._put(name, np.asarray(array), np.asarray(array).shape)

    def write_attribute(self, name: str, value: float) -> None:
        """Store a further number, or put another in its place."""
        self.file.attrs[name] = value

    def write_group(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Store the arrays of a group; strings, and NaN for what there is not, may be among them."""
        for key, array in arrays.items():
            self.file.create_dataset(f"{name}/{key}", data=array, **(self._packed if array.size else {}))

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


def _check(name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise DataError(f"{name} must have shape {shape}, got {array.shape}")
    if not np.isfinite(array).all():
        raise DataError(f"{name} holds values that are not finite; mend the source")


@contextmanager
def _removed_on_error(path: str | Path | None) -> Iterator[None]:
    try:
        yield
    except BaseException:
        if path is not None:
            Path(path).unlink(missing_ok=True)
        raise


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
