"""Spatially correlated prior: white noise filtered by the elastic network of the initial configuration.

x = Pi S P z, with P = p_lag(L) a polynomial of the network (``flow.network``) and S a diagonal of scales.
Long-wavelength modes of a glass are soft and fluctuate most, above all in two dimensions; a filter that
falls with the eigenvalue gives them their amplitude and the displacement field its correlations. The
polynomial is the definition of the prior: its density is that of the filter as realised.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gensample.errors import ConfigError
from gensample.flow.network import ElasticNetwork, elastic_network
from gensample.flow.prior import FieldContext, Prior, mean_distance_factor, remove_drift
from gensample.physics.chebyshev import chebyshev_basis, chebyshev_fit, chebyshev_nodes

SCALES = ("species", "particle", "mobility")


class ElasticPrior(Prior):
    """Correlated prior; ``flow.spectrum.fit_elastic_prior`` or a checkpoint fills its buffers.

    Buffers: ``table`` (S, K), root mean square per species and lag (factor of the scale that the predicted
    propensity gives for ``scales="particle"``, and of the one that the field's own mobility gives for
    ``"mobility"``); ``correction`` (S, K), what makes the realised scale equal to that;
    ``coefficients`` (degree + 1, K), Chebyshev coefficients of the filters; ``transverse`` and ``bound``,
    see ``flow.network``. ``cutoff`` must not exceed that of the graph. Densities are exact up to
    ``dense_limit`` degrees of freedom per configuration, estimated beyond (see ``log_prob``).
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
        dense_limit: int = 3000,
    ) -> None:
        super().__init__()
        if scales not in SCALES:
            raise ConfigError(f"unknown scales {scales!r} of the elastic prior; known: {', '.join(SCALES)}")
        self.cutoff, self.scales, self.floor, self.dense_limit = cutoff, scales, floor, dense_limit
        white = torch.zeros(degree + 1, num_lags)
        white[0] = 1.0
        self.register_buffer("table", torch.ones(num_species, num_lags))
        self.register_buffer("correction", torch.ones(num_species, num_lags))
        self.register_buffer("coefficients", white)
        self.register_buffer("transverse", torch.tensor(0.3))
        self.register_buffer("bound", torch.tensor(1.0))

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

    def log_prob(self, context: FieldContext, x: Tensor) -> Tensor:
        """Log density on the zero-mean space, (B, F), with the drift integrated out as for diagonal priors.

        With w = x / S and U the translations, D = S P^2 S: the quadratic form is w'gw - t'M^-1 t and the
        log determinant log det D + log det M, where g = P^-2, t = U'S^-1 g w, M = U'S^-1 g S^-1 U. Small
        systems: from the eigenvectors. Large ones: g is itself a Chebyshev polynomial, and log det P^2 is
        estimated by the kernel polynomial method with 16 fixed random vectors, the same for each call.
        ConfigError if the filter vanishes somewhere on the spectrum.
        """
        b, d = context.num_graphs, context.dimension
        size = x.shape[0] // b
        network = self.network(context)
        inverse_scale = (1 / self._amplitude(context).to(x)).unsqueeze(-1)
        shifts = torch.eye(d).to(x)[None, None] / math.sqrt(size) * inverse_scale.unsqueeze(-1)
        vectors = torch.cat([(x * inverse_scale).unsqueeze(-1), shifts.expand(*x.shape, d)], -1)
        if size * d <= self.dense_limit:
            product, log_det = self._dense(network, context.field_lag, vectors)
        else:
            product, log_det = self._stochastic(network, context.field_lag, vectors)
        gram = (vectors.unsqueeze(-1) * product.unsqueeze(-2)).double().sum(2)
        gram = gram.reshape(b, size, *gram.shape[1:]).sum(1)
        t, m = gram[..., 1:, :1], gram[..., 1:, 1:]
        quadratic = gram[..., 0, 0] - (t * torch.linalg.solve(m, t)).sum((-2, -1))
        log_scale = inverse_scale.double().log().reshape(b, size, -1).sum(1)
        log_det = log_det - 2 * d * log_scale + torch.logdet(m)
        return (-0.5 * (quadratic + log_det + (size - 1) * d * math.log(2 * math.pi))).to(x)

    def network(self, context: FieldContext) -> ElasticNetwork:
        """Elastic network of the context's configurations."""
        return elastic_network(
            context.edge_index,
            context.edge_vector,
            context.num_graphs,
            context.species.shape[0],
            cutoff=self.cutoff,
            transverse=self.transverse.to(context.edge_vector),
            bound=self.bound.to(context.edge_vector),
        )

    def _amplitude(self, context: FieldContext) -> Tensor:
        correction = self.correction[context.species.unsqueeze(1), context.node_lag]
        return self.scale(context) * correction

    def _filter(self, eigenvalues: Tensor) -> Tensor:
        """Filters p (M, K) at points (M,) of [-1, 1], float64; ConfigError if one is not positive there."""
        coefficients = self.coefficients.double()
        basis = chebyshev_basis(eigenvalues.double(), coefficients.shape[0] - 1)
        p = torch.tensordot(basis, coefficients, dims=([0], [0]))
        if not bool((p > 0).all()):
            raise ConfigError("the elastic prior's filter is not positive: fit it again with a higher degree")
        return p

    def _dense(self, network: ElasticNetwork, lag: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """g applied to vectors (n, F, d, m), and log det P^2 (B, F), from the eigenvectors."""
        b, (n, f, d, m) = network.num_graphs, vectors.shape
        columns = vectors.reshape(b, n // b, f, d, m).permute(0, 1, 3, 2, 4).reshape(b, -1, f, m).double()
        products, log_dets = [], []
        for c in range(b):
            values, modes = torch.linalg.eigh(network.dense(c))
            p = self._filter(values)[:, lag[c]]
            amplitudes = torch.tensordot(modes.T, columns[c], dims=1) / p.square().unsqueeze(-1)
            products.append(torch.tensordot(modes, amplitudes, dims=1))
            log_dets.append(2 * p.log().sum(0))
        product = torch.stack(products).reshape(b, n // b, d, f, m).permute(0, 1, 3, 2, 4)
        return product.reshape(vectors.shape).to(vectors), torch.stack(log_dets)

    def _stochastic(self, network: ElasticNetwork, lag: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """The same from polynomials: a longer series for g, random traces for the log det."""
        n, f, d, m = vectors.shape
        degree = 4 * self.coefficients.shape[0]
        p = self._filter(chebyshev_nodes(4 * degree).to(vectors.device))
        inverse, log = chebyshev_fit(p.pow(-2), degree), chebyshev_fit(2 * p.log(), degree)
        flat = vectors.permute(0, 3, 1, 2).reshape(n, m * f, d)
        product = network.polynomial(inverse.to(flat)[:, lag.repeat(1, m)], flat)
        probes = _signs((n, 16, d), vectors)
        trace = network.moments(probes, degree).mean(-1)
        log_det = torch.einsum("kb,kbf->bf", trace, log[:, lag])
        return product.reshape(n, m, f, d).permute(0, 2, 3, 1), log_det


def _signs(shape: Sequence[int], like: Tensor) -> Tensor:
    """Random signs from a fixed seed, so that estimates with them are functions."""
    generator = torch.Generator().manual_seed(0)
    return (2 * torch.randint(2, tuple(shape), generator=generator) - 1).to(like)
