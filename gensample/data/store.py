"""One HDF5 file per dataset, simulated or generated: the layout of docs/data-format.md."""

from __future__ import annotations

import datetime
import json
import os
import platform
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np
import torch

import gensample
from gensample.data.catalog import resolve
from gensample.errors import DataError

FORMAT = "gensample"
VERSION = 1
SPLITS = ("train", "val", "test")
REQUIRED = ("species", "box", "split", "positions", "times", "replicas", "done")


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` on success, remove it on failure."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def software_versions() -> dict[str, str]:
    """Versions that a dataset records about the programs that wrote it."""
    return {
        "gensample": gensample.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "h5py": h5py.__version__,
    }


class Store:
    """Read-only view of a dataset; arrays are read when asked for.

    Raises:
        DataError: the file is absent, not HDF5, not of this format, or incomplete in its layout.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = resolve(path)
        try:
            self._file = h5py.File(self.path, "r")
        except OSError as error:
            raise DataError(f"{self.path} is not a readable HDF5 file ({error}); make it again") from None
        try:
            self._check_layout()
        except DataError:
            self._file.close()
            raise

    @classmethod
    def open(cls, path: str | Path) -> Store:
        """Open a dataset by path, or by the name of an embedded one."""
        return cls(path)

    def _check_layout(self) -> None:
        file = self._file
        if file.attrs.get("format") != FORMAT:
            raise DataError(f"{self.path} is not a gensample dataset; convert it with `gensample import`")
        if int(file.attrs["version"]) > VERSION:
            raise DataError(
                f"{self.path} has format version {file.attrs['version']}, this gensample reads up to {VERSION}; "
                "upgrade gensample"
            )
        missing = [name for name in REQUIRED if name not in file]
        if missing:
            raise DataError(f"{self.path} lacks {', '.join(missing)}; the file is damaged, make it again")
        self._check_shapes()

    def _check_shapes(self) -> None:
        count, particles, dimension = self._file["positions"].shape
        replicas, lags = self._file["done"].shape[1], self._file["times"].shape[0]
        expected = {
            "species": (particles,),
            "box": (count, dimension),
            "split": (count,),
            "replicas": (count,),
            "done": (count, replicas),
            "inherent": (count, particles, dimension),
            "displacements": (count, replicas, lags, particles, dimension),
            "propensity": (count, lags, particles),
            "bond_breaking": (count, lags, particles),
        }
        for name, shape in expected.items():
            if name in self._file and self._file[name].shape != shape:
                raise DataError(f"{self.path}: {name} has shape {self._file[name].shape}, expected {shape}")

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _array(self, name: str) -> Any:
        return self._file[name][...]

    def _optional(self, name: str) -> Any:
        return self._array(name) if name in self._file else None

    @property
    def attrs(self) -> dict[str, Any]:
        """File attributes as plain Python values."""
        return {k: v.item() if isinstance(v, np.generic) else v for k, v in self._file.attrs.items()}

    @property
    def mixture(self) -> str:
        """Name of the mixture."""
        return str(self._file.attrs["mixture"])

    @property
    def source(self) -> str:
        """Where the data come from."""
        return str(self._file.attrs["source"])

    @property
    def truncation(self) -> str:
        """How the potential is cut off."""
        return str(self._file.attrs["truncation"])

    @property
    def density(self) -> float:
        """Number density."""
        return float(self._file.attrs["density"])

    @property
    def temperature(self) -> np.ndarray:
        """Temperature of each configuration, (C,)."""
        return np.broadcast_to(self._file.attrs["temperature"], self.num_configurations).astype(np.float64)

    @property
    def species(self) -> np.ndarray:
        """Species of each particle, (N,) int8."""
        return self._array("species")

    @property
    def box(self) -> np.ndarray:
        """Edge lengths, (C, d)."""
        return self._array("box")

    @property
    def split(self) -> np.ndarray:
        """Split of each configuration, (C,) of str."""
        return self._file["split"].asstr()[...].astype(str)

    @property
    def times(self) -> np.ndarray:
        """Lag times, (K,)."""
        return self._array("times")

    @property
    def positions(self) -> np.ndarray:
        """Wrapped thermal positions, (C, N, d)."""
        return self._array("positions")

    @property
    def inherent(self) -> np.ndarray | None:
        """Inherent-structure positions, (C, N, d)."""
        return self._optional("inherent")

    @property
    def inherent_energy(self) -> np.ndarray | None:
        """Energy per particle of each inherent structure, (C,)."""
        if "inherent" not in self._file or "energy" not in self._file["inherent"].attrs:
            return None
        return np.asarray(self._file["inherent"].attrs["energy"])

    @property
    def inherent_attrs(self) -> dict[str, Any]:
        """How the inherent structures were made."""
        return dict(self._file["inherent"].attrs) if "inherent" in self._file else {}

    @property
    def replicas(self) -> np.ndarray:
        """Planned number of replicas of each configuration, (C,)."""
        return self._array("replicas")

    @property
    def done(self) -> np.ndarray:
        """Which replicas are complete, (C, R)."""
        return self._array("done")

    @property
    def propensity(self) -> np.ndarray | None:
        """Stored averages of sources that give no displacements, (C, K, N)."""
        return self._optional("propensity")

    @property
    def bond_breaking(self) -> np.ndarray | None:
        """Stored mean fraction of initial neighbours lost, (C, K, N)."""
        return self._optional("bond_breaking")

    @property
    def source_configuration(self) -> np.ndarray | None:
        """For generated ensembles: the configuration of the source dataset, (C,)."""
        return self._optional("source_configuration")

    @property
    def num_configurations(self) -> int:
        """C."""
        return int(self._file["positions"].shape[0])

    @property
    def num_particles(self) -> int:
        """N."""
        return int(self._file["positions"].shape[1])

    @property
    def dimension(self) -> int:
        """d."""
        return int(self._file["positions"].shape[2])

    @property
    def has_displacements(self) -> bool:
        """Whether displacement fields are stored."""
        return "displacements" in self._file

    def displacements(self, configuration: int) -> np.ndarray:
        """Complete replicas of one configuration, (R, K, N, d) float32.

        Raises:
            DataError: the dataset has no displacements, or none of this configuration is complete.
        """
        if not self.has_displacements:
            raise DataError(f"{self.path} has averages only, no displacements")
        complete = np.flatnonzero(self._file["done"][configuration])
        if complete.size == 0:
            raise DataError(f"{self.path}: configuration {configuration} has no complete replica")
        return self._file["displacements"][configuration, : complete[-1] + 1][complete]

    def indices(self, split: str) -> np.ndarray:
        """Configurations of a split ("all" for every one).

        Raises:
            DataError: the split is unknown or empty.
        """
        if split == "all":
            return np.arange(self.num_configurations)
        found = np.flatnonzero(self.split == split)
        if found.size == 0:
            raise DataError(
                f"{self.path} has no configuration in split {split!r}; it has {sorted(set(self.split.tolist()))}"
            )
        return found

    def group(self, name: str) -> dict[str, np.ndarray]:
        """Arrays of a further group, such as the evidence of equilibration; empty when absent."""
        return {key: value[...] for key, value in self._file[name].items()} if name in self._file else {}


class StoreWriter:
    """Writes one dataset; replicas may come in any order and are marked when complete.

    Raises:
        DataError: an array has the wrong shape or is not finite.
    """

    def __init__(self, file: h5py.File) -> None:
        self._file = file

    @classmethod
    def create(
        cls,
        path: str | Path,
        *,
        mixture: str,
        temperature: float | np.ndarray,
        density: float,
        truncation: str,
        source: str,
        species: np.ndarray,
        box: np.ndarray,
        split: Sequence[str],
        positions: np.ndarray,
        times: np.ndarray,
        replicas: np.ndarray,
        inherent: np.ndarray | None = None,
        inherent_attrs: Mapping[str, Any] | None = None,
        seed: int | None = None,
        command: str | None = None,
        propensity: np.ndarray | None = None,
        bond_breaking: np.ndarray | None = None,
        extra_attrs: Mapping[str, Any] | None = None,
        displacements: bool = True,
    ) -> StoreWriter:
        """Lay out a new file at ``path``; shapes as in docs/data-format.md."""
        positions = np.asarray(positions, np.float64)
        if positions.ndim != 3:
            raise DataError(f"positions must have shape (C, N, d), got {positions.shape}")
        writer = cls(h5py.File(path, "w"))
        writer._write_attributes(
            {
                "format": FORMAT,
                "version": VERSION,
                "mixture": mixture,
                "temperature": temperature,
                "density": density,
                "units": "lj",
                "truncation": truncation,
                "source": source,
                "command": command or "",
                "seed": -1 if seed is None else seed,
                "software": json.dumps(software_versions()),
                "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                **(extra_attrs or {}),
            }
        )
        count, particles, dimension = positions.shape
        writer._put("species", np.asarray(species, np.int8), (particles,))
        writer._put("box", np.asarray(box, np.float64), (count, dimension))
        writer._put_split(split, count)
        writer._put("positions", positions, positions.shape)
        writer._put("times", np.asarray(times, np.float64), (len(times),))
        writer._put("replicas", np.asarray(replicas, np.int32), (count,))
        for name, array in (("propensity", propensity), ("bond_breaking", bond_breaking)):
            if array is not None:
                writer._put(name, np.asarray(array, np.float32), (count, len(times), particles))
        if inherent is not None:
            writer.write_inherent(inherent, inherent_attrs or {})
        writer._reserve(count, int(np.max(replicas, initial=0)), len(times), particles, dimension, displacements)
        return writer

    @classmethod
    def resume(cls, path: str | Path) -> StoreWriter:
        """Open an existing file for writing more replicas or inherent structures."""
        Store(path).close()
        return cls(h5py.File(path, "r+"))

    def _write_attributes(self, attributes: Mapping[str, Any]) -> None:
        for name, value in attributes.items():
            self._file.attrs[name] = value

    def _put(self, name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
        if array.shape != shape:
            raise DataError(f"{name} must have shape {shape}, got {array.shape}")
        if not np.isfinite(array).all():
            raise DataError(f"{name} holds values that are not finite; mend the source")
        self._file.create_dataset(name, data=array, compression="gzip", compression_opts=9, shuffle=True)

    def _put_split(self, split: Sequence[str], count: int) -> None:
        names = [str(name) for name in split]
        if len(names) != count or not set(names) <= set(SPLITS):
            raise DataError(f"split must name one of {SPLITS} for each of {count} configurations, got {names}")
        self._file.create_dataset("split", data=names, dtype=h5py.string_dtype())

    def _reserve(self, count: int, replicas: int, lags: int, particles: int, dim: int, fields: bool) -> None:
        self._file.create_dataset("done", data=np.zeros((count, replicas), bool))
        if fields:
            self._file.create_dataset(
                "displacements",
                shape=(count, replicas, lags, particles, dim),
                dtype="f4",
                chunks=(1, 1, lags, particles, dim) if replicas else None,
                compression="gzip" if replicas else None,
                compression_opts=9 if replicas else None,
                shuffle=bool(replicas),
            )

    def write_replica(self, configuration: int, replica: int, displacement: np.ndarray) -> None:
        """Store one replica (K, N, d) and mark it complete."""
        target = self._file["displacements"]
        if displacement.shape != target.shape[2:]:
            raise DataError(f"a replica must have shape {target.shape[2:]}, got {displacement.shape}")
        if not np.isfinite(displacement).all():
            raise DataError(f"configuration {configuration}, replica {replica}: displacements are not finite")
        target[configuration, replica] = displacement
        self._file["done"][configuration, replica] = True

    def write_inherent(self, inherent: np.ndarray, attrs: Mapping[str, Any]) -> None:
        """Store inherent structures (C, N, d) and how they were made, replacing older ones."""
        if "inherent" in self._file:
            del self._file["inherent"]
        self._put("inherent", np.asarray(inherent, np.float64), self._file["positions"].shape)
        self._file["inherent"].attrs.update(attrs)

    def write_array(self, name: str, array: np.ndarray) -> None:
        """Store a further array, such as ``source_configuration`` or ``equilibration/energy``."""
        self._put(name, np.asarray(array), np.asarray(array).shape)

    @property
    def done(self) -> np.ndarray:
        """Which replicas are complete, (C, R)."""
        return self._file["done"][...]

    def close(self) -> None:
        """Flush and close."""
        self._file.close()

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
