"""Local correction: Markov chains of the real potential that carry configurations towards equilibrium.

Both chains leave exp(-U / T) invariant exactly, whatever the step, for a batch of configurations at once.
Chains of a batch are independent of each other but for the order in which `metropolis` visits particles.
Call them in pieces with one generator to record states on the way: a call of 10 sweeps and one of 90 give
the bits of one of 100.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from gensample.errors import ConfigError
from gensample.physics.box import wrap
from gensample.physics.listed_forces import ListedForces, ReducedPotential, check_particles, reduced_potential
from gensample.physics.mixtures import Mixture
from gensample.physics.potentials import energy

METROPOLIS_STEP = 0.1
"""Default largest displacement of a component, times sqrt(T): about 40 % acceptance in dense liquids."""
LANGEVIN_STEP = 0.045
"""Default width of the noise, times sqrt(T) (N d)^(-1/6): about 57 % acceptance in equilibrium."""
DRIFT_LIMIT = 2.0
"""Longest drift of a particle in one Langevin step, in widths of the noise."""


class Corrected(NamedTuple):
    """Configurations after a correction, float64."""

    positions: Tensor  # (C, N, d), wrapped
    energy: Tensor  # (C,) per particle; infinite where particles still coincide
    acceptance: Tensor  # (C,) fraction of accepted moves; NaN after no moves


def metropolis(
    positions: Tensor,
    species: Tensor,
    box: Tensor,
    mixture: Mixture,
    temperature: float | Tensor,
    sweeps: int,
    *,
    step: float | Tensor | None = None,
    generator: torch.Generator,
    truncation: str | None = None,
) -> Corrected:
    """Sweeps of N single-particle Metropolis moves, each move made in all configurations at once.

    positions: (C, N, d), wrapped or not, overlapping or not; species: (N,); box: (d,) or (C, d); temperature
    and step (largest displacement of a component, in sigma_AA): a number or (C,). A sweep visits every
    particle once in a random order, which is as likely as its reverse, so that sweeps obey detailed balance
    (Metropolis et al., J. Chem. Phys. 21, 1087 (1953); Manousiouthakis and Deem, ibid. 110, 2753 (1999)).
    Every move sums over all N - 1 others: for N up to about 1000. ConfigError and DataError for settings and
    configurations that cannot work.
    """
    positions, box = check_particles(positions, species, box, mixture)
    species = species.to(positions.device)
    t = _per_configuration("temperature", temperature, positions)
    width = _per_configuration("step", METROPOLIS_STEP * t.sqrt() if step is None else step, positions)
    moves = _Moves(positions, species, box, reduced_potential(mixture, truncation), mixture)
    accepted = torch.zeros_like(t)
    for _ in range(_number("sweeps", sweeps)):
        moves.sweep(t, width, accepted, generator)
    final = moves.positions()
    per_particle = energy(final, species, box, mixture, truncation).mean(1)
    return Corrected(final, per_particle, accepted / (sweeps * positions.shape[1]))


class _Moves:
    """State of the Metropolis chains: positions (d, N, C), and memory that all moves share."""

    def __init__(
        self, positions: Tensor, species: Tensor, box: Tensor, potential: ReducedPotential, mixture: Mixture
    ) -> None:
        self._potential = potential
        self._box = box.T.contiguous()  # (d, C)
        self._x = wrap(positions, box[:, None]).permute(2, 1, 0).contiguous()
        kind = species.long()
        sigma, epsilon = (
            positions.new_tensor(table)[kind][:, kind] for table in (mixture.sigma, mixture.epsilon)
        )
        self._inverse_sigma2 = sigma.pow(-2).unsqueeze(-1)  # (N, N, 1)
        self._weight = (4.0 * epsilon).fill_diagonal_(0.0)  # a particle does not meet itself
        d, n, c = self._x.shape
        self._ends = positions.new_empty(d, 2, 1, c)
        self._apart, self._other = positions.new_empty(2, d, 2, n, c)
        self._q2, self._v = positions.new_empty(2, 2, n, c)

    def positions(self) -> Tensor:
        """Wrapped positions (C, N, d)."""
        return self._x.permute(2, 1, 0).contiguous()

    def sweep(self, t: Tensor, width: Tensor, accepted: Tensor, generator: torch.Generator) -> None:
        """Attempt one move of every particle; adds the number of accepted ones to ``accepted`` (C,)."""
        d, n, c = self._x.shape
        order = torch.randperm(n, generator=generator, device=generator.device).tolist()
        shift = _uniform((n, d, c), generator, self._x).mul_(2.0).sub_(1.0).mul_(width)
        # A move is accepted with probability exp(-change / T): when -T log(uniform) is not below the change.
        allowed = _uniform((n, c), generator, self._x).neg_().log1p_().mul_(-t)
        for i in order:
            old = self._x[:, i]
            trial = wrap(old + shift[i], self._box)
            accept = self._change(i, old, trial) <= allowed[i]
            accepted += accept
            old.copy_(torch.where(accept, trial, old))

    def _change(self, i: int, old: Tensor, new: Tensor) -> Tensor:
        """Energy (C,) of particle i at new (d, C) less that at old."""
        torch.stack([old, new], 1, out=self._ends[:, :, 0])
        apart, other, q2, v = self._apart, self._other, self._q2, self._v
        torch.sub(self._x.unsqueeze(1), self._ends, out=apart).abs_()
        # Nearest image of wrapped positions: fewer operations than by rounding.
        torch.sub(self._box[:, None, None], apart, out=other)
        torch.minimum(apart, other, out=apart).square_()
        torch.sum(apart, 0, out=q2)
        self._potential.clamp_(q2.mul_(self._inverse_sigma2[i]))
        self._quarter_energy(q2, v, other[0])
        return self._weight[i] @ torch.sub(v[1], v[0], out=q2[0])

    def _quarter_energy(self, q2: Tensor, v: Tensor, scratch: Tensor) -> None:
        """A quarter of v(q) without its constant, which drops out of differences; overwrites all three."""
        potential = self._potential
        if potential.power is None:
            torch.reciprocal(q2, out=v)
            torch.mul(v, v, out=scratch)
            v.mul_(scratch)
            torch.sub(v, 1.0, out=scratch)
            v.mul_(scratch)
        elif potential.power:
            torch.pow(q2, -0.5 * potential.power, out=v).mul_(0.25)
        else:
            v.zero_()
        if potential.quadratic or potential.quartic:
            v.add_(q2, alpha=potential.quadratic / 4.0)
            v.addcmul_(q2, q2, value=potential.quartic / 4.0)
        if potential.linear:
            v.add_(q2.sqrt_(), alpha=potential.linear / 4.0)


def langevin(
    positions: Tensor,
    species: Tensor,
    box: Tensor,
    mixture: Mixture,
    temperature: float | Tensor,
    steps: int,
    *,
    step: float | Tensor | None = None,
    generator: torch.Generator,
    truncation: str | None = None,
    skin: float = 0.3,
) -> Corrected:
    """Metropolis-adjusted Langevin steps, in which all particles move at once along their forces.

    Arguments as in `metropolis`; ``step`` s is the width of the noise: x' = x + s^2 F / (2 T) + s xi,
    accepted with the ratio of Roberts and Tweedie, Bernoulli 2, 341 (1996), section 1.4.1. The drift of a
    particle is cut at DRIFT_LIMIT s (their section 1.4.2), without which an overlap would never be left.
    Pairs come from a list with a ``skin``, linear in N. Same seed, same bits on the CPU. Errors as in
    `metropolis`.
    """
    positions, box = check_particles(positions, species, box, mixture)
    species = species.to(positions.device)
    t = _per_configuration("temperature", temperature, positions)
    default = LANGEVIN_STEP * t.sqrt() * positions[0].numel() ** (-1 / 6)
    width = _per_configuration("step", default if step is None else step, positions)
    forces = ListedForces(species, box, mixture, truncation, skin)
    chain = _Langevin(positions, box, forces, t, width)
    accepted = torch.zeros_like(t)
    for _ in range(_number("steps", steps)):
        accepted += chain.step(generator)
    final = wrap(chain.x.permute(1, 2, 0), box[:, None]).contiguous()
    return Corrected(final, energy(final, species, box, mixture, truncation).mean(1), accepted / steps)


class _Langevin:
    """State of the Langevin chains: wrapped positions (d, C, N), energies (C,) and drifts (d, C, N)."""

    def __init__(
        self, positions: Tensor, box: Tensor, forces: ListedForces, t: Tensor, width: Tensor
    ) -> None:
        self._box, self._forces, self._t, self._width = box.T.unsqueeze(-1), forces, t, width
        self.x = wrap(positions.permute(2, 0, 1), self._box).contiguous()
        self._energy, self._drift = self._evaluate(self.x)

    def step(self, generator: torch.Generator) -> Tensor:
        """One step of every chain; returns which were accepted (C,)."""
        noise = _normal(self.x.shape, generator, self.x).mul_(self._width[:, None])
        move = self._drift + noise
        x = wrap(self.x + move, self._box)
        energy, drift = self._evaluate(x)
        # The way back is -move from the new place, where the drift is another.
        excess = (move + drift).square_().sub_(noise.square_()).sum((0, 2)) / (2.0 * self._width**2)
        log_ratio = (self._energy - energy) / self._t - excess
        accept = _uniform(log_ratio.shape, generator, self.x).neg_().log1p_() <= log_ratio
        self._energy = torch.where(accept, energy, self._energy)
        self.x = torch.where(accept[:, None], x, self.x)
        self._drift = torch.where(accept[:, None], drift, self._drift)
        return accept

    def _evaluate(self, x: Tensor) -> tuple[Tensor, Tensor]:
        energy, force = self._forces(x)
        drift = force.mul_((0.5 * self._width**2 / self._t)[:, None])
        limit = DRIFT_LIMIT * self._width[:, None]
        return energy, drift.mul_((limit / drift.norm(dim=0)).clamp_(max=1.0))


def _uniform(shape: Sequence[int], generator: torch.Generator, like: Tensor) -> Tensor:
    """Uniform numbers in [0, 1), drawn where the generator lives."""
    return torch.rand(shape, generator=generator, device=generator.device, dtype=like.dtype).to(like.device)


def _normal(shape: Sequence[int], generator: torch.Generator, like: Tensor) -> Tensor:
    """Standard normal numbers, drawn where the generator lives."""
    return torch.randn(shape, generator=generator, device=generator.device, dtype=like.dtype).to(like.device)


def _per_configuration(name: str, value: float | Tensor, positions: Tensor) -> Tensor:
    """A positive setting as (C,) beside the positions (C, N, d)."""
    given = torch.as_tensor(value, dtype=positions.dtype, device=positions.device)
    count = len(positions)
    if given.shape not in ((), (count,)) or not bool((given > 0).all()):
        raise ConfigError(f"{name} must be positive, one number or one for each of {count}, got {value}")
    return given.expand(count)


def _number(name: str, value: int) -> int:
    if value < 0:
        raise ConfigError(f"{name} must not be negative, got {value}")
    return value
