"""One HDF5 file per dataset, simulated or generated: the layout of docs/data-format.md."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Literal, TypeVar, cast

import h5py
import numpy as np

from gensample.data.catalog import dataset_file
from gensample.data.door import check_fields, open_members
from gensample.data.members import Attributes
from gensample.data.schema import PREDICTIONS, PROBE, SHEARED, liquid_of
from gensample.data.writer import Contents, StoreWriter
from gensample.errors import ConfigError, DataError
from gensample.physics.mixtures import Mixture

__all__ = ["PROBE", "Contents", "Store", "StoreWriter"]

SAMPLED = "gensample sample"
"""How the source of a dataset begins whose fields were drawn."""

Value = TypeVar("Value")


class _Read(Generic[Value]):
    """An attribute of a `Store` that is read from its file by the function ``read(store, name)``."""

    def __init__(self, read: Callable[[Store, str], Any], name: str = "") -> None:
        self._read, self._name = read, name

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = self._name or name

    def __get__(self, store: Store | None, owner: type) -> Value:
        return cast("Value", self if store is None else self._read(store, self._name))


def _stored() -> _Read[np.ndarray]:
    return _Read(lambda store, name: store._array(name))


def _perhaps() -> _Read[np.ndarray | None]:
    return _Read(lambda store, name: store._optional(name))


def _made(name: str) -> _Read[Attributes]:
    """Attributes of an array or group; empty where it is not stored."""
    return _Read(
        lambda store, name: (
            store._members.attributes(name) if name in store._members else Attributes(store.path, {})
        ),
        name,
    )


class Store:
    """Read-only view of a dataset, of a file or in memory; arrays are read when asked for.

    Raises:
        DataError: the file is absent, not HDF5, not of this format, or holds what cannot be right.
    """

    def __init__(self, source: str | Path | Store | h5py.File) -> None:
        place = source.place if isinstance(source, Store) else source
        self.place: Path | h5py.File = place if isinstance(place, h5py.File) else dataset_file(place)
        self._members = open_members(self.place)
        self.path = self._members.path

    @classmethod
    def open(cls, source: str | Path | Store | h5py.File) -> Store:
        """Open a dataset by path or name, a store again, or the file that a `StoreWriter` has in memory."""
        return cls(source)

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
        """Close the file; one in memory goes when nothing refers to it any more."""
        if isinstance(self.place, Path):
            self._members.close()

    def _array(self, name: str, key: Any = ...) -> np.ndarray:
        """An array or part of it; what comes first in ``key`` are rows. Views serve others here."""
        return self._members.read(name, key)

    def _optional(self, name: str, key: Any = ...) -> np.ndarray | None:
        return self._array(name, key) if name in self._members else None

    def row(self, name: str, configuration: int) -> np.ndarray | None:
        """One configuration of an array by configurations, read alone; None where the dataset has none."""
        return self._optional(name, configuration)

    @property
    def attrs(self) -> dict[str, Any]:
        """File attributes as plain Python values."""
        return self._members.attributes()

    mixture = _Read[str](lambda store, name: str(store.attrs[name]))
    """Name of the mixture."""
    source = _Read[str](lambda store, name: str(store.attrs[name]))
    """Where the data come from."""
    truncation = _Read[str](lambda store, name: str(store.attrs[name]))
    """How the potential is cut off."""
    density = _Read[float](lambda store, name: float(store.attrs[name]))
    """Number density."""
    species = _stored()
    """Species of each particle, (N,) int8."""
    box = _stored()
    """Edge lengths, (C, d)."""
    times = _stored()
    """Lag times, (K,)."""
    positions = _stored()
    """Wrapped thermal positions, (C, N, d)."""
    replicas = _stored()
    """Planned number of replicas of each configuration, (C,)."""
    done = _stored()
    """Which replicas are complete, (C, R)."""
    inherent = _perhaps()
    """Inherent-structure positions, (C, N, d)."""
    cage = _perhaps()
    """Cage positions, (C, N, d): means over short runs of the unwrapped positions, wrapped."""
    cage_spread = _perhaps()
    """Root mean square distance between the means of two short runs over root two, (C, N)."""
    propensity = _perhaps()
    """Stored averages of sources that give no displacements, (C, K, N)."""
    bond_breaking = _perhaps()
    """Stored mean fraction of initial neighbours lost, (C, K, N)."""
    source_configuration = _perhaps()
    """For generated ensembles: the configuration of the source dataset, (C,)."""
    log_density = _perhaps()
    """For generated configurations: log density of the whole configuration under its model, (C,)."""
    log_density_variance = _perhaps()
    """Variance of the estimate ``log_density`` over probes, (C,); zero where it is exact."""
    inherent_attrs = _made("inherent")
    """How the inherent structures were made."""
    inherent_displacement_attrs = _made("inherent_displacements")
    """How the inherent structures of the futures were found."""
    cage_attrs = _made("cage")
    """How the cage positions were made."""
    probe_attrs = _made("probe")
    """How the probe runs were made."""

    @property
    def liquid(self) -> Mixture:
        """The mixture itself, truncated as the dataset says."""
        return liquid_of(self.attrs).truncated(self.truncation)

    @property
    def temperature(self) -> np.ndarray:
        """Temperature of each configuration, (C,)."""
        return np.broadcast_to(self.attrs["temperature"], self.num_configurations).astype(np.float64)

    @property
    def split(self) -> np.ndarray:
        """Split of each configuration, (C,) of str."""
        return np.array([name.decode() for name in self._array("split")], dtype=str)

    @property
    def inherent_energy(self) -> np.ndarray | None:
        """Energy per particle of each inherent structure, (C,)."""
        return self.inherent_attrs.get("energy")

    @property
    def is_sheared(self) -> bool:
        """Whether the dataset was made by `gensample shear`."""
        return self.attrs.get("kind") == SHEARED

    @property
    def num_configurations(self) -> int:
        """C."""
        return self._members.shape("positions")[0]

    @property
    def num_particles(self) -> int:
        """N."""
        return self._members.shape("positions")[1]

    @property
    def dimension(self) -> int:
        """d."""
        return self._members.shape("positions")[2]

    def indices(self, split: str) -> np.ndarray:
        """Configurations of a split ("all" for every one).

        Raises:
            DataError: the split is unknown or empty.
        """
        if split == "all":
            return np.arange(self.num_configurations)
        found = np.flatnonzero(self.split == split)
        if found.size == 0:
            known = ", ".join(sorted(set(self.split.tolist())))
            raise DataError(f"{self.path} has no configuration in split {split!r}; it has {known}")
        return found

    def group(self, name: str) -> dict[str, np.ndarray]:
        """Arrays of a further group, such as the evidence of equilibration; empty when absent."""
        if name not in self._members:
            return {}
        return {key: self._array(f"{name}/{key}") for key in self._members.names(name)}

    @property
    def predictions(self) -> dict[str, np.ndarray]:
        """Predictions of what is averaged, published or of a model, by its name, (C, K, N) each."""
        return self.group(PREDICTIONS)

    # Probe runs

    @property
    def probe(self) -> dict[str, np.ndarray] | None:
        """Averages `PROBE` over probe runs, (C, N, Q, W) each, and their ``temperature`` and ``time``."""
        return self.group("probe") or None

    @property
    def probe_levels(self) -> list[tuple[float, float]]:
        """Temperature and time of what probe runs found, both ascending; empty without."""
        if "probe" not in self._members:
            return []
        temperatures, times = (np.sort(self._array(f"probe/{name}")) for name in ("temperature", "time"))
        return [(float(temperature), float(time)) for temperature in temperatures for time in times]

    def probe_row(self, name: str, configuration: int) -> np.ndarray | None:
        """One of `PROBE` for one configuration, (N, L) at the `probe_levels`; None without probe runs."""
        found = self.row(f"probe/{name}", configuration)
        if found is None:
            return None
        level, time = (np.argsort(self._array(f"probe/{axis}")) for axis in ("temperature", "time"))
        return found[:, level][:, :, time].reshape(len(found), -1)

    # Displacements

    @property
    def has_displacements(self) -> bool:
        """Whether displacement fields are stored."""
        return "displacements" in self._members

    @property
    def is_trajectory(self) -> bool:
        """Whether the fields of a replica are of one motion; at several lags they may be drawn one by one."""
        return "trajectory" in self.attrs or not self.source.startswith(SAMPLED)

    @property
    def has_inherent_displacements(self) -> bool:
        """Whether the displacements between the inherent structures of x and x + u are stored."""
        return "inherent_displacements" in self._members

    def displacements(self, configuration: int) -> np.ndarray:
        """Complete replicas of one configuration, (R, K, N, d) float32.

        Raises:
            DataError: the dataset has no displacements, or none of this configuration is complete.
        """
        if not self.has_displacements:
            raise DataError(f"{self.path} has averages only, no displacements")
        return self._fields("displacements", configuration)

    def inherent_displacements(self, configuration: int) -> np.ndarray:
        """h = IS(x + u) - IS(x) of the complete replicas, unwrapped, drift removed, (R, K, N, d) float32.

        Raises:
            DataError: the dataset has none, or no replica of this configuration is complete.
        """
        self._require_inherent_displacements()
        return self._fields("inherent_displacements", configuration)

    def inherent_energies(self, configuration: int) -> np.ndarray:
        """Energy per particle of IS(x + u) of the complete replicas, (R, K).

        Raises:
            DataError: the dataset has none, or no replica of this configuration is complete.
        """
        self._require_inherent_displacements()
        energies = self._array("inherent_energies", configuration)
        return np.asarray(energies[self._complete(configuration)])

    def _require_inherent_displacements(self) -> None:
        if not self.has_inherent_displacements:
            raise DataError(
                f"{self.path} has no inherent displacements; add them with `gensample quench --futures`"
            )

    def _complete(self, configuration: int) -> np.ndarray:
        """Numbers of the complete replicas, ascending; DataError where there are none."""
        complete = np.flatnonzero(self._array("done", configuration))
        if complete.size == 0:
            raise DataError(f"{self.path}: configuration {configuration} has no complete replica")
        return complete

    def _fields(self, name: str, configuration: int) -> np.ndarray:
        """Complete replicas, checked; nothing else is read."""
        replicas = self._complete(configuration)
        first = int(replicas[0])
        together = int(replicas[-1]) - first == len(replicas) - 1
        key = slice(first, first + len(replicas)) if together else replicas
        fields = self._array(name, (configuration, key))
        check_fields(self.path, configuration, fields, inherent=name == "inherent_displacements")
        return fields

    # What `data.views` serve otherwise.

    axes: Literal["cubic", "shear"] = "cubic"
    """Symmetry of the axes: all alike, or a shear of the first along the second."""

    def origin(self, configuration: int) -> np.ndarray:
        """Positions that the displacements of one configuration start from, (N, d)."""
        return self._array("positions", configuration)

    def node_target(self, configuration: int) -> np.ndarray | None:
        """What is predicted of each particle in place of the mean |u|, (K, N); None for that."""
        return None

    def node_spread(self, configuration: int) -> np.ndarray | None:
        """Its standard deviation over replicas (ddof = 1), (K, N), where it has one; None for that of |u|."""
        return None


def lag_rows(times: np.ndarray, lags: Sequence[float] | None) -> np.ndarray:
    """Rows of the lag times ``lags`` among ``times``, ascending; all of them for None.

    Raises:
        ConfigError: one of them is not there.
    """
    if lags is None:
        return np.argsort(times, kind="stable")
    found = [np.flatnonzero(np.isclose(times, lag, rtol=1e-4)) for lag in sorted(set(lags))]
    if not found or any(len(rows) != 1 for rows in found):
        raise ConfigError(f"data.lags asks for {list(lags)}; the dataset has lag times {times.tolist()}")
    return np.concatenate(found)


def domain_of(
    store: Store, temperatures: Iterable[float] | None = None, lags: Iterable[float] = ()
) -> dict[str, Any]:
    """The domain of a dataset, as plain values: mixture, truncation, density, temperatures, lag times.

    The mixture is a name of the table, or all values of another one.
    """
    served = store.temperature if temperatures is None else list(temperatures)
    return {
        "mixture": store.liquid.plain,
        "truncation": store.truncation,
        "density": store.density,
        "temperatures": [float(t) for t in np.unique(served)],
        "lag_times": [float(t) for t in lags],
    }


def digest(text: str, *arrays: np.ndarray | None) -> str:
    """Digest of a text and arrays, some of which may be absent."""
    found = hashlib.sha256(text.encode())
    for array in arrays:
        found.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def digest_structures(store: Store, rows: np.ndarray) -> str:
    """Digest of all that a dataset says of some configurations, but for their dynamics."""
    probe = store.probe or {}
    known = [store.box, store.temperature, store.positions, store.inherent, store.cage, store.cage_spread]
    known += [probe[name] for name in PROBE if name in probe]
    stated = f"{store.mixture},{store.truncation},{store.density},{store.probe_levels}"
    return digest(stated, rows, store.species, *(None if x is None else x[rows] for x in known))
