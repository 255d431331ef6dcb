"""The graph network of Bapst et al.: contract, factorised against plain, loader. Parity is in validation."""

import pytest
import torch

from gensample.errors import ConfigError
from gensample.nn.bapst import PUBLISHED_NAMES, UNUSED, Bapst, from_published
from gensample.seeding import torch_generator
from gensample.testing import check_network, graph_batch, random_sample, randomise


def published(network):
    """The state of our network under the names of the published one, with its unused decoder of edges."""
    state = {f"{UNUSED}|linear_0|w": torch.zeros(2, 2)}
    for name, value in network.state_dict().items():
        block, layer, part = name.split(".")
        state[f"{PUBLISHED_NAMES[block]}|linear_{int(layer) // 2}|{part[0]}"] = value.t()
    return state


@pytest.mark.parametrize("dimension", [2, 3])
def test_contract(dimension):
    network = Bapst(dimension=dimension, outputs=2, width=16, steps=3)
    check_network(network, lambda batch: {"node": network(batch)[0]}, dimension)


def test_factorised_form_is_the_same_function_and_has_the_same_gradient():
    network = Bapst(outputs=2, steps=3).double()
    randomise(network, torch_generator(0))
    batch = graph_batch(random_sample(3, torch_generator(0)))
    results = []
    for factorised in (True, False):
        network.factorised = factorised
        network.zero_grad()
        nodes, edges = network(batch)
        assert edges.shape == (batch.edge_index.shape[1], 0)
        nodes.square().sum().backward()
        results.append((nodes.detach(), [p.grad.clone() for p in network.parameters()]))
    torch.testing.assert_close(results[0][0], results[1][0])
    for fast, plain in zip(results[0][1], results[1][1], strict=True):
        torch.testing.assert_close(fast, plain)


def test_widths_of_the_published_network():
    network = Bapst()
    assert network.edge_mlp[0].weight.shape == (64, 384)
    assert network.node_mlp[0].weight.shape == (64, 192)


def test_a_particle_without_neighbours_hears_itself():
    network = Bapst(steps=2).double()
    randomise(network, torch_generator(1))
    batch = graph_batch(random_sample(3, torch_generator(0)))
    batch.edge_index, batch.edge_vector = batch.edge_index[:, :0], batch.edge_vector[:0]
    before = network(batch)[0]
    with torch.no_grad():
        network.edge_encoder[2].bias += 1.0
    assert not torch.allclose(network(batch)[0], before)


def test_published_variables_load_and_others_are_refused():
    network, other = Bapst().double(), Bapst().double()
    randomise(network, torch_generator(2))
    state = published(network)
    other.load_state_dict(from_published(state))
    batch = graph_batch(random_sample(3, torch_generator(0)))
    torch.testing.assert_close(other(batch)[0], network(batch)[0])
    state.pop(next(name for name in state if "edge_block" in name))
    with pytest.raises(ConfigError, match="edge_block"):
        from_published(state)
