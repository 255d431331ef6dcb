"""Inherent structures of many configurations at once, by FIRE, on any device."""

from typing import NamedTuple

import torch
from torch import Tensor

from gensample.errors import ConfigError, DataError
from gensample.physics.box import wrap
from gensample.physics.listed_forces import ListedForces, check_particles
from gensample.physics.mixtures import Mixture
from gensample.physics.threads import as_many_as_pay

# FIRE 2.0, the values of Guenole et al. but for the time steps: with m = 1 the stiffest modes of these
# liquids are unstable from 0.035 on, where settling takes ten times as many steps; below, few matter.
FIRST_STEP, SHORTEST_STEP, LONGEST_STEP = 0.01, 0.0002, 0.02
PATIENCE, GROWTH, CUT = 20, 1.1, 0.5
MIXING, MIXING_DECAY = 0.25, 0.99
LONGEST_MOVE = 0.1
"""Farthest that a particle goes in one step, in sigma_AA: overlaps push apart, they do not explode."""
RESERVE = 0.6
"""Of the pair list, sigma_AA: descents are short."""
COMPACT_BELOW = 0.8
"""Converged configurations are dropped from the arithmetic when fewer than this fraction are left."""


class Minimum(NamedTuple):
    """Result of `minimize`; a configuration that did not converge is given as it was after the last step."""

    positions: Tensor  # (C, N, d), wrapped, float64
    energy: Tensor  # (C,) per particle
    residual: Tensor  # (C,) largest force on a particle
    steps: Tensor  # (C,) force evaluations after the first
    converged: Tensor  # (C,) bool: residual within the tolerance


def minimize(
    positions: Tensor,
    species: Tensor,
    box: Tensor,
    mixture: Mixture,
    *,
    tolerance: float = 1e-5,
    max_steps: int = 20000,
    truncation: str | None = None,
    skin: float = 0.4,
) -> Minimum:
    """Move every configuration downhill until no particle feels a force above the tolerance.

    positions: (C, N, d), wrapped or not, overlapping or not; species: (N,); box: (d,) or (C, d), with tilt
    factors or not; tolerance in eps_AA / sigma_AA. FIRE 2.0 (Bitzek et al., Phys. Rev. Lett. 97, 170201
    (2006); Guenole et al., Comput. Mater. Sci. 175, 109584 (2020)) with a time step, mixing and stop for
    each configuration, so that neighbours in the batch do not matter. A potential whose force jumps at the
    cut-off ("shift") may keep a pair there from ever converging. Raises ConfigError for bad settings,
    DataError for configurations that do not fit the mixture or have particles at the very same place.
    """
    if not (tolerance > 0 and max_steps >= 0):
        raise ConfigError(f"tolerance must be positive and max_steps not negative: {tolerance}, {max_steps}")
    positions, box = check_particles(positions, species, box, mixture)
    # A copy whatever the strides: the descent moves it in place.
    x = positions.permute(2, 0, 1).clone(memory_format=torch.contiguous_format)
    forces = ListedForces(species.to(x.device), box, mixture, truncation, skin, RESERVE)
    _refuse_coincident(x, forces)
    with as_many_as_pay(positions):
        result = _descend(x, forces, tolerance, max_steps)
    return result._replace(positions=wrap(result.positions, box[:, None]))


def _refuse_coincident(x: Tensor, forces: ListedForces) -> None:
    """DataError if two particles share a place: no force tells them in which direction to part."""
    where = forces.coincident(x)
    if where is not None:
        c, i, j = where
        raise DataError(
            f"configuration {c}: particles {i} and {j} are at the same place and no force parts them; "
            "move one of them a little, or drop the configuration"
        )


class _Fire:
    """Configurations on their way: positions and velocities (d, C, N), settings of each (C,)."""

    def __init__(self, x: Tensor) -> None:
        self.x, self.v = x, torch.zeros_like(x)
        zero = x.new_zeros(x.shape[1])
        self.dt, self.alpha, self.patience = zero + FIRST_STEP, zero + MIXING, zero

    def take(self, chosen: Tensor) -> None:
        """Go on with the chosen configurations alone."""
        self.x, self.v = self.x[:, chosen], self.v[:, chosen]
        self.dt, self.alpha, self.patience = self.dt[chosen], self.alpha[chosen], self.patience[chosen]

    def step(self, force: Tensor) -> None:
        """Algorithm 2 of Guenole et al. (semi-implicit Euler), with moves cut at LONGEST_MOVE."""
        power = _total(force * self.v)
        down = power > 0
        self._adapt(down)
        # Uphill: half a step back and a fresh start.
        self.x.sub_(torch.where(down, 0.0, 0.5 * self.dt)[:, None] * self.v)
        self.v.mul_(down.to(self.v)[:, None]).addcmul_(self.dt[:, None], force)
        speed = _total(self.v.square()).sqrt_()
        strength = _total(force.square()).sqrt_()
        along = self.alpha * speed / strength.clamp_(min=1e-300)
        self.v.mul_((1.0 - self.alpha)[:, None]).addcmul_(along[:, None], force)
        farthest = LONGEST_MOVE / self.dt[:, None]
        self.v.mul_((farthest / self.v.norm(dim=0)).clamp_(max=1.0))
        self.x.addcmul_(self.dt[:, None], self.v)

    def _adapt(self, down: Tensor) -> None:
        """Longer steps and less mixing after PATIENCE steps downhill, shorter and more after one uphill."""
        self.patience = torch.where(down, self.patience + 1, 0.0)
        trusted = self.patience > PATIENCE
        longer = torch.where(trusted, (self.dt * GROWTH).clamp_(max=LONGEST_STEP), self.dt)
        self.dt = torch.where(down, longer, (self.dt * CUT).clamp_(min=SHORTEST_STEP))
        decayed = torch.where(trusted, self.alpha * MIXING_DECAY, self.alpha)
        self.alpha = torch.where(down, decayed, MIXING)


def _total(values: Tensor) -> Tensor:
    """Sum over components and particles of (d, C, N), (C,).

    In two steps: in one, the order of the additions, hence the last bits, would depend on C.
    """
    return values.contiguous().sum(2).sum(0)


class _Results:
    """What is known of each of C configurations, filled in as they finish."""

    def __init__(self, x: Tensor) -> None:
        _, count, _ = x.shape
        self.left = torch.arange(count, device=x.device)  # configurations that the batch still holds
        self.waiting = torch.ones(count, dtype=torch.bool, device=x.device)  # those of them not finished
        self.minimum = Minimum(
            x.permute(1, 2, 0).clone(),
            x.new_zeros(count),
            x.new_zeros(count),
            self.left.new_zeros(count),
            torch.zeros_like(self.waiting),
        )

    def record(self, done: Tensor, x: Tensor, energy: Tensor, residual: Tensor, step: int) -> None:
        """Keep the present state of those that are done (mask over the batch)."""
        to, m = self.left[done], self.minimum
        m.positions[to] = x[:, done].permute(1, 2, 0)
        m.energy[to], m.residual[to], m.steps[to] = energy[done] / x.shape[2], residual[done], step
        self.waiting &= ~done

    def compact(self) -> None:
        """The batch goes on with those that wait."""
        self.left = self.left[self.waiting]
        self.waiting = torch.ones_like(self.left, dtype=torch.bool)


def _descend(x: Tensor, forces: ListedForces, tolerance: float, max_steps: int) -> Minimum:
    """The loop of `minimize`, positions not wrapped."""
    fire, results = _Fire(x), _Results(x)
    for step in range(max_steps + 1):
        force = forces.forces(fire.x)
        residual = force.square().sum(0).amax(1).sqrt_()
        below = residual <= tolerance
        done = results.waiting & (below if step < max_steps else torch.ones_like(below))
        if bool(done.any()):
            results.minimum.converged[results.left[done]] = below[done]
            results.record(done, fire.x, forces(fire.x)[0], residual, step)
            left = int(results.waiting.sum())
            if left == 0:
                break
            if left < COMPACT_BELOW * len(done):
                force = force[:, results.waiting]
                fire.take(results.waiting)
                forces.take(results.waiting)
                results.compact()
        fire.step(force)
    return results.minimum
