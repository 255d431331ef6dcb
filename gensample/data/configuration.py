"""``Configuration``: one structure as numpy arrays, from anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gensample.data.importing.cells import check_orthogonal, lay
from gensample.data.importing.source import SPECIES, Source, SourceStructure
from gensample.errors import ConfigError, DataError, MissingDependencyError
from gensample.physics.box import wrap
from gensample.physics.mixtures import Mixture, get_mixture
from gensample.ranges import TEMPERATURE

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True, eq=False)
class Configuration:
    """Positions, species and box of one structure, and what else is known of it.

    positions: (N, d), wrapped or not; species: (N,) from 0; box: edge lengths (d,), or one for all;
    mixture: its name or itself; temperature: at which it was in equilibrium; inherent and cage: positions
    (N, d) of its inherent structure and of its cages; quantities in Lennard-Jones units of species A.

    Examples:
        >>> one = Configuration([[0.5, 0.5], [1.5, 0.5]], [0, 1], box=4.0, mixture="ka2d", temperature=0.45)
        >>> one
        Configuration(2 particles of species 1:1 in 4 x 4, ka2d, T = 0.45)

    Raises:
        DataError: the arrays do not fit each other, or hold what is not finite.
        ConfigError: there is no mixture of that name, or the temperature is none.
    """

    positions: np.ndarray
    species: np.ndarray
    box: np.ndarray
    mixture: str | Mixture | None = None
    temperature: float | None = None
    inherent: np.ndarray | None = None
    cage: np.ndarray | None = None

    def __post_init__(self) -> None:
        positions = _array("positions", self.positions)
        if positions.ndim != 2 or positions.shape[1] not in (2, 3) or not len(positions):
            raise DataError(f"positions must have shape (N, 2) or (N, 3), got {positions.shape}")
        size, dimension = positions.shape
        species, box = np.asarray(self.species), _array("box", self.box)
        if (
            species.shape != (size,)
            or species.dtype.kind not in "iu"
            or (species < 0).any()
            or (species > 99).any()
        ):
            raise DataError(f"species must be {size} whole numbers from 0 to 99, got {_short(self.species)}")
        if box.shape not in ((), (dimension,)) or not (box > 0).all():
            raise DataError(f"box must be one or {dimension} positive edge lengths, got {_short(self.box)}")
        found = {"positions": positions, "species": species, "box": np.broadcast_to(box, dimension).copy()}
        for name in ("inherent", "cage"):
            if getattr(self, name) is not None:
                found[name] = _array(name, getattr(self, name))
                if found[name].shape != positions.shape:
                    raise DataError(f"{name} must have shape {positions.shape}, got {found[name].shape}")
        if self.temperature is not None:
            TEMPERATURE.check("temperature", self.temperature)
        for name, array in found.items():
            object.__setattr__(self, name, array)
        if self.mixture is not None:
            mixture = get_mixture(self.mixture)
            if mixture.dimension != dimension:
                raise DataError(f"{mixture.name} is {mixture.dimension}D, the positions are {dimension}D")
            if species.max() >= mixture.num_species:
                raise DataError(
                    f"species of {mixture.name} are below {mixture.num_species}, got {species.max()}"
                )
            object.__setattr__(self, "mixture", mixture)

    def __len__(self) -> int:
        return len(self.positions)

    def __repr__(self) -> str:
        counts = ":".join(map(str, np.bincount(self.species)))
        known = [self.mixture.name] if isinstance(self.mixture, Mixture) else []
        known += [] if self.temperature is None else [f"T = {self.temperature:g}"]
        edges = " x ".join(f"{edge:.6g}" for edge in self.box)
        what = f"{len(self)} particles of species {counts} in {edges}"
        return f"Configuration({', '.join([what, *known])})"

    @property
    def dimension(self) -> int:
        """d."""
        return int(self.positions.shape[1])

    @classmethod
    def from_ase(
        cls,
        atoms: Atoms,
        mixture: str | Mixture | None = None,
        temperature: float | None = None,
        species: Mapping[str, int] | None = None,
    ) -> Configuration:
        """An `ase.Atoms` with an orthogonal box, turned along the axes; in 2D where z is not periodic.

        species: number of each chemical symbol; without it the array ``species_index`` of the atoms, as
        `to_ase` and `gensample export` write it; else by their numbers the elements that are the species of
        the mixture; without a mixture elements in the order of the periodic table.

        Raises:
            DataError: a tilted box, other periodic directions, a symbol without a number, or elements that
                are not the species of the mixture, or could be in several ways.
        """
        periodic = np.asarray(atoms.pbc)
        if not periodic[:2].all():
            raise DataError(f"expected atoms periodic along x and y, and along z in 3D; got pbc {periodic}")
        dimension = 3 if periodic[2] else 2
        frame = SourceStructure("the atoms", Source(Path()), np.array(atoms.positions), atoms.numbers)
        lay(frame, np.asarray(atoms.cell, np.float64), [])
        check_orthogonal([frame])
        assert frame.box is not None
        if species is not None:
            unknown = sorted(set(atoms.symbols) - set(species))
            if unknown:
                raise DataError(f"species names no number for {', '.join(unknown)}")
            kinds = np.array([species[symbol] for symbol in atoms.symbols])
        elif SPECIES in atoms.arrays:
            kinds = atoms.arrays[SPECIES]
        elif mixture is not None:
            kinds = _by_composition(atoms, get_mixture(mixture))
        else:
            kinds = np.unique(atoms.numbers, return_inverse=True)[1]
        return cls(frame.positions[:, :dimension], kinds, frame.box[:dimension], mixture, temperature)

    def to_ase(self) -> Atoms:
        """As `ase.Atoms`: species 0 is element 1; the array ``species_index`` has the numbers; 2D at z = 0.

        Raises:
            MissingDependencyError: ase is not installed.
        """
        try:
            from ase import Atoms
        except ImportError:
            raise MissingDependencyError("ase is not installed: pip install 'gensample[io]'") from None
        missing = 3 - self.dimension
        atoms = Atoms(
            numbers=self.species + 1,
            positions=np.pad(self.positions, ((0, 0), (0, missing))),
            cell=[*self.box, *[1.0] * missing],
            pbc=[True] * self.dimension + [False] * missing,
        )
        atoms.arrays[SPECIES] = self.species.copy()
        return atoms

    def quench(self, device: str = "cpu") -> Configuration:
        """Its inherent structure: the bits of `gensample quench --engine torch` on a configuration.

        Raises:
            ConfigError: the mixture is not given or has no known potential.
            DataError: it does not come to rest.
        """
        from gensample.data.positions import quench_together

        if self.mixture is None:
            raise ConfigError("give the mixture of the configuration: its potential is what is minimised")
        of = (self.wrapped()[None], self.species, self.box[None], get_mixture(self.mixture))
        found = quench_together(*of, torch.device(device))
        positions = found.positions[0].cpu().numpy()
        return replace(self, positions=positions, inherent=positions)

    def wrapped(self, name: str = "positions") -> np.ndarray:
        """Positions, or those called "inherent" or "cage", (N, d) in the box."""
        return wrap(torch.from_numpy(getattr(self, name)), torch.from_numpy(self.box)).numpy()


def _by_composition(atoms: Atoms, mixture: Mixture) -> np.ndarray:
    """Species (N,) of the elements, in the one order in which their numbers are those of the mixture."""
    elements, place, found = np.unique(atoms.numbers, return_inverse=True, return_counts=True)
    expected, orders = np.array(mixture.counts(len(atoms))), permutations(range(mixture.num_species))
    fits = [
        order
        for order in orders
        if len(found) == len(expected)
        and np.abs(found - expected[list(order)]).max() <= max(1, 0.01 * len(atoms))
    ]
    if len(fits) == 1:
        return np.array(fits[0])[place]
    symbols = [str(atoms.symbols[int(np.argmax(place == k))]) for k in range(len(elements))]
    how = "in several ways" if fits else "in no way"
    raise DataError(
        f"{', '.join(f'{n} {symbol}' for n, symbol in zip(found, symbols, strict=True))} are {how} the "
        f"{':'.join(map(str, expected))} particles of the species of {mixture.name}: say which is which, as "
        f"species={dict(zip(symbols, range(len(symbols)), strict=True))}"
    )


def _array(name: str, value: Any) -> np.ndarray:
    try:
        array = np.asarray(value, np.float64) if np.isrealobj(value) else None
    except (TypeError, ValueError):
        array = None
    if array is None:
        raise DataError(f"{name} must be an array of numbers, got {_short(value)}")
    if not np.isfinite(array).all():
        raise DataError(f"{name} holds values that are not finite")
    return array


def _short(value: Any) -> str:
    return " ".join(f"{value!s:.60}".split())
