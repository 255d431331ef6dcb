"""Conditioners and the velocity network keep the contract; broken ones do not."""

import pytest
import torch

from gensample.nn.conditioner import BotanConditioner, EquivariantConditioner
from gensample.nn.equivariant import bond_vectors, radial_basis, smooth_cutoff
from gensample.nn.velocity import Setting, VelocityNetwork
from gensample.testing import ContractError, check_network, graph_batch, random_sample

DIMENSIONS = (2, 3)


def conditioned(network):
    def call(batch):
        out = network(batch)
        return {
            "node_propensity": out.propensity,
            "node_spread": out.spread,
            "edge_elongation": out.elongation,
        }

    return call


def velocity_of(network, conditioner=None):
    def call(batch):
        condition = None if conditioner is None else conditioner(batch)
        out = {} if condition is None else {"node_propensity": condition.propensity}
        out |= (
            {} if condition is None else {"node_spread": condition.spread, "edge_long": condition.elongation}
        )
        fields = batch.displacement.shape[1]
        like = batch.displacement
        setting = Setting(
            batch.lag_time[batch.field_lag],
            batch.field_lag,
            batch.temperature,
            (0.2 + 0.1 * batch.species).to(like).unsqueeze(1).expand(-1, fields),
            condition,
        )
        s = torch.linspace(0.2, 0.7, fields).to(like).expand(batch.num_graphs, fields)
        return out | {"vector_velocity": network(like, s, batch, setting)}

    return call


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_equivariant_conditioner_keeps_the_contract(dimension):
    network = EquivariantConditioner(3, 2, width=8, vectors=4, layers=2, cutoff=1.6)
    check_network(network, conditioned(network), dimension, cubic=True, rotation=True)


def test_botan_conditioner_keeps_the_contract():
    network = BotanConditioner(2, 3, width=8, steps=2)
    check_network(network, conditioned(network), 2)


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_velocity_network_keeps_the_contract(dimension):
    network = VelocityNetwork(2, width=8, vectors=4, layers=2, cutoff=1.6)
    check_network(network, velocity_of(network), dimension, cubic=True, rotation=True)


def test_velocity_network_with_a_conditioner_keeps_the_contract():
    conditioner = EquivariantConditioner(2, 2, width=8, vectors=4, layers=1, cutoff=1.6)
    network = VelocityNetwork(2, 8, 4, 0, width=8, vectors=4, layers=1, cutoff=1.6)
    both = torch.nn.ModuleList([network, conditioner])
    check_network(both, velocity_of(network, conditioner), 2, cubic=True, rotation=True)


class PrefersAnAxis(VelocityNetwork):
    def forward(self, x, s, data, setting):
        return super().forward(x, s, data, setting) * torch.arange(1, x.shape[-1] + 1).to(x)


def test_a_network_that_prefers_an_axis_is_caught():
    network = PrefersAnAxis(2, width=8, vectors=4, layers=1, cutoff=1.6)
    with pytest.raises(ContractError):
        check_network(network, velocity_of(network), 2, cubic=True, rotation=True)


def test_fields_of_one_call_do_not_mix():
    network = VelocityNetwork(2, width=8, vectors=4, layers=2, cutoff=1.6).double()
    torch.nn.init.normal_(network.gate[-1].weight, generator=torch.Generator().manual_seed(0))
    batch = graph_batch(random_sample(2, torch.Generator().manual_seed(1)))
    both = velocity_of(network)(batch)["vector_velocity"]
    batch.displacement = torch.stack(
        [batch.displacement[:, 0], torch.zeros_like(batch.displacement[:, 0])], 1
    )
    one = velocity_of(network)(batch)["vector_velocity"]
    torch.testing.assert_close(one[:, 0], both[:, 0])
    assert not torch.allclose(one[:, 1], both[:, 1])


def test_an_untrained_network_adds_nothing():
    network = VelocityNetwork(2, width=8, vectors=4, layers=1, cutoff=1.6)
    batch = graph_batch(random_sample(2, torch.Generator().manual_seed(1)).to(torch.float32))
    assert velocity_of(network)(batch)["vector_velocity"].abs().max() == 0


def test_thermal_and_inherent_bonds_are_the_same_from_either_graph():
    sample = random_sample(2, torch.Generator().manual_seed(2))
    batch = graph_batch(sample, cutoff=1.6)
    thermal, inherent = bond_vectors(batch, "thermal")
    batch.edge_vector = inherent
    again, same = bond_vectors(batch, "inherent")
    torch.testing.assert_close(again, thermal)
    torch.testing.assert_close(same, inherent)


def test_bonds_enter_smoothly():
    r = torch.tensor([0.0, 1.5999, 1.6, 2.0], dtype=torch.float64)
    weight = smooth_cutoff(r, 1.6)
    assert weight[0] == 1
    assert 0 < weight[1] < 1e-9
    assert weight[2] == weight[3] == 0


def test_radial_basis_peaks_at_its_centres():
    centres = torch.linspace(0.7, 2.0, 5)
    basis = radial_basis(centres, 0.7, 2.0, 5)
    assert basis.shape == (5, 5)
    assert torch.equal(basis.argmax(-1), torch.arange(5))
    torch.testing.assert_close(basis.diagonal(), torch.ones(5))
