"""Scores of ensembles drawn in validation, against numpy."""

import numpy as np
import torch

from gensample.training.shared import correlation_or_zero, ensemble_scores


def test_scores_against_numpy():
    generator = torch.Generator().manual_seed(0)
    fields = 0.3 * torch.randn(50, 6, 2, generator=generator)
    propensity = torch.rand(50, generator=generator)
    found = ensemble_scores(fields, propensity)
    length = np.linalg.norm(fields.numpy(), axis=-1)
    overlap = (length < 0.3).mean(0)
    expected = {
        "pearson_draws": np.corrcoef(length.mean(1), propensity)[0, 1],
        "mean_ratio": length.mean() / propensity.mean(),
        "overlap": overlap.mean(),
        "chi4": 50 * overlap.var(ddof=1),
    }
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4)


def test_pearson_of_a_constant_is_zero():
    assert correlation_or_zero(torch.ones(5), torch.arange(5.0)) == 0
