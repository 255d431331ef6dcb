"""The mobility field against a direct sum, its invariances and limits."""

import torch

from gensample.physics.mobility import REACH, ROUNDS, average, averaging_matrix, log_mobility
from gensample.testing import graph_batch, random_sample


def graph(seed=0, dimension=2):
    batch = graph_batch(random_sample(dimension, torch.Generator().manual_seed(seed)), cutoff=1.8)
    return batch.edge_index, batch.edge_vector, batch.num_nodes


def test_average_is_the_weighted_mean_over_a_particle_and_its_neighbours():
    index, vector, n = graph()
    values = torch.randn(n, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    expected = torch.empty_like(values)
    for i in range(n):
        total, weights = values[i].clone(), 1.0
        for (source, destination), r in zip(index.T.tolist(), vector.norm(dim=-1).tolist(), strict=True):
            if destination == i and r < REACH:
                w = (1 - (r / REACH) ** 2) ** 2
                total, weights = total + w * values[source], weights + w
        expected[i] = total / weights
    torch.testing.assert_close(average(values, averaging_matrix(index, vector, n), 1), expected)


def test_a_constant_is_its_own_average():
    index, vector, n = graph(1, 3)
    ones = torch.ones(n, 1, dtype=torch.float64)
    torch.testing.assert_close(average(ones, averaging_matrix(index, vector, n), 5), ones)


def test_mobility_of_equal_steps_is_their_mean_square_component():
    index, vector, n = graph(2)
    angle = torch.rand(n, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 6.28
    step = torch.tensor([0.1, 0.2, 1.0], dtype=torch.float64)
    u = torch.stack([angle.cos(), angle.sin()], -1) * step[:, None]
    mobility = log_mobility(u, averaging_matrix(index, vector, n))
    torch.testing.assert_close(mobility, (step.square() / 2).log().expand(n, -1))


def test_one_jump_is_felt_around_it_and_no_farther():
    index, vector, n = graph(3)
    u = torch.full((n, 1, 2), 1e-2, dtype=torch.float64)
    before = log_mobility(u, averaging_matrix(index, vector, n))
    u[7] = 1.0
    change = (log_mobility(u, averaging_matrix(index, vector, n)) - before).squeeze(1)
    reached = torch.zeros(n, dtype=torch.bool)
    reached[7] = True
    near = vector.norm(dim=-1) < REACH
    for _ in range(ROUNDS):
        reached[index[1, near & reached[index[0]]]] = True
    assert (change[reached] > 1e-4).all()
    assert change[~reached].abs().max() < 1e-12
    assert change.argmax() == 7


def test_no_motion_is_finite():
    index, vector, n = graph(4)
    assert log_mobility(torch.zeros(n, 1, 2), averaging_matrix(index, vector.float(), n)).isfinite().all()
