"""Gaussian prior over mobility fields: white noise averaged over neighbours, at several ranges.

y = sum over ranges p of sqrt(w_p) W^p z_p / g_p, with W the averaging over neighbours
(``physics.mobility``), z_p independent white noise and g_p what makes the variance one. The weights, one
set per lag time, reproduce how fast the variance of simulated fields falls when they are averaged.
"""

from collections.abc import Callable, Sequence

import torch
from scipy.optimize import nnls
from torch import Tensor, nn

from gensample.physics.mobility import average

RANGES = (3, 6, 12, 24, 48, 96)
LEVELS = (0, 2, 4, 8, 16, 32, 64)
_PROBES = 64
_EXACT = 10.0  # weight of the variance itself among the averaged variances

FieldSample = tuple[Tensor, Tensor, Tensor]
"""Averaging matrix (n, n), fields (n, F) of unit variance, lag indices of the fields (F,)."""


class MobilityPrior(nn.Module):
    """Zero mean, unit variance; ``fit`` or a checkpoint fills the buffers.

    ``weights`` (P, K): share of each range in the variance, per lag; ``gain`` (P,): root mean square of
    averaged white noise.
    """

    weights: Tensor
    gain: Tensor

    def __init__(self, num_lags: int) -> None:
        super().__init__()
        self.register_buffer("weights", torch.full((len(RANGES), num_lags), 1 / len(RANGES)))
        self.register_buffer("gain", torch.ones(len(RANGES)))

    def fit(self, samples: Sequence[FieldSample]) -> None:
        """Fill the buffers from fields of unit variance; every lag must occur."""
        generator = torch.Generator().manual_seed(0)
        lags = self.weights.shape[1]
        power = torch.zeros(len(LEVELS), lags, dtype=torch.float64)
        count = torch.zeros(lags, dtype=torch.float64)
        noise = torch.zeros(len(RANGES), len(LEVELS), dtype=torch.float64)
        for matrix, fields, lag in samples:
            lag = lag.cpu()
            power.index_add_(1, lag, _powers(fields, matrix))
            count += torch.bincount(lag, minlength=lags)
            white = torch.randn(len(fields), _PROBES, generator=generator).to(fields)
            noise += torch.stack([_powers(average(white, matrix, p), matrix).mean(1) for p in RANGES])
        noise /= len(samples)
        self.gain.copy_(noise[:, 0].sqrt())
        shape = (noise / noise[:, :1]).T
        for k in range(lags):
            self.weights[:, k] = _shares(shape, power[:, k] / count[k])

    def colour(self, matrix: Tensor, node_lag: Tensor, white: Callable[[], Tensor]) -> Tensor:
        """Fields (n, F) of the prior; ``white()`` gives fresh white noise of that shape, one per range."""
        fields = torch.zeros_like(node_lag, dtype=self.weights.dtype)
        for p, rounds in enumerate(RANGES):
            share = self.weights[p].sqrt()[node_lag] / self.gain[p]
            fields = fields + share * average(white(), matrix, rounds)
        return fields


def _powers(fields: Tensor, matrix: Tensor) -> Tensor:
    """Mean square of fields (n, F) after each number of averages of ``LEVELS``, (levels, F) float64."""
    powers, done = [], 0
    for level in LEVELS:
        fields, done = average(fields, matrix, level - done), level
        powers.append(fields.double().square().mean(0).cpu())
    return torch.stack(powers)


def _shares(shape: Tensor, target: Tensor) -> Tensor:
    """Non-negative shares (P,), adding up to one, of the ranges' falls (levels, P) nearest to ``target``."""
    emphasis = torch.ones_like(target)
    emphasis[0] = _EXACT
    weighted = (shape / target[:, None] * emphasis[:, None]).numpy()
    shares = torch.from_numpy(nnls(weighted, emphasis.numpy())[0])
    return (shares / shares.sum()).float()
