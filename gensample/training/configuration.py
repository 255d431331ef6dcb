"""The configuration generator: p(x | T) of a glass-forming mixture by flow matching on the torus."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
from gensample.ranges import (
    COUNT,
    NOT_NEGATIVE,
    NUMBER,
    POSITIVE,
    SEED,
    SPECIES,
    WIDTH,
    check_table,
    whole,
)
from gensample.reads import Reader, read_domain
from gensample.sampling.transport import Transported, transport
from gensample.seeding import torch_generator
from gensample.training.schedule import warm_cosine

LIMITS = {
    **dict.fromkeys(("width", "vectors", "radial"), WIDTH),
    **dict.fromkeys(("cutoff", "late"), POSITIVE),
    **dict.fromkeys(("steps", "validation_every"), COUNT),
    **{"num_species": SPECIES, "dimension": whole(2, 3), "seed": SEED},
    **{"lr": NOT_NEGATIVE, "weight_decay": NOT_NEGATIVE, "validation_samples": NUMBER},
}
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


class ConfigurationTask(Reader, lightning.LightningModule):
    """Flow from a base to equilibrium configurations, one model for all temperatures.

    The base is that of the data module: uniform independent particles, or a liquid at a higher temperature.
    Trained on heated partners (``data.heating``) it learns to cool vibrations and leaves inherent structures.

    Args:
        num_species: number of species.
        dimension: d.
        cutoff: of the network's graph.
        system: mixture, particles, density, temperatures and temperature of the base of the training data.
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
        check_table(self.hparams, LIMITS, "model.")
        known = ("mixture", "density", "temperatures")
        self.domain = read_domain({name: system[name] for name in known if name in system})
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

    def carry(self, start: Tensor, box: Tensor, temperature: float, **solver: Any) -> Transported:
        """Draws of the base, start (C, N, d) in boxes (C, d), carried to configurations at a temperature.

        ``solver``: arguments of ``sampling.transport.transport``; with a ``divergence`` the log density of
        the labelled configurations comes too, see ``log_base``.
        """
        mixture = get_mixture(self.settings.system["mixture"])
        species = mixture.species(start.shape[1]).to(self.device)
        velocity = self.bind(species, box, torch.full((len(start),), temperature, device=self.device))
        moved = transport(velocity, start, self.log_base(start, box), **solver)
        return replace(moved, positions=wrap(moved.positions, box.unsqueeze(1)))

    def log_base(self, start: Tensor, box: Tensor) -> Tensor:
        """Log density (C,) of draws of the base; for a liquid -U / T0, up to one constant."""
        base_temperature = self.settings.system.get("base_temperature")
        if base_temperature is None:
            return log_uniform(start.shape[1], box)
        mixture = get_mixture(self.settings.system["mixture"])
        species = mixture.species(start.shape[1]).to(start.device)
        total: Tensor = energy(start, species, box, mixture).sum(1)
        return -total / float(base_temperature)

    # Lightning

    def setup(self, stage: str) -> None:
        """Take the scale of the velocity from the training split at the first fit."""
        data: Any = getattr(self.trainer, "datamodule", None)
        if stage != "fit":
            return
        if data.target != "configuration":
            raise ConfigError(f"a configuration generator needs data.target=configuration, got {data.target}")
        if (data.store.species[1:] < data.store.species[:-1]).any():
            raise ConfigError(
                f"{data.dataset} must have its particles sorted by species: samples are written in that order"
            )
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
        base = self._base(batch, generator)
        if self.settings.assignment:
            base = assign(base, data, batch.box, batch.species[: data.shape[1]])
        return (batch.box, *geodesic(base, data, batch.box), batch.temperature)

    def _base(self, batch: Any, generator: torch.Generator) -> Tensor:
        """Draws of the base (C, N, d): those served with the batch, else uniform particles."""
        shape = (int(batch.num_graphs), -1, batch.pos.shape[1])
        if "base" in batch:
            served: Tensor = batch.base.reshape(shape)
            return served
        size = batch.num_nodes // shape[0]
        return uniform(shape[0], size, batch.box.cpu(), generator).to(batch.pos)

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
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        batch = data.batch(data.rows("val")[: self.settings.validation_samples])
        generator = torch_generator(self.settings.seed, DRAW)
        if data.base is None:
            start = self._base(batch, generator)
        else:  # the liquid itself, never the heated partners that training may use
            species = data.store.species
            start = data.base.draw("val", int(batch.num_graphs), batch.box.cpu(), species, generator).to(
                batch.pos
            )
        for temperature in self.settings.system["temperatures"]:
            drawn = self.carry(start, batch.box, temperature, steps=self.settings.steps).positions
            species = mixture.species(drawn.shape[1]).to(drawn.device)
            energies = energy(drawn, species, batch.box, mixture).mean(1)
            self.log(f"val/median_energy_T{temperature:g}", energies.median())

    def configure_optimizers(self) -> Any:
        """AdamW with warm-up and cosine decay."""
        h = self.settings
        optimizer = torch.optim.AdamW(self.parameters(), lr=h.lr, weight_decay=h.weight_decay)
        total = max(int(self.trainer.estimated_stepping_batches), 1)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: warm_cosine(step, total))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
