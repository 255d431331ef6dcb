"""The configuration generator: p(x | T) of a glass-forming mixture by flow matching on the torus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import lightning
import torch
from torch import Tensor

from gensample.errors import ConfigError
from gensample.flow.schedule import fixed_times
from gensample.flow.torus import assign, geodesic, log_uniform, uniform
from gensample.nn.configuration import ConfigurationNetwork
from gensample.physics.box import wrap
from gensample.physics.mixtures import get_mixture
from gensample.physics.potentials import energy
from gensample.sampling.transport import Transported, transport
from gensample.seeding import torch_generator
from gensample.tasks.schedule import warm_cosine

# Keys of the random streams.
TRAIN, VALIDATE, DRAW = range(3)


@dataclass(frozen=True)
class BoundVelocity:
    """The task's velocity for C boxes at given temperatures, as ``sampling.transport`` wants it."""

    task: ConfigurationTask
    species: Tensor  # (N,)
    box: Tensor  # (C, d)
    inverse_temperature: Tensor  # (C,)

    def __call__(self, x: Tensor, s: Tensor) -> Tensor:
        """Velocity (C, N, d) in LJ units; s () or (C,)."""
        velocity: Tensor = self.task.network(*self._arguments(x, s))
        return (self.task.scale * velocity).to(x)

    def with_divergence(self, x: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        """The same and its divergence (C,)."""
        velocity, divergence = self.task.network.with_divergence(*self._arguments(x, s))
        return (self.task.scale * velocity).to(x), (self.task.scale * divergence).to(x)

    def _arguments(self, x: Tensor, s: Tensor) -> tuple[Tensor, ...]:
        inside = wrap(x, self.box.to(x).unsqueeze(1))  # single precision is best near the origin
        kind = self.inverse_temperature.dtype
        at = s.to(kind).expand(len(x))
        return inside.to(kind), self.species, self.box.to(kind), at, self.inverse_temperature


class ConfigurationTask(lightning.LightningModule):
    """Flow from independent uniform particles to equilibrium configurations, one model for all temperatures.

    Args:
        num_species: number of species.
        dimension: d.
        cutoff: of the network's graph.
        system: mixture, particles, density and temperatures of the training data.
        graph: "local" or "all-pairs" (small systems).
        width, vectors, radial: see ``nn.configuration.ConfigurationNetwork``.
        late: training times are s = 1 - u^late with u uniform: more of them near the data for values above 1.
        assignment: pair base and data particles by least distance within each species.
        lr: learning rate (AdamW), times ``warm_cosine``.
        weight_decay: of AdamW.
        steps: midpoint steps of the samples drawn in validation.
        validation_samples: samples per temperature drawn in validation; zero for none.
        validation_every: epochs between them.
        compile: compile the network for training.
        seed: of the noise of training and validation.
    """

    scale: Tensor

    def __init__(
        self,
        num_species: int,
        dimension: int,
        cutoff: float,
        system: dict[str, Any],
        graph: Literal["local", "all-pairs"] = "local",
        width: int = 64,
        vectors: int = 8,
        radial: int = 32,
        late: float = 1.0,
        assignment: bool = True,
        lr: float = 2e-3,
        weight_decay: float = 1e-4,
        steps: int = 32,
        validation_samples: int = 0,
        validation_every: int = 1,
        compile: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.network = ConfigurationNetwork(num_species, dimension, cutoff, graph, width, vectors, radial)
        self.register_buffer("scale", torch.ones(()))

    @property
    def settings(self) -> Any:
        """The hyper-parameters, by attribute."""
        return self.hparams

    # What a sampler needs

    def bind(self, species: Tensor, box: Tensor, temperature: Tensor) -> BoundVelocity:
        """Velocity of C configurations: species (N,), box (C, d), temperature (C,)."""
        return BoundVelocity(self, species, box, 1 / temperature.to(self.scale))

    def draw(
        self,
        configurations: int,
        temperature: float,
        generator: torch.Generator,
        *,
        particles: int | None = None,
        density: float | None = None,
        **solver: Any,
    ) -> Transported:
        """Configurations (C, N, d) at a temperature; N and density those of the training data unless given.

        ``solver``: arguments of ``sampling.transport.transport``; with a ``divergence`` the log density of
        the labelled configurations comes too. ConfigError for particles that do not fit the mixture's box.
        """
        mixture = get_mixture(self.settings.system["mixture"])
        number = particles or int(self.settings.system["particles"])
        species = mixture.species(number).to(self.device)
        edge = (number / (density or float(self.settings.system["density"]))) ** (1 / mixture.dimension)
        box = torch.full((configurations, mixture.dimension), edge, dtype=torch.float64, device=self.device)
        start = uniform(configurations, number, box, generator)
        velocity = self.bind(species, box, torch.full((configurations,), temperature, device=self.device))
        moved = transport(velocity, start, log_uniform(number, box), generator=generator, **solver)
        return Transported(wrap(moved.positions, box.unsqueeze(1)), *_rest(moved))

    # Lightning

    def setup(self, stage: str) -> None:
        """Take the scale of the velocity from the training split at the first fit."""
        data: Any = getattr(self.trainer, "datamodule", None)
        if stage != "fit":
            return
        if data.target != "configuration":
            raise ConfigError(f"a configuration generator needs data.target=configuration, got {data.target}")
        if self.settings.compile:
            self.network.compile(dynamic=True)
        if self.trainer.ckpt_path is None:
            self.to(data.device)
            batch = data.batch(data.rows("train")[:64])
            _, _, displacement, _ = self._paths(batch, torch_generator(self.settings.seed, TRAIN))
            self.scale.copy_(displacement.square().mean().sqrt())

    def training_step(self, batch: Any, index: int) -> Tensor:
        """Flow-matching loss at random path times, stratified over the batch."""
        generator = torch_generator(self.settings.seed, TRAIN, self.global_step, self.global_rank)
        count = int(batch.num_graphs)
        u = (torch.rand(count, generator=generator) + torch.randperm(count, generator=generator)) / count
        loss = self.loss(batch, (1 - u**self.settings.late).to(self.device), generator).mean()
        self.log("train/flow", loss, prog_bar=True, batch_size=count)
        return loss

    def loss(self, batch: Any, s: Tensor, generator: torch.Generator) -> Tensor:
        """Mean square error of the velocity in units of its scale, (C,), at path times s (C,)."""
        box, start, displacement, temperature = self._paths(batch, generator)
        x = start + s.to(start)[:, None, None] * displacement
        found = self.bind(batch.species[: x.shape[1]], box, temperature)(x, s)
        return ((found - displacement) / self.scale).float().square().mean((1, 2))

    def _paths(self, batch: Any, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Boxes (C, d), starts and displacements (C, N, d) of a batch's paths, temperatures (C,)."""
        data = batch.pos.reshape(int(batch.num_graphs), -1, batch.pos.shape[1])
        base = uniform(len(data), data.shape[1], batch.box.cpu(), generator).to(data)
        if self.settings.assignment:
            base = assign(base, data, batch.box, batch.species[: data.shape[1]])
        return (batch.box, *geodesic(base, data, batch.box), batch.temperature)

    def validation_step(self, batch: Any, index: int) -> None:
        """Loss at fixed path times and noise."""
        generator = torch_generator(self.settings.seed, VALIDATE, index)
        loss = self.loss(batch, fixed_times(int(batch.num_graphs), self.device), generator).mean()
        self.log("val/flow", loss, prog_bar=True, batch_size=batch.num_graphs)

    def on_validation_epoch_end(self) -> None:
        """Now and then, energies of samples at each training temperature."""
        due = (self.current_epoch + 1) % self.settings.validation_every == 0
        if not self.settings.validation_samples or not due:
            return
        mixture = get_mixture(self.settings.system["mixture"])
        for k, temperature in enumerate(self.settings.system["temperatures"]):
            generator = torch_generator(self.settings.seed, DRAW, k)
            drawn = self.draw(
                self.settings.validation_samples, temperature, generator, steps=self.settings.steps
            ).positions
            species, count = mixture.species(drawn.shape[1]).to(drawn.device), drawn.shape[1]
            box = drawn.new_full(
                (mixture.dimension,), (count / self.settings.system["density"]) ** (1 / mixture.dimension)
            )
            energies = energy(drawn, species, box, mixture).mean(1)
            self.log(f"val/median_energy_T{temperature:g}", energies.median())

    def configure_optimizers(self) -> Any:
        """AdamW with warm-up and cosine decay."""
        h = self.settings
        optimizer = torch.optim.AdamW(self.parameters(), lr=h.lr, weight_decay=h.weight_decay)
        total = max(int(self.trainer.estimated_stepping_batches), 1)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: warm_cosine(step, total))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def _rest(moved: Transported) -> tuple[Tensor | None, Tensor | None, int]:
    return moved.log_density, moved.variance, moved.nfe
