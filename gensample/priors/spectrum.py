"""Fits the filter of the elastic prior to the spectrum of displacement fields.

The variance of modes with eigenvalue lambda is estimated without diagonalising anything: Chebyshev
moments u' T_k(L) u of the fields and of random vectors (for the density of modes), resummed with Jackson's
kernel into windows of the spectrum (Weisse et al., Rev. Mod. Phys. 78, 275 (2006), eqs. 49-71). A
non-negative mixture of a / (lambda + b) terms, their squares and a constant is then fitted by Gaussian
maximum likelihood (Whittle's), and the filter is the Chebyshev series of its square root.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gensample.errors import ConfigError
from gensample.priors.base import Observed, remove_drift
from gensample.priors.elastic import ElasticPrior, spectral_bound
from gensample.structure.chebyshev import chebyshev_fit, chebyshev_nodes

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
