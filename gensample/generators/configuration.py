"""The configuration generator: p(x | T) of a glass-forming mixture by flow matching on the torus."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gensample.errors import ConfigError
from gensample.flow.torus import log_uniform
from gensample.nn.configuration import ConfigurationNetwork
from gensample.physics.box import wrap
from gensample.physics.mixtures import get_mixture
from gensample.physics.potentials import energy
from gensample.ranges import WIDTH
from gensample.reads import Reads
from gensample.sampling.solver import CONFIGURATIONS, Solver
from gensample.sampling.transport import NO_DIVERGENCE, Divergence, Transported, transport


@dataclass(frozen=True)
class BoundVelocity:
    """The flow's velocity for C boxes at given temperatures, as ``sampling.transport`` wants it."""

    flow: ConfigurationFlow
    species: Tensor  # (N,)
    box: Tensor  # (C, d)
    inverse_temperature: Tensor  # (C,)

    def __call__(self, x: Tensor, s: Tensor) -> Tensor:
        """Velocity (C, N, d) in LJ units; s () or (C,)."""
        velocity: Tensor = self.flow.network(*self._arguments(x, s))
        return (self.flow.scale * velocity).to(x)

    def with_divergence(self, x: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        """The same and its divergence (C,)."""
        velocity, divergence = self.flow.network.with_divergence(*self._arguments(x, s))
        return (self.flow.scale * velocity).to(x), (self.flow.scale * divergence).to(x)

    def _arguments(self, x: Tensor, s: Tensor) -> tuple[Tensor, ...]:
        inside = wrap(x, self.box.to(x).unsqueeze(1))  # single precision is best near the origin
        kind = self.inverse_temperature.dtype
        at = s.to(kind).expand(len(x))
        return inside.to(kind), self.species, self.box.to(kind), at, self.inverse_temperature


class ConfigurationFlow(nn.Module):
    """Flow from a base to equilibrium configurations, one model for all temperatures.

    Args:
        reads: what was read of the training data.
        system: mixture, particles, density, temperatures and temperature of the base of the training data,
            None for a base of uniform independent particles.
        graph: "local" or "all-pairs" (small systems).
        width, vectors, radial: see ``nn.configuration.ConfigurationNetwork``.
    """

    scale: Tensor

    def __init__(
        self,
        reads: dict[str, Any],
        system: dict[str, Any],
        graph: Literal["local", "all-pairs"] = "local",
        width: int = 64,
        vectors: int = 8,
        radial: int = 32,
    ) -> None:
        super().__init__()
        for name, value in {"width": width, "vectors": vectors, "radial": radial}.items():
            WIDTH.check(f"model.{name}", value)
        self.reads = read = Reads.read(reads)
        if read.species is None or read.dimension is None:
            raise ConfigError(f"model.reads must say species and dimension, got {read.plain()!r:.200}")
        self.system = system
        self.network = ConfigurationNetwork(
            read.species, read.dimension, read.cutoff, graph, width, vectors, radial
        )
        self.register_buffer("scale", torch.ones(()))

    def bind(self, species: Tensor, box: Tensor, temperature: Tensor) -> BoundVelocity:
        """Velocity of C configurations: species (N,), box (C, d), temperature (C,)."""
        return BoundVelocity(self, species, box, 1 / temperature.to(self.scale))

    def carry(
        self,
        start: Tensor,
        box: Tensor,
        temperature: float,
        solver: Solver = CONFIGURATIONS,
        divergence: Divergence = NO_DIVERGENCE,
    ) -> Transported:
        """Draws of the base, start (C, N, d) in boxes (C, d), carried to configurations at a temperature.

        With a ``divergence`` the log density of the labelled configurations comes too, see ``log_base``.
        """
        mixture = get_mixture(self.system["mixture"])
        species = mixture.species(start.shape[1]).to(start.device)
        velocity = self.bind(species, box, torch.full((len(start),), temperature, device=start.device))
        moved = transport(velocity, start, self.log_base(start, box), solver, divergence)
        return replace(moved, positions=wrap(moved.positions, box.unsqueeze(1)))

    def log_base(self, start: Tensor, box: Tensor) -> Tensor:
        """Log density (C,) of draws of the base; for a liquid -U / T0, up to one constant."""
        base_temperature = self.system.get("base_temperature")
        if base_temperature is None:
            return log_uniform(start.shape[1], box)
        mixture = get_mixture(self.system["mixture"])
        species = mixture.species(start.shape[1]).to(start.device)
        total: Tensor = energy(start, species, box, mixture).sum(1)
        return -total / float(base_temperature)
