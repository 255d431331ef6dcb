"""The equivariant predictor: contract, rotations to the last digits, what it reads."""

import pytest
import torch

from gensample.errors import ConfigError
from gensample.nn.se3 import EquivariantPredictor
from gensample.seeding import torch_generator
from gensample.testing import check_network, check_rotation, graph_batch, random_sample, randomise

SMALL = {"outputs": 2, "width": 12, "vectors": 4, "layers": 2, "cutoff": 1.6}


def make(**settings):
    network = EquivariantPredictor(**{**SMALL, **settings}).double()
    randomise(network, torch_generator(0))
    return network


def with_cages(sample, seed=3):
    batch = graph_batch(sample)
    generator = torch_generator(seed)
    batch.cage_vector = 0.1 * torch.randn(batch.pos.shape, generator=generator, dtype=batch.pos.dtype)
    return batch


@pytest.mark.parametrize("dimension", [2, 3])
def test_contract(dimension):
    network = EquivariantPredictor(**SMALL)
    check_network(network, lambda batch: dict(zip(("node", "edge"), network(batch), strict=True)), dimension)


@pytest.mark.parametrize("dimension", [2, 3])
def test_invariant_under_rotation(dimension):
    network = make()
    sample = random_sample(dimension, torch_generator(1))
    check_rotation(
        lambda batch: dict(zip(("node", "edge"), network(batch), strict=True)), sample, graph_batch
    )


@pytest.mark.parametrize("dimension", [2, 3])
def test_invariant_under_rotation_of_structure_and_cages(dimension):
    network, batch = make(read_cage=True), with_cages(random_sample(dimension, torch_generator(1)))
    nodes, edges = network(batch)
    turn = torch.linalg.qr(torch.randn(dimension, dimension, generator=torch_generator(4)).double())[0]
    batch.edge_vector, cages = batch.edge_vector @ turn, batch.cage_vector
    batch.cage_vector = cages @ turn
    turned, turned_edges = network(batch)
    torch.testing.assert_close(turned, nodes, rtol=0, atol=1e-9)
    torch.testing.assert_close(turned_edges, edges, rtol=0, atol=1e-9)
    batch.cage_vector = cages  # only the structure turned: cages now point elsewhere
    assert not torch.allclose(network(batch)[0], nodes, atol=1e-4)


def test_bonds_are_alike_from_both_ends():
    network, batch = make(), graph_batch(random_sample(3, torch_generator(1)))
    edges = network(batch)[1]
    pairs = {(int(i), int(j)): k for k, (i, j) in enumerate(batch.edge_index.T)}
    for (i, j), k in list(pairs.items())[:50]:
        torch.testing.assert_close(edges[k], edges[pairs[j, i]])


def test_descriptors_are_read_where_asked_and_only_there():
    batch = graph_batch(random_sample(2, torch_generator(1)))
    batch.descriptors = torch.randn(len(batch.species), 5, generator=torch_generator(2)).double()
    bare, network = make(), make(descriptors=5)
    before = bare(batch)[0], network(batch)[0]
    batch.descriptors = batch.descriptors + 1
    assert torch.equal(bare(batch)[0], before[0])
    assert not torch.allclose(network(batch)[0], before[1])


def test_what_does_not_fit_is_refused():
    batch = graph_batch(random_sample(2, torch_generator(1)))
    with pytest.raises(ConfigError, match=r"beyond model\.network\.cutoff = 1"):
        make(cutoff=1.0)(batch)
    with pytest.raises(ConfigError, match="serve 0 descriptors, the network reads 5"):
        make(descriptors=5)(batch)
