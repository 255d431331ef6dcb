"""Stochastic sampler: the same marginals as the ODE, from the same velocity, with noise along the way."""

from collections.abc import Callable

import torch
from torch import Tensor

from gensample.errors import ConfigError
from gensample.flow.path import Path
from gensample.flow.schedule import solver_grid
from gensample.sampling.ode import CountedCalls, Velocity

Noise = Callable[[], Tensor]
"""Next independent draw of the prior, shape (n, F, d)."""


def integrate_sde(
    velocity: Velocity,
    x0: Tensor,
    path: Path,
    noise: Noise,
    *,
    steps: int = 32,
    eta: float = 1.0,
    grid: str = "uniform",
) -> tuple[Tensor, int]:
    """Carries prior draws x0 (n, F, d) from s = 0 to s = 1; returns (x1, number of function evaluations).

    Euler-Maruyama for dx = [v + g^2/2 Sigma grad log p_s] ds + g Sigma^(1/2) dW with g^2 = 2 eta sigma(s)
    (Albergo, Boffi & Vanden-Eijnden, arXiv:2303.08797, section 2.4; Ma et al., arXiv:2401.08740, eq. 4).
    By the path's Tweedie formula the drift is v - eta E[x0 | x], finite at both ends, and the noise is a
    draw of the prior: its covariance Sigma is never inverted. The last step takes no noise. eta = 0 is the
    Euler ODE. ConfigError for negative eta or a non-finite result.
    """
    if eta < 0:
        raise ConfigError(f"the noise level eta must not be negative, got {eta}")
    counted = CountedCalls(velocity)
    times = solver_grid(steps, grid).to(x0)
    with torch.no_grad():
        x = x0
        for k in range(steps):
            s, h = times[k], times[k + 1] - times[k]
            v = counted(x, s)
            if eta == 0 or k == steps - 1:
                x = x + h * v
            else:
                drift = v - eta * path.prior_from_velocity(x, v, s)
                x = x + h * drift + torch.sqrt(2 * eta * path.sigma(s) * h) * noise()
    if not bool(torch.isfinite(x).all()):
        raise ConfigError(
            "the SDE left the finite numbers: take more steps, a smaller eta, or check the checkpoint"
        )
    return x, counted.nfe
