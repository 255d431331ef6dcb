"""GlassMLP: a small network on coarse-grained descriptors, and a loss that knows of heterogeneity.

Jung, Biroli and Berthier, Phys. Rev. Lett. 130, 238202 (2023), arXiv 2210.16623.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gensample.nn.blocks import check_descriptors, sum_per_node
from gensample.ranges import COUNT, SPECIES, WIDTH, check_table

LIMITS = {
    **dict.fromkeys(("outputs", "bottleneck", "width"), WIDTH),
    **{"descriptors": COUNT, "num_species": SPECIES},
}


class GlassMLP(nn.Module):
    """Descriptors of a particle to its propensity at each lag: a bottleneck of 2, two layers of 10, ELU.

    One network for each species, on ``batch.descriptors``; bonds are not predicted.

    Args:
        outputs: K, number of lag times.
        descriptors: D, number of descriptors.
        num_species: number of species.
        bottleneck, width: units of the first and of the hidden layers.
    """

    def __init__(
        self, outputs: int, descriptors: int, num_species: int = 2, bottleneck: int = 2, width: int = 10
    ) -> None:
        super().__init__()
        self.outputs, self.descriptors, self.num_species = outputs, descriptors, num_species
        self.bottleneck, self.width = bottleneck, width
        check_table(self, LIMITS, "model.network.")
        self.networks = nn.ModuleList(
            nn.Sequential(
                nn.Linear(descriptors, bottleneck),
                nn.ELU(),
                nn.Linear(bottleneck, width),
                nn.ELU(),
                nn.Linear(width, width),
                nn.ELU(),
                nn.Linear(width, outputs),
            )
            for _ in range(num_species)
        )

    def forward(self, data: Any) -> tuple[Tensor, Tensor]:
        """Propensity (n, K), and no bonds: (E, 0). ConfigError for another number of descriptors."""
        check_descriptors(data, self.descriptors)
        of_each = torch.stack([network(data.descriptors) for network in self.networks])
        nodes = of_each[data.species, torch.arange(len(data.species), device=data.species.device)]
        return nodes, nodes.new_zeros(data.edge_index.shape[1], 0)


def heterogeneity_loss(
    predicted: Tensor,
    target: Tensor,
    species: Tensor,
    batch: Tensor,
    edge_index: Tensor,
    over: Sequence[int] | None = None,
) -> Tensor:
    """How much mean, variance and neighbour correlation of predictions differ from those of the targets.

    predicted, target: (n, K); species, batch: (n,); edge_index: (2, E) pairs of near particles; over: species
    that count, None for all. For each species in each configuration and each lag the squares of three
    differences, in units of the targets' variance v: of means, (m - m')^2 / v; of standard deviations,
    (s - s')^2 / v; of the mean product of deviations of like neighbours, ((c - c') / v)^2; averaged over
    those whose targets vary. A mean-square error alone predicts too narrow a distribution.

    That the loss has terms for these three quantities is from Jung et al. (2023); we could not read their
    formula, and the form of the terms, their equal weights and the range (that of the graph) are ours. The
    variance of targets holds the noise of a finite number of replicas, which no structure explains.
    """
    kinds = int(species.max()) + 1
    groups = batch * kinds + species
    count = int(groups.max()) + 1
    size = sum_per_node(torch.ones_like(predicted[:, :1]), groups, count)
    like = edge_index[:, groups[edge_index[0]] == groups[edge_index[1]]]
    of_pair = groups[like[0]]
    pairs = sum_per_node(torch.ones_like(predicted[:1, :1]).expand(len(of_pair), 1), of_pair, count)

    def moments(field: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean = sum_per_node(field, groups, count) / size.clamp(min=1)
        off = field - mean[groups]
        variance = sum_per_node(off.square(), groups, count) / size.clamp(min=1)
        products = sum_per_node(off[like[0]] * off[like[1]], of_pair, count) / pairs.clamp(min=1)
        return mean, variance, products

    mean, variance, product = moments(predicted)
    true_mean, true_variance, true_product = moments(target)
    unit = true_variance.clamp(min=1e-12)
    spread = ((variance + 1e-12).sqrt() - (true_variance + 1e-12).sqrt()).square() / unit
    terms = (mean - true_mean).square() / unit + spread + ((product - true_product) / unit).square()
    counted = true_variance > 1e-12  # targets that do not vary give no unit
    if over is not None:
        chosen = torch.isin(torch.arange(count) % kinds, torch.tensor(over)).to(counted.device)
        counted = counted & chosen[:, None]
    return torch.where(counted, terms, 0.0).sum() / counted.sum().clamp(min=1)
