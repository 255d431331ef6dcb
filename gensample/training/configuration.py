"""Training of the configuration generator."""

from __future__ import annotations

from typing import Any

import lightning
import torch
from torch import Tensor

from gensample.errors import ConfigError
from gensample.flow.torus import assign, geodesic, uniform
from gensample.generators.configuration import ConfigurationFlow
from gensample.physics.mixtures import get_mixture
from gensample.physics.potentials import energy
from gensample.ranges import COUNT, NOT_NEGATIVE, NUMBER, POSITIVE, SEED, check_table
from gensample.sampling.solver import Solver
from gensample.seeding import torch_generator
from gensample.training.shared import adamw, fixed_times, place_in_step, save_settings, warm_cosine

LIMITS = {
    **{"late": POSITIVE, "steps": COUNT, "validation_every": COUNT, "seed": SEED},
    **{"lr": NOT_NEGATIVE, "weight_decay": NOT_NEGATIVE, "validation_samples": NUMBER},
}
# Keys of the random streams.
TRAIN, VALIDATE, DRAW = range(3)


class ConfigurationTask(ConfigurationFlow, lightning.LightningModule):
    """Trains the flow from the base of the data module to its configurations.

    The base is uniform independent particles, or a liquid at a higher temperature. Trained on heated partners
    (``data.heating``) it learns to cool vibrations and leaves inherent structures.

    Args:
        late: training times are s = 1 - u^late with u uniform: more of them near the data for values above 1.
        assignment: pair base and data particles by least distance within each species.
        lr: learning rate (AdamW), times ``warm_cosine``.
        weight_decay: of AdamW.
        steps: midpoint steps of the samples drawn in validation.
        validation_samples: samples per temperature drawn in validation; zero for none.
        validation_every: epochs between them.
        compile: compile the network for training.
        seed: of the noise of training and validation.
        flow: settings of `generators.configuration.ConfigurationFlow`.
    """

    def __init__(
        self,
        *,
        late: float = 1.0,
        assignment: bool = True,
        lr: float = 2e-3,
        weight_decay: float = 1e-4,
        steps: int = 32,
        validation_samples: int = 0,
        validation_every: int = 1,
        compile: bool = False,
        seed: int = 0,
        **flow: Any,
    ) -> None:
        flow.pop("_class_path", None)  # which Lightning hands over from a checkpoint
        super().__init__(**flow)
        save_settings(self)
        check_table(self.settings, LIMITS, "model.")

    @property
    def settings(self) -> Any:
        """The hyper-parameters, by attribute."""
        return self.hparams

    @property
    def following(self) -> str:
        """The command that goes on from a checkpoint."""
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        temperature, base = min(self.system["temperatures"]), data.settings.base
        of_base = "" if base is None else f" --base {base}"
        return f"sample {{checkpoint}} --temperature {temperature:g} --num 100{of_base} --out conf.h5"

    def setup(self, stage: str) -> None:
        """Take the scale of the velocity from the training split at the first fit."""
        data: Any = getattr(self.trainer, "datamodule", None)
        if stage != "fit":
            return
        if data.settings.target != "configuration":
            raise ConfigError(
                f"a configuration generator needs data.target=configuration, got {data.settings.target}"
            )
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
        place = place_in_step(self, index)
        generator = torch_generator(self.settings.seed, TRAIN, self.global_step, place)
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
        self.log("val/flow", loss, prog_bar=True, sync_dist=True, batch_size=batch.num_graphs)

    def on_validation_epoch_end(self) -> None:
        """Now and then, energies of samples at each training temperature."""
        due = (self.current_epoch + 1) % self.settings.validation_every == 0
        if not self.settings.validation_samples or not due:
            return
        mixture, solver = get_mixture(self.system["mixture"]), Solver(steps=self.settings.steps)
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
        for temperature in self.system["temperatures"]:
            drawn = self.carry(start, batch.box, temperature, solver).positions
            species = mixture.species(drawn.shape[1]).to(drawn.device)
            energies = energy(drawn, species, batch.box, mixture).mean(1)
            self.log(f"val/median_energy_T{temperature:g}", energies.median(), sync_dist=True)

    def configure_optimizers(self) -> Any:
        """AdamW with warm-up and cosine decay."""
        return adamw(self, warm_cosine, self.settings.weight_decay, self.settings.lr)
