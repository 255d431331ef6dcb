"""The velocity of configurations: symmetries of the torus, and its divergence against the Jacobian."""

import pytest
import torch

from gensample.errors import ConfigError
from gensample.nn.configuration import ConfigurationNetwork
from gensample.nn.pairs import GRAPHS, find_pairs
from gensample.seeding import torch_generator

SPECIES = torch.tensor([0] * 7 + [1] * 4)
S, INVERSE_T = torch.tensor([0.3, 0.8]).double(), torch.tensor([1.0, 2.2]).double()


def network(dimension: int, graph: str, cutoff: float = 1.6) -> ConfigurationNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return ConfigurationNetwork(2, dimension, cutoff, graph, width=12, vectors=3, radial=9).double()


def configurations(dimension: int) -> tuple[torch.Tensor, torch.Tensor]:
    box = torch.tensor([3.3, 3.6, 3.4], dtype=torch.float64)[:dimension].expand(2, dimension)
    generator = torch_generator(dimension)
    return torch.rand(2, 11, dimension, generator=generator, dtype=torch.float64) * box.unsqueeze(1), box


CASES = [(d, graph) for d in (2, 3) for graph in GRAPHS]


@pytest.mark.parametrize(("dimension", "graph"), CASES)
def test_divergence_is_the_trace_of_the_jacobian(dimension: int, graph: str) -> None:
    net, (x, box) = network(dimension, graph), configurations(dimension)

    def flat(y: torch.Tensor) -> torch.Tensor:
        return net(y.reshape(x.shape), SPECIES, box, S, INVERSE_T).reshape(2, -1)

    jacobian = torch.autograd.functional.jacobian(flat, x.reshape(2, -1))
    expected = torch.stack([jacobian[c, :, c].trace() for c in range(2)])
    velocity, divergence = net.with_divergence(x, SPECIES, box, S, INVERSE_T)
    torch.testing.assert_close(divergence, expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(velocity.reshape(2, -1), flat(x.reshape(2, -1)))
    assert expected.abs().min() > 0.1  # the test can fail


@pytest.mark.parametrize(("dimension", "graph"), CASES)
def test_velocity_keeps_to_the_symmetries_of_the_torus(dimension: int, graph: str) -> None:
    net, (x, box) = network(dimension, graph), configurations(dimension)
    v = net(x, SPECIES, box, S, INVERSE_T)
    assert v.abs().max() > 1e-3
    torch.testing.assert_close(v.mean(1), torch.zeros_like(v[:, 0]))
    lattice = torch.randint(-2, 3, x.shape, generator=torch_generator(9)) * box.unsqueeze(1)
    for moved in (x + lattice, x + torch.tensor(0.7)):
        torch.testing.assert_close(net(moved, SPECIES, box, S, INVERSE_T), v)
    order = torch.cat([torch.tensor([3, 1, 6, 0, 2, 5, 4]), torch.tensor([9, 7, 10, 8])])
    torch.testing.assert_close(net(x[:, order], SPECIES, box, S, INVERSE_T), v[:, order])
    mirrored, turned = -x, x.flip(-1)
    torch.testing.assert_close(net(mirrored, SPECIES, box, S, INVERSE_T), -v)
    torch.testing.assert_close(net(turned, SPECIES, box.flip(-1), S, INVERSE_T), v.flip(-1))


@pytest.mark.parametrize("graph", GRAPHS)
def test_samples_of_a_batch_do_not_know_each_other(graph: str) -> None:
    net, (x, box) = network(2, graph), configurations(2)
    both = net.with_divergence(x, SPECIES, box, S, INVERSE_T)
    for c in range(2):
        one = slice(c, c + 1)
        alone = net.with_divergence(x[one], SPECIES, box[one], S[one], INVERSE_T[one])
        torch.testing.assert_close(alone[0], both[0][one])
        torch.testing.assert_close(alone[1], both[1][one])


def test_velocity_is_smooth_where_a_pair_crosses_the_cutoff() -> None:
    net = network(2, "local")
    box = torch.full((1, 2), 6.0, dtype=torch.float64)
    gaps = torch.linspace(1.59, 1.61, 21, dtype=torch.float64)
    values = []
    for gap in gaps:
        x = torch.tensor([[[1.0, 1.0], [1.0 + gap, 1.0], [1.0, 2.0]]], dtype=torch.float64)
        values.append(net(x, torch.tensor([0, 1, 0]), box, S[:1], INVERSE_T[:1]).flatten())
    steps = torch.stack(values).diff(dim=0).abs().max(1).values
    assert steps.max() < 5 * steps.median() + 1e-6


def test_velocity_depends_on_time_and_temperature() -> None:
    net, (x, box) = network(2, "local"), configurations(2)
    v = net(x, SPECIES, box, S, INVERSE_T)
    for other in (net(x, SPECIES, box, S + 0.1, INVERSE_T), net(x, SPECIES, box, S, INVERSE_T + 0.5)):
        assert (other - v).abs().max() > 1e-4


def test_an_unknown_graph_is_refused() -> None:
    x, box = configurations(2)
    with pytest.raises(ConfigError, match="local, all-pairs"):
        find_pairs(x, box, "fully-connected", 1.0)
