"""The mobility network keeps the contract of an invariant network; a broken one does not."""

import pytest
import torch

from gensample.nn.conditioner import EquivariantConditioner
from gensample.nn.mobility import MobilityNetwork, MobilitySetting
from gensample.physics.mobility import averaging_matrix
from gensample.testing import ContractError, check_network, graph_batch, random_sample


def velocity_of(network, conditioner=None):
    def call(batch):
        y = batch.displacement.norm(dim=-1)
        setting = MobilitySetting(
            batch.lag_time[batch.field_lag],
            batch.temperature,
            0.1 * y,
            averaging_matrix(batch.edge_index, batch.edge_vector, batch.num_nodes),
            None if conditioner is None else conditioner(batch),
        )
        s = torch.linspace(0.2, 0.7, y.shape[1]).to(y).expand(batch.num_graphs, -1)
        return {"node_velocity": network(y, s, batch, setting)}

    return call


@pytest.mark.parametrize("dimension", [2, 3])
def test_contract(dimension):
    network = MobilityNetwork(2, width=8, layers=2, cutoff=1.6)
    check_network(network, velocity_of(network), dimension, cubic=True, rotation=True)


class Numbered(MobilityNetwork):
    def forward(self, y, s, data, setting):
        return super().forward(y, s, data, setting) + torch.arange(len(y)).to(y).unsqueeze(1)


def test_a_network_that_knows_the_numbers_of_particles_is_caught():
    network = Numbered(2, width=8, layers=1, cutoff=1.6)
    with pytest.raises(ContractError):
        check_network(network, velocity_of(network), 2, cubic=True, rotation=True)


def test_it_reads_the_conditioner():
    conditioner = EquivariantConditioner(2, 2, width=8, vectors=4, layers=1, cutoff=1.6)
    network = MobilityNetwork(2, 8, width=8, layers=1, cutoff=1.6)
    torch.nn.init.normal_(network.out[-1].weight, generator=torch.Generator().manual_seed(0))
    batch = graph_batch(random_sample(2, torch.Generator().manual_seed(1)).to(torch.float32))
    before = velocity_of(network, conditioner)(batch)["node_velocity"]
    torch.nn.init.zeros_(network.condition.weight)
    assert not torch.allclose(velocity_of(network, conditioner)(batch)["node_velocity"], before)


def test_an_untrained_network_adds_nothing():
    network = MobilityNetwork(2, width=8, layers=1, cutoff=1.6)
    batch = graph_batch(random_sample(2, torch.Generator().manual_seed(1)).to(torch.float32))
    assert velocity_of(network)(batch)["node_velocity"].abs().max() == 0
