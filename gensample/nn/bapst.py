"""The graph network of Bapst et al. that predicts propensities.

Bapst, Keck, Grabska-Barwinska, Donner, Cubuk, Schoenholz, Obika, Nelson, Back, Hassabis and Kohli, Nature
Physics 16, 448 (2020).
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gensample.errors import ConfigError
from gensample.nn.blocks import MLP, linear_of, sum_per_node
from gensample.ranges import DEPTH, WIDTH, check_table, whole

# Our module -> the name of the same layers in the published checkpoint ("/" as "|").
PUBLISHED_NAMES = {
    "node_encoder": "Graph|graph_independent|node_model|mlp",
    "edge_encoder": "Graph|graph_independent|edge_model|mlp",
    "edge_mlp": "Graph|graph_network|edge_block|mlp",
    "node_mlp": "Graph|graph_network|node_block|mlp",
    "decoder": "Graph|graph_independent_1|node_model|mlp",
}
# The checkpoint has a decoder for edges too, whose output nothing reads.
UNUSED = "Graph|graph_independent_1|edge_model|mlp"

LIMITS = {"dimension": whole(2, 3), "outputs": WIDTH, "width": WIDTH, "steps": DEPTH}


class Bapst(nn.Module):
    """Predicts each particle's propensity, one output per lag time; bonds are not predicted.

    Nodes start from the species as a number, edges from x_j - x_i, and every particle has an edge to itself.
    ``steps`` rounds of message passing share their weights and read the encoded inputs beside the latents:
    e <- MLP([e, e0, x_dst, x0_dst, x_src, x0_src]), x <- MLP([sum of incoming e, x, x0]). Invariant under
    translations, not under rotations.

    The first layers are evaluated in parts as in :class:`gensample.nn.botan.Botan`; ``factorised=False`` is
    the plain form of the same function, kept as the reference.

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
        self.edge_mlp = MLP([6 * width, width, width], activate_last=True)
        self.node_mlp = MLP([3 * width, width, width], activate_last=True)
        self.decoder = MLP([width, width, width, outputs])

    def forward(self, data: Any) -> tuple[Tensor, Tensor]:
        """Propensity (n, K) for the species and the graph of a batch, and no bonds: (E, 0)."""
        vectors = data.edge_vector
        itself = torch.arange(len(data.species), device=vectors.device)
        source, destination = (torch.cat([index, itself]) for index in data.edge_index)
        vectors = torch.cat([vectors, vectors.new_zeros(len(itself), vectors.shape[1])])
        x0 = self.node_encoder(data.species.to(vectors.dtype).unsqueeze(-1))
        e0 = self.edge_encoder(vectors)
        propagate = self._factorised if self.factorised else self._plain
        nodes: Tensor = self.decoder(propagate(x0, e0, source, destination))
        return nodes, nodes.new_zeros(len(data.edge_vector), 0)

    def _plain(self, x0: Tensor, e0: Tensor, source: Tensor, destination: Tensor) -> Tensor:
        x, e = x0, e0
        for _ in range(self.steps):
            both = torch.cat([x, x0], dim=-1)
            e = self.edge_mlp(torch.cat([e, e0, both[destination], both[source]], dim=-1))
            x = self.node_mlp(torch.cat([sum_per_node(e, destination, len(x)), both], dim=-1))
        return x

    def _factorised(self, x0: Tensor, e0: Tensor, source: Tensor, destination: Tensor) -> Tensor:
        edge_first, edge_second = linear_of(self.edge_mlp, 0), linear_of(self.edge_mlp, 2)
        node_first, node_second = linear_of(self.node_mlp, 0), linear_of(self.node_mlp, 2)
        from_e, from_e0, from_x_in, from_x0_in, from_x_out, from_x0_out = edge_first.weight.t().chunk(6)
        from_sum, from_x, from_x0 = node_first.weight.t().chunk(3)
        e_constant = torch.addmm(edge_first.bias, e0, from_e0)
        in_constant, out_constant = x0 @ from_x0_in, x0 @ from_x0_out
        x_constant = torch.addmm(node_first.bias, x0, from_x0)
        x, e = x0, e0
        for _ in range(self.steps):
            hidden = torch.addmm(e_constant, e, from_e)
            # In place: a fresh (E, width) tensor costs more on the CPU than the arithmetic it holds.
            hidden += torch.addmm(in_constant, x, from_x_in).index_select(0, destination)
            hidden += torch.addmm(out_constant, x, from_x_out).index_select(0, source)
            e = edge_second(hidden.relu_()).relu_()
            hidden = torch.addmm(x_constant, x, from_x)
            hidden = torch.addmm(hidden, sum_per_node(e, destination, len(x)), from_sum)
            x = node_second(hidden.relu_()).relu_()
        return x


def from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """State of :class:`Bapst` (three dimensions, one output) from the variables of a published checkpoint.

    Raises:
        ConfigError: when a variable is absent or a foreign one is present.
    """
    expected = {}
    for ours, theirs in PUBLISHED_NAMES.items():
        for layer in range(3 if ours == "decoder" else 2):
            expected[f"{theirs}|linear_{layer}|w"] = f"{ours}.{2 * layer}.weight"
            expected[f"{theirs}|linear_{layer}|b"] = f"{ours}.{2 * layer}.bias"
    given = {name for name in state if not name.startswith(UNUSED)}
    if wrong := sorted(set(expected) ^ given):
        raise ConfigError(f"not the weights of Bapst et al.: unexpected or absent entries {', '.join(wrong)}")
    # Theirs multiply from the right.
    return {ours: state[name].t().contiguous() for name, ours in expected.items()}
