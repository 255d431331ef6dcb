import pytest
import torch

from gensample.priors.base import FieldContext


def lattice_context(num_graphs=2, side=4, dimension=2, num_lags=3, fields=4, seed=0, dtype=torch.float64):
    """Disordered square or cubic lattices with their neighbour graphs, all pairs within 1.6."""
    g = torch.Generator().manual_seed(seed)
    axes = torch.meshgrid(*[torch.arange(side, dtype=dtype)] * dimension, indexing="ij")
    sites = torch.stack([a.flatten() for a in axes], -1)
    n = sites.shape[0]
    index, vector = [], []
    for b in range(num_graphs):
        x = sites + 0.15 * torch.randn(sites.shape, generator=g, dtype=dtype)
        delta = x[None] - x[:, None]
        delta = delta - side * torch.round(delta / side)
        near = (delta.norm(dim=-1) < 1.6) & ~torch.eye(n, dtype=torch.bool)
        i, j = near.nonzero(as_tuple=True)
        index.append(torch.stack([i, j]) + b * n)
        vector.append(delta[i, j])
    return FieldContext(
        species=torch.randint(2, (num_graphs * n,), generator=g),
        batch=torch.arange(num_graphs).repeat_interleave(n),
        num_graphs=num_graphs,
        edge_index=torch.cat(index, 1),
        edge_vector=torch.cat(vector),
        field_lag=torch.randint(num_lags, (num_graphs, fields), generator=g),
        propensity=0.1 + torch.rand(num_graphs * n, num_lags, generator=g, dtype=dtype),
    )


@pytest.fixture
def make_context():
    return lattice_context
