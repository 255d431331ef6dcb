"""The displacement generator: p(u | x, t, T) by flow matching on the particle graph."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import lightning
import torch
from torch import Tensor

from gensample.errors import ConfigError
from gensample.flow.objective import flow_matching_loss
from gensample.flow.path import get_path
from gensample.flow.precondition import input_gain, output_gain, skip_gain
from gensample.generators.conditioning import Targets, regress_linearly
from gensample.generators.mobility import MobilityFlow
from gensample.nn.conditioner import BotanConditioner, Condition, EquivariantConditioner
from gensample.nn.mobility import MobilityNetwork
from gensample.nn.velocity import Setting, VelocityNetwork
from gensample.physics.mobility import REACH
from gensample.priors.base import FieldContext, remove_drift
from gensample.priors.fitting import PriorName, context_of, fit_prior, make_prior, mobility_of
from gensample.ranges import (
    COUNT,
    DEPTH,
    NOT_NEGATIVE,
    NUMBER,
    POSITIVE,
    SEED,
    SPECIES,
    WIDTH,
    between,
    check_choice,
    check_table,
    whole,
)
from gensample.reads import Reader, read_domain
from gensample.sampling.ode import Velocity, integrate
from gensample.sampling.sde import integrate_sde
from gensample.seeding import derive_seed, torch_generator
from gensample.training.schedule import warm_cosine
from gensample.training.validation import correlation_or_zero, ensemble_scores

LIMITS = {
    **dict.fromkeys(("width", "vectors"), WIDTH),
    **dict.fromkeys(("layers", "conditioner_layers"), DEPTH),
    **dict.fromkeys(("lag_times", "cutoff"), POSITIVE),
    **dict.fromkeys(
        ("lr", "regression_lr", "weight_decay", "regression_weight", "mobility_blur"), NOT_NEGATIVE
    ),
    **dict.fromkeys(("descriptors", "regression_epochs", "validation_replicas"), NUMBER),
    **dict.fromkeys(("steps", "validation_every"), COUNT),
    **{"num_species": SPECIES, "dimension": whole(2, 3), "dropout": between(0, 1), "seed": SEED},
}
# Keys of the random streams.
TRAIN, VALIDATE, DRAW, DROPOUT = range(4)


class DisplacementTask(Reader, lightning.LightningModule):
    """Conditioner, prior, path and velocity network, trained together.

    For ``regression_epochs`` only the conditioner is trained, on the averages over replicas (propensity,
    spread, log mobility, bond elongation); then the velocity, with the conditioner frozen or trained along.
    With prior="elastic-mobility" the generator has two stages: a flow draws the log mobility of the field
    (``generators.mobility``), which sets the scales of the prior of the displacements.

    Args:
        lag_times: lag times of the training data; a sample is drawn at one of them.
        num_species: number of species.
        dimension: d.
        cutoff: of the graph.
        input: positions that the graph is built from. The conditioner's other positions are the inherent
            structure (input "thermal"), or the thermal ones.
        descriptors: number of structural descriptors that the conditioner reads.
        descriptor_sets: names of their sets, as in the data module; None for the invariants alone.
        probe_levels: temperature and time of the probe runs among them.
        linear: fit the conditioner's linear part to whole values ("pooled"), or to deviations from the mean
            of each configuration with a penalty for each set of descriptors, and those means to the energy
            per particle ("within").
        conditioner: "none", "botan" or "equivariant".
        train_conditioner: whether the conditioner goes on learning with the velocity.
        prior: "species" (one scale per species and lag), "particle" (a scale per particle, from the predicted
            propensity), "elastic" and "elastic-particle" (the same, spatially correlated),
            "elastic-mobility" (a scale per particle and field, from a mobility drawn first).
        mobility_blur: noise on the log mobility that the displacement flow sees (``generators.mobility``).
        path: "linear", "trigonometric" or "variance-preserving".
        width: node scalars of both networks.
        vectors: node vectors of both networks.
        layers: rounds of message passing of the velocity network.
        conditioner_layers: rounds of the conditioner.
        dropout: on the conditioner's descriptors.
        regression_epochs: epochs of regression before the flow.
        regression_weight: weight of the regression loss while the conditioner is trained along.
        regression_lr, lr: learning rates (AdamW) of the two phases, each times ``warm_cosine``.
        weight_decay: of AdamW.
        steps: solver steps of the ensembles drawn in validation.
        validation_replicas: replicas of those ensembles; zero for none.
        validation_every: epochs between them.
        compile: compile the velocity networks for training (a minute or two at the first step).
        seed: of the noise of training and validation.
        domain: what the training data are (``data.match``); None where it is not known.

    Raises:
        ConfigError: a prior that needs a conditioner without one, or a longer cut-off.
    """

    lag_time: Tensor
    descriptor_mean: Tensor
    descriptor_scale: Tensor

    def __init__(
        self,
        lag_times: list[float],
        num_species: int,
        dimension: int,
        cutoff: float,
        input: Literal["thermal", "inherent", "cage"] = "thermal",
        descriptors: int = 0,
        descriptor_sets: list[str] | None = None,
        probe_levels: list[list[float]] | None = None,
        linear: Literal["pooled", "within"] = "pooled",
        conditioner: Literal["none", "botan", "equivariant"] = "equivariant",
        train_conditioner: bool = True,
        prior: PriorName = "species",
        mobility_blur: float = 0.25,
        path: Literal["linear", "trigonometric", "variance-preserving"] = "linear",
        width: int = 64,
        vectors: int = 16,
        layers: int = 5,
        conditioner_layers: int = 3,
        dropout: float = 0.0,
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
        domain: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.domain = read_domain(domain)
        check_table(self.hparams, LIMITS, "model.")
        check_choice("model.conditioner", conditioner, ("none", "botan", "equivariant"))
        if prior.endswith("particle") and conditioner == "none":
            raise ConfigError(f"prior={prior} needs the scales a conditioner predicts; set conditioner")
        if prior == "elastic-mobility" and cutoff < REACH:
            raise ConfigError(f"prior={prior} averages over neighbours within {REACH}; cutoff is {cutoff}")
        self.path = get_path(path)
        self.prior = make_prior(prior, num_species, len(lag_times), cutoff)
        self.conditioner = self._make_conditioner()
        known = self.conditioner
        self.network = VelocityNetwork(
            num_species,
            condition_scalars=known.width if known else 0,
            condition_vectors=known.vectors if known else 0,
            condition_edges=known.edge_width if known else 0,
            width=width,
            vectors=vectors,
            layers=layers,
            cutoff=cutoff,
            input=input,
        )
        self._register_statistics(num_species, lag_times, descriptors)
        self.mobility = self._make_mobility() if prior == "elastic-mobility" else None

    @property
    def settings(self) -> Any:
        """The hyper-parameters, by attribute."""
        return self.hparams

    @property
    def descriptors(self) -> bool | list[str]:
        """What to ask the data module for."""
        sets: list[str] | None = self.settings.descriptor_sets
        return sets or bool(self.settings.descriptors)

    @property
    def probe_levels(self) -> list[list[float]]:
        """Temperature and time of the probe runs among the descriptors."""
        return self.settings.probe_levels or []

    def _make_conditioner(self) -> BotanConditioner | EquivariantConditioner | None:
        h = self.settings
        outputs = len(h.lag_times)
        if h.conditioner == "botan":
            return BotanConditioner(h.dimension, outputs, h.width)
        if h.conditioner == "equivariant":
            return EquivariantConditioner(
                outputs,
                h.num_species,
                h.descriptors,
                h.width,
                h.vectors,
                h.conditioner_layers,
                h.cutoff,
                h.dropout,
                h.input,
                h.linear == "within" and h.descriptors > 0,
            )
        return None

    def _make_mobility(self) -> MobilityFlow:
        h, known = self.settings, self.conditioner
        scalars = known.width if known else 0
        network = MobilityNetwork(h.num_species, scalars, h.width, h.layers, h.cutoff, h.input)
        return MobilityFlow(network, self.path, self.lag_time.clone(), h.num_species, h.mobility_blur)

    def _register_statistics(self, num_species: int, lag_times: list[float], descriptors: int) -> None:
        count = len(lag_times)
        self.register_buffer("lag_time", torch.tensor(lag_times, dtype=torch.float32))
        self.targets = Targets(num_species, count)
        self.register_buffer("descriptor_mean", torch.zeros(num_species, descriptors))
        self.register_buffer("descriptor_scale", torch.ones(num_species, descriptors))

    # What a sampler needs

    def condition(self, data: Any, held_out: bool = False) -> Condition | None:
        """The conditioner's output for a batch, in LJ units; once per configuration.

        ``held_out`` on training configurations: its linear part is then as good as on new ones.
        """
        if self.conditioner is None:
            return None
        return self.targets.in_lj_units(self.conditioner(data, held_out), data.species)

    def context(
        self, data: Any, field_lag: Tensor, condition: Condition | None, mobility: Tensor | None = None
    ) -> FieldContext:
        """What the prior may know of a batch; ``mobility`` (n, F) of the fields where it needs one."""
        propensity = None if condition is None else condition.propensity.detach()
        return context_of(data, propensity, field_lag, mobility)

    def bind(self, data: Any, context: FieldContext, condition: Condition | None) -> Velocity:
        """velocity(x (n, F, d), s () or (n, F)) in LJ units, drift-free, for a batch."""
        scale = self.prior.scale(context)
        lag = context.field_lag
        setting = Setting(self.lag_time[lag], lag, data.temperature, scale, condition)

        def velocity(x: Tensor, s: Tensor) -> Tensor:
            at_field = s.expand(context.field_lag.shape) if s.ndim == 0 else s[data.ptr[:-1]]
            at_node = s if s.ndim == 0 else s.unsqueeze(-1)
            learned = self.network(input_gain(self.path, at_node) * x, at_field, data, setting)
            v = skip_gain(self.path, at_node) * x
            v = v + output_gain(self.path, at_node) * scale.unsqueeze(-1) * learned
            return remove_drift(v, context.num_graphs)

        return velocity

    @torch.no_grad()
    def draw(
        self,
        data: Any,
        field_lag: Tensor,
        noise: Callable[[], Tensor],
        *,
        condition: Condition | None = None,
        method: str = "heun2",
        steps: int = 8,
        tolerance: float = 1e-5,
    ) -> tuple[Tensor, int]:
        """Fields (n, F, d) and the number of function evaluations, those of the mobility included.

        ``noise()`` gives white noise of that shape; ``condition`` spares running the conditioner again;
        ``method`` is an ODE method of ``sampling.ode`` or "sde".
        """
        condition = self.condition(data) if condition is None else condition
        mobility, before = self._draw_mobility(data, field_lag, condition, noise, method, steps, tolerance)
        context = self.context(data, field_lag, condition, mobility)
        velocity = self.bind(data, context, condition)

        def prior() -> Tensor:
            return self.prior.colour(context, noise())

        if method == "sde":
            fields, evaluations = integrate_sde(velocity, prior(), self.path, prior, steps=steps)
        else:
            fields, evaluations = integrate(
                velocity, prior(), method=method, steps=steps, rtol=tolerance, atol=0.1 * tolerance
            )
        return fields, before + evaluations

    def _draw_mobility(
        self,
        data: Any,
        field_lag: Tensor,
        condition: Condition | None,
        noise: Callable[[], Tensor],
        method: str,
        steps: int,
        tolerance: float,
    ) -> tuple[Tensor | None, int]:
        if self.mobility is None:
            return None, 0
        # There is no stochastic sampler of mobilities.
        method = "midpoint" if method == "sde" else method
        white = lambda: noise()[..., 0]  # noqa: E731
        drawn, evaluations = self.mobility.draw(
            data, field_lag, condition, white, method=method, steps=steps, tolerance=tolerance
        )
        return self.mobility.blurred(drawn, white), evaluations

    # Lightning

    def setup(self, stage: str) -> None:
        """Take the statistics of the training split at the first fit; a checkpoint brings its own."""
        data: Any = getattr(self.trainer, "datamodule", None)
        if stage == "fit" and self.settings.compile:
            self.network.compile(dynamic=True)
            if self.mobility is not None:
                self.mobility.network.compile(dynamic=True)
        if stage == "fit" and self.trainer.ckpt_path is None:
            self._take_statistics(data)
        elif self.settings.descriptors:
            data.use_descriptor_statistics(self.descriptor_mean, self.descriptor_scale, self.probe_levels)

    def _take_statistics(self, data: Any) -> None:
        self.to(data.device)  # where the batches are; Lightning moves the task after setup only
        found = data.statistics()
        self.targets.take(found)
        if self.settings.descriptors:
            mean, scale = data.descriptor_statistics()
            self.descriptor_mean.copy_(mean)
            self.descriptor_scale.copy_(scale)
            if isinstance(self.conditioner, EquivariantConditioner):
                regress_linearly(self.conditioner, self.targets, data)
        fit_prior(self.prior, data, self.settings.seed, self.settings.mobility_blur)
        if self.mobility is not None:
            self.mobility.fit_prior(data, self.settings.seed)

    @property
    def regressing(self) -> bool:
        """Whether only the conditioner is trained in this epoch."""
        return self.conditioner is not None and self.current_epoch < self.settings.regression_epochs

    def training_step(self, batch: Any, index: int) -> Tensor:
        """Regression loss, flow-matching loss, or both."""
        trained = self.regressing or self.settings.train_conditioner
        condition = self._training_condition(batch, trained)
        loss: Tensor = batch.pos.new_zeros(())
        if condition is not None and trained:
            regression = self.targets.loss(batch, condition)
            self.log("train/regression", regression, batch_size=batch.num_graphs)
            loss = regression * (1.0 if self.regressing else self.settings.regression_weight)
        if not self.regressing:
            generator = torch_generator(
                self.settings.seed, TRAIN, self.global_step, self.global_rank, device=self.device
            )
            flow = self.flow_loss(batch, condition, generator).mean()
            self.log("train/flow", flow, prog_bar=True, batch_size=batch.num_graphs)
            loss = loss + flow
            if self.mobility is not None:
                mobility = self.mobility_loss(batch, condition, generator).mean()
                self.log("train/mobility", mobility, prog_bar=True, batch_size=batch.num_graphs)
                loss = loss + mobility
        return loss

    def _training_condition(self, batch: Any, trained: bool) -> Condition | None:
        if self.conditioner is None:
            return None
        self.conditioner.train(trained)
        # Dropout draws from torch's global generator: seeded by the step, so that a resumed run draws alike.
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices), torch.set_grad_enabled(trained):
            torch.manual_seed(derive_seed(self.settings.seed, DROPOUT, self.global_step))
            return self.condition(batch, held_out=True)

    def flow_loss(
        self, batch: Any, condition: Condition | None, generator: torch.Generator, s: Tensor | None = None
    ) -> Tensor:
        """Flow-matching loss of each field in units of the best linear prediction, (B, F)."""
        mobility = None
        if self.mobility is not None:
            shape = (batch.num_nodes, batch.field_lag.shape[1])
            white = partial(torch.randn, shape, generator=generator, device=batch.pos.device)
            mobility = self.mobility.blurred(mobility_of(batch), white)
        context = self.context(batch, batch.field_lag, condition, mobility)
        if s is None:
            s = torch.rand(batch.field_lag.shape, generator=generator, device=batch.pos.device)
        at_node = s[batch.batch]
        x0 = self.prior.sample(context, generator)
        weight = (self.prior.scale(context) * output_gain(self.path, at_node)).pow(-2)
        velocity = self.bind(batch, context, condition)
        return flow_matching_loss(
            velocity, x0, batch.displacement, at_node, self.path, weight, num_graphs=context.num_graphs
        )

    def mobility_loss(
        self, batch: Any, condition: Condition | None, generator: torch.Generator, s: Tensor | None = None
    ) -> Tensor:
        """Flow-matching loss of each mobility field in units of the best linear prediction, (B, F)."""
        assert self.mobility is not None
        device, shape = batch.pos.device, (batch.num_nodes, batch.field_lag.shape[1])
        if s is None:
            s = torch.rand(batch.field_lag.shape, generator=generator, device=device)
        white = partial(torch.randn, shape, generator=generator, device=device)
        return self.mobility.loss(batch, condition, s, white)

    def validation_step(self, batch: Any, index: int) -> None:
        """Losses at fixed path times and noise, the conditioner's Pearson, now and then an ensemble."""
        condition = self.condition(batch)
        if condition is not None:
            self._log_regression(batch, condition)
        if self.regressing:
            return
        fields = batch.field_lag.shape[1]
        s = ((torch.arange(fields, device=self.device) + 0.5) / fields).expand(batch.field_lag.shape)
        generator = torch_generator(self.settings.seed, VALIDATE, index, device=self.device)
        loss = self.flow_loss(batch, condition, generator, s).mean()
        self.log("val/flow", loss, prog_bar=True, batch_size=batch.num_graphs)
        if self.mobility is not None:
            mobility = self.mobility_loss(batch, condition, generator, s).mean()
            self.log("val/mobility", mobility, prog_bar=True, batch_size=batch.num_graphs)
        due = (self.current_epoch + 1) % self.settings.validation_every == 0
        if self.settings.validation_replicas and due:
            self._log_ensemble(batch, index)

    def _log_regression(self, batch: Any, condition: Condition) -> None:
        loss = self.targets.loss(batch, condition)
        self.log("val/regression", loss, prog_bar=True, batch_size=batch.num_graphs)
        a = batch.species == 0
        for k, t in enumerate(self.lag_time.tolist()):
            score = correlation_or_zero(condition.propensity[a, k], batch.propensity[a, k])
            self.log(f"val/pearson_A_t{t:g}", score, batch_size=batch.num_graphs)

    def _log_ensemble(self, batch: Any, index: int) -> None:
        replicas = self.settings.validation_replicas
        a = batch.species == 0
        for k, t in enumerate(self.lag_time.tolist()):
            generator = torch_generator(self.settings.seed, DRAW, index, k, device=self.device)
            lag = torch.full((int(batch.num_graphs), replicas), k, device=self.device)
            shape = (len(a), replicas, batch.pos.shape[1])
            noise = partial(torch.randn, shape, generator=generator, device=self.device)
            fields, _ = self.draw(batch, lag, noise, steps=self.settings.steps)
            values = ensemble_scores(fields[a], batch.propensity[a, k])
            for name, value in values.items():
                self.log(f"val/{name}_A_t{t:g}", value, batch_size=batch.num_graphs)

    def configure_optimizers(self) -> Any:
        """AdamW; each phase has its warm-up and cosine decay."""
        h = self.settings
        optimizer = torch.optim.AdamW(self.parameters(), lr=1.0, weight_decay=h.weight_decay)
        total = max(int(self.trainer.estimated_stepping_batches), 1)
        regression = 0 if self.conditioner is None else h.regression_epochs
        first = int(total * min(regression / max(self.trainer.max_epochs or 1, 1), 1.0))

        def rate(step: int) -> float:
            if step < first:
                return float(h.regression_lr) * warm_cosine(step, first)
            return float(h.lr) * warm_cosine(step - first, total - first)

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
