"""Descriptors of probe runs against their definition."""

import pytest
import torch

from gensample.errors import ConfigError
from gensample.structure.descriptors.probe import LENGTHS, probe_descriptors, probe_names

LEVELS = [(0.5, 1.0), (0.8, 1.0), (0.8, 20.0)]


def test_columns_are_weighted_means_of_the_logarithms() -> None:
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


def test_without_probe_runs_it_says_what_to_do() -> None:
    with pytest.raises(ConfigError, match="gensample probe DATA"):
        probe_descriptors(torch.zeros(3, 2), torch.ones(2), None)
