"""Spatially correlated prior: white noise filtered by the elastic network of the initial configuration.

x = Pi S P z, with P = p_lag(L) a polynomial of the network (``flow.network``) and S a diagonal of scales.
Long-wavelength modes of a glass are soft and fluctuate most, above all in two dimensions; a filter that
falls with the eigenvalue gives them their amplitude and the displacement field its correlations. The
polynomial is the definition of the prior.
"""

import torch
from torch import Tensor

from gensample.errors import ConfigError
from gensample.priors.base import FieldContext, Prior, mean_distance_factor, remove_drift
from gensample.priors.network import ElasticNetwork, elastic_network

SCALES = ("species", "particle", "mobility")


class ElasticPrior(Prior):
    """Correlated prior; ``flow.spectrum.fit_elastic_prior`` or a checkpoint fills its buffers.

    Buffers: ``table`` (S, K), root mean square per species and lag (factor of the scale that the predicted
    propensity gives for ``scales="particle"``, and of the one that the field's own mobility gives for
    ``"mobility"``); ``correction`` (S, K), what makes the realised scale equal to that;
    ``coefficients`` (degree + 1, K), Chebyshev coefficients of the filters; ``transverse`` and ``bound``,
    see ``flow.network``. ``cutoff`` must not exceed that of the graph.
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
        if scales not in SCALES:
            raise ConfigError(f"unknown scales {scales!r} of the elastic prior; known: {', '.join(SCALES)}")
        self.cutoff, self.scales, self.floor = cutoff, scales, floor
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
