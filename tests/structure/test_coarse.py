"""Coarse-graining against a loop over pairs, and what every weighted mean obeys."""

import math

import pytest
import torch
from torch import Tensor

from gensample.errors import ConfigError, DataError
from gensample.physics.box import minimum_image
from gensample.structure import coarse
from gensample.structure.coarse import coarse_grain_each

BOXES = [[6.0, 7.0], [6.0, 7.0, 1.8], [5.0, 6.0, 7.0], [5.0, 6.0, 7.0, 1.0, -2.0, 1.5]]


def field(box: list[float], particles: int = 40) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(len(box))
    cell = torch.tensor(box, dtype=torch.float64)
    dimension = 2 if box[0] == 6.0 else 3
    x = torch.rand(particles, dimension, generator=generator, dtype=torch.float64) * cell[:dimension]
    return torch.randn(particles, generator=generator, dtype=torch.float64), x, cell


def coarse_grain(
    values: Tensor, x: Tensor, box: Tensor, length: float, cutoff: float | None = None
) -> Tensor:
    return coarse_grain_each(values, x, box, [length], cutoff)[0]


def brute(values: Tensor, x: Tensor, box: Tensor, length: float, cutoff: float) -> Tensor:
    result = []
    for i in range(len(x)):
        above, below = float(values[i]), 1.0
        for j in range(len(x)):
            r = float(minimum_image(x[j] - x[i], box).norm())
            if j != i and r < cutoff:
                above, below = above + math.exp(-r / length) * float(values[j]), below + math.exp(-r / length)
        result.append(above / below)
    return torch.tensor(result, dtype=values.dtype)


@pytest.mark.parametrize("box", BOXES, ids=str)
@pytest.mark.parametrize(("length", "cutoff"), [(0.7, None), (2.0, None), (2.0, 1.5)])
def test_against_a_loop_over_pairs(
    box: list[float], length: float, cutoff: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    values, x, cell = field(box)
    reach = 0.5 * min(box[: x.shape[1]]) if cutoff is None else cutoff
    expected = brute(values, x, cell, length, reach)
    torch.testing.assert_close(coarse_grain(values, x, cell, length, cutoff), expected)
    monkeypatch.setattr(coarse, "_CHUNK", 300)  # several parts, the last one shorter
    torch.testing.assert_close(coarse_grain(values, x, cell, length, cutoff), expected)


@pytest.mark.parametrize("box", BOXES, ids=str)
def test_constants_and_columns(box: list[float]) -> None:
    values, x, cell = field(box)
    constant = coarse_grain(torch.full_like(values, 3.7), x, cell, 1.3)
    torch.testing.assert_close(constant, torch.full_like(values, 3.7))
    columns = torch.stack([values, values**2], 1)
    result = coarse_grain(columns, x, cell, 1.3)
    torch.testing.assert_close(result[:, 0], coarse_grain(values, x, cell, 1.3))
    torch.testing.assert_close(result[:, 1], coarse_grain(values**2, x, cell, 1.3))
    assert result[:, 0].std() < 0.6 * values.std()


def test_a_length_of_zero_looks_at_no_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coarse, "minimum_image", lambda *given: pytest.fail("distances were computed"))
    values, x, cell = field([6.0, 7.0])
    assert torch.equal(coarse_grain(values, x, cell, 0.0), values)


def test_limits_of_short_and_long_lengths() -> None:
    values, x, cell = field([6.0, 7.0])
    assert torch.equal(coarse_grain(values, x, cell, 0.0), values)
    torch.testing.assert_close(coarse_grain(values, x, cell, 1e-3), values)
    flat = coarse_grain(values, x, cell, 1e9, 1.2)
    near = minimum_image(x[None] - x[:, None], cell).norm(dim=-1) < 1.2
    torch.testing.assert_close(flat, near.double() @ values / near.sum(1))


def test_bad_input_is_refused() -> None:
    values, x, cell = field([6.0, 7.0])
    with pytest.raises(ConfigError, match="half the shortest box edge"):
        coarse_grain(values, x, cell, 1.0, 3.1)
    for length in (-1.0, math.nan, math.inf):
        with pytest.raises(ConfigError, match="coarse-graining length"):
            coarse_grain(values, x, cell, length)
    with pytest.raises(DataError, match="40 particles"):
        coarse_grain(values[:-1], x, cell, 1.0)
