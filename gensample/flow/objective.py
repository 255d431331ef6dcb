"""The flow-matching loss, one number per displacement field."""

from collections.abc import Callable

from torch import Tensor

from gensample.flow.path import Path

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
