"""Molecular dynamics of many configurations at once, in torch on any device."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from gensample.errors import ConfigError, DataError
from gensample.physics.listed_forces import ListedForces, check_particles
from gensample.physics.mixtures import Mixture
from gensample.physics.threads import PARTICLES, as_many_as_pay

TIMESTEP = 0.005
DAMPING = 0.5
"""Relaxation time of the thermostat, tau."""
CHAIN = 3
"""Thermostats in a chain, as many as LAMMPS has."""
SKIN, RESERVE = 0.4, 1.0
FARTHEST = 1.0
"""A run whose steps are longer, on average, has exploded: no particle is so fast by heat (sigma)."""
PARTICLES_AT_ONCE = PARTICLES
"""On a CPU more are run in pieces, whose pairs stay in the cache."""


class Limits(NamedTuple):
    """How a run is kept: ``temperature`` of its thermostat, one or (B,), None: energy is conserved;
    ``damping`` the relaxation time of that; ``move`` the farthest that a particle goes in a step, None: as
    far as it will; ``noise`` the seeds (B,) of Langevin dynamics, None: Nose-Hoover."""

    temperature: float | Tensor | None = None
    damping: float = DAMPING
    move: float | None = None
    noise: Sequence[int] | None = None
    levels: Tensor | None = None


def steps_of(time: float, timestep: float) -> int:
    """The number of steps nearest to a time, at least one."""
    return max(1, round(time / timestep))


def run_dynamics(
    positions: Tensor,
    velocities: Tensor,
    species: Tensor,
    box: Tensor,
    mixture: Mixture,
    kept: Sequence[int],
    limits: Limits,
    *,
    timestep: float = TIMESTEP,
    skin: float = SKIN,
) -> Tensor:
    """Displacements (K, B, N, d), unwrapped, float64, of B runs after the steps ``kept``, ascending.

    positions, velocities: (B, N, d); species: (N,); box: (d,) or (B, d). Velocity Verlet (W. C. Swope et al.,
    J. Chem. Phys. 76, 637 (1982)) with the mixture's masses; with a temperature, chains of three Nose-Hoover
    thermostats (G. J. Martyna et al., J. Chem. Phys. 97, 2635 (1992)) integrated as ``fix nvt`` of LAMMPS
    does, or friction and noise without drift, half a step before and half after (G. Bussi and M. Parrinello,
    Phys. Rev. E 75, 056707 (2007)). No run depends on the others in the batch but for rounding, and on a CPU
    not even by that.

    Raises:
        ConfigError: settings that cannot be, or a box shorter than twice the interaction range.
        DataError: positions and velocities that do not fit, or a run that explodes.
    """
    _check(positions, velocities, kept, limits, timestep)
    x, box = check_particles(positions, species, box, mixture)
    mass = mixture.masses_of(species)
    mass = None if mass is None else mass.to(x)
    at_once = max(1, PARTICLES_AT_ONCE // max(x.shape[1], 1)) if x.device.type == "cpu" else len(x)
    pieces = []
    for part in (slice(first, first + at_once) for first in range(0, len(x), at_once)):
        start, v = (each[part].permute(2, 0, 1).to(x).contiguous() for each in (x, velocities))
        forces = ListedForces(species.to(x.device), box[part], mixture, None, skin, RESERVE)
        moving = _Moving(start.clone(), v.clone(), forces, _limits_of(limits, part), timestep, mass)
        with as_many_as_pay(x[part]):
            pieces.append(_displacements(moving, start, kept))
    return torch.cat(pieces, 1)


def _displacements(moving: "_Moving", start: Tensor, kept: Sequence[int]) -> Tensor:
    """Of one piece (K, B, N, d); DataError where it explodes."""
    found = []
    for step in moving.pauses(kept):
        moved = moving.x - start
        if not bool(moved.abs().max() <= max(step, 1) * FARTHEST):
            raise _exploded()
        found.append(moved.permute(1, 2, 0))
    return torch.stack(found)


def _check(
    positions: Tensor, velocities: Tensor, kept: Sequence[int], limits: Limits, timestep: float
) -> None:
    ascending = all(a < b for a, b in pairwise((-1, *kept)))
    if not (kept and ascending and timestep > 0 and limits.damping > 0):
        raise ConfigError(
            "dynamics need steps to keep in ascending order, a positive time step and a positive damping, "
            f"got {list(kept)!r:.100}, {timestep}, {limits.damping}"
        )
    if limits.noise is not None and (limits.temperature is None or len(limits.noise) != len(positions)):
        raise ConfigError(
            f"Langevin dynamics of {len(positions)} runs need a temperature and as many seeds, "
            f"got {limits.temperature} and {len(limits.noise)}"
        )
    if velocities.shape != positions.shape or not bool(torch.isfinite(velocities).all()):
        raise DataError(
            f"velocities must be finite and of the shape of the positions, {tuple(positions.shape)}, "
            f"got {tuple(velocities.shape)}"
        )


def _limits_of(limits: Limits, part: slice) -> Limits:
    temperature = limits.temperature
    if limits.noise is not None:
        limits = limits._replace(noise=limits.noise[part])
    if isinstance(temperature, Tensor) and temperature.ndim:
        return limits._replace(temperature=temperature[part])
    return limits


class _Moving:
    """Configurations on their way: positions and velocities (d, B, N), masses (N,), None where all are 1."""

    def __init__(
        self,
        x: Tensor,
        v: Tensor,
        forces: ListedForces,
        limits: Limits,
        timestep: float,
        mass: Tensor | None = None,
    ) -> None:
        self.x, self.v, self.forces, self.dt, self.mass = x, v, forces, timestep, mass
        self.fastest = None if limits.move is None else limits.move / timestep
        self.chains: list[tuple[Tensor | slice, _Chain]] = []
        self.noise: _Noise | None = None
        if limits.levels is not None:
            for level in torch.unique(limits.levels):
                self._thermostat_of((limits.levels == level).nonzero()[:, 0], level, limits.damping)
        elif limits.temperature is not None:
            temperature = torch.as_tensor(limits.temperature).to(x)
            if limits.noise is None:
                self._thermostat_of(slice(None), temperature, limits.damping)
            else:
                temperature = temperature.expand(x.shape[1])
                self.noise = _Noise(temperature, limits.noise, limits.damping, timestep, mass)
        self.f = self._pull()

    def _thermostat_of(self, members: Tensor | slice, temperature: Tensor, damping: float) -> None:
        """A Nose-Hoover chain for some particles of every configuration."""
        count = self.v[..., members].shape[2]
        chain = _Chain(temperature.expand(self.x.shape[1]), len(self.x) * (count - 1), damping, self.dt)
        self.chains.append((members, chain))

    def pauses(self, steps: Sequence[int]) -> Iterator[int]:
        """Go on to each of the steps in turn; DataError if a run explodes."""
        for last, step in pairwise((0, *steps)):
            try:
                for _ in range(step - last):
                    self.step()
            except DataError as error:
                raise _exploded() from error
            yield step

    def step(self) -> None:
        """Half a step of the thermostat, velocity Verlet, half a step of the thermostat."""
        self._thermostat()
        self._kick()
        self.x.add_(self.v, alpha=self.dt)
        self.f = self._pull()
        self._kick()
        self._thermostat()

    def _pull(self) -> Tensor:
        """Accelerations (d, B, N)."""
        f = self.forces.forces(self.x)
        return f if self.mass is None else f.div_(self.mass)

    def _kick(self) -> None:
        """Half a step of the velocities, which end within the limit (fix nve/limit of LAMMPS)."""
        self.v.add_(self.f, alpha=0.5 * self.dt)
        if self.fastest is not None:
            self.v.mul_((self.fastest / self.v.norm(dim=0).clamp_(min=1e-300)).clamp_(max=1.0))

    def _thermostat(self) -> None:
        for members, chain in self.chains:
            own = self.v[..., members]
            mass = None if self.mass is None else self.mass[members]
            self.v[..., members] = own.mul_(chain.half(twice_kinetic(own, mass))[:, None])
        if self.noise is not None:
            self.noise.half(self.v)


def _exploded() -> DataError:
    return DataError(
        "the molecular dynamics exploded: start from configurations without overlaps, or shorten the step"
    )


def twice_kinetic(v: Tensor, mass: Tensor | None = None) -> Tensor:
    """Sum (B,) of m v^2 of velocities (d, B, N) of masses (N,), all 1 unless given.

    In two steps: in one, the order of the additions, hence the last bits, would depend on B.
    """
    square = v.square()
    return (square if mass is None else square.mul_(mass)).sum(2).sum(0)


class _Noise:
    """Friction and noise of B configurations, each from a generator of its own."""

    def __init__(
        self,
        temperature: Tensor,
        seeds: Sequence[int],
        damping: float,
        timestep: float,
        mass: Tensor | None = None,
    ) -> None:
        self.mass = mass
        self.kept = math.exp(-0.5 * timestep / damping)
        self.width = (temperature * (1 - self.kept**2)).sqrt()[:, None]
        self.generators = [torch.Generator(temperature.device).manual_seed(seed) for seed in seeds]

    def half(self, v: Tensor) -> None:
        """Half a step of velocities (d, B, N), in place; total momentum stays."""
        shape = (len(v), v.shape[2])
        drawn = [torch.randn(shape, generator=g, dtype=v.dtype, device=v.device) for g in self.generators]
        noise = torch.stack(drawn, 1)
        if self.mass is None:
            noise = noise - noise.mean(2, keepdim=True)
        else:
            noise = noise / self.mass.sqrt()
            noise = noise - (noise * self.mass).sum(2, keepdim=True) / self.mass.sum()
        v.mul_(self.kept).add_(noise.mul_(self.width))


class _Chain:
    """Chains of Nose-Hoover thermostats of B configurations, at rest to begin with.

    ``rate`` (CHAIN, B) are the velocities of the thermostats and ``push`` what accelerates them; masses
    Q_1 = n T tau^2 for n degrees of freedom, Q_k = T tau^2.
    """

    def __init__(self, temperature: Tensor, freedom: int, damping: float, timestep: float) -> None:
        self.temperature, self.freedom, self.dt = temperature, freedom, timestep
        self.mass = [temperature * damping**2 * (freedom if k == 0 else 1) for k in range(CHAIN)]
        self.rate = [torch.zeros_like(temperature) for _ in range(CHAIN)]
        self.place = [torch.zeros_like(temperature) for _ in range(CHAIN)]
        self.push = [-self.temperature / mass for mass in self.mass]

    def half(self, twice_kinetic: Tensor) -> Tensor:
        """Half a step; what the velocities are to be multiplied by (B,), given the sum of their squares (B,).

        In the order of ``nhc_temp_integrate`` of LAMMPS.
        """
        aim, quarter = self.freedom * self.temperature, 0.25 * self.dt
        self.push[0] = (twice_kinetic - aim) / self.mass[0]
        for k in reversed(range(CHAIN)):
            drag = self._drag(k)
            self.rate[k] = (self.rate[k] * drag + quarter * self.push[k]) * drag
        factor = torch.exp(-0.5 * self.dt * self.rate[0])
        for place, rate in zip(self.place, self.rate, strict=True):
            place.add_(rate, alpha=0.5 * self.dt)
        self.push[0] = (twice_kinetic * factor.square() - aim) / self.mass[0]
        for k in range(CHAIN):
            drag = self._drag(k)
            if k:
                self.push[k] = (self.mass[k - 1] * self.rate[k - 1].square() - self.temperature) / self.mass[
                    k
                ]
            self.rate[k] = (self.rate[k] * drag + quarter * self.push[k]) * drag
        return factor

    def _drag(self, k: int) -> Tensor | float:
        """Factor of an eighth of a step by the thermostat above; none above the last."""
        return torch.exp(-0.125 * self.dt * self.rate[k + 1]) if k + 1 < CHAIN else 1.0

    def energy(self) -> Tensor:
        """Of the chain (B,): with kinetic and potential energy it is conserved."""
        kinetic = sum(0.5 * mass * rate.square() for mass, rate in zip(self.mass, self.rate, strict=True))
        return kinetic + self.temperature * (self.freedom * self.place[0] + sum(self.place[1:]))
