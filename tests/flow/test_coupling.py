from itertools import permutations

import pytest
import torch

from gensample.errors import ConfigError
from gensample.flow.coupling import couple


def cost(x0, x1):
    return (x0 - x1).square().sum()


def test_assignment_is_the_best_permutation_within_configuration_and_lag():
    g = torch.Generator().manual_seed(0)
    x0, x1 = torch.randn(2, 6, 5, 2, generator=g)  # two configurations of 3 particles, 5 fields
    lag = torch.tensor([[0, 0, 1, 1, 1], [2, 2, 2, 2, 0]])
    got = couple(x0, x1, lag, "assignment")
    for c in range(2):
        nodes = slice(3 * c, 3 * c + 3)
        best = min(
            cost(x0[nodes][:, list(p)], x1[nodes])
            for p in permutations(range(5))
            if (lag[c][list(p)] == lag[c]).all()
        )
        torch.testing.assert_close(cost(got[nodes], x1[nodes]), best)
        for f in range(5):  # whole fields move, within their lag
            source = [h for h in range(5) if torch.equal(got[nodes, f], x0[nodes, h])]
            assert lag[c, source[0]] == lag[c, f]


def test_independent_leaves_the_draws_and_others_are_refused():
    x = torch.randn(4, 2, 3)
    lag = torch.zeros(1, 2, dtype=torch.long)
    assert couple(x, x.flip(1), lag) is x
    with pytest.raises(ConfigError, match="assignment"):
        couple(x, x, lag, "sinkhorn")
