"""Assignment of base particles to data on the torus: exact, in blocks, and sparse, against N.

    python benchmarks/assignment.py [--particles 44 500 2000 8000] [--exact 8000] [--repeats 3]

Uniform particles are assigned to a jittered lattice of the 2D mixture (65:35) at density 1.2, each species by
itself: `flow.torus.assign` without blocks (up to --exact particles: n^2 memory, 2 GB at N = 8,000) and with
blocks for every size; and scipy's min_weight_full_bipartite_matching on the pairs within a reach, which
is enlarged until everybody finds a partner, so that it is nearly optimal. The time is the process's own, the
smallest of the repeats, per configuration; the cost is the mean squared distance per particle.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from scipy.spatial import cKDTree
from starts import jittered_lattice
from torch import Tensor

from gensample.flow.torus import assign, uniform
from gensample.physics.box import minimum_image
from gensample.physics.mixtures import get_mixture
from gensample.seeding import torch_generator

MIXTURE = get_mixture("ka2d")


def sparse_match(x0: np.ndarray, x1: np.ndarray, edge: float, reach: float) -> np.ndarray:
    """Base particle of each data particle (n,) among pairs within a reach, doubled where too short."""
    trees = [cKDTree(x, boxsize=edge) for x in (x1, x0)]
    pairs = trees[0].sparse_distance_matrix(trees[1], reach, output_type="coo_matrix").tocsr()
    pairs.data = pairs.data**2 + 1e-9  # a weight of zero would be no pair
    try:
        return min_weight_full_bipartite_matching(pairs)[1]
    except ValueError:
        return sparse_match(x0, x1, edge, 2 * reach)


def sparse(x0: Tensor, x1: Tensor, box: Tensor, species: Tensor) -> Tensor:
    """As `assign`, for one configuration."""
    found, reach = x0.clone(), 1.5 * (0.1 * len(species)) ** 0.25
    for kind in torch.unique(species):
        mine = (species == kind).nonzero().squeeze(1)
        order = sparse_match(x0[0, mine].numpy(), x1[0, mine].numpy(), float(box[0, 0]), reach)
        found[0, mine] = x0[0, mine[torch.from_numpy(order)]]
    return found


def best(form: Callable[..., Tensor], arguments: tuple[Tensor, ...], repeats: int) -> tuple[float, Tensor]:
    """Smallest processor time in seconds of several runs, and the result."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        result = form(*arguments)
        times.append(time.process_time() - start)
    return min(times), result


def forms(size: int, exact: int) -> dict[str, Callable[..., Tensor]]:
    known: dict[str, Callable[..., Tensor]] = {
        "exact": lambda *x: assign(*x, exact_limit=size),
        "blocks": lambda *x: assign(*x, exact_limit=0),
        "sparse": sparse,
    }
    return {name: form for name, form in known.items() if name != "exact" or size <= exact}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--particles", type=int, nargs="+", default=[44, 500, 2000, 8000])
    parser.add_argument("--exact", type=int, default=8000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'N':>6} {'form':<8}{'seconds':>10}{'cost':>10}{'over best':>11}")
    for size in options.particles:
        x1, box = jittered_lattice(1, size)
        species = MIXTURE.species(size)
        x0, reference = uniform(1, size, box, torch_generator(1)), None
        for name, form in forms(size, options.exact).items():
            seconds, found = best(form, (x0, x1, box, species), options.repeats)
            cost = float(minimum_image(x1 - found, box.unsqueeze(1)).square().sum(-1).mean())
            reference = cost if name == "exact" else reference
            over = f"{cost / reference:11.3f}" if reference else f"{'':>11}"
            print(f"{size:6d} {name:<8}{seconds:10.4f}{cost:10.4f}{over}", flush=True)


if __name__ == "__main__":
    main()
