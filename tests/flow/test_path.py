import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gensample.errors import ConfigError
from gensample.flow.path import PATHS, VariancePreservingPath, get_path

paths = pytest.mark.parametrize("name", sorted(PATHS))


@paths
def test_ends_are_exact_and_everything_finite(name):
    path = get_path(name)
    for dtype in (torch.float32, torch.float64):
        ends = torch.tensor([0.0, 1.0], dtype=dtype)
        assert path.alpha(ends).tolist() == [0, 1]
        assert path.sigma(ends).tolist() == [1, 0]
        s = torch.cat([torch.linspace(0, 1, 1001, dtype=dtype), 1 - torch.logspace(-7, -1, 30, dtype=dtype)])
        for f in (path.alpha_dot, path.sigma_dot, path.determinant):
            assert torch.isfinite(f(s)).all()
        assert (path.determinant(s) < -0.01).all()


@paths
@given(s=st.floats(0.0, 0.999))
def test_derivatives_are_those_of_the_functions(name, s):
    path = get_path(name)
    t = torch.tensor(s, dtype=torch.float64, requires_grad=True)
    for f, df in ((path.alpha, path.alpha_dot), (path.sigma, path.sigma_dot)):
        (slope,) = torch.autograd.grad(f(t), t)
        torch.testing.assert_close(df(t.detach()), slope, rtol=1e-8, atol=1e-10)


@paths
@given(s=st.floats(0.0, 1.0))
def test_velocity_gives_back_the_prior_draw(name, s):
    path, g = get_path(name), torch.Generator().manual_seed(1)
    x0, x1 = torch.randn(2, 5, 3, 2, generator=g, dtype=torch.float64)
    s = torch.full((5, 3), s, dtype=torch.float64)
    x, v = path.interpolate(x0, x1, s), path.velocity(x0, x1, s)
    torch.testing.assert_close(path.prior_from_velocity(x, v, s), x0, rtol=1e-5, atol=1e-5)


@paths
def test_prior_draw_expected_of_a_gaussian(name):
    # x1 ~ N(0, c^2) and x0 ~ N(0, q^2): p_s = N(0, a^2 c^2 + b^2 q^2), v and E[x0 | x] are linear in x.
    path, c, q = get_path(name), 0.7, 1.9
    s = torch.linspace(0.05, 0.95, 10, dtype=torch.float64)[:, None]
    a, b = path.alpha(s), path.sigma(s)
    variance = (a * c) ** 2 + (b * q) ** 2
    x = torch.linspace(-2, 2, 10, dtype=torch.float64)[:, None, None]
    slope = (path.alpha_dot(s) * a * c**2 + path.sigma_dot(s) * b * q**2) / variance
    found = path.prior_from_velocity(x, slope.unsqueeze(-1) * x, s)
    expected = (b * q**2 / variance).unsqueeze(-1) * x
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-10)


def test_variance_preserving_keeps_the_variance_and_follows_song():
    path = VariancePreservingPath()
    s = torch.linspace(0, 1, 101, dtype=torch.float64)
    torch.testing.assert_close(path.alpha(s) ** 2 + path.sigma(s) ** 2, torch.ones_like(s))
    # Before shift and scale the amplitude is exp(-tau^2 (20 - 0.1) / 4 - 0.1 tau / 2), Song et al. eq. 33.
    tau, end = (1 - s) ** 2, math.exp(-5.025)
    raw = torch.exp(-0.25 * tau**2 * 19.9 - 0.05 * tau)
    torch.testing.assert_close(path.alpha(s), (raw - end) / (1 - end))


def test_bad_choices_are_named():
    with pytest.raises(ConfigError, match="linear, trigonometric"):
        get_path("straight")
    with pytest.raises(ConfigError, match="beta_min=2"):
        VariancePreservingPath(2.0, 1.0)
