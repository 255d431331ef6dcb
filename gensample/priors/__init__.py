"""Gaussian priors over drift-free displacement fields, by name.

To add one, subclass `base.Prior` in a file of its own and enter it in `PRIORS`, or do that from elsewhere;
tests/priors/test_contract.py is what all of them keep to.
"""

from collections.abc import Callable

from gensample.priors.base import ParticlePrior, Prior, SpeciesPrior
from gensample.priors.elastic import ElasticPrior
from gensample.ranges import check_choice

ELASTIC_REACH = 1.5
"""Longest bond of elastic networks, where the graph reaches as far."""


def _elastic(scales: str) -> Callable[[int, int, float], Prior]:
    return lambda species, lags, cutoff: ElasticPrior(
        species, lags, cutoff=min(cutoff, ELASTIC_REACH), scales=scales
    )


PRIORS: dict[str, Callable[[int, int, float], Prior]] = {
    "species": lambda species, lags, cutoff: SpeciesPrior(species, lags),
    "particle": lambda species, lags, cutoff: ParticlePrior(),
    "elastic": _elastic("species"),
    "elastic-particle": _elastic("particle"),
    "elastic-mobility": _elastic("mobility"),
}
"""Made of the numbers of species and lags and the cut-off of the graph; a fit or a checkpoint fills them."""


def make_prior(name: str, num_species: int, num_lags: int, cutoff: float) -> Prior:
    """Prior of that name; ConfigError names the known ones."""
    check_choice("model.prior", name, PRIORS)
    return PRIORS[name](num_species, num_lags, cutoff)
