"""Spatially correlated prior: white noise filtered by the elastic network of the initial configuration.

x = Pi S P z, with P = p_lag(L) a polynomial of the network and S a diagonal of scales. Long-wavelength modes
of a glass are soft and fluctuate most, above all in two dimensions; a filter that falls with the eigenvalue
gives them their amplitude and the displacement field its correlations. The polynomial is the definition of
the prior.

L acts on displacement fields: (L u)_i = sum over bonds W_ij (u_i - u_j) with
W_ij = w(r_ij) [r_hat r_hat' + c (1 - r_hat r_hat')], w = (1 - (r / cutoff)^2)^2. It is symmetric, positive
semi-definite and rotates with the configuration; its zero modes are the translations. Polynomials of L
are sums of Chebyshev polynomials, evaluated by their three-term recursion in sparse products, so that
nothing of size (N d)^2 is ever formed (Weisse et al., Rev. Mod. Phys. 78, 275 (2006)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from gensample.errors import ConfigError
from gensample.priors.base import FieldContext, Observed, Prior, mean_distance_factor, remove_drift
from gensample.ranges import check_choice
from gensample.structure.chebyshev import chebyshev_terms
from gensample.structure.spectral import sparse_matrix

SCALES = {"species": "", "particle": "propensity", "mobility": "mobility"}
"""What the scale of a particle comes from, and what a context must hold for it."""


class ElasticPrior(Prior):
    """Correlated prior; ``fit`` (`priors.spectrum`) or a checkpoint fills its buffers.

    Buffers: ``table`` (S, K), root mean square per species and lag (factor of the scale that the predicted
    propensity gives for ``scales="particle"``, and of the one that the field's own mobility gives for
    ``"mobility"``); ``correction`` (S, K), what makes the realised scale equal to that;
    ``coefficients`` (degree + 1, K), Chebyshev coefficients of the filters; ``transverse`` is
    c, ``bound`` the eigenvalue that maps to 1. ``cutoff`` must not exceed that of the graph.
    """

    table: Tensor
    correction: Tensor
    coefficients: Tensor
    transverse: Tensor
    bound: Tensor

    def __init__(
        self,
        num_species: int,
        num_lags: int,
        *,
        cutoff: float = 1.5,
        degree: int = 48,
        scales: str = "species",
        floor: float = 1e-2,
    ) -> None:
        super().__init__()
        check_choice("the scales of an elastic prior", scales, SCALES)
        self.cutoff, self.scales, self.floor = cutoff, scales, floor
        self.needs = SCALES[scales]
        white = torch.zeros(degree + 1, num_lags)
        white[0] = 1.0
        self.register_buffer("table", torch.ones(num_species, num_lags))
        self.register_buffer("correction", torch.ones(num_species, num_lags))
        self.register_buffer("coefficients", white)
        self.register_buffer("transverse", torch.tensor(0.3))
        self.register_buffer("bound", torch.tensor(1.0))

    def fit(self, samples: Sequence[Observed], rms: Tensor) -> None:
        """See `priors.spectrum`."""
        from gensample.priors.spectrum import fit_elastic_prior

        fit_elastic_prior(self, samples)

    def scale(self, context: FieldContext) -> Tensor:
        """Standard deviation of one component, on average over particles of a species, (n, F)."""
        table = self.table[context.species.unsqueeze(1), context.node_lag]
        if self.scales == "species":
            return table
        if self.scales == "mobility":
            if context.mobility is None:
                raise ConfigError("scales='mobility' needs the mobility of each field")
            return table * (0.5 * context.mobility).exp().clamp(min=self.floor)
        if context.propensity is None:
            raise ConfigError("scales='particle' needs a conditioner that predicts the propensity")
        mu = context.propensity.gather(1, context.node_lag)
        return table * (mu / mean_distance_factor(context.dimension)).clamp(min=self.floor)

    def colour(self, context: FieldContext, white: Tensor) -> Tensor:
        """Filtered noise times scale, less its drift."""
        coefficients = self.coefficients.to(white)[:, context.field_lag]
        filtered = self.network(context).polynomial(coefficients, white)
        return remove_drift(self._amplitude(context).unsqueeze(-1) * filtered, context.num_graphs)

    def network(self, context: FieldContext) -> ElasticNetwork:
        """Elastic network of the context's configurations."""
        return elastic_network(context, self.cutoff, self.transverse, self.bound)

    def _amplitude(self, context: FieldContext) -> Tensor:
        correction = self.correction[context.species.unsqueeze(1), context.node_lag]
        return self.scale(context) * correction


@dataclass(frozen=True)
class ElasticNetwork:
    """L of B configurations as one sparse matrix (n d, n d), shifted and scaled to spectrum in [-1, 1].

    ``matrix`` is 2 L / bound - 1, with every L made smaller by its own factor where its largest possible
    eigenvalue exceeds ``bound``.
    """

    matrix: Tensor
    num_graphs: int
    dimension: int

    def pack(self, x: Tensor) -> Tensor:
        """Fields (n, F, d) as columns (n d, F)."""
        return x.transpose(1, 2).reshape(-1, x.shape[1])

    def unpack(self, columns: Tensor) -> Tensor:
        """Columns (n d, F) as fields (n, F, d)."""
        return columns.reshape(-1, self.dimension, columns.shape[1]).transpose(1, 2)

    def polynomial(self, coefficients: Tensor, x: Tensor) -> Tensor:
        """sum_k c_k T_k(matrix) x for fields x (n, F, d); coefficients (degree + 1, B, F)."""
        columns = self.pack(x)
        total = columns.new_zeros(self.num_graphs, columns.shape[0] // self.num_graphs, x.shape[1])
        terms = chebyshev_terms(self._product, columns, coefficients.shape[0] - 1)
        for weight, term in zip(coefficients, terms, strict=True):
            total.addcmul_(weight.unsqueeze(1), term.reshape(total.shape))
        return self.unpack(total.reshape(columns.shape))

    def moments(self, x: Tensor, degree: int) -> Tensor:
        """x' T_k(matrix) x of every field for k = 0..degree (even), (degree + 1, B, F) float64.

        Half as many products as moments, by 2 T_j T_k = T_(j+k) + T_|j-k|.
        """
        out: list[Tensor] = []
        for low, high in pairwise(chebyshev_terms(self._product, self.pack(x), degree // 2)):
            first = out[0] if out else self._dots(low, low)
            cross, square = self._dots(low, high), self._dots(high, high)
            out += [2 * cross - out[1], 2 * square - first] if out else [first, cross, 2 * square - first]
        return torch.stack(out)

    def _product(self, columns: Tensor) -> Tensor:
        return self.matrix @ columns

    def _dots(self, a: Tensor, b: Tensor) -> Tensor:
        return (a * b).double().reshape(self.num_graphs, -1, a.shape[1]).sum(1)


def spectral_bound(context: FieldContext, cutoff: float, transverse: Tensor) -> Tensor:
    """Upper bound of the spectrum of L at each particle, (n,); the largest of a configuration is its bound.

    (a - b)' W (a - b) <= 2 a'Wa + 2 b'Wb, hence L <= 2 max_i of the largest eigenvalue of sum_j W_ij.
    """
    blocks = _blocks(context.edge_vector, cutoff, transverse)
    return 2 * torch.linalg.eigvalsh(_diagonal(context, blocks))[:, -1]


def elastic_network(
    context: FieldContext, cutoff: float, transverse: Tensor, bound: Tensor
) -> ElasticNetwork:
    """Network of B configurations of n / B particles each, from every ordered pair within ``cutoff``.

    ``transverse`` is c, ``bound`` the eigenvalue that maps to 1, both scalars.
    """
    vector, n = context.edge_vector, context.species.shape[0]
    blocks = _blocks(vector, cutoff, transverse.to(vector))
    diagonal = _diagonal(context, blocks)
    top = 2 * torch.linalg.eigvalsh(diagonal)[:, -1].reshape(context.num_graphs, -1).amax(1)
    factor = (2 / torch.maximum(top, bound.to(vector))).repeat_interleave(n // context.num_graphs)
    nodes = torch.arange(n, device=vector.device)
    rows, columns = (torch.cat([end, nodes]) for end in context.edge_index)
    values = torch.cat([-blocks, diagonal]) * factor[rows, None, None]
    values[-n:] -= torch.eye(context.dimension).to(blocks)
    return ElasticNetwork(_block_csr(rows, columns, values, n), context.num_graphs, context.dimension)


def _blocks(edge_vector: Tensor, cutoff: float, transverse: Tensor) -> Tensor:
    """W_ij of every edge, (E, d, d)."""
    r = edge_vector.norm(dim=-1, keepdim=True)
    unit = edge_vector / r
    weight = (1 - (r / cutoff) ** 2).clamp(min=0).square().unsqueeze(-1)
    identity = torch.eye(edge_vector.shape[1]).to(unit)
    return weight * ((1 - transverse) * unit.unsqueeze(2) * unit.unsqueeze(1) + transverse * identity)


def _diagonal(context: FieldContext, blocks: Tensor) -> Tensor:
    zero = blocks.new_zeros(len(context.species), *blocks.shape[1:])
    return zero.index_add(0, context.edge_index[0], blocks)


def _block_csr(rows: Tensor, columns: Tensor, blocks: Tensor, n: int) -> Tensor:
    """Sparse CSR matrix (n d, n d) of (d, d) blocks, built without sorting its (many) entries."""
    d = blocks.shape[1]
    order = torch.argsort(rows, stable=True)
    rows, columns, blocks = rows[order], columns[order], blocks[order]
    count = torch.bincount(rows, minlength=n)
    start = torch.cumsum(count, 0) - count
    axis = torch.arange(d, device=rows.device)
    # Row (i, a) follows rows (i, 0..a-1) of the same length, which follow all rows of particles before i.
    place = start[rows] * d * d + (torch.arange(len(rows), device=rows.device) - start[rows]) * d
    place = place[:, None, None] + (count[rows] * d)[:, None, None] * axis[:, None] + axis
    entry = (columns[:, None, None] * d + axis).expand(-1, d, -1)
    index, values = torch.empty_like(place).flatten(), torch.empty_like(blocks).flatten()
    index[place.flatten()], values[place.flatten()] = entry.flatten(), blocks.flatten()
    pointer = torch.cat([count.new_zeros(1), torch.cumsum((count * d).repeat_interleave(d), 0)])
    return sparse_matrix(pointer, index, values)
