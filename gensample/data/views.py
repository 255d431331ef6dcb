"""Stores that serve other quantities: sheared glasses in one common frame, and bonds that break."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch

from gensample.data.schema import array_of
from gensample.data.store import Store
from gensample.errors import ConfigError, DataError
from gensample.physics.box import wrap
from gensample.physics.strain import d2min, shear_direction
from gensample.stats.pairs import BOND_FORMED, bond_breaking, initial_neighbors

Quantity = Literal["displacement", "d2min", "first_event", "bond_breaking"]
QUANTITIES: tuple[Quantity, ...] = ("displacement", "d2min", "first_event")
# Neighbours of D2min, in sigma_AA: the first two shells.
D2MIN_CUTOFF = 2.0
# Displacements are stored to about 1e-3: what is smaller in D2min is rounding.
SMALLEST_D2MIN = 1e-8


def open_view(source: str | Path | Store, quantity: Quantity = "displacement") -> Store:
    """A dataset by path, name or store; sheared glasses as `ShearView`, bonds as `BondBreakingView`.

    Raises:
        ConfigError: ``quantity`` is one that the dataset does not have.
        DataError: as `Store`.
    """
    store = Store.open(source)
    if not store.is_sheared and quantity == "displacement":
        return store
    store.close()
    if store.is_sheared:
        return ShearView(source, quantity)
    if quantity == "bond_breaking":
        return BondBreakingView(source)
    raise ConfigError(f"data.quantity={quantity} needs a dataset of `gensample shear`, {source} is none")


class ShearFrame(NamedTuple):
    """Axes in which a shear is one along the first axis with its gradient along the second, positive."""

    permutation: list[int]
    sign: list[int]

    @classmethod
    def of(cls, name: str, dimension: int) -> ShearFrame:
        """Frame of a direction such as "xz-"; ConfigError names the known ones."""
        direction = shear_direction(name, dimension)
        axes = [direction.along, direction.across]
        rest = [a for a in range(dimension) if a not in axes]
        return cls(axes + rest, [direction.sign] + [1] * (dimension - 1))

    def turn(self, vectors: np.ndarray) -> np.ndarray:
        """Vectors (..., d) seen along these axes."""
        turned: np.ndarray = vectors[..., self.permutation] * np.array(self.sign, vectors.dtype)
        return turned


class ShearView(Store):
    """Read-only view of a file of `gensample shear`, with C * R configurations of one replica each.

    Row c * R + r is configuration c sheared along direction r, seen along the axes of `ShearFrame`: edge
    vectors then carry the direction, and one network serves all planes and signs. Strains take the place of
    lag times. ``quantity`` decides what is predicted of each particle: the length of its non-affine
    "displacement"; "d2min", the log10 of D2min at each strain; or "first_event", the log10 of D2min across
    the first plastic event (one column, at time zero; rows without an event are left out of the splits).

    Raises:
        ConfigError: unknown quantity.
        DataError: the file is no dataset of shear, or incomplete.
    """

    axes = "shear"

    def __init__(self, source: str | Path | Store, quantity: Quantity = "displacement") -> None:
        super().__init__(source)
        if quantity not in QUANTITIES:
            raise ConfigError(f"data.quantity must be one of {', '.join(QUANTITIES)}, got {quantity!r}")
        if not self.is_sheared:
            raise DataError(f"{self.path} is no dataset of `gensample shear`")
        self.quantity = quantity
        self.directions = [name.decode() for name in self._members.read("shear/direction")]
        self.frames = [ShearFrame.of(name, self.dimension) for name in self.directions]

    @property
    def num_configurations(self) -> int:
        """C * R."""
        return super().num_configurations * len(self.frames)

    def source_row(self, row: int) -> tuple[int, int]:
        """Configuration and direction of a row."""
        return divmod(row, len(self.frames))

    def _array(self, name: str, key: Any = ...) -> np.ndarray:
        """An array or part of it, by row and seen along the axes of each."""
        known, read = array_of(name), self._members.read
        if name == "times" and self.quantity == "first_event":
            return np.zeros(1)
        if name == "replicas":
            return np.asarray(np.ones(self.num_configurations, np.int32)[key])
        if known is None or known.letters[0] != "C":
            return read(name, key)
        of_replicas, count = known.letters[1:2] == "R", len(self.frames)
        if key is ...:
            values = read(name)
            whole = values.reshape(-1, 1, *values.shape[2:]) if of_replicas else np.repeat(values, count, 0)
            for r in range(count) if known.letters[-1] == "d" else ():
                whole[r::count] = self._turned(name, whole[r::count], r, read("box")[:, None])
            return whole
        row, *rest = key if isinstance(key, tuple) else (key,)
        c, r = self.source_row(int(row))
        part = read(name, (c, slice(r, r + 1)) if of_replicas else c)
        part = self._turned(name, part, r, read("box", c)) if known.letters[-1] == "d" else part
        return np.asarray(part[tuple(rest)])

    def _turned(self, name: str, values: np.ndarray, r: int, box: np.ndarray) -> np.ndarray:
        frame = self.frames[r]
        if name == "box":
            return np.asarray(values[..., frame.permutation])
        turned = frame.turn(values)
        if name not in ("positions", "inherent", "cage"):
            return turned
        edges = torch.from_numpy(box[..., frame.permutation])
        return np.asarray(wrap(torch.from_numpy(turned), edges))

    @property
    def temperature(self) -> np.ndarray:
        """Temperature of the liquid, (C * R,)."""
        per_file = np.broadcast_to(self.attrs["temperature"], super().num_configurations)
        return np.repeat(per_file, len(self.frames)).astype(np.float64)

    def indices(self, split: str) -> np.ndarray:
        """Rows of a split; those without a plastic event are left out where that is what is served."""
        rows = super().indices(split)
        if self.quantity != "first_event":
            return rows
        there = np.isfinite(self._array("shear/first_event")).all((1, 2))
        return np.asarray(rows[there[rows]])

    def _complete(self, configuration: int) -> np.ndarray:
        c, r = self.source_row(configuration)
        if not self._members.read("done", (c, r)):
            raise DataError(f"{self.path}: configuration {c} is not sheared along {self.directions[r]} yet")
        return np.zeros(1, np.int64)

    def displacements(self, configuration: int) -> np.ndarray:
        """Non-affine displacements of one row, (1, K, N, d) float32; at the smallest strain for an event.

        Raises:
            DataError: they are not complete.
        """
        return super().displacements(configuration)[:, : len(self.times)]

    def origin(self, configuration: int) -> np.ndarray:
        """The minimum that was sheared, (N, d)."""
        c, r = self.source_row(configuration)
        return self.frames[r].turn(self._members.read("inherent", c))

    def node_target(self, configuration: int) -> np.ndarray | None:
        """What is predicted of each particle of a row in place of |u|, (K, N)."""
        if self.quantity == "displacement":
            return None
        if self.quantity == "first_event":
            return _log10(self._array("shear/first_event", configuration))
        (c, r), read = self.source_row(configuration), self._members.read
        reference, box = (torch.from_numpy(read(name, c)) for name in ("inherent", "box"))
        fields = torch.from_numpy(read("displacements", (c, r)).astype(np.float64))
        return _log10(d2min(reference, fields, box, D2MIN_CUTOFF).d2min.numpy())


def _log10(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.log10(np.maximum(values.astype(np.float64), SMALLEST_D2MIN)))


class BondBreakingView(Store):
    """Read-only view of a dataset that serves the bond-breaking propensity as what is predicted.

    The mean over replicas of the fraction of initial neighbours lost (`stats.pairs`), from the displacements,
    or as stored where there are averages only.

    Raises:
        ConfigError: the dataset has neither.
        DataError: as `Store`, or the mixture is unknown.
    """

    def __init__(self, source: str | Path | Store) -> None:
        super().__init__(source)
        self._last: tuple[int, np.ndarray] | None = None
        if not self.has_displacements and self.bond_breaking is None:
            self.close()
            raise ConfigError(
                f"{source} has neither displacements nor a stored bond-breaking propensity; "
                "set data.quantity to displacement"
            )

    def _optional(self, name: str, key: Any = ...) -> np.ndarray | None:
        return super()._optional("bond_breaking" if name == "propensity" else name, key)

    def node_target(self, configuration: int) -> np.ndarray:
        """Bond-breaking propensity (K, N)."""
        return np.asarray(self._fractions(configuration).mean(0))

    def node_spread(self, configuration: int) -> np.ndarray:
        """Standard deviation (K, N) over replicas (ddof = 1) of the fraction lost; zero for one replica."""
        fractions = self._fractions(configuration)
        return np.asarray(fractions.std(0, ddof=1) if len(fractions) > 1 else np.zeros_like(fractions[0]))

    def _fractions(self, configuration: int) -> np.ndarray:
        """Fraction of its neighbours that each particle has lost, (R, K, N); kept for the next call."""
        if self._last is None or self._last[0] != configuration:
            sigma = np.array(self.liquid.sigma)
            where = self.origin(configuration), self._array("box", configuration)
            neighbors = initial_neighbors(*where, self.species, sigma, BOND_FORMED)
            fields = self.displacements(configuration)
            lost = [bond_breaking(fields[:, k], neighbors) for k in range(fields.shape[1])]
            # A particle without neighbours has none to lose.
            self._last = (configuration, np.nan_to_num(np.stack(lost, axis=1)))
        return self._last[1]
