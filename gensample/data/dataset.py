"""``Dataset``: configurations and what is known of their dynamics, from a file or in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from string import ascii_uppercase
from typing import Any, overload

import numpy as np

from gensample.data.configuration import Configuration
from gensample.data.excerpt import write_excerpt
from gensample.data.store import Contents, Store, StoreWriter
from gensample.errors import ConfigError, DataError
from gensample.stats.dynamics import propensity

Rows = slice | Sequence[int] | np.ndarray


class Dataset:
    """Configurations of a store, all or some of them, with their dynamics where those are known.

    ``data["test"]`` (a split, or "all"), ``data[0:4]`` and ``data[[3, 7]]`` are views of the same class,
    ``data[3]`` is a `Configuration`; counted are the configurations of the view. Arrays are read when asked
    for. C configurations, R replicas, K lag times, N particles, d dimensions.

    store: the file, or what is in memory in its format; rows: (C,) configurations of the store.

    Examples:
        >>> data = open_dataset("ka2d-mini")
        >>> test = data["test"]
        >>> test.displacements.shape[2:]
        (3, 500, 2)
    """

    def __init__(self, store: Store, rows: Sequence[int] | np.ndarray | None = None) -> None:
        self.store = store
        self.rows = np.arange(store.num_configurations) if rows is None else np.asarray(rows, np.int64)

    @classmethod
    def create(
        cls,
        contents: Contents,
        fields: Mapping[tuple[int, int], np.ndarray] | np.ndarray | None = None,
        path: str | Path | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> Dataset:
        """A dataset in memory, or at ``path``.

        fields: displacements (C, R, K, N, d), or some (K, N, d) by (c, r); more: further arrays by name.

        Raises:
            DataError: what a file would be refused for.
        """
        with StoreWriter.create(path, contents) as writer:
            if isinstance(fields, np.ndarray):
                fields = {index: fields[index] for index in np.ndindex(fields.shape[:2])}
            for (c, r), field in (fields or {}).items():
                writer.write_replica(c, r, field)
            for name, array in (more or {}).items():
                if array is not None:
                    writer.write_array(name, array)
        return cls(Store.open(writer.file if path is None else path))

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Configuration]:
        return (self[i] for i in range(len(self)))

    @overload
    def __getitem__(self, key: int) -> Configuration: ...

    @overload
    def __getitem__(self, key: str | Rows) -> Dataset: ...

    def __getitem__(self, key: int | str | Rows) -> Dataset | Configuration:
        if isinstance(key, str):
            found = self.rows[np.isin(self.rows, self.store.indices(key))]
            if not len(found):
                raise DataError(f"none of these {len(self)} configurations is in split {key!r}")
            return Dataset(self.store, found)
        if isinstance(key, int | np.integer) and not isinstance(key, bool):
            return self._configuration(int(self.rows[key]))
        chosen = key if isinstance(key, slice) else np.asarray(key)
        if isinstance(chosen, np.ndarray) and (chosen.ndim != 1 or chosen.dtype.kind not in "iub"):
            raise DataError(f"expected a split, a number, a slice or a list of numbers, got {key!r:.80}")
        if not len(found := self.rows[chosen]):
            raise DataError(f"none of these {len(self)} configurations is in {key!r:.80}")
        return Dataset(self.store, found)

    def _configuration(self, row: int) -> Configuration:
        read = self.store.row
        positions, box = read("positions", row), read("box", row)
        temperature = float(self.store.temperature[row])
        known = (self.store.liquid, temperature, read("inherent", row), read("cage", row))
        return Configuration(positions, self.store.species, box, *known)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        store, counts = self.store, np.bincount(self.species)
        species = ", ".join(f"{n} {letter}" for letter, n in zip(ascii_uppercase, counts, strict=False))
        temperatures = " and ".join(f"{t:g}" for t in np.unique(self.temperature))
        lags = ", ".join(f"{t:g}" for t in self.lag_time) if len(self.lag_time) else "none"
        splits = ", ".join(f"{name} {count}" for name, count in self.splits.items())
        return (
            f"Dataset({store.path}: {len(self)} configurations ({splits}) of {self.mixture} at T = "
            f"{temperatures}; species {species}; lag times {lags})"
        )

    def save(self, path: str | Path) -> None:
        """Write these configurations, with all that is known of them, to a file of their own.

        Raises:
            ConfigError: the file cannot be made, or is there already.
            DataError: some of sheared glasses.
        """
        write_excerpt(self.store, self.rows, path)

    # What is known of the configurations

    @property
    def mixture(self) -> str:
        """Name of the mixture."""
        return self.store.mixture

    @property
    def species(self) -> np.ndarray:
        """Species of each particle, (N,)."""
        return self.store.species

    @property
    def dimension(self) -> int:
        """d."""
        return self.store.dimension

    @property
    def temperature(self) -> np.ndarray:
        """Temperature of each configuration, (C,)."""
        return self.store.temperature[self.rows]

    @property
    def splits(self) -> dict[str, int]:
        """Number of configurations of each split that there are any of."""
        names = self.store.split[self.rows].tolist()
        return {name: names.count(name) for name in ("train", "val", "test") if name in names}

    @property
    def box(self) -> np.ndarray:
        """Edge lengths, (C, d)."""
        return self.store.box[self.rows]

    @property
    def positions(self) -> np.ndarray:
        """Wrapped thermal positions, (C, N, d)."""
        return self.store.positions[self.rows]

    @property
    def inherent(self) -> np.ndarray | None:
        """Inherent structures, (C, N, d)."""
        found = self.store.inherent
        return None if found is None else found[self.rows]

    # Dynamics

    @property
    def lag_time(self) -> np.ndarray:
        """Lag times, (K,); strains of sheared glasses."""
        return self.store.times

    def fields(self, i: int) -> np.ndarray:
        """Displacements of the complete replicas of configuration ``i`` of these, (R, K, N, d) float32.

        Raises:
            DataError: there are none.
        """
        return self.store.displacements(int(self.rows[i]))

    @property
    def replicas(self) -> np.ndarray:
        """Complete replicas of each configuration, (C,)."""
        return np.asarray(self.store.done.sum(axis=1)[self.rows])

    @property
    def displacements(self) -> np.ndarray:
        """Displacements of all configurations, (C, R, K, N, d) float32.

        Raises:
            DataError: there are none, or not as many replicas of each configuration.
        """
        numbers = np.unique(self.replicas)
        if len(numbers) > 1:
            raise DataError(
                f"{self.store.path}: the configurations have {numbers.min()} to {numbers.max()} complete "
                "replicas, which fit no array; take fields(i) of each, or a view of those with as many"
            )
        return np.stack([self.fields(i) for i in range(len(self))])

    @property
    def propensity(self) -> np.ndarray | None:
        """Mean of |u| over replicas, (C, N, K), as stored or from the displacements; None without either."""
        if self.store.has_displacements:
            return np.stack([propensity(self.fields(i)).T for i in range(len(self))])
        stored = self.store.propensity
        return None if stored is None else stored[self.rows].transpose(0, 2, 1)


def open_dataset(source: str | Path) -> Dataset:
    """The dataset of a file, or of that name.

    Examples:
        >>> len(open_dataset("ka2d-mini")["val"])
        8

    Raises:
        DataError: there is none, or the file is damaged.
    """
    return Dataset(Store.open(source))


def as_dataset(thing: Any) -> Dataset:
    """A dataset of whatever is one: a file, a name, a store, a configuration or several of one system.

    Raises:
        ConfigError: it is none of these, or a configuration lacks its mixture or temperature.
        DataError: as `open_dataset`, or the configurations are not of one system.
    """
    if isinstance(thing, Dataset):
        return thing
    if isinstance(thing, Store):
        return Dataset(thing)
    if isinstance(thing, str | Path):
        return open_dataset(thing)
    several = [thing] if isinstance(thing, Configuration) else thing
    if not (isinstance(several, Sequence) and several and all(isinstance(c, Configuration) for c in several)):
        raise ConfigError(f"expected a dataset, its file or name, or configurations, got {thing!r:.80}")
    return _of_configurations(several)


def _of_configurations(several: Sequence[Configuration]) -> Dataset:
    first = several[0]
    if first.mixture is None or any(one.temperature is None for one in several):
        raise ConfigError("give the mixture and the temperature of each Configuration")
    for one in several:
        if one.mixture != first.mixture or not np.array_equal(one.species, first.species):
            raise DataError("configurations of one dataset must have the same mixture and species, in order")

    def positions(name: str) -> Any:
        there = all(getattr(one, name) is not None for one in several)
        return np.stack([one.wrapped(name) for one in several]) if there else None

    contents = Contents(
        mixture=first.mixture,
        temperature=np.array([one.temperature for one in several], np.float64),
        positions=np.stack([one.wrapped() for one in several]),
        species=first.species,
        box=np.stack([one.box for one in several]),
        inherent=positions("inherent"),
        source="arrays",
    )
    return Dataset.create(contents, more={"cage": positions("cage")})
