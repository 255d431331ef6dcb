"""The configuration generator: p(x | T) of a glass-forming mixture by flow matching on the torus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from gensample.data.dataset import Dataset
from gensample.data.liquid import BaseEnsemble
from gensample.data.store import Store, digest_structures
from gensample.data.writer import Contents, StoreWriter
from gensample.errors import ConfigError
from gensample.flow.torus import log_uniform, uniform
from gensample.generators.drawing import Arrays, Drawing, carry_out
from gensample.nn.configuration import ConfigurationNetwork
from gensample.physics.box import check_cutoff, wrap
from gensample.physics.mixtures import get_mixture
from gensample.physics.potentials import energy
from gensample.ranges import SEED, TEMPERATURE, WIDTH, check_choice, whole
from gensample.reads import Model, Reads, check_domain
from gensample.sampling.correction import Corrected, langevin, metropolis
from gensample.sampling.solver import ADAPTIVE, CONFIGURATIONS, FIXED, Solver
from gensample.sampling.transport import NO_DIVERGENCE, Divergence, Transported, transport
from gensample.seeding import torch_generator

# Particles carried in one call: it decides the bits, so it is not a setting.
PARTICLES_PER_CALL = 4096
# Keys of the random streams.
START, PROBES, CORRECTION, BASE = range(4)
CORRECTIONS: dict[str, Callable[..., Corrected]] = {"metropolis": metropolis, "langevin": langevin}
LIKELIHOODS = ("none", "exact", "hutchinson")
RANGES = {
    "temperature": TEMPERATURE,
    "num": whole(1, 10_000_000),
    "particles": whole(2, 1_000_000),
    "seed": SEED,
    "probes": whole(1, 100_000),
    "sweeps": whole(0, 1_000_000),
}


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


class ConfigurationFlow(Model, nn.Module):
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

    def sample(
        self,
        temperature: float,
        num: int = 1000,
        seed: int = 0,
        out: str | Path | None = None,
        **settings: Any,
    ) -> Dataset:
        """Configurations at a temperature; ``settings``: of `ConfigurationDrawing`.

        out: a file, which is resumed, else they are in memory. One does not depend on how many there are.

        Raises:
            ConfigError: settings that cannot be, or ``out`` is another sample.
        """
        plan = ConfigurationDrawing(self, temperature, num, seed, **settings)
        found = carry_out(plan, None if out is None else Path(out)).dataset
        assert found is not None
        return found

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


class ConfigurationDrawing(Drawing):
    """Configurations to draw at a temperature.

    particles: as trained, unless given; base: dataset with the liquid to start from, for flows that start
    from one, base_split: its configurations; likelihood: log density of each, "none", "exact" or "hutchinson"
    with so many probes; sweeps: with the real potential afterwards, of the ``correction`` "metropolis" or
    "langevin"; force: also at temperatures outside the domain of the flow.

    Raises:
        ConfigError: settings that cannot be, naming the option.
    """

    def __init__(
        self,
        flow: ConfigurationFlow,
        temperature: float,
        num: int,
        seed: int,
        *,
        particles: int | None = None,
        solver: Solver = CONFIGURATIONS,
        likelihood: str = "none",
        probes: int = 8,
        sweeps: int = 0,
        correction: str = "metropolis",
        base: str | None = None,
        base_split: str = "test",
        force: bool = False,
    ) -> None:
        self.flow, self.solver, self._force = flow, solver, force
        self.request = asked = {
            **{"model": flow.name, "temperature": temperature, "num": num, "particles": particles},
            **{"seed": seed, **asdict(solver), "likelihood": likelihood, "probes": probes, "sweeps": sweeps},
            **{"base": base, "base_split": base_split, "correction": correction, "weights": flow.digest},
        }
        for name, limit in RANGES.items():
            if asked[name] is not None:
                limit.check(f"--{name}", asked[name])
        check_choice("--method", solver.method, (*FIXED, *ADAPTIVE))
        check_choice("--likelihood", likelihood, LIKELIHOODS)
        check_choice("--correction", correction, CORRECTIONS)
        if likelihood == "hutchinson" and probes < 2:
            raise ConfigError(
                "--likelihood hutchinson needs --probes 2 or more: their spread gives its error"
            )
        if sweeps and likelihood != "none":
            raise ConfigError("a corrected configuration has no known density: drop --sweeps or --likelihood")
        liquid = None if base is None else Store.open(base)
        self.request["content"] = "" if liquid is None else digest_structures(liquid, liquid.indices("all"))

    def open(self) -> None:
        """See `Drawing`."""
        flow, asked = self.flow, self.request
        served, at = {"temperatures": [asked["temperature"]]}, f"T = {asked['temperature']:g}"
        self.outside = check_domain(flow.name, flow.reads.domain, at, served, force=self._force)
        self.mixture = get_mixture(flow.system["mixture"])
        self.particles = asked["particles"] or int(flow.system["particles"])
        self.edge = (self.particles / flow.system["density"]) ** (1 / self.mixture.dimension)
        check_cutoff(self.mixture.cutoff, torch.tensor([self.edge]))
        self.width = max(1, PARTICLES_PER_CALL // self.particles)
        self.box = torch.full((self.width, self.mixture.dimension), self.edge, dtype=torch.float64)
        self.parts = [f"configurations-{chunk:05d}.npz" for chunk in range(-(-asked["num"] // self.width))]
        self.told = f"{asked['num']} configurations of {self.particles} particles"
        self.base = self._open_base()

    def _open_base(self) -> Tensor | None:
        """Draws of a liquid base for all parts (M, N, d); None for a uniform base."""
        asked, expected = self.request, self.flow.system.get("base_temperature")
        if (asked["base"] is None) != (expected is None):
            uniform_base = "particles start anywhere: drop --base"
            liquid = f"give --base DATA.h5 with configurations at T = {expected}"
            raise ConfigError(f"{self.flow.name}: {uniform_base if expected is None else liquid}")
        if expected is None:
            return None
        ensemble = BaseEnsemble(asked["base"], expected)
        ensemble.check_liquid(self.mixture.name, self.mixture.truncation)
        ensemble.check(self.box, self.mixture.species(self.particles).numpy())
        generator, all_parts = torch_generator(asked["seed"], BASE), len(self.parts) * self.width
        return ensemble.take(asked["base_split"], asked["num"], generator, all_parts)

    def start(self, chunk: int) -> Tensor:
        """Draws of the base for one part (C, N, d)."""
        if self.base is not None:
            return self.base[chunk * self.width : (chunk + 1) * self.width]
        generator = torch_generator(self.request["seed"], START, chunk)
        return uniform(self.width, self.particles, self.box, generator)

    def draw(self, part: str, scratch: Path | None) -> Arrays:
        """See `Drawing`; corrected where asked."""
        asked, chunk, device = self.request, self.parts.index(part), self.flow.scale.device
        drawn = self.flow.carry(
            self.start(chunk).to(device),
            self.box.to(device),
            asked["temperature"],
            self.solver,
            Divergence(
                asked["likelihood"],
                asked["probes"],
                torch_generator(asked["seed"], PROBES, chunk, device=device),
            ),
        )
        arrays: dict[str, Any] = {"positions": drawn.positions, "nfe": drawn.nfe}
        # Never with sweeps, see above.
        if drawn.log_density is not None and drawn.variance is not None:
            arrays |= {"log_density": drawn.log_density, "log_density_variance": drawn.variance}
        if asked["sweeps"]:
            corrected = CORRECTIONS[asked["correction"]](
                drawn.positions,
                self.mixture.species(self.particles).to(device),
                self.box[0].to(device),
                self.mixture,
                asked["temperature"],
                asked["sweeps"],
                generator=torch_generator(asked["seed"], CORRECTION, chunk, device=device),
            )
            arrays |= {"positions": corrected.positions, "acceptance": corrected.acceptance}
        return {name: x.cpu().numpy() if isinstance(x, Tensor) else x for name, x in arrays.items()}

    def contents(self, arrays: Callable[[str], Arrays]) -> tuple[Contents, Callable[[StoreWriter], None]]:
        """See `Drawing`."""
        num, read = self.request["num"], [arrays(part) for part in self.parts]
        # Adaptive solvers take their own number in each part.
        attributes: dict[str, Any] = {"nfe": max(int(found["nfe"]) for found in read)}
        kept = [name for name in read[0] if name not in ("nfe", "core_seconds")]
        found = {name: np.concatenate([each[name] for each in read])[:num] for name in kept}
        if "log_density" in found:
            attributes["log_density_constant_unknown"] = self.base is not None
        if "acceptance" in found:
            attributes["acceptance"] = float(found.pop("acceptance").mean())
        contents = Contents(
            mixture=self.mixture.name,
            temperature=self.request["temperature"],
            density=self.flow.system["density"],
            truncation=self.mixture.truncation,
            source=f"gensample sample {self.flow.name}",
            species=self.mixture.species(self.particles).numpy(),
            box=np.full((num, self.mixture.dimension), self.edge),
            positions=found.pop("positions"),
            seed=self.request["seed"],
            command="gensample sample",
            extra_attrs=attributes,
        )

        def write(writer: StoreWriter) -> None:
            for name, array in found.items():
                writer.write_array(name, array)

        return contents, write
