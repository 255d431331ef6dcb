"""Paths from the prior to the data: x_s = alpha(s) x1 + sigma(s) x0, prior at s = 0, data at s = 1.

Everything a sampler needs (E[x0 | x], hence the score) follows from the velocity
v = E[alpha' x1 + sigma' x0 | x_s = x] and the two scalar functions, so one network serves all
samplers (Albergo, Boffi & Vanden-Eijnden, arXiv:2303.08797; Ma et al., SiT, arXiv:2401.08740).

For Gaussian data and prior of the same covariance S (the prior's scales are fitted to the data) the best
prediction is E[v | x] = skip(s) x, with a residual of covariance out(s)^2 S: what a network need not learn,
the preconditioning of Karras et al. (arXiv:2206.00364, table 1) written for a general path.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from gensample.errors import ConfigError


def _per_field(s: Tensor) -> Tensor:
    """Path times as a factor of fields (n, F, d): scalars as they are, (n, F) with a last axis added."""
    return s if s.ndim == 0 else s.unsqueeze(-1)


class Path(ABC):
    """Interpolation between prior draws x0 and data x1; fields are (n, F, d), times () or (n, F)."""

    @abstractmethod
    def alpha(self, s: Tensor) -> Tensor:
        """Amplitude of the data: 0 at s = 0 and 1 at s = 1."""

    @abstractmethod
    def sigma(self, s: Tensor) -> Tensor:
        """Amplitude of the prior draw: 1 at s = 0 and 0 at s = 1."""

    @abstractmethod
    def alpha_dot(self, s: Tensor) -> Tensor:
        """Derivative of ``alpha`` with respect to s; finite on [0, 1]."""

    @abstractmethod
    def sigma_dot(self, s: Tensor) -> Tensor:
        """Derivative of ``sigma`` with respect to s; finite on [0, 1]."""

    def determinant(self, s: Tensor) -> Tensor:
        """Determinant alpha sigma' - alpha' sigma of the map (x1, x0) -> (x_s, v); negative, never zero."""
        return self.alpha(s) * self.sigma_dot(s) - self.alpha_dot(s) * self.sigma(s)

    def interpolate(self, x0: Tensor, x1: Tensor, s: Tensor) -> Tensor:
        """Point x_s = alpha x1 + sigma x0 of the path; shape of x0."""
        s = _per_field(s)
        return self.alpha(s) * x1 + self.sigma(s) * x0

    def velocity(self, x0: Tensor, x1: Tensor, s: Tensor) -> Tensor:
        """Derivative alpha' x1 + sigma' x0 of the path: what the network regresses (arXiv:2210.02747)."""
        s = _per_field(s)
        return self.alpha_dot(s) * x1 + self.sigma_dot(s) * x0

    def prior_from_velocity(self, x: Tensor, v: Tensor, s: Tensor) -> Tensor:
        """E[x0 | x_s = x] from the velocity there: (alpha v - alpha' x) / determinant."""
        s = _per_field(s)
        return (self.alpha(s) * v - self.alpha_dot(s) * x) / self.determinant(s)


class LinearPath(Path):
    """alpha = s, sigma = 1 - s: conditional optimal transport (Lipman et al., arXiv:2210.02747)."""

    def alpha(self, s: Tensor) -> Tensor:
        """Amplitude of the data."""
        return s

    def sigma(self, s: Tensor) -> Tensor:
        """Amplitude of the prior draw."""
        return 1 - s

    def alpha_dot(self, s: Tensor) -> Tensor:
        """Derivative of ``alpha``."""
        return torch.ones_like(s)

    def sigma_dot(self, s: Tensor) -> Tensor:
        """Derivative of ``sigma``."""
        return -torch.ones_like(s)


class TrigonometricPath(Path):
    """alpha = sin(pi s / 2), sigma = cos(pi s / 2) (Albergo & Vanden-Eijnden, arXiv:2209.15571)."""

    def alpha(self, s: Tensor) -> Tensor:
        """Amplitude of the data."""
        return torch.sin(0.5 * math.pi * s)

    def sigma(self, s: Tensor) -> Tensor:
        """Amplitude of the prior draw, as a sine so that it is exactly 0 at s = 1."""
        return torch.sin(0.5 * math.pi * (1 - s))

    def alpha_dot(self, s: Tensor) -> Tensor:
        """Derivative of ``alpha``."""
        return 0.5 * math.pi * self.sigma(s)

    def sigma_dot(self, s: Tensor) -> Tensor:
        """Derivative of ``sigma``."""
        return -0.5 * math.pi * self.alpha(s)


class VariancePreservingPath(Path):
    """Variance-preserving diffusion with linear beta (Song et al., arXiv:2011.13456), from noise to data.

    exp(-B/2) with B(tau) = beta_min tau + (beta_max - beta_min) tau^2 / 2 is the amplitude at diffusion
    time tau. Two changes make both ends exact and every derivative finite: tau = (1 - s)^2, in which
    sigma vanishes linearly instead of as a square root; and the amplitude is shifted and scaled to reach
    exactly 0 at s = 0 (Lin et al., arXiv:2305.08891). alpha^2 + sigma^2 = 1 throughout.

    Raises ConfigError unless 0 < beta_min <= beta_max.
    """

    def __init__(self, beta_min: float = 0.1, beta_max: float = 20.0) -> None:
        if not 0 < beta_min <= beta_max:
            raise ConfigError(f"need 0 < beta_min <= beta_max, got beta_min={beta_min}, beta_max={beta_max}")
        self.beta_min, self.beta_max = beta_min, beta_max
        self._span = -math.expm1(-0.25 * (beta_min + beta_max))

    def _loss(self, r: Tensor) -> Tensor:
        """1 - alpha at 1 - s = r, accurate where it is small."""
        half_b = 0.5 * r**2 * (self.beta_min + 0.5 * (self.beta_max - self.beta_min) * r**2)
        return -torch.expm1(-half_b) / self._span

    def alpha(self, s: Tensor) -> Tensor:
        """Amplitude of the data."""
        return 1 - self._loss(1 - s)

    def sigma(self, s: Tensor) -> Tensor:
        """Amplitude of the prior draw, sqrt(1 - alpha^2)."""
        loss = self._loss(1 - s)
        return torch.sqrt(loss * (2 - loss))

    def alpha_dot(self, s: Tensor) -> Tensor:
        """Derivative of ``alpha``."""
        r = 1 - s
        beta = self.beta_min + (self.beta_max - self.beta_min) * r**2
        return (1 / self._span - self._loss(r)) * beta * r

    def sigma_dot(self, s: Tensor) -> Tensor:
        """Derivative of ``sigma``, -alpha alpha' / sigma, continued to its limit at s = 1."""
        s = s.clamp(max=1 - 1e-6)
        return -self.alpha(s) * self.alpha_dot(s) / self.sigma(s)

    def determinant(self, s: Tensor) -> Tensor:
        """alpha sigma' - alpha' sigma = -alpha' / sigma, continued to its limit at s = 1."""
        s = s.clamp(max=1 - 1e-6)
        return -self.alpha_dot(s) / self.sigma(s)


PATHS: dict[str, type[Path]] = {
    "linear": LinearPath,
    "trigonometric": TrigonometricPath,
    "variance-preserving": VariancePreservingPath,
}


def get_path(name: str) -> Path:
    """Path by name; ConfigError names the known ones."""
    if name not in PATHS:
        raise ConfigError(f"unknown path {name!r}; known: {', '.join(sorted(PATHS))}")
    return PATHS[name]()


def input_gain(path: Path, s: Tensor) -> Tensor:
    """1 / sqrt(alpha^2 + sigma^2): brings x_s to the variance of the data."""
    return torch.rsqrt(path.alpha(s).square() + path.sigma(s).square())


def skip_gain(path: Path, s: Tensor) -> Tensor:
    """(alpha' alpha + sigma' sigma) / (alpha^2 + sigma^2): regression of the velocity on x_s."""
    alpha, sigma = path.alpha(s), path.sigma(s)
    return (path.alpha_dot(s) * alpha + path.sigma_dot(s) * sigma) / (alpha.square() + sigma.square())


def output_gain(path: Path, s: Tensor) -> Tensor:
    """|alpha sigma' - alpha' sigma| / sqrt(alpha^2 + sigma^2): deviation of the residual velocity."""
    return path.determinant(s).abs() * input_gain(path, s)


def preconditioned(
    path: Path, network: Callable[[Tensor, Tensor], Tensor], ptr: Tensor, fields: int, scale: Tensor | None
) -> Callable[[Tensor, Tensor], Tensor]:
    """velocity(x (n, F, d), s () or (n, F)) of what a network(x, s (B, F)) of order one learns.

    ptr: first node of each configuration, then n; scale: deviation of the prior, (n, F, 1), None for 1.
    """
    first = ptr[:-1]

    def velocity(x: Tensor, s: Tensor) -> Tensor:
        at_field = s.expand(len(first), fields) if s.ndim == 0 else s[first]
        at_node = s if s.ndim == 0 else s.unsqueeze(-1)
        learned = network(input_gain(path, at_node) * x, at_field)
        gain = output_gain(path, at_node)
        return skip_gain(path, at_node) * x + (gain if scale is None else gain * scale) * learned

    return velocity


Velocity = Callable[[Tensor, Tensor], Tensor]
"""velocity(x (n, F, d), s () or (n, F)) -> (n, F, d), with the conditioning already bound."""


def flow_matching_loss(
    velocity: Velocity,
    x0: Tensor,
    x1: Tensor,
    s: Tensor,
    path: Path,
    weight: Tensor | None = None,
    num_graphs: int = 1,
) -> Tensor:
    """Weighted mean square velocity error of each field, (B, F) (Lipman et al., arXiv:2210.02747, eq. 9).

    x0, x1 are (n, F, d), nodes of B = ``num_graphs`` configurations of equal size one after another; s is
    () or (n, F). ``weight``, () or broadcastable to (n, F), multiplies the squared error averaged over the
    d components: 1 / scale^2 of the prior makes particles, species and lags comparable. Plain sums over
    axes, so that the same input gives the same bits.
    """
    error = velocity(path.interpolate(x0, x1, s), s) - path.velocity(x0, x1, s)
    square = error.square().mean(-1)
    if weight is not None:
        square = square * weight
    return square.reshape(num_graphs, -1, square.shape[-1]).mean(1)
