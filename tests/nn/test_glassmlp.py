"""GlassMLP and its loss: what it reads, and each term of the loss against sums by hand."""

from types import SimpleNamespace

import pytest
import torch
from torch_geometric.data import Data

from gensample.errors import ConfigError
from gensample.nn.glassmlp import GlassMLP, heterogeneity_loss


def batch(particles=40, descriptors=6):
    generator = torch.Generator().manual_seed(0)
    return Data(
        species=torch.arange(particles) % 2,
        descriptors=torch.randn(particles, descriptors, generator=generator),
        edge_index=torch.randint(particles, (2, 300), generator=generator),
        batch=torch.arange(particles) // (particles // 2),
    )


def test_each_species_has_its_own_network_and_bonds_are_left_out():
    data, network = batch(), GlassMLP(3, 6)
    nodes, edges = network(data)
    assert nodes.shape == (40, 3)
    assert edges.shape == (300, 0)
    with torch.no_grad():
        for parameter in network.networks[1].parameters():
            parameter.zero_()
    changed, _ = network(data)
    assert torch.equal(changed[::2], nodes[::2])
    assert not changed[1::2].any()


def test_a_particle_depends_on_its_own_descriptors_alone():
    data, network = batch(), GlassMLP(2, 6)
    before = network(data)[0]
    data.descriptors[5] += 1
    moved = (network(data)[0] - before).abs().sum(1) > 0
    assert moved.nonzero().flatten().tolist() == [5]


def test_another_number_of_descriptors_is_refused():
    with pytest.raises(ConfigError, match="serve 6 descriptors, the network reads 7"):
        GlassMLP(1, 7)(batch())
    with pytest.raises(ConfigError, match="serve 0 descriptors"):
        GlassMLP(1, 7)(Data(species=torch.zeros(3, dtype=torch.long)))


def loss(predicted, target, data):
    return float(heterogeneity_loss(predicted, target, data.species, data.batch, data.edge_index))


def test_no_loss_where_predictions_are_the_targets():
    data = batch()
    target = torch.randn(40, 2, generator=torch.Generator().manual_seed(1))
    assert loss(target, target, data) == pytest.approx(0, abs=1e-10)


def test_against_sums_by_hand():
    data = batch()
    generator = torch.Generator().manual_seed(2)
    x, y = torch.randn(40, 2, generator=generator), 2 * torch.randn(40, 2, generator=generator)
    total = []
    for c in (0, 1):
        for s in (0, 1):
            of = (data.batch == c) & (data.species == s)
            pairs = [(i, j) for i, j in data.edge_index.T.tolist() if of[i] and of[j]]
            for k in (0, 1):
                a, b = x[:, k] - x[of, k].mean(), y[:, k] - y[of, k].mean()
                v = b[of].square().mean()
                products = [torch.stack([f[i] * f[j] for i, j in pairs]).mean() for f in (a, b)]
                total.append(
                    (x[of, k].mean() - y[of, k].mean()) ** 2 / v
                    + (a[of].square().mean().sqrt() - v.sqrt()) ** 2 / v
                    + ((products[0] - products[1]) / v) ** 2
                )
    assert loss(x, y, data) == pytest.approx(float(torch.stack(total).mean()), rel=1e-4)


def test_gradients_are_finite_where_predictions_do_not_vary():
    data, x = batch(), torch.zeros(40, 1, requires_grad=True)
    target = torch.randn(40, 1, generator=torch.Generator().manual_seed(1))
    heterogeneity_loss(x, target, data.species, data.batch, data.edge_index).backward()
    assert torch.isfinite(x.grad).all()


def test_a_configuration_without_like_pairs():
    data = SimpleNamespace(species=torch.tensor([0, 0, 1]), batch=torch.zeros(3, dtype=torch.long))
    data.edge_index = torch.tensor([[0], [2]])
    assert loss(torch.ones(3, 1), torch.tensor([[0.0], [1.0], [2.0]]), data) >= 0
