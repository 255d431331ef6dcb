from dataclasses import dataclass

import pytest
import torch

from gensample.priors.base import FieldContext, SpeciesPrior


@dataclass
class GaussianField:
    """Data x1 ~ N(mean, C1) on the drift-free fields of one configuration, where all is known exactly."""

    path: object
    prior: SpeciesPrior
    context: FieldContext
    mean: torch.Tensor  # (n, d)
    prior_cov: torch.Tensor  # (n, n), of each component
    data_cov: torch.Tensor  # (n, n)

    def velocity(self, x, s):
        """E[alpha' x1 + sigma' x0 | x_s = x]: conditional means of jointly Gaussian fields."""
        p = self.path
        a, b, da, db = (f(s).double() for f in (p.alpha, p.sigma, p.alpha_dot, p.sigma_dot))
        cov = a**2 * self.data_cov + b**2 * self.prior_cov
        gain = (a * da * self.data_cov + b * db * self.prior_cov) @ torch.linalg.pinv(cov, rtol=1e-10)
        mean = self.mean.unsqueeze(1)
        return da * mean + torch.einsum("ij,jfa->ifa", gain, x.double() - a * mean).to(x)

    def affine_map(self, solver, size):
        """Matrix and offset of x0 -> x1 for one component: the solver applied to a basis."""
        n, d = self.mean.shape
        basis = torch.cat([torch.zeros(n, 1), torch.eye(n) - 1 / n], 1).double()
        out = solver(basis.unsqueeze(-1).expand(n, n + 1, d).contiguous())
        return out[:, 1:, 0] - out[:, :1, 0], out[:, 0]


def make_gaussian(path, n=5, d=2, fields=3, seed=0):
    g = torch.Generator().manual_seed(seed)
    species = torch.tensor([0, 1] * n)[:n]
    prior = SpeciesPrior(2, 2)
    prior.table.copy_(torch.tensor([[0.8, 1.0], [1.4, 0.6]]))
    context = FieldContext(
        species=species,
        batch=torch.zeros(n, dtype=torch.long),
        num_graphs=1,
        edge_index=torch.zeros(2, 0, dtype=torch.long),
        edge_vector=torch.zeros(0, d, dtype=torch.float64),
        field_lag=torch.zeros(1, fields, dtype=torch.long),
    )
    centre = torch.eye(n).double() - 1 / n
    scale = prior.table[species, 0].double()
    width = 0.3 + torch.rand(n, generator=g).double()
    return GaussianField(
        path=path,
        prior=prior,
        context=context,
        mean=centre @ torch.randn(n, d, generator=g).double(),
        prior_cov=centre @ torch.diag(scale**2) @ centre,
        data_cov=centre @ torch.diag(width**2) @ centre,
    )


@pytest.fixture
def gaussian_field():
    return make_gaussian
