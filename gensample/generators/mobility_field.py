"""Where things will move, from structure alone: p(log mobility | inherent structure, t) in closed form.

The mean is a ridge regression on invariants and mechanics of the inherent structure, the rest coloured noise
that differs from replica to replica, whose variance falls under averages over neighbours and over the whole
configuration as that of simulated fields about their held-out expectation.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from gensample.errors import DataError
from gensample.generators.base import FieldStart
from gensample.generators.mobility import MobilityPrior
from gensample.nn.conditioner import FOLDS
from gensample.physics.box import minimum_image
from gensample.physics.mobility import REACH, averaging_matrix, log_mobility
from gensample.physics.neighbors import neighbor_list
from gensample.seeding import torch_generator
from gensample.stats.regression import block_ridge, mean_and_scale
from gensample.structure.descriptors import descriptor_columns, descriptor_names
from gensample.structure.particles import Particles

DESCRIPTORS = ("mechanics", "invariants")
LEAST = 0.1
"""Length below which a displacement between inherent structures says nothing of where things move."""
BEYOND = (256.0, math.inf)
GRID = torch.linspace(-4.0, 4.0, 129, dtype=torch.float64)
"""Standard normal values at which the distribution of the log mobility is kept."""
DRAWN = 71
"""Of the key of the random numbers, so that they are not those of another generator."""


class Known(NamedTuple):
    """What a field knows of a configuration: row of its dataset, species (N,), latent expectation (N, K)
    and the averaging over neighbours (N, N)."""

    row: int
    species: Tensor
    latent: Tensor
    matrix: Tensor


class MobilityField(nn.Module):
    """Log mobility m = q(l), l = e + sqrt(1 - v) y, for each species and lag.

    e is the latent expectation, of variance v over particles (``explained``, what structure decides by
    construction), y a field of `MobilityPrior`, and q gives the quantiles of m at those of a normal variable.
    ``within``: share of the noise's variance by which replicas of one configuration differ in simulation; the
    rest is what structure decides and the regression does not know, here drawn anew for each replica.

    m is the log of the local mean square component of the displacements it was fitted to (those between
    inherent structures, unless they were others), with LEAST added in quadrature. The tensors of
    ``state_dict`` are all there is: S species, K lags, D descriptors.
    """

    mean: Tensor
    scale: Tensor
    weights: Tensor
    gain: Tensor
    explained: Tensor
    within: Tensor
    quantiles: Tensor

    def __init__(self, num_species: int, num_lags: int, columns: int) -> None:
        super().__init__()
        self.prior = MobilityPrior(num_lags, BEYOND)
        shapes = {
            **{"mean": (num_species, columns), "scale": (num_species, columns)},
            **{"weights": (num_species, columns, num_lags), "gain": (num_species, num_lags)},
            **{"explained": (num_species, num_lags), "within": (num_species, num_lags)},
            **{"quantiles": (num_species, num_lags, len(GRID))},
        }
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape))

    def read(self, start: FieldStart) -> Known:
        """What is known of a configuration; DataError without its inherent structure."""
        columns, matrix = describe(start)
        species = torch.from_numpy(np.asarray(start.species, np.int64))
        latent = torch.zeros(len(species), self.gain.shape[1])
        for s in range(len(self.gain)):
            own = ((columns[species == s] - self.mean[s]) / self.scale[s]) @ self.weights[s]
            latent[species == s] = own + (self.gain[s] - 1) * own.mean(0)
        return Known(start.row, species, latent, matrix)

    def standardised(self, known: Known) -> np.ndarray:
        """Latent expectation (N, K) float64 about its mean over the particles of a species in the training
        configurations, in units of its standard deviation there; held within that of `GRID`."""
        variance = self.explained[known.species].clamp(min=1e-12)
        scaled = known.latent / variance.sqrt()
        return scaled.clamp(float(GRID[0]), float(GRID[-1])).double().numpy()

    def expected(self, known: Known) -> np.ndarray:
        """Expected log mobility (N, K) float32, by Gauss-Hermite quadrature over the noise."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(16)
        spread = (1 - self.explained[known.species]).sqrt()
        found = np.zeros(known.latent.shape, np.float32)
        for node, share in zip(nodes.tolist(), (weights / weights.sum()).tolist(), strict=True):
            found += share * self._log_mobility(known.latent + node * spread, known)
        return found

    def draw(
        self, known: Known, lag: int, replicas: Sequence[int], seed: int, noise: float = 1.0
    ) -> np.ndarray:
        """Log mobility (R, N) float32 of replicas at a lag (its index).

        noise: what the standard deviation of the noise is multiplied by. The random numbers of a replica are
        keyed by (seed, row, replica, lag) alone.
        """
        spread = noise * (1 - self.explained[known.species, lag]).sqrt()
        at = torch.full((len(known.species), 1), lag)
        drawn = []
        for replica in replicas:
            # One by one: products with more columns round in other places.
            white = partial(
                torch.randn, at.shape, generator=torch_generator(seed, known.row, DRAWN, replica, lag)
            )
            y = self.prior.colour(known.matrix, at, white)[:, 0]
            latent = (known.latent[:, lag] + spread * y).unsqueeze(1)
            drawn.append(self._log_mobility(latent, known, lag)[:, 0])
        return np.stack(drawn)

    def _log_mobility(self, latent: Tensor, known: Known, first: int = 0) -> np.ndarray:
        """Of latent values (N, K') at lags from ``first`` on."""
        found, grid = np.empty(latent.shape, np.float32), GRID.numpy()
        for s in range(len(self.gain)):
            mine = (known.species == s).numpy()
            for k in range(latent.shape[1]):
                table = self.quantiles[s, first + k].numpy()
                found[mine, k] = np.interp(latent[known.species == s, k].numpy(), grid, table)
        return found


def describe(start: FieldStart) -> tuple[Tensor, Tensor]:
    """Descriptors (N, D) of the inherent structure, and the averaging over neighbours in it.

    Raises:
        DataError: the inherent structure is missing.
    """
    if start.inherent is None:
        raise DataError("a mobility field needs inherent structures: add them with `gensample quench`")
    centre, position, box = (
        torch.from_numpy(np.asarray(x, np.float64)) for x in (start.inherent, start.positions, start.box)
    )
    species = torch.from_numpy(np.asarray(start.species, np.int64))
    of = Particles(centre, species, box, start.mixture, minimum_image(centre - position, box))
    edges, vectors = neighbor_list(centre, box, REACH)
    matrix = averaging_matrix(edges, vectors.float(), len(centre))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # "CSR support is in beta"
        return descriptor_columns(of, DESCRIPTORS), matrix.to_sparse_csr()


def fit_mobility_field(starts: Sequence[FieldStart], fields: Callable[[int], np.ndarray]) -> MobilityField:
    """The field of training configurations with inherent structures.

    fields: displacements (R, K, N, d) of a row of the dataset, those between inherent structures or others.
    """
    columns, matrices = zip(*map(describe, starts), strict=True)
    simulated = [
        _simulated(fields(start.row), matrix) for start, matrix in zip(starts, matrices, strict=True)
    ]
    species = torch.from_numpy(np.asarray(starts[0].species, np.int64))
    found = MobilityField(int(species.max()) + 1, simulated[0].shape[2], columns[0].shape[1])
    widths = [len(descriptor_names(starts[0].mixture, [name])) for name in DESCRIPTORS]
    for s in range(len(found.gain)):
        mine = species == s
        own = [x[mine].double() for x in columns], [m[mine].double() for m in simulated]
        for m, left in zip(simulated, _fit_species(found, s, *own, widths), strict=True):
            m[mine] = left.float()
    at = torch.arange(simulated[0].shape[2])
    samples = [(a, m.flatten(1), at.repeat(m.shape[1])) for a, m in zip(matrices, simulated, strict=True)]
    found.prior.fit(samples)
    return found


def _simulated(fields: np.ndarray, matrix: Tensor) -> Tensor:
    """Log mobility (N, R, K) of fields (R, K, N, d)."""
    particles = torch.from_numpy(fields).permute(2, 0, 1, 3)
    return log_mobility(particles.flatten(1, 2), matrix, LEAST).reshape(particles.shape[:3])


def _fit_species(
    found: MobilityField, s: int, columns: list[Tensor], mobility: list[Tensor], widths: list[int]
) -> list[Tensor]:
    """Fill the tensors of a species; what the held-out expectation leaves (n, R, K), of unit variance."""
    mean, scale = mean_and_scale(columns)
    x = [(each - mean) / scale for each in columns]
    pooled = torch.cat([m.flatten(0, 1) for m in mobility])
    y = [(m - pooled.mean(0)) / pooled.std(0) for m in mobility]
    folds = [number % FOLDS for number in range(len(x))]
    about = ((a - a.mean(0), b.mean(1) - b.mean((0, 1))) for a, b in zip(x, y, strict=True))
    weights, held_out, _ = block_ridge(about, folds, widths)
    # What all particles share is shrunk by a regression of single ones, and nearly free of noise.
    each = [a @ held_out[fold] for a, fold in zip(x, folds, strict=True)]
    shared, true = torch.stack([e.mean(0) for e in each]), torch.stack([b.mean((0, 1)) for b in y])
    gain = ((shared * true).sum(0) / shared.square().sum(0).clamp(min=1e-12)).clamp(min=0)
    each = [e + (gain - 1) * level for e, level in zip(each, shared, strict=True)]
    variance = torch.cat(each).square().mean(0).clamp(min=1e-12)
    together = torch.stack([(e * b.mean(1)).mean(0) for e, b in zip(each, y, strict=True)]).mean(0)
    # Of m and l with any Gaussian variable: their covariances differ by the first Hermite coefficient of q.
    normal = torch.special.ndtr(GRID)
    quantiles = torch.stack([_quantiles(pooled[:, k], normal) for k in range(pooled.shape[1])])
    density = torch.exp(-0.5 * GRID**2)
    first = (quantiles * GRID * density).sum(1) / density.sum() / pooled.std(0)
    correlation = (together / variance.sqrt() / first).clamp(0, 0.99)
    tensors = {
        **{"mean": mean, "scale": scale, "weights": weights * correlation / variance.sqrt(), "gain": gain},
        **{"explained": correlation.square(), "quantiles": quantiles},
    }
    for name, value in tensors.items():
        getattr(found, name)[s] = value.float()
    left = [b - (e * together / variance).unsqueeze(1) for e, b in zip(each, y, strict=True)]
    spread = torch.cat([r.flatten(0, 1) for r in left]).square().mean(0).sqrt()
    found.within[s] = (torch.cat([r.var(1) for r in left]).mean(0) / spread.square()).float()
    return [r / spread for r in left]


def _quantiles(values: Tensor, levels: Tensor) -> Tensor:
    """Of values (M,) at levels (Q,); torch's own refuses so many."""
    return torch.from_numpy(np.quantile(values.numpy(), levels.numpy()))
