"""One HDF5 file per dataset, simulated or generated: the layout of docs/data-format.md."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import h5py
import numpy as np

from gensample.data.catalog import resolve
from gensample.data.door import open_members
from gensample.data.members import Attributes
from gensample.data.schema import PREDICTIONS, PROBE
from gensample.data.values import check_fields
from gensample.data.writer import Contents, StoreWriter
from gensample.errors import DataError

__all__ = ["PROBE", "Contents", "Store", "StoreWriter"]


class Store:
    """Read-only view of a dataset, of a file or in memory; arrays are read when asked for.

    Raises:
        DataError: the file is absent, not HDF5, not of this format, or holds what cannot be right.
    """

    def __init__(self, source: str | Path | Store | h5py.File) -> None:
        place = source.place if isinstance(source, Store) else source
        self.place: Path | h5py.File = place if isinstance(place, h5py.File) else resolve(place)
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
        return self._members.read(name, key)

    def _optional(self, name: str) -> np.ndarray | None:
        return self._array(name) if name in self._members else None

    def row(self, name: str, configuration: int) -> np.ndarray | None:
        """One configuration of an array by configurations, read alone; None where the dataset has none."""
        return self._array(name, configuration) if name in self._members else None

    def _attributes(self, name: str) -> Attributes:
        return self._members.attributes(name) if name in self._members else Attributes(self.path, {})

    @property
    def attrs(self) -> dict[str, Any]:
        """File attributes as plain Python values."""
        return self._members.attributes()

    @property
    def mixture(self) -> str:
        """Name of the mixture."""
        return str(self.attrs["mixture"])

    @property
    def source(self) -> str:
        """Where the data come from."""
        return str(self.attrs["source"])

    @property
    def truncation(self) -> str:
        """How the potential is cut off."""
        return str(self.attrs["truncation"])

    @property
    def density(self) -> float:
        """Number density."""
        return float(self.attrs["density"])

    @property
    def temperature(self) -> np.ndarray:
        """Temperature of each configuration, (C,)."""
        return np.broadcast_to(self.attrs["temperature"], self.num_configurations).astype(np.float64)

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
        return np.array([name.decode() for name in self._array("split")], dtype=str)

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
        return self.inherent_attrs.get("energy")

    @property
    def inherent_attrs(self) -> dict[str, Any]:
        """How the inherent structures were made."""
        return self._attributes("inherent")

    @property
    def cage(self) -> np.ndarray | None:
        """Cage positions, (C, N, d): means over short runs of the unwrapped positions, wrapped."""
        return self._optional("cage")

    @property
    def cage_spread(self) -> np.ndarray | None:
        """Root mean square distance between the means of two short runs over root two, (C, N)."""
        return self._optional("cage_spread")

    @property
    def cage_attrs(self) -> dict[str, Any]:
        """How the cage positions were made."""
        return self._attributes("cage")

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
    def predictions(self) -> dict[str, np.ndarray]:
        """Published predictions of what is averaged, by the name of the model, (C, K, N) each."""
        return self.group(PREDICTIONS)

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

    @property
    def probe_attrs(self) -> dict[str, Any]:
        """How the probe runs were made."""
        return self._attributes("probe")

    @property
    def source_configuration(self) -> np.ndarray | None:
        """For generated ensembles: the configuration of the source dataset, (C,)."""
        return self._optional("source_configuration")

    @property
    def log_density(self) -> np.ndarray | None:
        """For generated configurations: log density of the whole configuration under its model, (C,)."""
        return self._optional("log_density")

    @property
    def log_density_variance(self) -> np.ndarray | None:
        """Variance of the estimate ``log_density`` over probes, (C,); zero where it is exact."""
        return self._optional("log_density_variance")

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

    @property
    def has_displacements(self) -> bool:
        """Whether displacement fields are stored."""
        return "displacements" in self._members

    def displacements(self, configuration: int) -> np.ndarray:
        """Complete replicas of one configuration, (R, K, N, d) float32.

        Raises:
            DataError: the dataset has no displacements, or none of this configuration is complete.
        """
        if not self.has_displacements:
            raise DataError(f"{self.path} has averages only, no displacements")
        return self._fields(configuration, self._complete(configuration))

    def _complete(self, configuration: int) -> np.ndarray:
        """Numbers of the complete replicas, ascending; DataError where there are none."""
        complete = np.flatnonzero(self._array("done", configuration))
        if complete.size == 0:
            raise DataError(f"{self.path}: configuration {configuration} has no complete replica")
        return complete

    def _fields(self, configuration: int, replicas: np.ndarray, name: str = "displacements") -> np.ndarray:
        """Chosen complete replicas, ascending, checked; nothing else is read."""
        first = int(replicas[0])
        together = int(replicas[-1]) - first == len(replicas) - 1
        key = slice(first, first + len(replicas)) if together else replicas
        fields = self._array(name, (configuration, key))
        check_fields(self.path, configuration, fields, inherent=name == "inherent_displacements")
        return fields

    @property
    def has_inherent_displacements(self) -> bool:
        """Whether the displacements between the inherent structures of x and x + u are stored."""
        return "inherent_displacements" in self._members

    @property
    def inherent_displacement_attrs(self) -> dict[str, Any]:
        """How the inherent structures of the futures were found."""
        return self._attributes("inherent_displacements")

    def inherent_displacements(self, configuration: int) -> np.ndarray:
        """h = IS(x + u) - IS(x) of the complete replicas, unwrapped, drift removed, (R, K, N, d) float32.

        Raises:
            DataError: the dataset has none, or no replica of this configuration is complete.
        """
        self._require_inherent_displacements()
        return self._fields(configuration, self._complete(configuration), "inherent_displacements")

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

    # What `data.views.ShearView` serves otherwise.

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
