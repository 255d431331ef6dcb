"""Sheared glasses as configurations: each (configuration, direction) once, in one common frame."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch

from gensample.data.bond_breaking import BondBreakingView
from gensample.data.shear_group import is_sheared
from gensample.data.store import PROBE, Store
from gensample.errors import ConfigError, DataError
from gensample.physics.box import wrap
from gensample.physics.strain import d2min, shear_direction

Quantity = Literal["displacement", "d2min", "first_event", "bond_breaking"]
QUANTITIES: tuple[Quantity, ...] = ("displacement", "d2min", "first_event")
# Neighbours of D2min, in sigma_AA: the first two shells.
D2MIN_CUTOFF = 2.0
# Displacements are stored to about 1e-3: what is smaller in D2min is rounding.
SMALLEST_D2MIN = 1e-8


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
    the first plastic event (one column).

    Raises:
        ConfigError: unknown quantity.
        DataError: the file is no dataset of shear, or incomplete.
    """

    def __init__(self, path: str | Path | Store, quantity: Quantity = "displacement") -> None:
        super().__init__(path)
        if quantity not in QUANTITIES:
            raise ConfigError(f"data.quantity must be one of {', '.join(QUANTITIES)}, got {quantity!r}")
        if not is_sheared(self):
            raise DataError(f"{self.path} is no dataset of `gensample shear`")
        self.quantity = quantity
        names = [name.decode() for name in self._array("shear/direction")]
        self.directions = names
        self.frames = [ShearFrame.of(name, self.dimension) for name in names]

    axes = "shear"

    # Rows

    @property
    def num_configurations(self) -> int:
        """C * R."""
        return super().num_configurations * len(self.frames)

    def source_row(self, row: int) -> tuple[int, int]:
        """Configuration and direction of a row."""
        return divmod(row, len(self.frames))

    def indices(self, split: str) -> np.ndarray:
        """Rows of a split; those without a plastic event are left out where that is what is served."""
        rows = super().indices(split)
        if self.quantity != "first_event":
            return rows
        events = self._array("shear/first_event")
        kept: np.ndarray = rows[np.isfinite(events).all(-1).reshape(-1)[rows]]
        return kept

    def _each(self, array: np.ndarray) -> np.ndarray:
        return np.repeat(array, len(self.frames), axis=0)

    # Arrays by row

    @property
    def temperature(self) -> np.ndarray:
        """Temperature of the liquid, (C * R,)."""
        per_file = np.broadcast_to(self.attrs["temperature"], super().num_configurations)
        return self._each(per_file).astype(np.float64)

    @property
    def box(self) -> np.ndarray:
        """Edge lengths before the shear, (C * R, d)."""
        boxes = self._array("box")
        turned = np.stack([boxes[:, frame.permutation] for frame in self.frames], axis=1)
        return turned.reshape(-1, self.dimension)

    @property
    def split(self) -> np.ndarray:
        """Split of each row."""
        return self._each(super().split)

    @property
    def times(self) -> np.ndarray:
        """Strains, (K,); zero stands for the first event."""
        return np.zeros(1) if self.quantity == "first_event" else self._array("times")

    @property
    def positions(self) -> np.ndarray:
        """Thermal positions, (C * R, N, d)."""
        return self._turned("positions")

    @property
    def inherent(self) -> np.ndarray | None:
        """The minima that were sheared, (C * R, N, d)."""
        return self._turned("inherent") if "inherent" in self._members else None

    @property
    def cage(self) -> np.ndarray | None:
        """Cage positions, (C * R, N, d)."""
        return self._turned("cage") if "cage" in self._members else None

    @property
    def cage_spread(self) -> np.ndarray | None:
        """Spread of the means of short runs, (C * R, N)."""
        found = super().cage_spread
        return None if found is None else self._each(found)

    @property
    def probe(self) -> dict[str, np.ndarray] | None:
        """Averages over probe runs, (C * R, N, Q, W)."""
        found = super().probe
        return found and {name: self._each(x) if name in PROBE else x for name, x in found.items()}

    def row(self, name: str, configuration: int) -> np.ndarray | None:
        """One row of an array by configurations; positions seen along its axes."""
        c, r = self.source_row(configuration)
        found = super().row(name, c)
        if found is None or name not in ("positions", "inherent", "cage"):
            return found
        edges = self._array("box", c)[self.frames[r].permutation]
        return wrap(torch.from_numpy(self.frames[r].turn(found)), torch.from_numpy(edges)).numpy()

    @property
    def replicas(self) -> np.ndarray:
        """One for each row."""
        return np.ones(self.num_configurations, np.int32)

    @property
    def done(self) -> np.ndarray:
        """Which rows are complete, (C * R, 1)."""
        return self._array("done").reshape(-1, 1)

    def displacements(self, configuration: int) -> np.ndarray:
        """Non-affine displacements of one row, (1, K, N, d) float32; at the smallest strain for an event.

        Raises:
            DataError: they are not complete.
        """
        c, r = self.source_row(configuration)
        if not self._array("done", (c, r)):
            raise DataError(f"{self.path}: configuration {c} is not sheared along {self.directions[r]} yet")
        fields = self.frames[r].turn(self._fields(c, np.array([r])))
        return fields[:, : len(self.times)]

    def origin(self, configuration: int) -> np.ndarray:
        """The minimum that was sheared, (N, d)."""
        c, r = self.source_row(configuration)
        return self.frames[r].turn(self._array("inherent", c))

    def node_target(self, configuration: int) -> np.ndarray | None:
        """What is predicted of each particle of a row in place of |u|, (K, N)."""
        c, r = self.source_row(configuration)
        if self.quantity == "displacement":
            return None
        if self.quantity == "first_event":
            return _log10(self._array("shear/first_event", (c, r)))[None]
        reference, box = (torch.from_numpy(self._array(name, c)) for name in ("inherent", "box"))
        fields = torch.from_numpy(self._fields(c, np.array([r]))[0].astype(np.float64))
        return _log10(d2min(reference, fields, box, D2MIN_CUTOFF).d2min.numpy())

    def _turned(self, name: str) -> np.ndarray:
        positions, boxes = self._array(name), self._array("box")
        turned = [frame.turn(positions) for frame in self.frames]
        edges = [boxes[:, None, frame.permutation] for frame in self.frames]
        wrapped = [
            wrap(torch.from_numpy(x), torch.from_numpy(box)) for x, box in zip(turned, edges, strict=True)
        ]
        return torch.stack(wrapped, 1).flatten(0, 1).numpy()


def _log10(values: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.log10(np.maximum(values.astype(np.float64), SMALLEST_D2MIN))
    return found


def open_view(path: str | Path | Store, quantity: Quantity = "displacement") -> Store:
    """A dataset by path, name or store; sheared glasses as `ShearView`, bonds as `BondBreakingView`.

    Raises:
        ConfigError: ``quantity`` is one that the dataset does not have.
        DataError: as `Store`.
    """
    store = Store.open(path)
    if is_sheared(store):
        store.close()
        return ShearView(path, quantity)
    if quantity == "bond_breaking":
        store.close()
        return BondBreakingView(path)
    if quantity != "displacement":
        raise ConfigError(f"data.quantity={quantity} needs a dataset of `gensample shear`, {path} is none")
    return store
