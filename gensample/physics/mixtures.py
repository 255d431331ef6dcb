"""Model liquids as data: composition, interaction, truncation and where they come from.

Those of ``mixtures.yaml`` go by their names. Another one is a yaml file, given wherever a name is
(``--mixture my.yaml``), or a `Mixture`::

    like: ka2d-ternary            # what is not said is as there; without it, all below but the last three
    dimension: 2
    composition: [20, 12, 12]     # numbers of particles, or fractions
    density: 1.19206
    sigma: [1.0, 0.88, 0.94]      # diameters, mixed by their means; or the whole table
    epsilon: 1.0                  # one for all, one for each (geometric means), or the whole table
    potential: lennard-jones      # inverse-power (with its exponent), harmonic, or unknown
    truncation: force-shift
    cutoff_factor: 2.5
    masses: [1.0, 1.0, 1.0]
"""

from __future__ import annotations

import dataclasses
import json
import math
import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gensample.errors import ConfigError, DataError
from gensample.plain import read_yaml
from gensample.ranges import check_choice, shown

SHIFT, FORCE_SHIFT, SMOOTH = "shift", "force-shift", "smooth"
TRUNCATIONS = (SHIFT, FORCE_SHIFT, SMOOTH)
NO_TRUNCATION = "none"
"""Of an unknown potential."""
LENNARD_JONES, INVERSE_POWER, HARMONIC, UNKNOWN = "lennard-jones", "inverse-power", "harmonic", "unknown"
POTENTIALS = (LENNARD_JONES, INVERSE_POWER, HARMONIC, UNKNOWN)

Table = tuple[tuple[float, ...], ...]


@dataclasses.dataclass(frozen=True)
class Mixture:
    """A liquid of one or more species, in units of its species A: sigma_AA = eps_AA = m_A = k_B = 1.

    composition: of each species its fraction, or its number of particles in a system of that size, A first;
    density: number density; sigma, epsilon: symmetric tables by species; a pair interacts by ``potential``
    (one of POTENTIALS, ``exponent`` of the inverse power) below cutoff_factor * sigma_ab, truncated as
    ``truncation`` says (one of TRUNCATIONS, formulas in `gensample.physics.potentials`); masses: one for each
    species, 1 unless given; reference: the paper that defines the mixture.

    Examples:
        >>> get_mixture("ka2d").counts(1000)
        (650, 350)

    Raises:
        ConfigError: values that cannot be, or do not fit each other.
    """

    name: str
    dimension: int
    composition: tuple[float, ...]
    density: float
    sigma: Table
    epsilon: Table
    cutoff_factor: float = 2.5
    truncation: str = SHIFT
    reference: str = ""
    potential: str = LENNARD_JONES
    exponent: float = 12.0
    masses: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        kinds = len(self.composition)
        self._require(self.dimension in (2, 3), "dimension must be 2 or 3", self.dimension)
        self._require(
            kinds > 0 and _positive(self.composition), "composition must be positive", self.composition
        )
        for name in ("sigma", "epsilon"):
            table = getattr(self, name)
            square = len(table) == kinds and all(len(row) == kinds and _finite(row) for row in table)
            symmetric = square and all(table[a][b] == table[b][a] for a in range(kinds) for b in range(a))
            self._require(symmetric, f"{name} must be a symmetric table of {kinds} x {kinds}", table)
        self._require(_positive([x for row in self.sigma for x in row]), "sigma must be positive", self.sigma)
        object.__setattr__(self, "masses", tuple(self.masses) or (1.0,) * kinds)
        self._require(
            len(self.masses) == kinds and _positive(self.masses),
            f"{kinds} masses must be positive",
            self.masses,
        )
        numbers = (self.density, self.cutoff_factor, self.exponent)
        self._require(_positive(numbers), "density, cutoff_factor and exponent must be positive", numbers)
        check_choice(f"potential of {self.name}", self.potential, POTENTIALS)
        truncations = TRUNCATIONS if self.has_potential else (NO_TRUNCATION,)
        check_choice(f"truncation of {self.name}", self.truncation, truncations)
        if self.potential == HARMONIC:
            self._require(self.cutoff_factor == 1, "cutoff_factor of harmonic must be 1", self.cutoff_factor)

    def _require(self, holds: bool, problem: str, value: object) -> None:
        if not holds:
            raise ConfigError(f"mixture {self.name}: {problem}, got {shown(value)}")

    @property
    def num_species(self) -> int:
        """Number of species."""
        return len(self.composition)

    @property
    def letters(self) -> str:
        """Of the species, "AB" for two."""
        return string.ascii_uppercase[: self.num_species]

    @property
    def has_potential(self) -> bool:
        """Whether energies can be told."""
        return self.potential != UNKNOWN

    @property
    def fractions(self) -> tuple[float, ...]:
        """Of each species."""
        return tuple(float(part / sum(self.composition)) for part in self.composition)

    @property
    def largest_diameter(self) -> float:
        """Largest sigma of any pair of species."""
        return max(max(row) for row in self.sigma)

    @property
    def cutoff(self) -> float:
        """Longest interaction range of any pair of species; 0 where it is unknown."""
        return self.cutoff_factor * self.largest_diameter if self.has_potential else 0.0

    def counts(self, num_particles: int) -> tuple[int, ...]:
        """Particles of each species for N in all: those of the composition, or the nearest that add up."""
        exact = [fraction * num_particles for fraction in self.fractions]
        if sum(self.composition) == num_particles and all(float(n).is_integer() for n in self.composition):
            exact = list(self.composition)
        counts = [int(x) for x in exact]
        by_remainder = sorted(range(len(exact)), key=lambda a: counts[a] - exact[a])
        for a in by_remainder[: num_particles - sum(counts)]:
            counts[a] += 1
        return tuple(counts)

    def species(self, num_particles: int) -> Tensor:
        """Species (N,) int64 in order: all A, then all B, and so on."""
        counts = torch.tensor(self.counts(num_particles))
        return torch.repeat_interleave(torch.arange(self.num_species), counts)

    def masses_of(self, species: Tensor) -> Tensor | None:
        """Mass of each particle (N,) float64, given its species; None where all species have 1."""
        if all(mass == 1 for mass in self.masses):
            return None
        return torch.tensor(self.masses, dtype=torch.float64)[species.long().cpu()]

    def check_species(self, species: Tensor) -> None:
        """Refuse numbers of species that the mixture has not.

        Raises:
            DataError: there are some.
        """
        if species.numel() and not 0 <= int(species.min()) <= int(species.max()) < self.num_species:
            raise DataError(
                f"{self.name} has species 0 to {self.num_species - 1}, "
                f"got {int(species.min())} to {int(species.max())}"
            )

    def edge_length(self, num_particles: int) -> float:
        """Edge of the cubic (square) box that holds N particles at the mixture's density."""
        return float((num_particles / self.density) ** (1.0 / self.dimension))

    def truncated(self, truncation: str) -> Mixture:
        """The same with another truncation."""
        return self if truncation == self.truncation else dataclasses.replace(self, truncation=truncation)

    @property
    def plain(self) -> str | dict[str, Any]:
        """What `get_mixture` makes it of again: its name, where it is one of the table, else its values."""
        known = MIXTURES.get(self.name)
        if known is not None and self.truncated(known.truncation) == known:
            return self.name
        values: dict[str, Any] = json.loads(self.to_json())
        return values

    def unlike(self, other: Mixture) -> list[str]:
        """Names of what tells it from another liquid, compositions to 1 %.

        Names and references do not, nor do truncation and density, of which a dataset has its own.
        """
        same = {
            "dimension": self.dimension == other.dimension,
            "composition": _near(self.fractions, other.fractions, 1e-2),
            "potential": (self.potential, self._power) == (other.potential, other._power),
        }
        tables = ("sigma", "epsilon", "masses", "cutoff_factor")
        same |= {name: _near(getattr(self, name), getattr(other, name), 1e-6) for name in tables}
        return [name for name, holds in same.items() if not holds]

    @property
    def _power(self) -> float | None:
        return self.exponent if self.potential == INVERSE_POWER else None

    def to_json(self) -> str:
        """All of it as text, as datasets keep it."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_values(cls, values: Mapping[str, Any], name: str = "") -> Mixture:
        """Of plain values as a yaml file has them, see the top of this module; ``name`` where they say none.

        Raises:
            ConfigError: an unknown key, one that is missing, or a value that cannot be.
        """
        own = dict(values)
        like = own.pop("like", None)
        known = [field.name for field in dataclasses.fields(cls)]
        for key in own:
            check_choice(f"a key of mixture {own.get('name', name)}", key, [*known, "like"])
        found: dict[str, Any] = {"name": name, "sigma": 1.0, "epsilon": 1.0}
        if like is not None:
            found |= dataclasses.asdict(get_mixture(like)) | {"name": name, "reference": f"as {like}"}
        found |= own
        if found.get("potential") == UNKNOWN:
            found["truncation"] = NO_TRUNCATION
        if found.get("potential") == HARMONIC:
            found.setdefault("cutoff_factor", 1.0)
        missing = [key for key in ("name", "dimension", "composition", "density") if not found.get(key)]
        if missing:
            raise ConfigError(f"mixture {found['name']} says no {missing[0]}")
        try:
            kinds = len(found["composition"])
            for key in ("sigma", "epsilon"):
                found[key] = _table(found[key], kinds, geometric=key == "epsilon")
            for key in ("composition", "masses"):
                found[key] = tuple(found.get(key) or ())
            return cls(**found)
        except (TypeError, ValueError, IndexError) as error:
            raise ConfigError(f"mixture {found['name']}: {error}") from None

    @classmethod
    def unknown(cls, counts: Sequence[int], dimension: int, density: float) -> Mixture:
        """A liquid of which nothing is known but what it consists of; its unit of length is its diameter."""
        values = {"composition": [int(n) for n in counts], "dimension": dimension, "density": density}
        return cls.from_values({**values, "potential": UNKNOWN}, UNKNOWN)


def _finite(numbers: Sequence[float]) -> bool:
    """Whether all are finite numbers from 0."""
    return all(isinstance(x, int | float) and not isinstance(x, bool) and 0 <= x < math.inf for x in numbers)


def _positive(numbers: Sequence[float]) -> bool:
    return _finite(numbers) and 0 not in numbers


def _near(a: Any, b: Any, tolerance: float) -> bool:
    """Whether two tables, or numbers, are of one shape and nowhere further apart than that."""
    x, y = (torch.tensor(table, dtype=torch.float64) for table in (a, b))
    return x.shape == y.shape and torch.allclose(x, y, rtol=0, atol=tolerance)


def _table(given: Any, kinds: int, geometric: bool) -> Table:
    """A table by species from one number, from one for each, or as it is."""
    if isinstance(given, int | float):
        return ((float(given),) * kinds,) * kinds
    if given and isinstance(given[0], int | float):
        own = [float(x) for x in given]
        return tuple(
            tuple(math.sqrt(a * b) if geometric and a != b else 0.5 * (a + b) for b in own) for a in own
        )
    return tuple(tuple(float(x) for x in row) for row in given)


MIXTURES: dict[str, Mixture] = {}


def get_mixture(given: str | Path | Mapping[str, Any] | Mixture) -> Mixture:
    """The mixture of that name, in that yaml file, of these values, or itself.

    Raises:
        ConfigError: none has the name, or the file makes none; a file whose mixture has the name of another.
        DataError: the file is no plain yaml.
    """
    if isinstance(given, Mixture):
        return given
    if isinstance(given, Mapping):
        return Mixture.from_values(given)
    if isinstance(given, str | Path) and Path(given).suffix in (".yaml", ".yml"):
        mixture = Mixture.from_values(read_yaml(given), Path(given).stem)
        if mixture.name in MIXTURES and mixture != MIXTURES[mixture.name]:
            raise ConfigError(f"{given}: there is another mixture {mixture.name}; choose another name")
        return mixture
    check_choice("mixture", given, MIXTURES)
    return MIXTURES[str(given)]


for _name, _values in read_yaml(Path(__file__).with_suffix(".yaml")).items():
    MIXTURES[_name] = Mixture.from_values(_values, _name)
