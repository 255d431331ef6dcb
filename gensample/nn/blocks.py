"""Small pieces that several networks share."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn


class MLP(nn.Sequential):
    """Linear layers of the given widths with ``activation`` between them, and after the last one if asked."""

    def __init__(
        self,
        widths: Sequence[int],
        activation: type[nn.Module] = nn.ReLU,
        activate_last: bool = False,
    ) -> None:
        layers: list[nn.Module] = []
        for i, (inputs, outputs) in enumerate(pairwise(widths)):
            layers.append(nn.Linear(inputs, outputs))
            if activate_last or i < len(widths) - 2:
                layers.append(activation())
        super().__init__(*layers)


def sum_per_node(values: Tensor, index: Tensor, num_nodes: int) -> Tensor:
    """Sum of the rows of ``values`` (E, ...) that share an entry of ``index`` (E,): (num_nodes, ...)."""
    return values.new_zeros(num_nodes, *values.shape[1:]).index_add_(0, index, values)
