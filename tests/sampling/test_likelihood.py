import pytest
import torch

from gensample.flow.path import PATHS, get_path
from gensample.flow.prior import FieldContext, SpeciesPrior
from gensample.sampling.likelihood import log_likelihood


def closed_form(field, x):
    n = x.shape[0]
    full = torch.cat([torch.ones(n, 1), torch.eye(n)[:, 1:]], 1).double()
    q = torch.linalg.qr(full)[0][:, 1:]
    normal = torch.distributions.MultivariateNormal(torch.zeros(n - 1).double(), q.T @ field.data_cov @ q)
    return normal.log_prob((x - field.mean.unsqueeze(1)).permute(1, 2, 0) @ q).sum(-1).unsqueeze(0)


def data(field, fields=3):
    g = torch.Generator().manual_seed(4)
    root = torch.linalg.cholesky(field.data_cov + 1e-9 * torch.eye(5))
    return field.mean.unsqueeze(1) + torch.einsum(
        "ij,jfa->ifa", root, torch.randn(5, fields, 2, generator=g).double()
    )


@pytest.mark.parametrize("name", sorted(PATHS))
def test_exact_likelihood_of_a_gaussian(name, gaussian_field):
    field = gaussian_field(get_path(name))
    x = data(field)
    for options in ({"method": "rk4", "steps": 32}, {"method": "dopri5", "rtol": 1e-7, "atol": 1e-9}):
        got = log_likelihood(field.velocity, field.prior, field.context, x, chunk=3, **options)
        torch.testing.assert_close(got.value, closed_form(field, x - x.mean(0)), rtol=0, atol=3e-3)
        assert got.error.abs().max() == 0
        assert got.nfe >= 128 or options["method"] == "dopri5"


def test_hutchinson_estimates_it_within_its_error(gaussian_field):
    field = gaussian_field(get_path("linear"))
    x = data(field)
    got = log_likelihood(
        field.velocity, field.prior, field.context, x, probes=400, method="rk4", steps=12,
        generator=torch.Generator().manual_seed(1),
    )  # fmt: skip
    exact = closed_form(field, x - x.mean(0))
    assert ((got.value - exact).abs() < 4 * got.error + 3e-3).all()
    assert (got.error < 0.2).all()
    assert (got.error > 1e-4).all()


def nonlinear(weight, batch):
    """A velocity that couples the particles of each configuration, and drifts."""

    def velocity(x, s):
        mean = torch.zeros_like(x).index_add(0, batch, x)[batch]
        return torch.tanh(x @ weight + 0.1 * mean) * (1 + s) + 0.3

    return velocity


@pytest.mark.parametrize("probes", [None, 3])
def test_fields_and_configurations_are_independent(probes):
    g = torch.Generator().manual_seed(0)
    weight = torch.randn(2, 2, generator=g).double()
    prior = SpeciesPrior(2, 1)

    def context(b, f):
        return FieldContext(
            species=torch.tensor([0, 1, 1, 0] * b),
            batch=torch.arange(b).repeat_interleave(4),
            num_graphs=b,
            edge_index=torch.zeros(2, 0, dtype=torch.long),
            edge_vector=torch.zeros(0, 2).double(),
            field_lag=torch.zeros(b, f, dtype=torch.long),
        )

    x = torch.randn(8, 3, 2, generator=g).double()
    both = context(2, 3)
    full = log_likelihood(nonlinear(weight, both.batch), prior, both, x, steps=4, probes=probes)
    assert full.value.shape == (2, 3)
    if probes is None:
        for c in range(2):
            one = context(1, 1)
            for f in range(3):
                single = log_likelihood(
                    nonlinear(weight, one.batch),
                    prior,
                    one,
                    x[4 * c : 4 * c + 4, f : f + 1],
                    steps=4,
                    chunk=1,
                )
                torch.testing.assert_close(full.value[c, f], single.value[0, 0])


def test_exact_divergence_is_the_change_of_volume():
    # Brute force: log |det| of the Jacobian of the whole solver on the zero-mean basis.
    weight = torch.randn(2, 2, generator=torch.Generator().manual_seed(3)).double()
    batch = torch.zeros(4, dtype=torch.long)
    context = FieldContext(
        torch.zeros(4, dtype=torch.long), batch, 1, torch.zeros(2, 0, dtype=torch.long),
        torch.zeros(0, 2).double(), torch.zeros(1, 1, dtype=torch.long),
    )  # fmt: skip
    prior, velocity = SpeciesPrior(1, 1), nonlinear(weight, batch)
    x1 = torch.randn(4, 1, 2, generator=torch.Generator().manual_seed(2)).double()
    options = {"method": "rk4", "steps": 20}
    q = torch.linalg.qr(torch.cat([torch.ones(4, 1), torch.eye(4)[:, 1:]], 1).double())[0][:, 1:]

    def back(y):
        field = (q @ y.reshape(3, 2)).reshape(4, 1, 2)
        return (q.T @ log_likelihood(velocity, prior, context, field, **options).x0.squeeze(1)).flatten()

    y = (q.T @ x1.squeeze(1)).flatten()
    step = 1e-5 * torch.eye(6).double()
    jacobian = torch.stack([(back(y + e) - back(y - e)) / 2e-5 for e in step], 1)
    got = log_likelihood(velocity, prior, context, x1, **options)
    expected = prior.log_prob(context, got.x0)[0, 0] + torch.linalg.slogdet(jacobian).logabsdet
    torch.testing.assert_close(got.value[0, 0], expected, rtol=0, atol=1e-4)
