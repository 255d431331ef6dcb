"""Base, assignment and paths of configurations on the torus, against brute force."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gensample.flow.torus import assign, geodesic, log_uniform, uniform
from gensample.physics.box import minimum_image, wrap
from gensample.seeding import torch_generator

BOX = torch.tensor([[3.0, 4.0], [2.5, 5.0]], dtype=torch.float64)


def draws(number: int, box: torch.Tensor = BOX, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    return tuple(uniform(len(box), number, box, torch_generator(seed, k)) for k in range(2))


def cost(x0: torch.Tensor, x1: torch.Tensor, box: torch.Tensor) -> torch.Tensor:
    return minimum_image(x1 - x0, box.unsqueeze(1)).square().sum((1, 2))


def test_uniform_fills_each_box_evenly() -> None:
    x = uniform(2, 20000, BOX, torch_generator(1))
    assert bool((x >= 0).all())
    assert bool((x < BOX.unsqueeze(1)).all())
    for moment, expected in ((1, 1 / 2), (2, 1 / 3)):
        mean = (x / BOX.unsqueeze(1)).pow(moment).mean(1)
        assert mean.sub(expected).abs().max() < 4 * math.sqrt(1 / 12 / 20000)


def test_log_density_of_the_base_is_that_of_independent_particles() -> None:
    expected = [-7 * math.log(12.0), -7 * math.log(12.5)]
    assert log_uniform(7, BOX).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(3))
def test_assignment_is_the_best_permutation_within_each_species(seed: int) -> None:
    species = torch.tensor([0, 0, 0, 0, 1, 1])
    x0, x1 = draws(6, seed=seed)
    found = assign(x0, x1, BOX, species)
    orders = [[*a, *(4 + b for b in c)] for a in itertools.permutations(range(4)) for c in ((0, 1), (1, 0))]
    best = torch.stack([cost(x0[:, order], x1, BOX) for order in orders]).min(0).values
    torch.testing.assert_close(cost(found, x1, BOX), best)


def test_assignment_only_reorders_within_species() -> None:
    species = torch.tensor([0] * 30 + [1] * 20)
    x0, x1 = draws(50)
    found = assign(x0, x1, BOX, species)
    for kind in (0, 1):
        before, after = x0[:, species == kind], found[:, species == kind]
        assert torch.equal(before.sort(1).values, after.sort(1).values)


def test_blocks_reorder_and_come_near_the_optimum() -> None:
    species = torch.zeros(900, dtype=torch.int64)
    x0, x1 = draws(900)
    best, near = assign(x0, x1, BOX, species), assign(x0, x1, BOX, species, exact_limit=100)
    assert torch.equal(x0.sort(1).values, near.sort(1).values)
    assert bool((cost(near, x1, BOX) < 2.5 * cost(best, x1, BOX)).all())  # 1.2 to 2.1 for the optimum's 1
    assert bool((cost(near, x1, BOX) < 0.1 * cost(x0, x1, BOX)).all())


@given(st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_geodesic_ends_at_the_data_without_drift(seed: int) -> None:
    x0, x1 = draws(9, seed=seed)
    start, displacement = geodesic(x0, x1, BOX)
    torch.testing.assert_close(displacement.mean(1), torch.zeros(2, 2, dtype=torch.float64))
    edges = BOX.unsqueeze(1)
    gap = minimum_image(wrap(start + displacement, edges) - x1, edges)
    assert gap.abs().max() < 1e-12
    # The base is moved as a whole.
    shift = minimum_image(start - x0, edges)
    assert minimum_image(shift - shift[:, :1], edges).abs().max() < 1e-12
