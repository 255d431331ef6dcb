import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import gensample.priors.elastic as spectrum_module
from gensample.errors import ConfigError
from gensample.priors.elastic import (
    ElasticPrior,
    elastic_network,
    estimate_spectrum,
    fit_elastic_prior,
    spectral_bound,
)
from gensample.structure.chebyshev import chebyshev_fit, chebyshev_nodes

LAGS = 2


def basis(x, degree):
    """T_k(x) for k = 0..degree, (degree + 1, len(x))."""
    return torch.from_numpy(np.polynomial.chebyshev.chebvander(x, degree)).T


def filters(eigenvalue):
    """Planted variances at eigenvalue / bound, (M, 2): strongly and weakly correlated."""
    return torch.stack([0.02 / (eigenvalue + 0.02) + 0.05, 0.3 / (eigenvalue + 0.3)], -1)


def planted(context, degree=24, **options):
    prior = ElasticPrior(2, LAGS, cutoff=1.6, degree=degree, **options)
    prior.table.copy_(torch.tensor([[0.2, 0.6], [0.3, 1.0]]))
    prior.correction.copy_(torch.tensor([[1.5, 1.1], [1.4, 1.2]]))
    prior.transverse.fill_(0.3)
    bounds = spectral_bound(context, 1.6, prior.transverse)
    prior.bound.copy_(1.05 * bounds.max())
    nodes = chebyshev_nodes(200)
    prior.coefficients.copy_(chebyshev_fit(filters(0.5 * (nodes + 1)).sqrt(), degree))
    return prior


def realised(prior, eigenvalue, bound):
    """Variances of a prior's filters at eigenvalue in units of ``bound``."""
    x = 2 * eigenvalue * float(bound / prior.bound) - 1
    return (basis(x, prior.coefficients.shape[0] - 1).T @ prior.coefficients.double()) ** 2


def dense(network, graph):
    """Matrix of one configuration, (N d, N d) float64."""
    size = network.matrix.shape[0] // network.num_graphs
    own = slice(graph * size, (graph + 1) * size)
    return network.matrix.to_dense()[own, own].double()


def dense_covariance(prior, context, graph, field):
    """Pi S P P' S Pi of one configuration and field from the definition, (N d, N d)."""
    n, d = len(context.species) // context.num_graphs, context.dimension
    values, modes = torch.linalg.eigh(dense(prior.network(context), graph))
    lag = context.field_lag[graph, field]
    p = basis(values, 24).T @ prior.coefficients[:, lag].double()
    nodes = slice(graph * n, graph * n + n)
    species = context.species[nodes]
    scale = (prior.table * prior.correction)[species, lag].double().repeat_interleave(d)
    centre = torch.kron(torch.eye(n) - 1 / n, torch.eye(d)).double()
    factor = centre @ torch.diag(scale) @ modes @ torch.diag(p)
    return factor @ factor.T


@pytest.mark.parametrize("dimension", [2, 3])
def test_network_is_the_textbook_operator(dimension, make_context):
    context = make_context(side=3, dimension=dimension)
    n, c, bound = len(context.species), torch.tensor(0.3).double(), torch.tensor(9.0).double()
    network = elastic_network(context, 1.6, c, bound)
    x = torch.randn(n, 3, dimension, dtype=torch.float64)
    expected = torch.zeros_like(x)
    for i, j, r in zip(*context.edge_index.tolist(), context.edge_vector, strict=True):
        unit, weight = r / r.norm(), (1 - (r.norm() / 1.6) ** 2) ** 2
        matrix = weight * (torch.outer(unit, unit) * (1 - c) + c * torch.eye(dimension))
        expected[i] += (x[i] - x[j]) @ matrix
    top = spectral_bound(context, 1.6, c).reshape(2, -1).amax(1)
    factor = 2 / torch.maximum(top, bound).repeat_interleave(n // 2)[:, None, None]
    got = network.unpack(network.matrix @ network.pack(x))
    torch.testing.assert_close(got, factor * expected - x)


@pytest.mark.parametrize("bound", [1e-3, 50.0])
def test_spectrum_lies_within_its_bound_and_only_translations_are_free(bound, make_context):
    for dimension in (2, 3):
        context = make_context(side=4, dimension=dimension, seed=3)
        network = elastic_network(context, 1.6, *torch.tensor([0.3, bound]).double())
        for graph in range(2):
            matrix = dense(network, graph)
            torch.testing.assert_close(matrix, matrix.T)
            values = torch.linalg.eigvalsh(matrix)
            assert values.min() > -1 - 1e-9
            assert values.max() < 1 + 1e-9
            assert ((values + 1).abs() < 1e-6 * (values.max() + 1)).sum() == dimension


def test_polynomials_and_moments_agree_with_the_dense_matrix(make_context):
    context = make_context(fields=3)
    prior, g = planted(context), torch.Generator().manual_seed(0)
    network, x = prior.network(context), torch.randn(context.shape, generator=g).double()
    coefficients = torch.randn(8, 2, 3, generator=g).double()
    got, moments = network.polynomial(coefficients, x), network.moments(x, 20)
    for graph in range(2):
        values, modes = torch.linalg.eigh(dense(network, graph))
        field = x[16 * graph : 16 * graph + 16].transpose(1, 2).reshape(32, 3)
        amplitude = modes.T @ field
        exact = modes @ (torch.einsum("km,kf->mf", basis(values, 7), coefficients[:, graph]) * amplitude)
        torch.testing.assert_close(got[16 * graph : 16 * graph + 16], exact.reshape(16, 2, 3).transpose(1, 2))
        torch.testing.assert_close(moments[:, graph], basis(values, 20) @ amplitude**2)


def test_draws_have_the_defined_covariance_and_no_drift(make_context):
    context = make_context(side=3, num_lags=LAGS, fields=18)
    prior = planted(context)
    # Colouring is linear: unit vectors as noise give the factor, hence the covariance, exactly.
    lag = context.field_lag[:, :1]
    basis = torch.eye(18, dtype=torch.float64).reshape(9, 2, 18).transpose(1, 2)
    for graph in range(2):
        white = torch.zeros(18, 18, 2, dtype=torch.float64)
        white[9 * graph : 9 * graph + 9] = basis
        draws = prior.colour(replace(context, field_lag=lag.expand(2, 18)), white)
        factor = draws[9 * graph : 9 * graph + 9].transpose(1, 2).reshape(18, 18)
        torch.testing.assert_close(
            factor @ factor.T, dense_covariance(prior, context, graph, 0), rtol=1e-6, atol=1e-8
        )
        assert draws.sum(0).abs().max() < 1e-12
    a, b = (prior.sample(context, torch.Generator().manual_seed(2)) for _ in range(2))
    assert torch.equal(a, b)


def test_field_turns_with_the_configuration(make_context):
    context = make_context(num_lags=LAGS)
    prior, turn = planted(context), torch.tensor([[0.0, 1.0], [-1.0, 0.0]]).double()
    white = torch.randn(context.shape, generator=torch.Generator().manual_seed(0)).double()
    turned = replace(context, edge_vector=context.edge_vector @ turn)
    torch.testing.assert_close(prior.colour(turned, white @ turn), prior.colour(context, white) @ turn)


def test_fit_recovers_a_planted_spectrum(make_context):
    context = make_context(num_graphs=3, side=14, num_lags=LAGS, fields=60)
    truth = planted(context)
    u = truth.sample(context, torch.Generator().manual_seed(5))
    prior = ElasticPrior(2, LAGS, cutoff=1.6, degree=24)
    gain = fit_elastic_prior(prior, [(context, u)], transverse=(0.3,))
    spectrum = estimate_spectrum(prior, [(context, u)])
    assert abs(spectrum.count.sum() - 2 * 195) < 8
    got, expected = (realised(p, spectrum.eigenvalue, prior.bound) for p in (prior, truth))
    got, expected = (f / (spectrum.count @ f) for f in (got, expected))
    well_known = (spectrum.count > 2) & (spectrum.eigenvalue > 0.02)
    assert well_known.sum() > 30
    assert (got / expected)[well_known].log().abs().max() < 0.12
    assert (expected[well_known][-1, 0] / expected[well_known][0, 0]) > 5  # there was something to find
    assert gain > 0.04
    # The realised scale, per species and lag, whatever the size of the filters.
    prior.coefficients *= 3
    spectrum_module._normalise(prior, [(context, u)])
    draws = prior.sample(context, torch.Generator().manual_seed(6))
    for a in range(2):
        for k in range(LAGS):
            cell = (context.species.unsqueeze(1) == a) & (context.node_lag == k)
            torch.testing.assert_close(draws[cell].std(), u[cell].std(), rtol=0.03, atol=0)


def test_particle_scales_follow_the_propensity(make_context):
    context = make_context(num_graphs=2, side=8, num_lags=LAGS, fields=40)
    sigma = context.propensity[:, :LAGS].gather(1, context.node_lag) / math.sqrt(math.pi / 2)
    u = planted(context).colour(
        context, torch.randn(context.shape, generator=torch.Generator().manual_seed(0)).double()
    )
    prior = ElasticPrior(2, LAGS, cutoff=1.6, scales="particle")
    fit_elastic_prior(prior, [(context, u * sigma.unsqueeze(-1))], transverse=(0.3,))
    ratio = prior.scale(context) / sigma
    for a in range(2):
        cell = (context.species.unsqueeze(1) == a) & (context.node_lag == 0)
        assert ratio[cell].std() < 1e-6
    with pytest.raises(ConfigError, match="conditioner"):
        prior.scale(replace(context, propensity=None))


def test_state_dict_carries_the_fit_and_errors_are_named(make_context):
    context = make_context(num_lags=LAGS)
    prior, fresh = planted(context), ElasticPrior(2, LAGS, cutoff=1.6, degree=24)
    fresh.load_state_dict(prior.state_dict())
    noise = torch.randn(context.shape, generator=torch.Generator().manual_seed(0)).double()
    assert torch.equal(fresh.colour(context, noise), prior.colour(context, noise))
    with pytest.raises(ConfigError, match="species, particle"):
        ElasticPrior(2, 1, scales="bond")
    with pytest.raises(ConfigError, match="every species and lag"):
        fit_elastic_prior(ElasticPrior(2, 5, cutoff=1.6), [(context, prior.sample(context))])
