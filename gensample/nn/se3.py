"""A rotation-equivariant predictor of propensities in the manner of SE3.

Pezzicoli, Charpiat and Landes, SciPost Phys. 16, 136 (2024): equivariant convolutions on the graph of the
inherent structure with learned functions of the bond lengths, one output for each lag time. Theirs carry
angular momenta up to l = 3; these are our scalar-vector layers, l <= 1.
"""

from typing import Any

from torch import Tensor, nn

from gensample.errors import ConfigError
from gensample.nn.blocks import MLP, check_descriptors
from gensample.nn.equivariant import (
    Encoder,
    Interaction,
    descriptor_encoder,
    elongation,
    graph_bonds,
    radial_basis,
)
from gensample.ranges import DEPTH, NUMBER, POSITIVE, SPECIES, WIDTH, between, check_table

LIMITS = {
    **dict.fromkeys(("outputs", "width", "vectors", "radial"), WIDTH),
    **{"num_species": SPECIES, "layers": DEPTH, "descriptors": NUMBER, "cutoff": POSITIVE},
    "dropout": between(0, 1),
}


class EquivariantPredictor(Encoder):
    """Predicts each particle's propensity and each bond's mean elongation, one output per lag time.

    Invariant under translations, rotations and reflections. With ``read_cage`` (the equivariant-invariant
    variant) the vector from the thermal position to the centre of the cage enters as a vector, so that the
    network knows both structures. ``descriptors`` is the number of standardised descriptors that enter as
    scalars, such as the energy of the particle; zero for the bare graph.

    Args:
        outputs: K, number of lag times.
        num_species: number of species.
        width, vectors: scalars and vectors of a node.
        layers: rounds of message passing.
        cutoff: cut-off of the graph, as the data module's.
        radial: Gaussians of the bond length.
        read_cage: read the vectors to the cages' centres.
        descriptors: number of descriptors read.
        dropout: on the descriptors.
    """

    def __init__(
        self,
        outputs: int = 1,
        num_species: int = 2,
        width: int = 64,
        vectors: int = 16,
        layers: int = 4,
        cutoff: float = 2.0,
        radial: int = 16,
        read_cage: bool = False,
        descriptors: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.outputs, self.num_species, self.width, self.vectors = outputs, num_species, width, vectors
        self.cutoff, self.radial, self.read_cage = cutoff, radial, read_cage
        self.layers, self.descriptors, self.dropout = layers, descriptors, dropout
        check_table(self, LIMITS, "model.network.")
        self.species = nn.Embedding(num_species, width)
        self.cage = nn.Linear(1, width) if read_cage else None
        self.lift = nn.Linear(1, vectors, bias=False) if read_cage else None
        self.encode = descriptor_encoder(descriptors, width, dropout)
        self.rounds = nn.ModuleList(Interaction(width, vectors, radial, 0) for _ in range(layers))
        self.node_head = MLP([width, width, outputs], nn.SiLU)
        self.edge_head = MLP([2 * width + radial, width, outputs], nn.SiLU)

    def forward(self, data: Any) -> tuple[Tensor, Tensor]:
        """Propensity (n, K) and bond elongation (E, K).

        Raises:
            ConfigError: the graph reaches farther than the network, or serves other descriptors.
        """
        if self.descriptors:
            check_descriptors(data, self.descriptors)
        distance = data.edge_vector.norm(dim=-1)
        longest = float(distance.detach().max()) if len(distance) else 0.0
        if longest > self.cutoff + 1e-4:
            raise ConfigError(
                f"bonds of length {longest:.3f} reach beyond model.network.cutoff = {self.cutoff:g}; "
                "set it to data.cutoff"
            )
        bonds = graph_bonds(data, self.cutoff, radial_basis(distance, 0.7, self.cutoff, self.radial))
        scalars, _ = self.encoded(data, bonds, self.rounds)
        return self.node_head(scalars), elongation(scalars, bonds, self.edge_head)
