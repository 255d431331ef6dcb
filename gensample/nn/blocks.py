"""Small pieces that several networks share."""

from collections.abc import Sequence

import torch
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
        for i, (inputs, outputs) in enumerate(zip(widths[:-1], widths[1:], strict=True)):
            layers.append(nn.Linear(inputs, outputs))
            if activate_last or i < len(widths) - 2:
                layers.append(activation())
        super().__init__(*layers)


def sum_per_node(values: Tensor, index: Tensor, num_nodes: int) -> Tensor:
    """Sum of the rows of ``values`` (E, ...) that share an entry of ``index`` (E,): (num_nodes, ...)."""
    return values.new_zeros(num_nodes, *values.shape[1:]).index_add_(0, index, values)


def count_parameters(module: nn.Module) -> int:
    """Number of trainable scalars."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def sinusoids(values: Tensor, width: int, longest: float = 1.0, shortest: float = 1e-2) -> Tensor:
    """Sines and cosines of ``values`` (...) at ``width // 2`` geometrically spaced wavelengths: (..., width)."""
    ratio = torch.linspace(0, 1, width // 2, dtype=values.dtype, device=values.device)
    wavelength = longest * (shortest / longest) ** ratio
    angle = 2 * torch.pi * values.unsqueeze(-1) / wavelength
    return torch.cat([angle.sin(), angle.cos()], dim=-1)
