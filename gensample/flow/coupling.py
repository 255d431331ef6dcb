"""Which prior draw is paired with which data field during training."""

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from gensample.errors import ConfigError

COUPLINGS = ("independent", "assignment")


def couple(x0: Tensor, x1: Tensor, field_lag: Tensor, kind: str = "independent") -> Tensor:
    """Prior draws x0 (n, F, d) reordered along F to go with the data x1 (n, F, d).

    ``independent`` leaves them. ``assignment`` minimises the sum of squared distances within the fields of
    one configuration and one lag (``field_lag`` (B, F)), which alone share a prior: the minibatch optimal
    transport of Tong et al., arXiv:2302.00482. Exact, by scipy on the CPU: for small F. ConfigError
    otherwise.
    """
    if kind == "independent":
        return x0
    if kind != "assignment":
        raise ConfigError(f"unknown coupling {kind!r}; known: {', '.join(COUPLINGS)}")
    b = field_lag.shape[0]
    prior, data = (x.reshape(b, -1, *x.shape[1:]) for x in (x0, x1))
    order = torch.arange(x0.shape[1], device=x0.device).repeat(b, 1)
    for c in range(b):
        for lag in torch.unique(field_lag[c]):
            chosen = (field_lag[c] == lag).nonzero().squeeze(1)
            order[c, chosen] = chosen[_assignment(prior[c][:, chosen], data[c][:, chosen])]
    picked = prior.gather(2, order[:, None, :, None].expand_as(prior))
    return picked.reshape(x0.shape)


def _assignment(x0: Tensor, x1: Tensor) -> Tensor:
    """Index of the prior draw for each data field of (N, F, d) that minimises the total squared distance."""
    a, b = (x.transpose(0, 1).flatten(1) for x in (x0, x1))
    # |a|^2 and |b|^2 are the same for every assignment; only the overlap decides.
    _, columns = linear_sum_assignment((-(b @ a.T)).cpu().numpy())
    return torch.as_tensor(columns, device=x0.device)
