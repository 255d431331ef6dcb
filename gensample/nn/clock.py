"""What a velocity depends on besides the configuration and the field: path time, lag time, temperature."""

import math

import torch
from torch import Tensor, nn

from gensample.nn.blocks import MLP

FREQUENCIES = 8


class Clock(MLP):
    """Embedding (B, F, width) of path time s, log t and 1/T."""

    def __init__(self, width: int) -> None:
        super().__init__([2 * FREQUENCIES + 3, width, width], nn.SiLU, activate_last=True)

    def forward(self, s: Tensor, lag: Tensor, temperature: Tensor) -> Tensor:  # type: ignore[override]
        """s, lag: (B, F); temperature: (B,)."""
        number = torch.arange(1, FREQUENCIES + 1, dtype=s.dtype, device=s.device)
        phases = math.pi * s.unsqueeze(-1) * number
        inverse = (1 / temperature).unsqueeze(1).expand_as(s)
        rest = torch.stack([s, lag.log() / 5, inverse], -1)
        out = torch.cat([phases.sin(), phases.cos(), rest], -1)
        for layer in self:
            out = layer(out)
        return out
