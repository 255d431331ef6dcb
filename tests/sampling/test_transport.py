"""Flows on the torus with everything known: an ideal gas, a harmonic site, two particles on a grid."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from gensample.errors import ConfigError
from gensample.flow.torus import log_uniform, uniform
from gensample.nn.configuration import ConfigurationNetwork
from gensample.physics.box import minimum_image
from gensample.physics.mixtures import get_mixture
from gensample.physics.potentials import energy, pair_potential
from gensample.sampling.solver import Solver
from gensample.sampling.transport import Divergence, transport
from gensample.seeding import torch_generator
from gensample.stats.sets import effective_sample_size, log_weights

SOLVERS = [("euler", 200), ("midpoint", 60), ("heun2", 60), ("rk4", 40), ("dopri5", 1)]


@dataclass(frozen=True)
class HarmonicSite:
    """Exact velocity to two particles held at a vector ``site`` from each other by a spring of variance sd^2.

    With independent uniform particles the relative displacement d of the geodesic is uniform in the cell and
    independent of the data; given where the pair is at s, d is a Gaussian cut off at half the box, summed
    over images: v = E[d | x_s] in closed form, component by component.
    """

    box: float
    sd: float
    site: torch.Tensor  # (2,)

    def relative(self, r: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
        left = (1 - s).clamp(min=1e-3)  # the limit is smooth, its formula is not
        images = self.box * torch.arange(-2, 3, dtype=r.dtype)
        mean = (self.site.unsqueeze(-1) + images - r.unsqueeze(-1)) / left
        width = self.sd / left
        low, high = ((edge - mean) / width for edge in (-self.box / 2, self.box / 2))
        mass = 0.5 * (torch.erf(high / math.sqrt(2)) - torch.erf(low / math.sqrt(2)))
        density = (torch.exp(-0.5 * low**2) - torch.exp(-0.5 * high**2)) / math.sqrt(2 * math.pi)
        return (mean * mass + width * density).sum(-1) / mass.sum(-1).clamp(min=1e-300)

    def __call__(self, x: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
        box = torch.full((2,), self.box, dtype=x.dtype)
        v = self.relative(minimum_image(x[:, 1] - x[:, 0], box), s)
        return torch.stack([-0.5 * v, 0.5 * v], 1)

    def log_density(self, x: torch.Tensor) -> torch.Tensor:
        """Of the labelled pair anywhere in the box: wrapped normal in the relative position, over volume."""
        r = (x[:, 1] - x[:, 0]).unsqueeze(-1)
        images = self.box * torch.arange(-2, 3, dtype=x.dtype)
        z = (r - self.site.unsqueeze(-1) + images) / self.sd
        normal = torch.exp(-0.5 * z**2).sum(-1) / (self.sd * math.sqrt(2 * math.pi))
        return normal.log().sum(-1) - 2 * math.log(self.box)


SITE = HarmonicSite(3.0, 0.35, torch.tensor([1.2, -0.4], dtype=torch.float64))


def pairs_of(number: int, box: float, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    edges = torch.full((number, 2), box, dtype=torch.float64)
    return uniform(number, 2, edges, torch_generator(seed)), edges


@pytest.mark.parametrize(("method", "steps"), SOLVERS)
def test_every_solver_carries_the_base_to_a_harmonic_site(method: str, steps: int) -> None:
    start, box = pairs_of(4000, SITE.box, 1)
    moved = transport(SITE, start, solver=Solver(method, steps, 1e-6))
    r = minimum_image(moved.positions[:, 1] - moved.positions[:, 0] - SITE.site, box)
    error = SITE.sd / math.sqrt(4000)
    assert r.mean(0).abs().max() < 4 * error
    assert (r.std(0) - SITE.sd).abs().max() < 4 * error / math.sqrt(2)
    for power, normal in ((4, 3.0), (6, 15.0)):  # not only two moments
        moment = (r / SITE.sd).pow(power).mean(0)
        assert (moment - normal).abs().max() < 4 * math.sqrt({4: 96, 6: 10170}[power] / 4000)


@pytest.mark.parametrize(("divergence", "tolerance"), [("autograd", 2e-3), ("hutchinson", 2e-3)])
def test_density_of_a_harmonic_site_is_known(divergence: str, tolerance: float) -> None:
    start, box = pairs_of(100, SITE.box, 2)
    change = Divergence(divergence, 32, torch_generator(3))
    moved = transport(SITE, start, log_uniform(2, box), Solver("rk4", 60), change)
    assert moved.log_density is not None
    assert moved.variance is not None
    error = moved.log_density - SITE.log_density(moved.positions)
    if divergence == "autograd":
        assert error.abs().max() < tolerance
    else:  # unbiased, with the variance it states
        z = error / moved.variance.sqrt().clamp(min=1e-9)
        assert moved.variance.mean() > 1e-4
        assert abs(z.mean()) < 4 / math.sqrt(100)
        assert 0.7 < z.std() < 1.4


def test_an_ideal_gas_stays_one() -> None:
    start, box = pairs_of(100, 3.0, 4)

    class Still:
        def __call__(self, x: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
            return torch.zeros_like(x)

    moved = transport(Still(), start, log_uniform(2, box), Solver(steps=2), Divergence("autograd"))
    assert torch.equal(moved.positions, start)
    assert moved.log_density is not None
    assert moved.log_density.tolist() == pytest.approx([-2 * math.log(9.0)] * 100)


class Random:
    """An untrained network: its flow is not the target's, so only right weights give right averages."""

    def __init__(self, box: torch.Tensor) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(5)
            self.net = ConfigurationNetwork(2, 2, 2.4, "local", width=8, vectors=2, radial=6).double()
        with torch.no_grad():
            self.net.out.weight *= 6
        self.box, self.species = box, torch.tensor([0, 1])

    def arguments(self, x: torch.Tensor, s: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return x, self.species, self.box, s.expand(len(x)), torch.ones(len(x), dtype=x.dtype)

    def __call__(self, x: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
        return self.net(*self.arguments(x, s))

    def with_divergence(self, x: torch.Tensor, s: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.net.with_divergence(*self.arguments(x, s))


MIXTURE, EDGE, T = get_mixture("ka2d"), 5.2, 2.0


def grid_averages() -> tuple[float, float]:
    """Mean pair energy and log of the configuration integral of an A and a B particle, from a fine grid."""
    x = (np.arange(2000) + 0.5) / 2000 * EDGE - EDGE / 2
    r = torch.from_numpy(np.hypot(*np.meshgrid(x, x)))
    u, _ = pair_potential(r, *(torch.tensor(t[0][1]) for t in (MIXTURE.sigma, MIXTURE.epsilon)), MIXTURE)
    weight = torch.exp(-u / T)
    # Times the volume for where the pair is as a whole.
    integral = weight.mean() * EDGE**4
    return float((weight * u.nan_to_num(posinf=0)).sum() / weight.sum()), float(integral.log())


@pytest.mark.parametrize(("divergence", "samples"), [("exact", 4000), ("hutchinson", 2000)])
def test_reweighted_averages_of_two_particles_agree_with_a_grid(divergence: str, samples: int) -> None:
    start, box = pairs_of(samples, EDGE, 6)
    change = Divergence(divergence, 4, torch_generator(7))
    moved = transport(Random(box), start, log_uniform(2, box), Solver("rk4", 8), change)
    u = energy(moved.positions, torch.tensor([0, 1]), box, MIXTURE).sum(1)
    assert moved.log_density is not None
    assert moved.variance is not None
    logs = torch.as_tensor(log_weights(u.numpy(), T, moved.log_density.numpy(), moved.variance.numpy()))
    w = logs.exp()
    mean_energy, log_integral = grid_averages()
    found = float((w * u).nan_to_num().sum() / w.sum())
    spread = float((w * (u - found)).nan_to_num().square().sum().sqrt() / w.sum())
    assert abs(found - mean_energy) < 4 * spread
    assert abs(float(w.mean().log()) - log_integral) < 4 * float(w.std() / w.mean()) / math.sqrt(samples)
    # Without the weights, or with the density of the base in its place, the average is another one.
    plain = float((torch.exp(-u / T) * u).nan_to_num().sum() / torch.exp(-u / T).sum())
    assert abs(plain - mean_energy) > 4 * spread


def test_the_network_s_own_divergence_gives_the_density_of_automatic_differentiation() -> None:
    start, box = pairs_of(20, EDGE, 8)
    found = [
        transport(Random(box), start, log_uniform(2, box), Solver("rk4", 24), Divergence(kind))
        for kind in ("exact", "autograd")
    ]
    torch.testing.assert_close(found[0].log_density, found[1].log_density)
    solver, change = Solver("rk4", 24), Divergence("exact")
    back = transport(Random(box), found[0].positions, None, solver, change, backward=True)
    torch.testing.assert_close(back.positions, start, atol=1e-4, rtol=0)
    assert found[0].log_density is not None
    assert back.log_density is not None
    torch.testing.assert_close(
        log_uniform(2, box) - back.log_density, found[0].log_density, atol=1e-3, rtol=0
    )


def test_an_unknown_divergence_is_refused() -> None:
    start, box = pairs_of(2, 3.0, 0)
    with pytest.raises(ConfigError, match="hutchinson"):
        transport(SITE, start, log_uniform(2, box), divergence=Divergence("skilling"))


def test_weights_of_a_perfect_flow_are_all_the_same() -> None:
    start, box = pairs_of(500, SITE.box, 9)
    moved = transport(SITE, start, log_uniform(2, box), Solver("rk4", 60), Divergence("autograd"))
    assert moved.log_density is not None
    target = SITE.log_density(moved.positions)
    logs = log_weights(-target.numpy(), 1.0, moved.log_density.numpy(), None)
    assert effective_sample_size(logs).fraction > 0.999
