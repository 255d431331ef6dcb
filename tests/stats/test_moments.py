"""Mean and scale of columns in parts, against those of the whole."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gensample.stats.regression import mean_and_scale


@given(
    sizes=st.lists(st.integers(0, 20), min_size=1, max_size=6).filter(any),
    shift=st.floats(-1e4, 1e4),
    seed=st.integers(0, 1000),
)
def test_parts_are_as_good_as_the_whole(sizes, shift, seed):
    generator = torch.Generator().manual_seed(seed)
    parts = [shift + torch.randn(size, 3, generator=generator).double() for size in sizes]
    mean, scale = mean_and_scale(iter(parts))
    whole = torch.cat(parts)
    torch.testing.assert_close(mean, whole.mean(0))
    deviation = whole.std(0, unbiased=False)
    expected = torch.where(deviation > 1e-6 * (1 + whole.mean(0).abs()), deviation, 1.0)
    torch.testing.assert_close(scale, expected, rtol=1e-6, atol=1e-8)


def test_columns_that_are_constant_but_for_rounding_have_scale_one():
    x = torch.full((100, 2), 1e5, dtype=torch.float64)
    x[::2, 0] += 1e-3
    x[::2, 1] += 1.0
    assert mean_and_scale([x[:30], x[30:]])[1].tolist() == pytest.approx([1.0, 0.5])


def test_no_rows():
    with pytest.raises(ValueError, match="no rows"):
        mean_and_scale([torch.zeros(0, 3)])
