"""Drawing configurations: chunks of work, resumption, local correction, and the dataset at the end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from gensample import zoo
from gensample.commands.requests import refuse_other
from gensample.data.liquid import BaseEnsemble
from gensample.data.store import Store, StoreWriter
from gensample.errors import ConfigError
from gensample.flow.torus import uniform
from gensample.generators.configuration import ConfigurationFlow
from gensample.physics.box import check_cutoff
from gensample.physics.mixtures import Mixture, get_mixture
from gensample.ranges import SEED, TEMPERATURE, check_choice, check_device, check_table, positive_to, whole
from gensample.reads import check_domain
from gensample.sampling.correction import Corrected, langevin, metropolis
from gensample.sampling.solver import ADAPTIVE, FIXED, GRIDS, Solver
from gensample.sampling.transport import Divergence
from gensample.seeding import torch_generator
from gensample.work import Work, check_output, claim, parts_beside, tidy

# Particles carried in one call: it decides the bits, so it is not a setting.
PARTICLES_PER_CALL = 4096
# Keys of the random streams.
START, PROBES, CORRECTION, BASE = range(4)
CORRECTIONS: dict[str, Callable[..., Corrected]] = {"metropolis": metropolis, "langevin": langevin}
KNOWN = {
    "correction": tuple(CORRECTIONS),
    "likelihood": ("none", "exact", "hutchinson"),
    "method": (*FIXED, *ADAPTIVE),
    "grid": GRIDS,
}
RANGES = {
    "temperature": TEMPERATURE,
    "num": whole(1, 10_000_000),
    "particles": whole(2, 1_000_000),
    "seed": SEED,
    "steps": whole(1, 100_000),
    "tolerance": positive_to(0.1),
    "probes": whole(1, 100_000),
    "sweeps": whole(0, 1_000_000),
}


@dataclass(frozen=True)
class Request:
    """Everything that decides the bits of a set of configurations."""

    model: str
    temperature: float
    num: int
    particles: int | None
    seed: int
    method: str
    steps: int
    grid: str
    tolerance: float
    likelihood: str
    probes: int
    sweeps: int
    base: str | None
    base_split: str
    weights: str = ""
    content: str = ""
    correction: str = "metropolis"

    def check(self) -> None:
        """Refuse settings that cannot be, naming the option."""
        check_table(self, RANGES, "--")
        for name, known in KNOWN.items():
            check_choice(f"--{name}", getattr(self, name), known)
        if self.likelihood == "hutchinson" and self.probes < 2:
            raise ConfigError(
                "--likelihood hutchinson needs --probes 2 or more: their spread gives its error"
            )
        if self.sweeps and self.likelihood != "none":
            raise ConfigError("a corrected configuration has no known density: drop --sweeps or --likelihood")


class Configurations:
    """One request with its model."""

    def __init__(self, request: Request, device: str, force: bool) -> None:
        self.request = request
        self.model, self.device = load_generator(request.model, device), torch.device(device)
        system = self.model.system
        self.mixture: Mixture = get_mixture(system["mixture"])
        self.particles = request.particles or int(system["particles"])
        asked = {"temperatures": [request.temperature]}
        self.outside = check_domain(
            request.model, self.model.reads.domain, f"T = {request.temperature:g}", asked, force=force
        )
        self.edge = (self.particles / system["density"]) ** (1 / self.mixture.dimension)
        check_cutoff(self.mixture.cutoff, torch.tensor([self.edge]))
        self.width = max(1, PARTICLES_PER_CALL // self.particles)
        self.box = torch.full((self.width, self.mixture.dimension), self.edge, dtype=torch.float64)
        self.base = self._open_base()

    @property
    def chunks(self) -> range:
        """Numbers of the chunks."""
        return range(-(-self.request.num // self.width))

    @staticmethod
    def part(chunk: int) -> str:
        """File of a finished chunk."""
        return f"configurations-{chunk:05d}.npz"

    def _open_base(self) -> Tensor | None:
        """Draws of a liquid base for all chunks (M, N, d); None for a uniform base."""
        request, expected = self.request, self.model.system.get("base_temperature")
        if (request.base is None) != (expected is None):
            uniform_base = "particles start anywhere: drop --base"
            liquid = f"give --base DATA.h5 with configurations at T = {expected}"
            raise ConfigError(f"{request.model}: {uniform_base if expected is None else liquid}")
        if request.base is None:
            return None
        ensemble = BaseEnsemble(request.base, expected)
        ensemble.check_liquid(self.mixture.name, self.mixture.truncation)
        ensemble.check(self.box, self.mixture.species(self.particles).numpy())
        generator = torch_generator(request.seed, BASE)
        return ensemble.take(request.base_split, request.num, generator, len(self.chunks) * self.width)

    def start(self, chunk: int) -> Tensor:
        """Draws of the base for one chunk (C, N, d)."""
        if self.base is not None:
            return self.base[chunk * self.width : (chunk + 1) * self.width]
        generator = torch_generator(self.request.seed, START, chunk)
        return uniform(self.width, self.particles, self.box, generator)

    def draw(self, chunk: int, work: Work) -> None:
        """Draw a chunk, correct it where asked, and keep it in its file."""
        request, device = self.request, self.device
        drawn = self.model.carry(
            self.start(chunk).to(device),
            self.box.to(device),
            request.temperature,
            Solver(request.method, request.steps, request.tolerance, request.grid),
            Divergence(
                request.likelihood,
                request.probes,
                torch_generator(request.seed, PROBES, chunk, device=device),
            ),
        )
        arrays: dict[str, Any] = {"positions": drawn.positions, "nfe": drawn.nfe}
        # Never with sweeps, see Request.check.
        if drawn.log_density is not None and drawn.variance is not None:
            arrays |= {"log_density": drawn.log_density, "log_density_variance": drawn.variance}
        if request.sweeps:
            arrays["positions"], arrays["acceptance"] = self._correct(drawn.positions, chunk)
        plain = {name: x.cpu().numpy() if isinstance(x, Tensor) else x for name, x in arrays.items()}
        work.keep(self.part(chunk), **plain)

    def _correct(self, positions: Tensor, chunk: int) -> tuple[Tensor, Tensor]:
        box = positions.new_full((self.mixture.dimension,), self.edge)
        corrected = CORRECTIONS[self.request.correction](
            positions,
            self.mixture.species(self.particles).to(positions.device),
            box,
            self.mixture,
            self.request.temperature,
            self.request.sweeps,
            generator=torch_generator(self.request.seed, CORRECTION, chunk, device=positions.device),
        )
        return corrected.positions, corrected.acceptance

    def write(self, temporary: Path, work: Work, seconds: float) -> None:
        """The dataset from the finished chunks."""
        request, system = self.request, self.model.system
        found = self._collect(work)
        attributes: dict[str, Any] = {
            "request": json.dumps(asdict(request)),
            "nfe": int(found.pop("nfe").max()),  # adaptive solvers take their own number in each chunk
            "seconds": seconds,
            **({"outside_domain": self.outside} if self.outside else {}),
        }
        if "log_density" in found:
            attributes["log_density_constant_unknown"] = self.base is not None
        if "acceptance" in found:
            attributes["acceptance"] = float(found.pop("acceptance").mean())
        positions = found.pop("positions")
        with StoreWriter.create(
            temporary,
            mixture=self.mixture.name,
            temperature=request.temperature,
            density=system["density"],
            truncation=self.mixture.truncation,
            source=f"gensample sample {request.model}",
            species=self.mixture.species(self.particles).numpy(),
            box=np.full((request.num, self.mixture.dimension), self.edge),
            split=["test"] * request.num,
            positions=positions,
            times=np.zeros(0),
            replicas=np.zeros(request.num),
            seed=request.seed,
            command="gensample sample",
            extra_attrs=attributes,
            displacements=False,
        ) as writer:
            for name, array in found.items():
                writer.write_array(name, array)

    def _collect(self, work: Work) -> dict[str, np.ndarray]:
        parts = [
            {name: np.atleast_1d(array) for name, array in work.arrays(self.part(chunk)).items()}
            for chunk in self.chunks
        ]
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return {name: array if name == "nfe" else array[: self.request.num] for name, array in joined.items()}


def sample_configurations(request: Request, out: Path, device: str = "cpu", force: bool = False) -> str:
    """Draw the missing chunks and write the dataset; returns a summary.

    ``force``: at temperatures outside the domain of the model too; the dataset says so.

    Raises:
        ConfigError: the model draws no configurations, a setting cannot work, or ``out`` or its folder
            belongs to another request.
    """
    request.check()
    check_device("--device", device)
    if out.exists():
        refuse_other(request, out)
        tidy(out, parts_beside(out))
        return f"{out} is complete; nothing to do"
    check_output(out)
    drawn = Configurations(request, device, force)
    with claim(parts_beside(out), asdict(request)) as work:
        started = time.monotonic()
        missing = [chunk for chunk in drawn.chunks if not work.has(drawn.part(chunk))]
        told = f"{request.num} configurations of {drawn.particles} particles"
        for chunk in track(missing, told, console=Console(stderr=True)):
            drawn.draw(chunk, work)
        seconds = time.monotonic() - started
        work.publish(out, lambda temporary: drawn.write(temporary, work, seconds))
    return f"{_describe(out)}\n{len(missing) * drawn.width} drawn in {seconds:.0f} s"


def load_generator(name: str, device: str) -> ConfigurationFlow:
    """A configuration generator by released name, folder or checkpoint, in evaluation mode."""
    model = zoo.load_model(name, device)
    if not isinstance(model, ConfigurationFlow):
        raise ConfigError(f"{name} is a {type(model).__name__}, which draws no configurations: give --data")
    return model


def _describe(out: Path) -> str:
    with Store.open(out) as store:
        return (
            f"{out}: {store.num_configurations} configurations of {store.num_particles} particles at "
            f"T = {store.temperature[0]:g}, {store.attrs['nfe']} function evaluations"
        )
