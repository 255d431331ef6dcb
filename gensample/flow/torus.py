"""Flow of configurations on a periodic box: base, assignment within species, geodesic path.

Positions are (C, N, d), boxes (C, d), species (N,). All of it is about labelled particles: the uniform base
draws labelled particles, the velocity treats like ones alike, and so the density of a labelled configuration
is the same for every exchange of like particles; weights against exp(-U/T) over labelled positions need no
factorial. Translations: the uniform base does not know them and a drift-free velocity commutes with them, so
that the density is that of configurations anywhere in the box.
"""

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from gensample.physics.box import minimum_image, wrap

# Particles of a species up to which their assignment is optimal; it is cubic in their number.
EXACT_LIMIT = 1000
# Above it: particles in a block, and rounds of improvement with other blocks (benchmarks/assignment.py).
BLOCK = 200
ROUNDS = 4


def uniform(configurations: int, particles: int, box: Tensor, generator: torch.Generator) -> Tensor:
    """Independent uniform particles, (C, N, d) float64; box (C, d)."""
    shape = (configurations, particles, box.shape[-1])
    fractions = torch.rand(shape, generator=generator, dtype=torch.float64, device=generator.device)
    edges = box.to(fractions).unsqueeze(1)
    return wrap(fractions * edges, edges)


def log_uniform(particles: int, box: Tensor) -> Tensor:
    """Log density -N log V of labelled uniform particles, (C,) float64; box (C, d)."""
    return -particles * box.double().log().sum(-1)


def geodesic(x0: Tensor, x1: Tensor, box: Tensor) -> tuple[Tensor, Tensor]:
    """Start and drift-free displacement of the shortest paths from x0 to x1 on the torus, (C, N, d) each.

    x_s = start + s displacement (Chen and Lipman, arXiv:2302.03660, section 3.2: geodesics of a flat torus).
    The base is moved as a whole by the mean displacement, which changes nothing where only relative positions
    count.
    """
    displacement = minimum_image(x1 - x0, box.unsqueeze(1))
    drift = displacement.mean(1, keepdim=True)
    return x0 + drift, displacement - drift


def assign(x0: Tensor, x1: Tensor, box: Tensor, species: Tensor, exact_limit: int = EXACT_LIMIT) -> Tensor:
    """Base particles x0 (C, N, d) in the order that brings each species near to x1 on the torus.

    Minimises the sum of squared minimum-image distances within each species (minibatch transport of sets of
    particles: Klein, Kraemer and Noe, arXiv:2306.15030). Optimal, by scipy on the CPU, for species of up to
    ``exact_limit`` particles; for larger ones optimal within blocks, improved by blocks cut elsewhere.
    """
    order = torch.arange(x0.shape[1], device=x0.device).repeat(len(x0), 1)
    for kind in torch.unique(species):
        mine = (species == kind).nonzero().squeeze(1)
        match = _match if len(mine) <= exact_limit else _match_blocks
        order[:, mine] = mine[match(x0[:, mine], x1[:, mine], box)]
    return _take(x0, order)


def _match(x0: Tensor, x1: Tensor, box: Tensor) -> Tensor:
    """Base particle of each data particle, (C, n): least total squared distance."""
    cost = minimum_image(x0.unsqueeze(1) - x1.unsqueeze(2), box[:, None, None]).square().sum(-1)
    columns = [linear_sum_assignment(one)[1] for one in cost.cpu().numpy()]
    return torch.from_numpy(np.stack(columns)).to(x0.device)


def _match_blocks(x0: Tensor, x1: Tensor, box: Tensor) -> Tensor:
    """The same, optimal within blocks of as many particles of both sets; linear in n."""
    edges = box.unsqueeze(1)
    everything = torch.arange(x0.shape[1], device=x0.device).repeat(len(x0), 1)
    found = torch.empty_like(everything)
    start = zip(_blocks(wrap(x0, edges), everything), _blocks(wrap(x1, edges), everything), strict=True)
    for base, data in start:
        found.scatter_(1, data, base.gather(1, _match(_take(x0, base), _take(x1, data), box)))
    for round_ in range(1, ROUNDS + 1):
        # Golden-ratio shifts put the cuts of each round far from those before.
        moved = wrap(x1 + edges * (0.618 * round_), edges)
        for data in _blocks(moved, everything, round_):
            base = found.gather(1, data)
            found.scatter_(1, data, base.gather(1, _match(_take(x0, base), _take(x1, data), box)))
    return found


def _blocks(x: Tensor, rows: Tensor, axis: int = 0) -> list[Tensor]:
    """Rows (C, m) of particles halved at the median along each axis in turn until blocks are small."""
    if rows.shape[1] <= BLOCK:
        return [rows]
    axis = axis % x.shape[-1]
    order = rows.gather(1, x[..., axis].gather(1, rows).argsort(1))
    half = rows.shape[1] // 2
    return _blocks(x, order[:, :half], axis + 1) + _blocks(x, order[:, half:], axis + 1)


def _take(x: Tensor, rows: Tensor) -> Tensor:
    return x.gather(1, rows.unsqueeze(-1).expand(*rows.shape, x.shape[-1]))
