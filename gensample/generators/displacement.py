"""The displacement generator: p(u | x, t, T) by flow matching on the particle graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from gensample.data.datamodule import KADataModule
from gensample.errors import ConfigError
from gensample.flow.path import flow_matching_loss, get_path, output_gain, preconditioned
from gensample.generators.base import SOLVER, Generator
from gensample.generators.conditioning import AVERAGES, Targets, regress_linearly
from gensample.generators.drawing import Drawer
from gensample.generators.mobility import MobilityFlow, mobility_of
from gensample.nn.conditioner import BotanConditioner, Condition, EquivariantConditioner
from gensample.nn.mobility import MobilityNetwork
from gensample.nn.velocity import Setting, VelocityNetwork
from gensample.physics.mobility import REACH
from gensample.priors import make_prior
from gensample.priors.base import FieldContext, remove_drift
from gensample.ranges import DEPTH, NOT_NEGATIVE, WIDTH, between, check_choice
from gensample.reads import Reads
from gensample.sampling.ensemble import Call, FieldUnit, NoiseStream, run_unit
from gensample.sampling.solver import FIELDS, Solver, Velocity, integrate, integrate_sde
from gensample.seeding import torch_generator

# Enough for the spectrum of an elastic prior; more changes its coefficients by less than a percent.
FIT_CONFIGURATIONS = 16
FIT_FIELDS = 12


class DisplacementFlow(Generator, nn.Module):
    """Conditioner, prior, path and velocity network; `training.displacement` trains them.

    With a prior whose scales come from a mobility the generator has two stages: a flow draws the log mobility
    of the field (`generators.mobility`), which sets the scales of the prior of the displacements.

    Args:
        reads: what is read of the data; a sample is drawn at one of its lag times. The conditioner's other
            positions are the inherent structure (input "thermal"), or the thermal ones.
        conditioner: "none", "botan" or "equivariant".
        linear: fit the conditioner's linear part to whole values ("pooled"), or to deviations from the mean
            of each configuration with a penalty for each set of descriptors, and those means to the energy
            per particle ("within").
        prior: "species" (one scale per species and lag), "particle" (a scale per particle, from the predicted
            propensity), "elastic" and "elastic-particle" (the same, spatially correlated),
            "elastic-mobility" (a scale per particle and field, from a mobility drawn first).
        mobility_blur: noise on the log mobility that the displacement flow sees (`generators.mobility`).
        path: "linear", "trigonometric" or "variance-preserving".
        width: node scalars of both networks.
        vectors: node vectors of both networks.
        layers: rounds of message passing of the velocity network.
        conditioner_layers: rounds of the conditioner.
        dropout: on the conditioner's descriptors.

    Raises:
        ConfigError: a prior that needs a conditioner without one, or a longer cut-off.
    """

    lag_time: Tensor

    def __init__(
        self,
        reads: dict[str, Any],
        conditioner: Literal["none", "botan", "equivariant"] = "equivariant",
        linear: Literal["pooled", "within"] = "pooled",
        prior: str = "species",
        mobility_blur: float = 0.25,
        path: Literal["linear", "trigonometric", "variance-preserving"] = "linear",
        width: int = 64,
        vectors: int = 16,
        layers: int = 5,
        conditioner_layers: int = 3,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        for name, value in {"width": width, "vectors": vectors}.items():
            WIDTH.check(f"model.{name}", value)
        for name, value in {"layers": layers, "conditioner_layers": conditioner_layers}.items():
            DEPTH.check(f"model.{name}", value)
        NOT_NEGATIVE.check("model.mobility_blur", mobility_blur)
        between(0, 1).check("model.dropout", dropout)
        check_choice("model.conditioner", conditioner, ("none", "botan", "equivariant"))
        self.reads = read = Reads.read(reads)
        species, dimension, lags = read.species, read.dimension, read.lags
        if species is None or dimension is None or lags is None:
            raise ConfigError(f"model.reads must say species, dimension and lags, got {read.plain()!r:.200}")
        self.path = get_path(path)
        self.prior = make_prior(prior, species, len(lags), read.cutoff)
        if self.prior.needs == "propensity" and conditioner == "none":
            raise ConfigError(f"prior={prior} needs the scales a conditioner predicts; set conditioner")
        staged = self.prior.needs == "mobility"
        if staged and read.cutoff < REACH:
            raise ConfigError(
                f"prior={prior} averages over neighbours within {REACH}; cutoff is {read.cutoff}"
            )
        self.conditioner: BotanConditioner | EquivariantConditioner | None = None
        if conditioner == "botan":
            self.conditioner = BotanConditioner(dimension, len(lags), width)
        elif conditioner == "equivariant":
            self.conditioner = EquivariantConditioner(
                len(lags),
                species,
                read.columns,
                width,
                vectors,
                conditioner_layers,
                read.cutoff,
                dropout,
                read.input,
                linear == "within" and read.columns > 0,
            )
        known = self.conditioner
        self.network = VelocityNetwork(
            species,
            condition_scalars=known.width if known else 0,
            condition_vectors=known.vectors if known else 0,
            condition_edges=known.edge_width if known else 0,
            width=width,
            vectors=vectors,
            layers=layers,
            cutoff=read.cutoff,
            input=read.input,
        )
        self.register_buffer("lag_time", torch.tensor(lags, dtype=torch.float32))
        self.targets = Targets(species, len(lags))
        self.register_buffer("descriptor_mean", torch.zeros(species, read.columns))
        self.register_buffer("descriptor_scale", torch.ones(species, read.columns))
        self.mobility: MobilityFlow | None = None
        if staged:
            scalars = known.width if known else 0
            network = MobilityNetwork(species, scalars, width, layers, read.cutoff, read.input)
            self.mobility = MobilityFlow(network, self.path, self.lag_time.clone(), species, mobility_blur)

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
        return FieldContext.of(data, propensity, field_lag, mobility)

    def bind(self, data: Any, context: FieldContext, condition: Condition | None) -> Velocity:
        """velocity(x (n, F, d), s () or (n, F)) in LJ units, drift-free, for a batch."""
        scale, lag = self.prior.scale(context), context.field_lag
        setting = Setting(self.lag_time[lag], lag, data.temperature, scale, condition)
        network = partial(self.network, data=data, setting=setting)
        velocity = preconditioned(self.path, network, data.ptr, lag.shape[1], scale.unsqueeze(-1))
        return lambda x, s: remove_drift(velocity(x, s), context.num_graphs)

    @torch.no_grad()
    def draw(
        self,
        data: Any,
        field_lag: Tensor,
        noise: Callable[[], Tensor],
        *,
        condition: Condition | None = None,
        solver: Solver = FIELDS,
    ) -> tuple[Tensor, int]:
        """Fields (n, F, d) and the number of function evaluations, those of the mobility included.

        field_lag: (B, F), rows of the lag times; ``noise()`` gives white noise of the shape of the fields;
        ``condition`` spares running the conditioner again.
        """
        condition = self.condition(data) if condition is None else condition
        mobility, before = None, 0
        if self.mobility is not None:
            white = lambda: noise()[..., 0]  # noqa: E731
            # There is no stochastic sampler of mobilities.
            first = Solver("midpoint", solver.steps) if solver.method == "sde" else solver
            drawn, before = self.mobility.draw(data, field_lag, condition, white, first)
            mobility = self.mobility.blurred(drawn, white)
        context = self.context(data, field_lag, condition, mobility)
        velocity = self.bind(data, context, condition)

        def prior() -> Tensor:
            return self.prior.colour(context, noise())

        if solver.method == "sde":
            fields, evaluations = integrate_sde(velocity, prior(), self.path, prior, solver)
        else:
            fields, evaluations = integrate(velocity, prior(), solver)
        return fields, before + evaluations

    def how(self, **options: Any) -> dict[str, Any]:
        """See `Generator`."""
        own = {name: options.pop(name) for name in SOLVER if name in options}
        return super().how(**options) | {"solver": Solver(**own)}

    def decides(self, solver: Solver = FIELDS) -> dict[str, Any]:
        """See `Generator`."""
        return {name: value for name, value in asdict(solver).items() if name != "grid"}

    def drawer(self, module: KADataModule, solver: Solver = FIELDS) -> Drawer:
        """See `Generator`."""
        device, store = self.lag_time.device, module.store
        held: dict[int, Any] = {}  # the configuration at hand and its condition

        @torch.no_grad()
        def known(row: int) -> tuple[Any, Condition | None]:
            if row not in held:
                held.clear()
                batch = module.batch([row])
                held[row] = batch, self.condition(batch)
            found: tuple[Any, Condition | None] = held[row]
            return found

        def draw(unit: FieldUnit, seed: int, scratch: Path | None) -> dict[str, Any]:
            nfe = 0

            def one(call: Call, noise: NoiseStream) -> Tensor:
                nonlocal nfe
                batch, condition = known(call.start)
                lag = torch.full((1, len(call.replicas)), call.lag, device=device)
                fields, nfe = self.draw(batch, lag, noise.next, condition=condition, solver=solver)
                return fields

            shape, lags = (store.num_particles, store.dimension), range(len(self.lag_time))
            fields = run_unit(unit, one, seed=seed, lags=lags, shape=shape, device=device)
            return {"fields": fields.numpy(), "nfe": np.array(nfe)}

        return Drawer(draw, {"input": self.reads.input})

    def flow_loss(
        self, batch: Any, condition: Condition | None, generator: torch.Generator, s: Tensor | None = None
    ) -> Tensor:
        """Flow-matching loss of each field in units of the best linear prediction, (B, F).

        s: path times (B, F), else random ones.
        """
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
        """The same of each mobility field, for generators of two stages."""
        assert self.mobility is not None
        device, shape = batch.pos.device, (batch.num_nodes, batch.field_lag.shape[1])
        if s is None:
            s = torch.rand(batch.field_lag.shape, generator=generator, device=device)
        white = partial(torch.randn, shape, generator=generator, device=device)
        return self.mobility.loss(batch, condition, s, white)

    def fit_statistics(self, data: Any, seed: int) -> None:
        """All that is known before training: scales, the conditioner's linear part, the priors.

        data: a data module of displacement fields; of its training split. ConfigError where training
        configurations have a single replica and a mobility needs deviations.
        """
        statistics = data.statistics()
        self.targets.take(statistics)
        if self.reads.descriptors:
            mean, scale = data.descriptor_statistics()
            self.descriptor_mean.copy_(mean)
            self.descriptor_scale.copy_(scale)
            if isinstance(self.conditioner, EquivariantConditioner):
                regress_linearly(self.conditioner, self.targets, data)
        rows, lags = data.rows("train"), len(self.lag_time)
        if self.mobility is not None:
            fewest = min(int(data.batch([int(row)], fields=1).replicas) for row in rows)
            if fewest < 2:
                raise ConfigError(
                    f"a mobility flow needs 2 replicas or more of every training configuration, got {fewest}"
                )
        generator = torch_generator(seed)
        chosen = rows[torch.randperm(len(rows), generator=generator)[:FIT_CONFIGURATIONS].numpy()]
        batches = [data.batch([int(row)], fields=FIT_FIELDS, generator=generator) for row in chosen]
        drawn = torch_generator(seed, 1)
        samples = [(self._measured(batch, drawn), batch.displacement) for batch in batches]
        self.prior.fit(samples, statistics["rms"])
        if self.mobility is not None:
            every = (
                data.batch([int(r)], fields=int(data.batch([int(r)], fields=1).replicas) * lags) for r in rows
            )
            self.mobility.fit_prior(statistics, every, self._held_out_mobility())

    def _held_out_mobility(self) -> Callable[[Any], Tensor] | None:
        """What the conditioner's linear part, all there is of it before training, expects of a batch."""
        known = self.conditioner
        if not isinstance(known, EquivariantConditioner) or not self.reads.descriptors:
            return None

        def expected(batch: Any) -> Tensor:
            mean, scale = (
                of[AVERAGES.index("mobility")][batch.species]
                for of in (self.targets.mean, self.targets.scale)
            )
            found: Tensor = mean + scale * known.regression(batch, held_out=True).chunk(len(AVERAGES), -1)[-1]
            return found

        return expected

    def _measured(self, batch: Any, generator: torch.Generator) -> FieldContext:
        """The context of a batch, with what was measured in place of what is predicted."""
        mobility = None
        if self.mobility is not None:
            exact = mobility_of(batch)
            noise = torch.randn(exact.shape, generator=generator).to(exact)
            mobility = exact + self.mobility.blur * noise
        return FieldContext.of(batch, batch.propensity, mobility=mobility)
