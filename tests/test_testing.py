"""The checks themselves: a sound network passes, and each broken one is caught by the check meant for it."""

import pytest
import torch
from torch import nn

from gensample.nn.blocks import sum_per_node
from gensample.testing import ContractError, check_network


class Sound(nn.Module):
    """Rotation-equivariant: scalars from distances, vectors along bonds."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(3, 8), nn.Linear(8, 3)

    def messages(self, batch):
        distance = batch.edge_vector.norm(dim=-1, keepdim=True)
        i, j = batch.edge_index
        kinds = torch.stack([batch.species[i], batch.species[j]], 1).to(distance.dtype)
        return self.second(torch.tanh(self.first(torch.cat([distance, kinds], 1)))) * (1.6 - distance)

    def forward(self, batch):
        messages = self.messages(batch)
        nodes = sum_per_node(messages[:, :1], batch.edge_index[1], batch.num_nodes)
        vectors = sum_per_node(messages[:, 1:2] * batch.edge_vector, batch.edge_index[1], batch.num_nodes)
        return {"node": nodes, "edge": messages[:, 2:], "vector": vectors[:, None] + batch.displacement}


class ReadsPositions(Sound):
    def forward(self, batch):
        return super().forward(batch) | {"node": batch.pos[:, :1] + super().forward(batch)["node"]}


class ForgetsMinimumImage(Sound):
    def forward(self, batch):
        i, j = batch.edge_index
        apart = (batch.pos[j] - batch.pos[i]).norm(dim=1, keepdim=True)
        return super().forward(batch) | {"edge": super().forward(batch)["edge"] * apart}


class KnowsTheOrder(Sound):
    def forward(self, batch):
        outputs = super().forward(batch)
        rank = torch.arange(batch.num_nodes).remainder(batch.num_nodes // batch.num_graphs)
        return outputs | {"node": outputs["node"] * (1 + rank[:, None])}


class LooksAtTheBatch(Sound):
    def forward(self, batch):
        outputs = super().forward(batch)
        return outputs | {"node": outputs["node"] - outputs["node"].mean(0)}


class PrefersAnAxis(Sound):
    def forward(self, batch):
        outputs = super().forward(batch)
        weight = torch.ones_like(outputs["vector"])
        weight[..., 0] = 2
        return outputs | {"vector": outputs["vector"] * weight}


class KnowsTheCube(Sound):
    """Symmetric under the cubic group, not under rotations."""

    def forward(self, batch):
        return super().forward(batch) | {"vector": super().forward(batch)["vector"] ** 3}


class NotReflected(Sound):
    """In two dimensions, a vector turned by a right angle: keeps to rotations, breaks reflections."""

    def forward(self, batch):
        vector = super().forward(batch)["vector"]
        return super().forward(batch) | {"vector": torch.stack([-vector[..., 1], vector[..., 0]], -1)}


class Idle(Sound):
    def __init__(self):
        super().__init__()
        self.unused = nn.Linear(2, 2)


class SingleOnly(Sound):
    def messages(self, batch):
        return super().messages(batch).float()


class Constant(Sound):
    def forward(self, batch):
        return super().forward(batch) | {"node": torch.ones_like(super().forward(batch)["node"])}


class Misnamed(Sound):
    def forward(self, batch):
        return {"propensity": super().forward(batch)["node"]}


@pytest.mark.parametrize("dimension", [2, 3])
def test_a_sound_network_passes(dimension):
    network = Sound()
    check_network(network, network, dimension, cubic=True, rotation=True)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (ReadsPositions, "translation"),
        (ForgetsMinimumImage, "lattice vectors|translation"),
        (KnowsTheOrder, "order of the particles"),
        (LooksAtTheBatch, "other configurations"),
        (PrefersAnAxis, "axes turned"),
        (KnowsTheCube, "vectors turned"),
        (NotReflected, "axes turned"),
        (Idle, "'unused.weight' receives no gradient"),
        (SingleOnly, "float64"),
        (Constant, "the same for all"),
        (Misnamed, "must be called"),
    ],
)
def test_a_broken_network_is_caught(broken, words):
    network = broken()
    with pytest.raises(ContractError, match=words):
        check_network(network, network, 2, cubic=True, rotation=True)


def test_promises_not_made_are_not_checked():
    for network in (PrefersAnAxis(), KnowsTheCube()):
        check_network(network, network, 2)
    check_network(network := KnowsTheCube(), network, 3, cubic=True)


def test_the_network_is_left_in_single_precision():
    network = Sound()
    check_network(network, network, 2)
    assert network.first.weight.dtype == torch.float32
