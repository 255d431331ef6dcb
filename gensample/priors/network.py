"""The elastic network of a configuration, and polynomials of it.

L acts on displacement fields: (L u)_i = sum over bonds W_ij (u_i - u_j) with
W_ij = w(r_ij) [r_hat r_hat' + c (1 - r_hat r_hat')], w = (1 - (r / cutoff)^2)^2. It is symmetric, positive
semi-definite and rotates with the configuration; its zero modes are the translations. Polynomials of L
are sums of Chebyshev polynomials, evaluated by their three-term recursion in sparse products, so that
nothing of size (N d)^2 is ever formed (Weisse et al., Rev. Mod. Phys. 78, 275 (2006)).
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from gensample.structure.chebyshev import chebyshev_terms
from gensample.structure.spectral import sparse_matrix


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


def spectral_bound(
    edge_index: Tensor, edge_vector: Tensor, n: int, cutoff: float, transverse: Tensor
) -> Tensor:
    """Upper bound of the spectrum of L at each particle, (n,); the largest of a configuration is its bound.

    (a - b)' W (a - b) <= 2 a'Wa + 2 b'Wb, hence L <= 2 max_i of the largest eigenvalue of sum_j W_ij.
    """
    diagonal = _diagonal(edge_index, _blocks(edge_vector, cutoff, transverse), n)
    return 2 * torch.linalg.eigvalsh(diagonal)[:, -1]


def elastic_network(
    edge_index: Tensor,
    edge_vector: Tensor,
    num_graphs: int,
    n: int,
    *,
    cutoff: float,
    transverse: Tensor,
    bound: Tensor,
) -> ElasticNetwork:
    """Network of B configurations of n / B particles each, from every ordered pair within ``cutoff``.

    ``transverse`` is c, ``bound`` the eigenvalue that maps to 1, both scalars.
    """
    blocks = _blocks(edge_vector, cutoff, transverse)
    diagonal = _diagonal(edge_index, blocks, n)
    top = 2 * torch.linalg.eigvalsh(diagonal)[:, -1].reshape(num_graphs, -1).amax(1)
    factor = (2 / torch.maximum(top, bound)).repeat_interleave(n // num_graphs)
    identity = torch.eye(edge_vector.shape[1]).to(blocks)
    nodes = torch.arange(n, device=edge_index.device)
    rows, columns = torch.cat([edge_index[0], nodes]), torch.cat([edge_index[1], nodes])
    values = torch.cat([-blocks, diagonal]) * factor[rows, None, None]
    values[-n:] -= identity
    return ElasticNetwork(_block_csr(rows, columns, values, n), num_graphs, edge_vector.shape[1])


def _blocks(edge_vector: Tensor, cutoff: float, transverse: Tensor) -> Tensor:
    """W_ij of every edge, (E, d, d)."""
    r = edge_vector.norm(dim=-1, keepdim=True)
    unit = edge_vector / r
    weight = (1 - (r / cutoff) ** 2).clamp(min=0).square().unsqueeze(-1)
    identity = torch.eye(edge_vector.shape[1]).to(unit)
    return weight * ((1 - transverse) * unit.unsqueeze(2) * unit.unsqueeze(1) + transverse * identity)


def _diagonal(edge_index: Tensor, blocks: Tensor, n: int) -> Tensor:
    return blocks.new_zeros(n, *blocks.shape[1:]).index_add(0, edge_index[0], blocks)


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
