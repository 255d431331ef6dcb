"""The mobility flow: p(log mobility | x, t, T), the first of the generator's two stages.

Collective motion is rare and cooperative: whether a region moves at all is what chi4 measures. The log of the
local mean square displacement is nearly Gaussian and smooth, so that a flow learns it early; given it,
displacements are nearly Gaussian too.

Its prior is white noise averaged over neighbours, at several ranges: y = sum over ranges p of
sqrt(w_p) W^p z_p / g_p, with W the averaging (``physics.mobility``), z_p independent white noise and g_p what
makes the variance one. The weights, one set per lag time, reproduce how fast the variance of simulated fields
falls when they are averaged.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from scipy.optimize import nnls
from torch import Tensor, nn

from gensample.flow.path import Path, flow_matching_loss, output_gain, preconditioned
from gensample.nn.conditioner import Condition
from gensample.nn.mobility import MobilityNetwork, MobilitySetting
from gensample.physics.mobility import average, averaging_matrix, log_mobility
from gensample.sampling.solver import Solver, Velocity, integrate


def averaging_of(batch: Any) -> Tensor:
    """Averaging over neighbours on the graph of a batch, (n, n); made once and kept with it."""
    if "averaging" not in batch:
        batch.averaging = averaging_matrix(batch.edge_index, batch.edge_vector, batch.num_nodes)
    found: Tensor = batch.averaging
    return found


def mobility_of(batch: Any) -> Tensor:
    """Log mobility (n, F) of the displacement fields of a batch."""
    return log_mobility(batch.displacement, averaging_of(batch))


class MobilityFlow(nn.Module):
    """Flow of y = (log mobility - its expected value) / its spread over replicas, per particle.

    The expected value is the conditioner's, or the mean of the species at that lag without one.

    The displacement flow sees the log mobility with white noise of deviation ``blur``, in training and in
    sampling alike (the conditioning augmentation of Ho et al., J. Mach. Learn. Res. 23, 47 (2022), section
    4.2). A mobility is an average that a network learns to undo: the lengths of all displacements could be
    read from an exact one, and never from a drawn one.
    """

    lag_time: Tensor
    mean: Tensor
    scale: Tensor

    def __init__(
        self, network: MobilityNetwork, path: Path, lag_time: Tensor, num_species: int, blur: float
    ) -> None:
        super().__init__()
        self.network, self.path, self.blur = network, path, blur
        self.prior = MobilityPrior(len(lag_time))
        self.register_buffer("lag_time", lag_time, persistent=False)
        self.register_buffer("mean", torch.zeros(num_species, len(lag_time)))
        self.register_buffer("scale", torch.ones(num_species, len(lag_time)))

    def fit_prior(
        self, statistics: dict[str, Tensor], batches: Iterable[Any], expected: Callable[[Any], Tensor] | None
    ) -> None:
        """Take the means of the training split; fit spread and prior to what expectations of it leave.

        batches: one configuration each, with all its fields; expected: log mobility (n, K) that a conditioner
        expects of a batch on which it was not fitted, else the mean of the species.
        """
        self.mean.copy_(statistics["mobility"])
        samples, species = [], []
        for batch in batches:
            lag = batch.field_lag[0]
            known = self.mean[batch.species] if expected is None else expected(batch)
            samples.append((averaging_of(batch), mobility_of(batch) - known[:, lag], lag))
            species.append(batch.species)
        square, count = torch.zeros_like(self.scale), torch.zeros_like(self.scale)
        for (_, deviation, lag), kinds in zip(samples, species, strict=True):
            at = kinds.unsqueeze(1).expand_as(deviation), lag.expand_as(deviation)
            square.index_put_(at, deviation.square(), accumulate=True)
            count.index_put_(at, torch.ones_like(deviation), accumulate=True)
        self.scale.copy_((square / count.clamp(min=1)).sqrt().clamp(min=1e-6))
        each = zip(samples, species, strict=True)
        self.prior.fit([(a, y / self.scale[kinds.unsqueeze(1), lag], lag) for (a, y, lag), kinds in each])

    def loss(self, data: Any, condition: Condition | None, s: Tensor, white: Callable[[], Tensor]) -> Tensor:
        """Flow-matching loss of the batch's fields in units of the best linear prediction, (B, F)."""
        lag = data.field_lag
        setting = self._setting(data, lag, condition)
        y1 = (mobility_of(data) - setting.expected) / self._scale(data, lag)
        y0 = self.prior.colour(setting.matrix, lag[data.batch], white)
        at_node = s[data.batch]
        velocity = self._velocity(data, setting)
        y0, y1, weight = y0.unsqueeze(-1), y1.unsqueeze(-1), output_gain(self.path, at_node).pow(-2)
        return flow_matching_loss(velocity, y0, y1, at_node, self.path, weight, int(data.num_graphs))

    @torch.no_grad()
    def draw(
        self,
        data: Any,
        field_lag: Tensor,
        condition: Condition | None,
        white: Callable[[], Tensor],
        solver: Solver,
    ) -> tuple[Tensor, int]:
        """Log mobility (n, F) of fields at the lags ``field_lag`` (B, F), and function evaluations."""
        setting = self._setting(data, field_lag, condition)
        y0 = self.prior.colour(setting.matrix, field_lag[data.batch], white).unsqueeze(-1)
        y1, evaluations = integrate(self._velocity(data, setting), y0, solver)
        return setting.expected + self._scale(data, field_lag) * y1.squeeze(-1), evaluations

    def blurred(self, mobility: Tensor, white: Callable[[], Tensor]) -> Tensor:
        """Log mobility (n, F) as the displacement flow sees it; ``white()`` is noise of that shape."""
        return mobility + self.blur * white()

    def _setting(self, data: Any, field_lag: Tensor, condition: Condition | None) -> MobilitySetting:
        lag = field_lag[data.batch]
        if condition is None:
            expected = self.mean[data.species.unsqueeze(1), lag]
        else:
            # Detached: what a target is measured from must not be moved by the loss it enters.
            expected = condition.mobility.detach().gather(1, lag)
        matrix = averaging_of(data)
        return MobilitySetting(self.lag_time[field_lag], data.temperature, expected, matrix, condition)

    def _scale(self, data: Any, field_lag: Tensor) -> Tensor:
        scale: Tensor = self.scale[data.species.unsqueeze(1), field_lag[data.batch]]
        return scale

    def _velocity(self, data: Any, setting: MobilitySetting) -> Velocity:
        def network(y: Tensor, s: Tensor) -> Tensor:
            learned: Tensor = self.network(y.squeeze(-1), s, data, setting)
            return learned.unsqueeze(-1)

        return preconditioned(self.path, network, data.ptr, setting.lag.shape[1], None)


RANGES = (3, 6, 12, 24, 48, 96)
LEVELS = (0, 2, 4, 8, 16, 32, 64)
_PROBES = 64
_EXACT = 10.0  # weight of the variance itself among the averaged variances

FieldSample = tuple[Tensor, Tensor, Tensor]
"""Averaging matrix (n, n), fields (n, F) of unit variance, lag indices of the fields (F,)."""


class MobilityPrior(nn.Module):
    """Zero mean, unit variance; ``fit`` or a checkpoint fills the buffers.

    ``beyond``: ranges and levels beyond `RANGES` and `LEVELS`; inf is the mean over a configuration, whose
    variance falls as 1/N in larger ones, as that of all averages does.

    ``weights`` (P, K): share of each range in the variance, per lag; ``gain`` (P,): root mean square of
    averaged white noise.
    """

    weights: Tensor
    gain: Tensor

    def __init__(self, num_lags: int, beyond: tuple[float, ...] = ()) -> None:
        super().__init__()
        self.ranges: tuple[float, ...] = (*RANGES, *beyond)
        self.levels: tuple[float, ...] = (*LEVELS, *beyond)
        count = len(self.ranges)
        self.register_buffer("weights", torch.full((count, num_lags), 1 / count))
        self.register_buffer("gain", torch.ones(count))

    def fit(self, samples: Sequence[FieldSample]) -> None:
        """Fill the buffers from fields of unit variance; every lag must occur."""
        generator = torch.Generator().manual_seed(0)
        lags = self.weights.shape[1]
        power = torch.zeros(len(self.levels), lags, dtype=torch.float64)
        count = torch.zeros(lags, dtype=torch.float64)
        noise = torch.zeros(len(self.ranges), len(self.levels), dtype=torch.float64)
        for matrix, fields, lag in samples:
            lag = lag.cpu()
            power.index_add_(1, lag, _powers(fields, matrix, self.levels))
            count += torch.bincount(lag, minlength=lags)
            white = torch.randn(len(fields), _PROBES, generator=generator).to(fields)
            parts = [averaged(white, matrix, rounds) for rounds in self.ranges]
            noise += torch.stack([_powers(part, matrix, self.levels).mean(1) for part in parts])
        noise /= len(samples)
        self.gain.copy_(noise[:, 0].sqrt())
        shape = (noise / noise[:, :1]).T
        for k in range(lags):
            self.weights[:, k] = _shares(shape, power[:, k] / count[k])

    def colour(self, matrix: Tensor, node_lag: Tensor, white: Callable[[], Tensor]) -> Tensor:
        """Fields (n, F) of the prior; ``white()`` gives fresh white noise of that shape, one per range."""
        noise = [white() for _ in self.ranges]
        shares = [(self.weights[p].sqrt() / self.gain[p])[node_lag] for p in range(len(self.ranges))]
        fields = torch.zeros_like(noise[0])
        # The longest first: what all are averaged by is done once.
        for p, rounds in reversed(list(enumerate(self.ranges))):
            fields = fields + shares[p] * noise[p]
            if bool(fields.any()):
                fields = averaged(fields, matrix, rounds - (self.ranges[p - 1] if p else 0))
        return fields


def averaged(fields: Tensor, matrix: Tensor, rounds: float) -> Tensor:
    """Fields (n, F) averaged that often; inf: their mean over all particles, those of one configuration."""
    if math.isinf(rounds):
        return fields.mean(0, keepdim=True).expand_as(fields)
    return average(fields, matrix, int(rounds))


def _powers(fields: Tensor, matrix: Tensor, levels: Sequence[float]) -> Tensor:
    """Mean square of fields (n, F) after each number of averages, ascending: (levels, F) float64."""
    powers, done = [], 0.0
    for level in levels:
        fields, done = averaged(fields, matrix, level - done), level
        powers.append(fields.double().square().mean(0).cpu())
    return torch.stack(powers)


def _shares(shape: Tensor, target: Tensor) -> Tensor:
    """Non-negative shares (P,), adding up to one, of the ranges' falls (levels, P) nearest to ``target``."""
    emphasis = torch.ones_like(target)
    emphasis[0] = _EXACT
    weighted = (shape / target[:, None] * emphasis[:, None]).numpy()
    shares = torch.from_numpy(nnls(weighted, emphasis.numpy())[0])
    return (shares / shares.sum()).float()
