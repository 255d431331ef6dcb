"""Linear support-vector machines, exactly and without random numbers."""

from collections.abc import Sequence

import torch
from torch import Tensor

MAX_STEPS = 100
_TOLERANCE = 1e-10


def support_vector_machines(x: Tensor, label: Tensor, penalties: Sequence[float]) -> tuple[Tensor, Tensor]:
    """Hyperplanes x w + b = 0 between two classes, one per penalty: w (P, D) and b (P,), float64.

    x: (M, D); label: (M,) 1 or -1. Each minimises mean(max(0, 1 - label (x w + b))^2) + penalty |w|^2, by
    Newton steps on the examples that are inside the margin, each penalty from where the one before it led:
    Keerthi and DeCoste, J. Mach. Learn. Res. 6, 341 (2005).
    """
    z = torch.cat([x.double(), torch.ones(len(x), 1).to(x.device).double()], 1)
    label = label.double()
    w, found = z.new_zeros(z.shape[1]), []
    for penalty in penalties:
        # An offset costs nothing, but for what keeps the equations solvable when no example is in the margin.
        cost = torch.full_like(w, penalty).index_fill_(0, torch.tensor([len(w) - 1]).to(w.device), 1e-12)
        w = _newton(z, label, cost, w)
        found.append(w)
    weights = torch.stack(found)
    return weights[:, :-1], weights[:, -1]


def _newton(z: Tensor, label: Tensor, cost: Tensor, w: Tensor) -> Tensor:
    value, shortfall = _objective(z, label, cost, w)
    for _ in range(MAX_STEPS):
        inside = shortfall > 0
        active = z[inside]
        matrix = active.T @ active / len(z) + cost.diag()
        # The minimum if these examples stayed the ones inside the margin.
        goal = torch.linalg.solve(matrix, active.T @ label[inside] / len(z))
        step, before = goal - w, value
        for halvings in range(40):
            tried = w + step * 0.5**halvings
            value, shortfall = _objective(z, label, cost, tried)
            if value <= before:
                break
        else:
            return w
        w = tried
        if before - value <= _TOLERANCE * before:
            break
    return w


def _objective(z: Tensor, label: Tensor, cost: Tensor, w: Tensor) -> tuple[float, Tensor]:
    """Value, and by how much each example falls short of the margin (M,)."""
    shortfall = (1 - label * (z @ w)).clamp(min=0)
    return float(shortfall.square().mean() + (cost * w.square()).sum()), shortfall
