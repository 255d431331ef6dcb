"""The prior of mobility fields: unit variance, and the fit recovers what it was made with."""

import torch

from gensample.generators.mobility import LEVELS, RANGES, MobilityPrior
from gensample.physics.mobility import average, averaging_matrix
from gensample.testing import graph_batch, random_sample


def matrix_and_size(seed):
    sample = random_sample(2, torch.Generator().manual_seed(seed), configurations=1, per_edge=20)
    batch = graph_batch(sample.to(torch.float32), cutoff=1.6)
    return averaging_matrix(batch.edge_index, batch.edge_vector, batch.num_nodes), batch.num_nodes


def made_with(shares, fields=512, seeds=(0, 1)):
    """Samples of one lag with the given share of each range in the variance."""
    samples = []
    for seed in seeds:
        matrix, n = matrix_and_size(seed)
        generator = torch.Generator().manual_seed(10 + seed)
        y = torch.zeros(n, fields)
        for share, rounds in zip(shares, RANGES, strict=True):
            part = average(torch.randn(n, fields, generator=generator), matrix, rounds)
            y += share**0.5 * part / part.square().mean().sqrt()
        samples.append((matrix, y, torch.zeros(fields, dtype=torch.long)))
    return samples


def falls(fields, matrix):
    return torch.stack([average(fields, matrix, level).square().mean() for level in LEVELS])


def test_the_fit_reproduces_the_fall_of_the_variance_and_its_value():
    samples = made_with([0.5, 0.0, 0.0, 0.2, 0.0, 0.3])
    prior = MobilityPrior(1)
    prior.fit(samples)
    assert abs(prior.weights.sum() - 1) < 1e-5
    matrix, fields, lag = samples[0]
    generator = torch.Generator().manual_seed(5)
    node_lag = lag.expand(len(fields), -1)
    drawn = prior.colour(matrix, node_lag, lambda: torch.randn(fields.shape, generator=generator))
    ratio = falls(drawn, matrix) / falls(fields, matrix)
    assert abs(ratio[0] - 1) < 0.05
    # 512 draws of the longest waves, of which a box of 400 particles holds one or two, vary by this much.
    assert (ratio - 1).abs().max() < 0.15


def test_lags_are_fitted_apart():
    short, long = made_with([1, 0, 0, 0, 0, 0])[0], made_with([0, 0, 0, 0, 1, 0])[0]
    fields = torch.cat([short[1], long[1]], 1)
    lag = torch.cat([short[2], long[2] + 1])
    prior = MobilityPrior(2)
    prior.fit([(short[0], fields, lag)])
    assert prior.weights[0, 0] > 0.8
    assert prior.weights[3:, 1].sum() > 0.8
