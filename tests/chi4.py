"""Both parts of chi4 of given overlaps, as the registry finds them."""

import numpy as np

from gensample.comparison.quantities import chi4_of
from gensample.comparison.view import Averages, stack

WITHIN, BETWEEN = chi4_of(
    "chi4", "", "", "displacements", lambda q, members: np.asarray(q), parts=("within", "between")
)


def _value(quantity, overlaps, particles):
    stacked = stack([quantity.summarise(q, range(particles)) for q in overlaps])
    return float(quantity.combine(Averages.uniform(stacked, particles, 2))[0])


def within(overlaps, particles):
    """Of the overlaps (R,) of one configuration."""
    return _value(WITHIN, [overlaps], particles)


def between(overlaps, particles):
    """Of the overlaps (R_c,) of each."""
    return _value(BETWEEN, overlaps, particles)
