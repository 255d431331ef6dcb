"""Threads of torch: one for few particles, as many as before afterwards."""

import pytest
import torch

from gensample.physics import dynamics, minimize
from gensample.physics.mixtures import get_mixture
from gensample.physics.threads import PARTICLES, as_many_as_pay


@pytest.fixture
def three():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("shape", "threads"), [((1, PARTICLES, 2), 1), ((2, PARTICLES, 2), 3)])
def test_threads_by_the_number_of_particles(three, shape, threads):
    with as_many_as_pay(torch.zeros(shape)):
        assert torch.get_num_threads() == threads
    assert torch.get_num_threads() == 3


def test_an_error_gives_them_back(three):
    with pytest.raises(KeyError), as_many_as_pay(torch.zeros(1, 1, 2)):
        raise KeyError
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize("module", [dynamics, minimize])
def test_dynamics_and_minimisation_heed_them(three, module, monkeypatch):
    seen = []
    forces = module.ListedForces.forces

    def watched(self, *given):
        seen.append(torch.get_num_threads())
        return forces(self, *given)

    monkeypatch.setattr(module.ListedForces, "forces", watched)
    mixture, box = get_mixture("ka2d"), torch.tensor([7.0, 7.0], dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(*[torch.arange(7) + 0.1 * k for k in range(2)], indexing="ij"), -1)
    x = grid.reshape(1, 49, 2).double()
    species = mixture.species(49)
    if module is dynamics:
        dynamics.run_dynamics(x, torch.zeros_like(x), species, box, mixture, [2], dynamics.Limits(0.45))
    else:
        minimize.minimize(x, species, box, mixture, max_steps=3)
    assert seen[-1] == 1
    assert torch.get_num_threads() == 3
