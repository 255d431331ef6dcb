"""Descriptors of cages and of probe runs against their definitions."""

import pytest
import torch

from gensample.errors import ConfigError
from gensample.structure.descriptors.short_runs import (
    LENGTHS,
    cage_descriptors,
    cage_names,
    probe_descriptors,
    probe_names,
)

LEVELS = [(0.5, 1.0), (0.8, 1.0), (0.8, 20.0)]


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


def test_columns_are_weighted_means_of_the_logarithms():
    generator = torch.Generator().manual_seed(2)
    positions = 6 * torch.rand(30, 2, generator=generator, dtype=torch.float64)
    box = torch.full((2,), 6.0).double()
    log_length, moved = torch.rand(2, 30, 3, generator=generator, dtype=torch.float64)
    names, found = probe_names(LEVELS), probe_descriptors(positions, box, (log_length, moved))
    assert found.shape == (30, len(names))
    apart = positions[:, None] - positions
    distance = (apart - box * torch.round(apart / box)).norm(dim=-1)
    for length in LENGTHS:
        weight = (-distance / length).exp() * (distance < 3.0) if length else torch.eye(30).double()
        weight = weight / weight.sum(1, keepdim=True)
        at = f"@{length:g}" if length else ""
        for k, (temperature, time) in enumerate(LEVELS):
            of = f"[T={temperature:g},t={time:g}]{at}"
            got = found[:, names.index(f"log_length{of}")]
            torch.testing.assert_close(got, weight @ log_length[:, k])
            got = found[:, names.index(f"log_mean_displacement{of}")]
            torch.testing.assert_close(got, weight @ moved[:, k].log())


def test_without_probe_runs_it_says_what_to_do():
    with pytest.raises(ConfigError, match="gensample probe DATA"):
        probe_descriptors(torch.zeros(3, 2), torch.ones(2), None)
