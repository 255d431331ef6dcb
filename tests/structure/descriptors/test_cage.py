"""Descriptors of cages against their definition."""

import pytest
import torch

from gensample.errors import ConfigError
from gensample.structure.descriptors.cage import LENGTHS, cage_descriptors, cage_names


def structure(particles=30, d=2):
    generator = torch.Generator().manual_seed(1)
    draw = lambda *shape: torch.rand(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
    return 6 * draw(particles, d), torch.full((d,), 6.0).double(), draw(particles, d), 0.1 + draw(particles)


def test_columns_are_weighted_means_of_distance_and_log_spread():
    positions, box, vector, spread = structure()
    found = cage_descriptors(positions, box, (vector, spread))
    assert found.shape == (30, len(cage_names()))
    own = torch.stack([vector.norm(dim=1), spread.log()], 1)
    for k, length in enumerate(LENGTHS):
        apart = positions[:, None] - positions
        distance = (apart - box * torch.round(apart / box)).norm(dim=-1)
        weight = (-distance / length).exp() * (distance < 3.0) if length else torch.eye(30).double()
        expected = weight @ own / weight.sum(1, keepdim=True)
        torch.testing.assert_close(found[:, 2 * k : 2 * k + 2], expected)


def test_without_a_spread_it_says_what_to_do():
    positions, box, _, _ = structure()
    with pytest.raises(ConfigError, match="gensample cage DATA"):
        cage_descriptors(positions, box, None)
