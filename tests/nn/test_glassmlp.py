"""GlassMLP and its loss: what it reads, and each term of the loss against sums by hand."""

from types import SimpleNamespace

import pytest
import torch
from torch_geometric.data import Data

from gensample.errors import ConfigError
from gensample.nn.glassmlp import GlassMLP, heterogeneity_loss
from gensample.testing import check_network, graph_batch


def batch(particles=40, descriptors=6):
    generator = torch.Generator().manual_seed(0)
    return Data(
        species=torch.arange(particles) % 2,
        descriptors=torch.randn(particles, descriptors, generator=generator),
        edge_index=torch.randint(particles, (2, 300), generator=generator),
        batch=torch.arange(particles) // (particles // 2),
    )


def described(sample):
    """A batch with descriptors of its own geometry: sums over neighbours."""
    data = graph_batch(sample)
    distance = data.edge_vector.norm(dim=-1)
    sums = torch.stack([distance - 1.2, torch.exp(-distance), torch.cos(3 * distance)], 1)
    data.descriptors = sums.new_zeros(data.num_nodes, 3).index_add(0, data.edge_index[1], sums)
    return data


@pytest.mark.parametrize("dimension", [2, 3])
def test_contract(dimension):
    network = GlassMLP(2, 3)
    check_network(network, lambda x: {"node": network(x)[0]}, dimension, cubic=True, make=described)


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


def loss(predicted, target, data, over=None):
    return float(heterogeneity_loss(predicted, target, data.species, data.batch, data.edge_index, over))


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


def standard(field, data):
    """With mean 0 and variance 1 over each species of each configuration."""
    found = field.clone()
    for c in (0, 1):
        for s in (0, 1):
            of = (data.batch == c) & (data.species == s)
            found[of] = (field[of] - field[of].mean(0)) / field[of].std(0, unbiased=False)
    return found


@pytest.mark.parametrize("shift", [0.1, -0.7])
def test_predictions_that_are_all_too_large(shift):
    data = batch()
    y = 3 * standard(torch.randn(40, 2, generator=torch.Generator().manual_seed(3)), data)
    assert loss(y + 3 * shift, y, data) == pytest.approx(shift**2, rel=1e-4)


@pytest.mark.parametrize("scale", [0.3, 0.9, 1.2])
def test_predictions_that_vary_too_little_or_too_much(scale):
    data = batch()
    data.edge_index = data.edge_index[:, :0]
    y = standard(torch.randn(40, 2, generator=torch.Generator().manual_seed(3)), data)
    assert loss(1 + scale * (y - 1), y + 1 - scale, data) == pytest.approx((scale - 1) ** 2, rel=1e-4)


def test_predictions_in_another_order_have_another_correlation_alone():
    """Neighbours are pairs of equal targets; predictions have 1 and -1 in each pair."""
    data = SimpleNamespace(species=torch.zeros(8, dtype=torch.long), batch=torch.zeros(8, dtype=torch.long))
    data.edge_index = torch.tensor([[0, 1, 2, 3, 4, 5, 6, 7], [1, 0, 3, 2, 5, 4, 7, 6]])
    target = torch.tensor([1.0, 1, -1, -1, 1, 1, -1, -1])[:, None]
    predicted = torch.tensor([1.0, -1, 1, -1, 1, -1, 1, -1])[:, None]
    assert loss(predicted, target, data) == pytest.approx(4)
    half = torch.tensor([1.0, 1, -1, -1, 1, -1, 1, -1])[:, None]
    assert loss(half, target, data) == pytest.approx(1)


def test_over_one_species():
    data, generator = batch(), torch.Generator().manual_seed(4)
    x, y = torch.randn(40, 2, generator=generator), torch.randn(40, 2, generator=generator)
    parts = [loss(x, y, data, [s]) for s in (0, 1)]
    assert parts[0] != pytest.approx(parts[1], rel=0.01)
    assert loss(x, y, data) == pytest.approx(sum(parts) / 2)
    x[1::2] += 1
    assert loss(x, y, data, [0]) == pytest.approx(parts[0])


def test_gradients_are_finite_where_predictions_do_not_vary():
    data, x = batch(), torch.zeros(40, 1, requires_grad=True)
    target = torch.randn(40, 1, generator=torch.Generator().manual_seed(1))
    heterogeneity_loss(x, target, data.species, data.batch, data.edge_index).backward()
    assert torch.isfinite(x.grad).all()


def test_without_like_pairs_and_with_a_single_particle_of_a_species():
    """The single one has no variance to measure in: of A, 1 from the mean and 1 from the deviation."""
    data = SimpleNamespace(species=torch.tensor([0, 0, 1]), batch=torch.zeros(3, dtype=torch.long))
    data.edge_index = torch.tensor([[0], [2]])
    target = torch.tensor([[0.0], [1.0], [2.0]])
    assert loss(torch.ones(3, 1), target, data) == pytest.approx(2, rel=1e-4)
    assert loss(torch.ones(3, 1), torch.zeros(3, 1), data) == 0
