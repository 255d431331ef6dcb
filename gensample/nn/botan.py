"""BOTAN, the graph network that predicts propensities.

Shiba, Hanai, Suzumura and Shimokawabe, J. Chem. Phys. 158, 084503 (2023).
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gensample.errors import ConfigError
from gensample.nn.blocks import MLP, linear_of, sum_per_node
from gensample.ranges import DEPTH, WIDTH, check_table, whole

# Our module -> the name of the same layer in the official .pth files.
OFFICIAL_NAMES = {
    "node_encoder.0": "node_encoder.fc1",
    "node_encoder.2": "node_encoder.fc2",
    "edge_encoder.0": "edge_encoder.fc1",
    "edge_encoder.2": "edge_encoder.fc2",
    "edge_mlp.0": "network.edge_model.mlp.fc1",
    "edge_mlp.2": "network.edge_model.mlp.fc2",
    "node_mlp.0": "network.node_model.mlp.fc1",
    "node_mlp.2": "network.node_model.mlp.fc2",
    "decoder.0": "decoder.fc1",
    "decoder.2": "decoder.fc2",
    "decoder.4": "decoder.fc3",
}

LIMITS = {"dimension": whole(2, 3), "outputs": WIDTH, "width": WIDTH, "steps": DEPTH}


class Botan(nn.Module):
    """Predicts each particle's propensity and each bond's mean elongation, one output per lag time.

    Nodes start from the species as a number, edges from x_j - x_i (so the network is invariant to
    translation, not to rotation). ``steps`` rounds of message passing share their weights:
    e <- MLP([x_src, x_dst, e, e_encoded]), x <- MLP([x, x_encoded, sum of incoming e]). One decoder serves
    nodes and edges. With one output and three dimensions it has 54,209 parameters.

    The first layer of each round is evaluated in parts, W [x_src, x_dst, e, e0] = A x_src + B x_dst + C e
    + D e0: A and B act once per node instead of once per edge, and D e0 is computed once for all rounds.
    ``factorised=False`` is the plain form of the same function, kept as the reference.

    Args:
        dimension: d, 2 or 3.
        outputs: K, number of lag times.
        width: width of every hidden layer.
        steps: rounds of message passing.
        factorised: evaluate the first layers in parts.
    """

    def __init__(
        self,
        dimension: int = 3,
        outputs: int = 1,
        width: int = 64,
        steps: int = 7,
        factorised: bool = True,
    ) -> None:
        super().__init__()
        self.dimension, self.outputs, self.width = dimension, outputs, width
        self.steps, self.factorised = steps, factorised
        check_table(self, LIMITS, "model.network.")
        self.node_encoder = MLP([1, width, width], activate_last=True)
        self.edge_encoder = MLP([dimension, width, width], activate_last=True)
        self.edge_mlp = MLP([4 * width, width, width], activate_last=True)
        self.node_mlp = MLP([3 * width, width, width], activate_last=True)
        self.decoder = MLP([width, width, width, outputs])

    def forward(self, data: Any) -> tuple[Tensor, Tensor]:
        """Propensity (n, K) and bond elongation (E, K) for the species and the graph of a batch."""
        nodes, edges = self.latents(data)
        return self.decoder(nodes), self.decoder(edges)

    def latents(self, data: Any) -> tuple[Tensor, Tensor]:
        """Final latents of nodes (n, width) and edges (E, width), before the decoder."""
        nodes = self.node_encoder(data.species.to(data.edge_vector.dtype).unsqueeze(-1))
        edges = self.edge_encoder(data.edge_vector)
        source, destination = data.edge_index[0], data.edge_index[1]
        propagate = self._factorised if self.factorised else self._plain
        return propagate(nodes, edges, source, destination)

    def _plain(self, x0: Tensor, e0: Tensor, source: Tensor, destination: Tensor) -> tuple[Tensor, Tensor]:
        x, e = x0, e0
        for _ in range(self.steps):
            e = self.edge_mlp(torch.cat([x[source], x[destination], e, e0], dim=-1))
            x = self.node_mlp(torch.cat([x, x0, sum_per_node(e, destination, len(x))], dim=-1))
        return x, e

    def _factorised(
        self, x0: Tensor, e0: Tensor, source: Tensor, destination: Tensor
    ) -> tuple[Tensor, Tensor]:
        edge_first, edge_second = linear_of(self.edge_mlp, 0), self.edge_mlp[2]
        node_first, node_second = linear_of(self.node_mlp, 0), self.node_mlp[2]
        from_source, from_destination, from_edge, from_e0 = edge_first.weight.t().chunk(4)
        from_node, from_x0, from_sum = node_first.weight.t().chunk(3)
        e_constant = torch.addmm(edge_first.bias, e0, from_e0)
        x_constant = torch.addmm(node_first.bias, x0, from_x0)
        x, e = x0, e0
        for _ in range(self.steps):
            hidden = torch.addmm(e_constant, e, from_edge)
            # In place: a fresh (E, width) tensor costs more on the CPU than the arithmetic it holds.
            hidden += (x @ from_source).index_select(0, source)
            hidden += (x @ from_destination).index_select(0, destination)
            e = edge_second(hidden.relu_()).relu_()
            hidden = torch.addmm(x_constant, x, from_node)
            hidden = torch.addmm(hidden, sum_per_node(e, destination, len(x)), from_sum)
            x = node_second(hidden.relu_()).relu_()
        return x, e


def from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """State of :class:`Botan` (three dimensions, one output) from the state of an official ``.pth`` file.

    Raises:
        ConfigError: when a layer of the official network is absent or a foreign one is present.
    """
    expected = {
        f"{theirs}.{part}": f"{ours}.{part}"
        for ours, theirs in OFFICIAL_NAMES.items()
        for part in ("weight", "bias")
    }
    if wrong := sorted(set(expected) ^ set(state)):
        raise ConfigError(
            f"not the weights of the official BOTAN: unexpected or absent entries {', '.join(wrong)}"
        )
    return {expected[name]: value for name, value in state.items()}
