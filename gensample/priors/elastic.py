"""Spatially correlated prior: white noise filtered by the elastic network of the initial configuration.

x = Pi S P z, with P = p_lag(L) a polynomial of the network and S a diagonal of scales. Long-wavelength modes
of a glass are soft and fluctuate most, above all in two dimensions; a filter that falls with the eigenvalue
gives them their amplitude and the displacement field its correlations. The polynomial is the definition of
the prior.

L acts on displacement fields: (L u)_i = sum over bonds W_ij (u_i - u_j) with
W_ij = w(r_ij) [r_hat r_hat' + c (1 - r_hat r_hat')], w = (1 - (r / cutoff)^2)^2. It is symmetric, positive
semi-definite and rotates with the configuration; its zero modes are the translations. Polynomials of L
are sums of Chebyshev polynomials, evaluated by their three-term recursion in sparse products, so that
nothing of size (N d)^2 is ever formed (Weisse et al., Rev. Mod. Phys. 78, 275 (2006)).

The fit: the variance of modes with eigenvalue lambda is estimated without diagonalising anything, from
Chebyshev moments u' T_k(L) u of the fields and of random vectors (for the density of modes), resummed with
Jackson's kernel into windows of the spectrum (ibid., eqs. 49-71). A non-negative mixture of a / (lambda + b)
terms, their squares and a constant is then fitted by Gaussian maximum likelihood (Whittle's), and the filter
is the Chebyshev series of its square root.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from gensample.errors import ConfigError
from gensample.priors.base import FieldContext, Observed, Prior, mean_distance_factor, remove_drift
from gensample.ranges import check_choice
from gensample.structure.chebyshev import chebyshev_fit, chebyshev_nodes, chebyshev_terms
from gensample.structure.spectral import sparse_matrix

SCALES = {"species": "", "particle": "propensity", "mobility": "mobility"}
"""What the scale of a particle comes from, and what a context must hold for it."""


class ElasticPrior(Prior):
    """Correlated prior; ``fit`` or a checkpoint fills its buffers.

    Buffers: ``table`` (S, K), root mean square per species and lag (factor of the scale that the predicted
    propensity gives for ``scales="particle"``, and of the one that the field's own mobility gives for
    ``"mobility"``); ``correction`` (S, K), what makes the realised scale equal to that;
    ``coefficients`` (degree + 1, K), Chebyshev coefficients of the filters; ``transverse`` is
    c, ``bound`` the eigenvalue that maps to 1. ``cutoff`` must not exceed that of the graph.
    """

    table: Tensor
    correction: Tensor
    coefficients: Tensor
    transverse: Tensor
    bound: Tensor

    def __init__(
        self,
        num_species: int,
        num_lags: int,
        *,
        cutoff: float = 1.5,
        degree: int = 48,
        scales: str = "species",
        floor: float = 1e-2,
    ) -> None:
        super().__init__()
        check_choice("the scales of an elastic prior", scales, SCALES)
        self.cutoff, self.scales, self.floor = cutoff, scales, floor
        self.needs = SCALES[scales]
        white = torch.zeros(degree + 1, num_lags)
        white[0] = 1.0
        self.register_buffer("table", torch.ones(num_species, num_lags))
        self.register_buffer("correction", torch.ones(num_species, num_lags))
        self.register_buffer("coefficients", white)
        self.register_buffer("transverse", torch.tensor(0.3))
        self.register_buffer("bound", torch.tensor(1.0))

    def fit(self, samples: Sequence[Observed], rms: Tensor) -> None:
        """See `fit_elastic_prior`."""
        fit_elastic_prior(self, samples)

    def scale(self, context: FieldContext) -> Tensor:
        """Standard deviation of one component, on average over particles of a species, (n, F)."""
        table = self.table[context.species.unsqueeze(1), context.node_lag]
        if self.scales == "species":
            return table
        if self.scales == "mobility":
            if context.mobility is None:
                raise ConfigError("scales='mobility' needs the mobility of each field")
            return table * (0.5 * context.mobility).exp().clamp(min=self.floor)
        if context.propensity is None:
            raise ConfigError("scales='particle' needs a conditioner that predicts the propensity")
        mu = context.propensity.gather(1, context.node_lag)
        return table * (mu / mean_distance_factor(context.dimension)).clamp(min=self.floor)

    def colour(self, context: FieldContext, white: Tensor) -> Tensor:
        """Filtered noise times scale, less its drift."""
        coefficients = self.coefficients.to(white)[:, context.field_lag]
        filtered = self.network(context).polynomial(coefficients, white)
        return remove_drift(self._amplitude(context).unsqueeze(-1) * filtered, context.num_graphs)

    def network(self, context: FieldContext) -> ElasticNetwork:
        """Elastic network of the context's configurations."""
        return elastic_network(context, self.cutoff, self.transverse, self.bound)

    def _amplitude(self, context: FieldContext) -> Tensor:
        correction = self.correction[context.species.unsqueeze(1), context.node_lag]
        return self.scale(context) * correction


@dataclass(frozen=True)
class ElasticNetwork:
    """L of B configurations as one sparse matrix (n d, n d), shifted and scaled to spectrum in [-1, 1].

    ``matrix`` is 2 L / bound - 1, with every L made smaller by its own factor where its largest possible
    eigenvalue exceeds ``bound``.
    """

    matrix: Tensor
    num_graphs: int
    dimension: int

    def pack(self, x: Tensor) -> Tensor:
        """Fields (n, F, d) as columns (n d, F)."""
        return x.transpose(1, 2).reshape(-1, x.shape[1])

    def unpack(self, columns: Tensor) -> Tensor:
        """Columns (n d, F) as fields (n, F, d)."""
        return columns.reshape(-1, self.dimension, columns.shape[1]).transpose(1, 2)

    def polynomial(self, coefficients: Tensor, x: Tensor) -> Tensor:
        """sum_k c_k T_k(matrix) x for fields x (n, F, d); coefficients (degree + 1, B, F)."""
        columns = self.pack(x)
        total = columns.new_zeros(self.num_graphs, columns.shape[0] // self.num_graphs, x.shape[1])
        terms = chebyshev_terms(self._product, columns, coefficients.shape[0] - 1)
        for weight, term in zip(coefficients, terms, strict=True):
            total.addcmul_(weight.unsqueeze(1), term.reshape(total.shape))
        return self.unpack(total.reshape(columns.shape))

    def moments(self, x: Tensor, degree: int) -> Tensor:
        """x' T_k(matrix) x of every field for k = 0..degree (even), (degree + 1, B, F) float64.

        Half as many products as moments, by 2 T_j T_k = T_(j+k) + T_|j-k|.
        """
        out: list[Tensor] = []
        for low, high in pairwise(chebyshev_terms(self._product, self.pack(x), degree // 2)):
            first = out[0] if out else self._dots(low, low)
            cross, square = self._dots(low, high), self._dots(high, high)
            out += [2 * cross - out[1], 2 * square - first] if out else [first, cross, 2 * square - first]
        return torch.stack(out)

    def _product(self, columns: Tensor) -> Tensor:
        return self.matrix @ columns

    def _dots(self, a: Tensor, b: Tensor) -> Tensor:
        return (a * b).double().reshape(self.num_graphs, -1, a.shape[1]).sum(1)


def spectral_bound(context: FieldContext, cutoff: float, transverse: Tensor) -> Tensor:
    """Upper bound of the spectrum of L at each particle, (n,); the largest of a configuration is its bound.

    (a - b)' W (a - b) <= 2 a'Wa + 2 b'Wb, hence L <= 2 max_i of the largest eigenvalue of sum_j W_ij.
    """
    blocks = _blocks(context.edge_vector, cutoff, transverse)
    return 2 * torch.linalg.eigvalsh(_diagonal(context, blocks))[:, -1]


def elastic_network(
    context: FieldContext, cutoff: float, transverse: Tensor, bound: Tensor
) -> ElasticNetwork:
    """Network of B configurations of n / B particles each, from every ordered pair within ``cutoff``.

    ``transverse`` is c, ``bound`` the eigenvalue that maps to 1, both scalars.
    """
    vector, n = context.edge_vector, context.species.shape[0]
    blocks = _blocks(vector, cutoff, transverse.to(vector))
    diagonal = _diagonal(context, blocks)
    top = 2 * torch.linalg.eigvalsh(diagonal)[:, -1].reshape(context.num_graphs, -1).amax(1)
    factor = (2 / torch.maximum(top, bound.to(vector))).repeat_interleave(n // context.num_graphs)
    nodes = torch.arange(n, device=vector.device)
    rows, columns = (torch.cat([end, nodes]) for end in context.edge_index)
    values = torch.cat([-blocks, diagonal]) * factor[rows, None, None]
    values[-n:] -= torch.eye(context.dimension).to(blocks)
    return ElasticNetwork(_block_csr(rows, columns, values, n), context.num_graphs, context.dimension)


def _blocks(edge_vector: Tensor, cutoff: float, transverse: Tensor) -> Tensor:
    """W_ij of every edge, (E, d, d)."""
    r = edge_vector.norm(dim=-1, keepdim=True)
    unit = edge_vector / r
    weight = (1 - (r / cutoff) ** 2).clamp(min=0).square().unsqueeze(-1)
    identity = torch.eye(edge_vector.shape[1]).to(unit)
    return weight * ((1 - transverse) * unit.unsqueeze(2) * unit.unsqueeze(1) + transverse * identity)


def _diagonal(context: FieldContext, blocks: Tensor) -> Tensor:
    zero = blocks.new_zeros(len(context.species), *blocks.shape[1:])
    return zero.index_add(0, context.edge_index[0], blocks)


def _block_csr(rows: Tensor, columns: Tensor, blocks: Tensor, n: int) -> Tensor:
    """Sparse CSR matrix (n d, n d) of (d, d) blocks, built without sorting its (many) entries."""
    d = blocks.shape[1]
    order = torch.argsort(rows, stable=True)
    rows, columns, blocks = rows[order], columns[order], blocks[order]
    count = torch.bincount(rows, minlength=n)
    start = torch.cumsum(count, 0) - count
    axis = torch.arange(d, device=rows.device)
    # Row (i, a) follows rows (i, 0..a-1) of the same length, which follow all rows of particles before i.
    place = start[rows] * d * d + (torch.arange(len(rows), device=rows.device) - start[rows]) * d
    place = place[:, None, None] + (count[rows] * d)[:, None, None] * axis[:, None] + axis
    entry = (columns[:, None, None] * d + axis).expand(-1, d, -1)
    index, values = torch.empty_like(place).flatten(), torch.empty_like(blocks).flatten()
    index[place.flatten()], values[place.flatten()] = entry.flatten(), blocks.flatten()
    pointer = torch.cat([count.new_zeros(1), torch.cumsum((count * d).repeat_interleave(d), 0)])
    return sparse_matrix(pointer, index, values)


PROBES = 16
WINDOWS = 64
RESOLUTION = 128


@dataclass(frozen=True)
class Spectrum:
    """Windows of the spectrum: mean eigenvalue / bound (W,), number (W,) and variance (W, K) of modes."""

    eigenvalue: Tensor
    count: Tensor
    variance: Tensor


def fit_elastic_prior(
    prior: ElasticPrior, samples: Sequence[Observed], *, transverse: Sequence[float] = (0.0, 0.1, 0.3)
) -> float:
    """Fills the prior's buffers from displacement fields; returns the log-likelihood gained per component.

    The gain is over the same prior without filter, in nats, averaged over lags. ``transverse`` are the
    values of c among which the likelihood chooses. A few tens of configurations with a few fields each
    are plenty. ConfigError if a species or lag of the prior does not occur.
    """
    _fit_scales(prior, samples)
    best = -math.inf
    for c in transverse:
        prior.transverse.fill_(c)
        prior.bound.copy_(_bound(prior, samples))
        spectrum = estimate_spectrum(prior, samples)
        weights = fit_mixture(spectrum, _poles(prior))
        gain = _gain(spectrum, _basis(spectrum.eigenvalue, _poles(prior)) @ weights)
        if gain > best:
            best, chosen = gain, (c, prior.bound.clone(), weights)
    prior.transverse.fill_(chosen[0])
    prior.bound.copy_(chosen[1])
    prior.coefficients.copy_(filter_coefficients(chosen[2], prior))
    _normalise(prior, samples)
    return best


def estimate_spectrum(prior: ElasticPrior, samples: Sequence[Observed]) -> Spectrum:
    """Variance of the modes of u / scale against eigenvalue, per lag."""
    lags = prior.coefficients.shape[1]
    power = torch.zeros(RESOLUTION + 1, lags, dtype=torch.float64)
    density = torch.zeros(RESOLUTION + 1, dtype=torch.float64)
    fields, graphs = torch.zeros(lags, dtype=torch.float64), 0
    generator = torch.Generator().manual_seed(0)
    for context, u in samples:
        network, lag = prior.network(context), context.field_lag.flatten().cpu()
        field = remove_drift(u / prior.scale(context).unsqueeze(-1), context.num_graphs)
        moments = network.moments(field, RESOLUTION)
        power.index_add_(1, lag, moments.flatten(1).cpu())
        fields += torch.bincount(lag, minlength=lags)
        probes = torch.randn(u.shape[0], PROBES, u.shape[2], generator=generator).to(u)
        noise = network.moments(remove_drift(probes, context.num_graphs), RESOLUTION)
        density += noise.mean(-1).sum(-1).cpu()
        graphs += context.num_graphs
    return _resum(power / fields, density / graphs)


def _resum(power: Tensor, density: Tensor) -> Spectrum:
    """Windowed spectrum from Chebyshev moments of fields (R + 1, K) and of unit noise (R + 1,)."""
    windows = _windows()
    count = windows @ density
    # x T_k = (T_(k+1) + T_|k-1|) / 2 gives the mean eigenvalue of each window.
    shifted = torch.zeros_like(windows)
    shifted[:, 1:] += 0.5 * windows[:, :-1]
    shifted[:, :-1] += 0.5 * windows[:, 1:]
    shifted[:, 1] += 0.5 * windows[:, 0]
    centre = 0.5 * ((shifted @ density) / count + 1)
    kept = count > 1e-3 * count.mean()
    variance = (windows[kept] @ power) / count[kept, None]
    return Spectrum(centre[kept].clamp(0, 1), count[kept], variance.clamp(min=1e-12))


def _windows() -> Tensor:
    """Chebyshev coefficients (W, R + 1) of equal windows of arccos(x), smoothed by Jackson's kernel."""
    k = torch.arange(RESOLUTION + 1, dtype=torch.float64)
    edges = torch.linspace(0, math.pi, WINDOWS + 1, dtype=torch.float64)
    sines = torch.sin(k[1:] * edges[:, None])
    series = torch.cat([edges.diff()[:, None] / math.pi, 2 / math.pi * sines.diff(dim=0) / k[1:]], 1)
    m = RESOLUTION + 2
    angle = math.pi / m
    jackson = ((m - k) * torch.cos(angle * k) + torch.sin(angle * k) / math.tan(angle)) / m
    return series * jackson


def _poles(prior: ElasticPrior) -> Tensor:
    """Values of b: from what a polynomial of the prior's degree resolves next to eigenvalue 0, up to 1."""
    degree = prior.coefficients.shape[0] - 1
    return torch.logspace(2 * math.log10(2 / degree), 0, 8, dtype=torch.float64)


def _basis(eigenvalue: Tensor, poles: Tensor) -> Tensor:
    """The constant, b / (lambda + b) and its square at (M,) eigenvalues, (M, 1 + 2 J).

    Equipartition gives the simple pole; glasses in two dimensions fluctuate more than that at long
    wavelengths, hence the square.
    """
    falling = poles / (eigenvalue[:, None] + poles)
    return torch.cat([torch.ones_like(falling[:, :1]), falling, falling**2], 1)


def fit_mixture(spectrum: Spectrum, poles: Tensor, iterations: int = 3000) -> Tensor:
    """Non-negative weights (1 + 2 J, K) of the basis that maximise the Gaussian likelihood of the spectrum.

    Multiplicative updates, each of which raises the likelihood (Fevotte & Idier, Neural Computation 23,
    2421 (2011), the majorisation-minimisation rule for the Itakura-Saito divergence).
    """
    basis, count = _basis(spectrum.eigenvalue, poles), spectrum.count[:, None]
    mean = (count * spectrum.variance).sum(0) / count.sum()
    weights = (mean / basis.shape[1]).expand(basis.shape[1], -1).clone()
    for _ in range(iterations):
        f = basis @ weights
        ratio = (basis.T @ (count * spectrum.variance / f**2)) / (basis.T @ (count / f))
        weights *= ratio.sqrt()
    return weights


def filter_coefficients(weights: Tensor, prior: ElasticPrior) -> Tensor:
    """Chebyshev coefficients (degree + 1, K) of the square root of a fitted mixture."""
    degree = prior.coefficients.shape[0] - 1
    eigenvalue = 0.5 * (chebyshev_nodes(8 * degree) + 1)
    return chebyshev_fit((_basis(eigenvalue, _poles(prior)) @ weights).sqrt(), degree)


def _gain(spectrum: Spectrum, f: Tensor) -> float:
    """Log-likelihood per mode of variances f (W, K) over that of one variance for all, averaged over lags."""
    share = spectrum.count[:, None] / spectrum.count.sum()
    white = (share * spectrum.variance).sum(0)
    return float(0.5 * (white.log() + 1 - (share * (f.log() + spectrum.variance / f)).sum(0)).mean())


def _bound(prior: ElasticPrior, samples: Sequence[Observed]) -> Tensor:
    """Largest bound of the spectrum over the configurations."""
    bounds = [spectral_bound(context, prior.cutoff, prior.transverse) for context, _ in samples]
    return torch.cat(bounds).max()


def _fit_scales(prior: ElasticPrior, samples: Sequence[Observed]) -> None:
    """Sets ``table`` so that u / scale has unit variance in every species and lag."""
    prior.table.fill_(1.0)
    prior.correction.fill_(1.0)
    square = _mean_square(prior, [(c, u / prior.scale(c).unsqueeze(-1)) for c, u in samples])
    if not bool((square > 0).all()):
        raise ConfigError(f"every species and lag needs displacements; mean squares are {square.tolist()}")
    prior.table.copy_(square.sqrt())


def _normalise(prior: ElasticPrior, samples: Sequence[Observed]) -> None:
    """Sets ``correction`` so that draws have the variance of ``scale`` in every species and lag."""
    lags = torch.arange(prior.coefficients.shape[1]).repeat(PROBES)
    generator = torch.Generator().manual_seed(1)
    draws = []
    for context, u in samples:
        # A mobility belongs to its field: those of the sample have to do.
        free = context.mobility is None
        c = replace(context, field_lag=lags.to(u.device).expand(context.num_graphs, -1)) if free else context
        white = torch.randn(c.shape, generator=generator).to(u)
        draws.append((c, prior.colour(c, white) / prior.scale(c).unsqueeze(-1)))
    prior.correction.copy_(_mean_square(prior, draws).rsqrt())


def _mean_square(prior: ElasticPrior, samples: Sequence[Observed]) -> Tensor:
    """Mean square component per species and lag, (S, K) float64; 0 where there is none."""
    species, lags = prior.table.shape
    total = torch.zeros(species * lags, dtype=torch.float64)
    count = torch.zeros_like(total)
    for context, u in samples:
        cell = (context.species.unsqueeze(1) * lags + context.node_lag).flatten().cpu()
        total.index_add_(0, cell, u.double().square().mean(-1).flatten().cpu())
        count += torch.bincount(cell, minlength=species * lags)
    return (total / count.clamp(min=1)).reshape(species, lags)
