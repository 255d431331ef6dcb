"""The flow-matching loss, one number per displacement field."""

from collections.abc import Callable

import torch
from torch import Tensor

from gensample.errors import ConfigError
from gensample.flow.path import Path

Velocity = Callable[[Tensor, Tensor], Tensor]
"""velocity(x (n, F, d), s () or (n, F)) -> (n, F, d), with the conditioning already bound."""

WEIGHTINGS = ("velocity", "data", "noise")


def time_weight(path: Path, s: Tensor, weighting: str = "velocity") -> Tensor:
    """Factor of the squared velocity error at times s that makes it an error of something else; shape of s.

    ``velocity``: 1. ``data``: the error of E[x1 | x], sigma^2 / determinant^2. ``noise``: the error of
    E[x0 | x], alpha^2 / determinant^2, the usual loss of diffusion models (Ho et al., arXiv:2006.11239).
    ConfigError otherwise.
    """
    if weighting == "velocity":
        return torch.ones_like(s)
    if weighting == "data":
        return (path.sigma(s) / path.determinant(s)) ** 2
    if weighting == "noise":
        return (path.alpha(s) / path.determinant(s)) ** 2
    raise ConfigError(f"unknown time weighting {weighting!r}; known: {', '.join(WEIGHTINGS)}")


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
    d components: 1 / scale^2 of the prior makes particles, species and lags comparable, ``time_weight``
    makes it another objective. Plain sums over axes, so that the same input gives the same bits.
    """
    error = velocity(path.interpolate(x0, x1, s), s) - path.velocity(x0, x1, s)
    square = error.square().mean(-1)
    if weight is not None:
        square = square * weight
    return square.reshape(num_graphs, -1, square.shape[-1]).mean(1)
