"""Training of the displacement generator: first its conditioner, then the flow."""

from __future__ import annotations

from functools import partial
from typing import Any

import lightning
import torch
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor

from gensample.generators.displacement import DisplacementFlow
from gensample.nn.conditioner import Condition
from gensample.ranges import COUNT, NOT_NEGATIVE, NUMBER, SEED, check_table
from gensample.sampling.solver import Solver
from gensample.seeding import derive_seed, torch_generator
from gensample.training.shared import (
    adamw,
    correlation_or_zero,
    ensemble_scores,
    fixed_times,
    place_in_step,
    save_settings,
    warm_cosine,
)

LIMITS = {
    **dict.fromkeys(("lr", "regression_lr", "weight_decay", "regression_weight"), NOT_NEGATIVE),
    **dict.fromkeys(("regression_epochs", "validation_replicas"), NUMBER),
    **{"steps": COUNT, "validation_every": COUNT, "seed": SEED},
}
# Keys of the random streams.
TRAIN, VALIDATE, DRAW, DROPOUT = range(4)


class DisplacementTask(DisplacementFlow, lightning.LightningModule):
    """Trains conditioner, prior and velocity network together.

    For ``regression_epochs`` only the conditioner is trained, on the averages over replicas (propensity,
    spread, log mobility, bond elongation); then the velocity, with the conditioner frozen or trained along.

    Args:
        train_conditioner: whether the conditioner goes on learning with the velocity.
        regression_epochs: epochs of regression before the flow.
        regression_weight: weight of the regression loss while the conditioner is trained along.
        regression_lr, lr: learning rates (AdamW) of the two phases, each times ``warm_cosine``.
        weight_decay: of AdamW.
        steps: solver steps of the ensembles drawn in validation.
        validation_replicas: replicas of those ensembles; zero for none.
        validation_every: epochs between them.
        compile: compile the velocity networks for training (a minute or two at the first step).
        seed: of the noise of training and validation.
        flow: settings of `generators.displacement.DisplacementFlow`.
    """

    following = "sample {checkpoint} --data {data} --split test --out gen.h5"

    def __init__(
        self,
        *,
        train_conditioner: bool = True,
        regression_epochs: int = 0,
        regression_weight: float = 0.1,
        regression_lr: float = 1e-3,
        lr: float = 1e-3,
        weight_decay: float = 1e-4,
        steps: int = 8,
        validation_replicas: int = 0,
        validation_every: int = 10,
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

    def setup(self, stage: str) -> None:
        """Take the statistics of the training split at the first fit; a checkpoint brings its own."""
        data: Any = getattr(self.trainer, "datamodule", None)
        strategy = self.trainer.strategy
        if isinstance(strategy, DDPStrategy):  # no phase trains all parameters, which it has to be told
            strategy._ddp_kwargs.setdefault("find_unused_parameters", True)
        if stage == "fit" and self.settings.compile:
            self.network.compile(dynamic=True)
            if self.mobility is not None:
                self.mobility.network.compile(dynamic=True)
        if stage == "fit" and self.trainer.ckpt_path is None:
            self.to(data.device)  # where the batches are; Lightning moves the module after setup only
            self.fit_statistics(data, self.settings.seed)
        elif self.reads.descriptors:
            data.described.use(self.descriptor_mean, self.descriptor_scale, self.reads.levels)

    @property
    def regressing(self) -> bool:
        """Whether only the conditioner is trained in this epoch."""
        return self.conditioner is not None and self.current_epoch < self.settings.regression_epochs

    def training_step(self, batch: Any, index: int) -> Tensor:
        """Regression loss, flow-matching loss, or both."""
        trained, place = self.regressing or self.settings.train_conditioner, place_in_step(self, index)
        condition = self._training_condition(batch, trained, place)
        loss: Tensor = batch.pos.new_zeros(())
        if condition is not None and trained:
            regression = self.targets.loss(batch, condition)
            self.log("train/regression", regression, prog_bar=True, batch_size=batch.num_graphs)
            loss = regression * (1.0 if self.regressing else self.settings.regression_weight)
        if not self.regressing:
            keys = (self.settings.seed, TRAIN, self.global_step, place)
            generator = torch_generator(*keys, device=self.device)
            loss = loss + self._flow_losses("train", batch, condition, generator)
        return loss

    def _training_condition(self, batch: Any, trained: bool, place: int) -> Condition | None:
        if self.conditioner is None:
            return None
        self.conditioner.train(trained)
        # Dropout draws from torch's global generator: seeded by the step, so that a resumed run draws alike.
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices), torch.set_grad_enabled(trained):
            more = (place,) if place else ()  # the first has the seed that a run of one process always had
            torch.manual_seed(derive_seed(self.settings.seed, DROPOUT, self.global_step, *more))
            return self.condition(batch, held_out=True)

    def _flow_losses(
        self,
        stage: str,
        batch: Any,
        condition: Condition | None,
        generator: torch.Generator,
        s: Tensor | None = None,
    ) -> Tensor:
        """Sum of the losses of both stages, logged."""
        loss = self.flow_loss(batch, condition, generator, s).mean()
        how: dict[str, Any] = {"sync_dist": stage == "val", "batch_size": batch.num_graphs}
        self.log(f"{stage}/flow", loss, prog_bar=True, **how)
        if self.mobility is not None:
            mobility = self.mobility_loss(batch, condition, generator, s).mean()
            self.log(f"{stage}/mobility", mobility, prog_bar=True, **how)
            loss = loss + mobility
        return loss

    def validation_step(self, batch: Any, index: int) -> None:
        """Losses at fixed path times and noise, the conditioner's Pearson, now and then an ensemble."""
        condition = self.condition(batch)
        if condition is not None:
            self._log_regression(batch, condition)
        if self.regressing:
            return
        s = fixed_times(batch.field_lag.shape[1], self.device).expand(batch.field_lag.shape)
        generator = torch_generator(self.settings.seed, VALIDATE, index, device=self.device)
        self._flow_losses("val", batch, condition, generator, s)
        due = (self.current_epoch + 1) % self.settings.validation_every == 0
        if self.settings.validation_replicas and due:
            self._log_ensemble(batch, index)

    def _log_regression(self, batch: Any, condition: Condition) -> None:
        loss = self.targets.loss(batch, condition)
        self.log("val/regression", loss, prog_bar=True, sync_dist=True, batch_size=batch.num_graphs)
        a = batch.species == 0
        for k, t in enumerate(self.lag_time.tolist()):
            score = correlation_or_zero(condition.propensity[a, k], batch.propensity[a, k])
            self.log(f"val/pearson_A_t{t:g}", score, sync_dist=True, batch_size=batch.num_graphs)

    def _log_ensemble(self, batch: Any, index: int) -> None:
        replicas, solver = self.settings.validation_replicas, Solver(steps=self.settings.steps)
        a = batch.species == 0
        for k, t in enumerate(self.lag_time.tolist()):
            generator = torch_generator(self.settings.seed, DRAW, index, k, device=self.device)
            lag = torch.full((int(batch.num_graphs), replicas), k, device=self.device)
            shape = (len(a), replicas, batch.pos.shape[1])
            noise = partial(torch.randn, shape, generator=generator, device=self.device)
            fields, _ = self.draw(batch, lag, noise, solver=solver)
            values = ensemble_scores(fields[a], batch.propensity[a, k])
            for name, value in values.items():
                self.log(f"val/{name}_A_t{t:g}", value, sync_dist=True, batch_size=batch.num_graphs)

    def configure_optimizers(self) -> Any:
        """AdamW; each phase has its warm-up and cosine decay."""
        h = self.settings
        regression = 0 if self.conditioner is None else h.regression_epochs
        share = min(regression / max(self.trainer.max_epochs or 1, 1), 1.0)

        def rate(step: int, total: int) -> float:
            first = int(total * share)
            if step < first:
                return float(h.regression_lr) * warm_cosine(step, first)
            return float(h.lr) * warm_cosine(step - first, total - first)

        return adamw(self, rate, h.weight_decay)
