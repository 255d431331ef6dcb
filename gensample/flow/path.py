"""Paths from the prior to the data: x_s = alpha(s) x1 + sigma(s) x0, prior at s = 0, data at s = 1.

Everything a sampler needs (E[x0 | x], hence the score) follows from the velocity
v = E[alpha' x1 + sigma' x0 | x_s = x] and the two scalar functions, so one network serves all
samplers (Albergo, Boffi & Vanden-Eijnden, arXiv:2303.08797; Ma et al., SiT, arXiv:2401.08740).
"""

import math
from abc import ABC, abstractmethod

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
