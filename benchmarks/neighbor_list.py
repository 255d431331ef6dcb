"""Processor time of the periodic neighbour list against vesin and scipy, one thread, at N = 4096 and r < 2.

Usage: python benchmarks/neighbor_list.py [CONFIGURATION.npz]

The npz is a BOTAN file (`initial_positions`); without one, a random configuration of the same density. All
three give both directions of every pair, sorted by source, with the vectors; scipy's tree gives neither order
nor vectors by itself, so that they are part of its time.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from scipy.spatial import cKDTree

from gensample.physics.neighbors import batched_neighbor_list, neighbor_list

CUTOFF, EDGE, PARTICLES, REPEATS = 2.0, 15.05658, 4096, 15


def load() -> np.ndarray:
    if len(sys.argv) > 1:
        return np.ascontiguousarray(np.load(sys.argv[1])["initial_positions"])
    return np.random.default_rng(0).uniform(0, EDGE, (PARTICLES, 3))


def scipy_list(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    tree = cKDTree(np.mod(x, EDGE), boxsize=EDGE)
    half = tree.query_pairs(CUTOFF, output_type="ndarray")
    pairs = np.concatenate([half, half[:, ::-1]])
    pairs = pairs[np.argsort(pairs[:, 0] * len(x) + pairs[:, 1])]
    vectors = x[pairs[:, 1]] - x[pairs[:, 0]]
    return pairs, vectors - EDGE * np.round(vectors / EDGE)


def vesin_list(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from vesin import NeighborList

    calculator = NeighborList(cutoff=CUTOFF, full_list=True, sorted=True)
    pairs, vectors = calculator.compute(points=x, box=EDGE * np.eye(3), periodic=True, quantities="PD")
    return pairs, vectors


def best(function: Callable[[], object]) -> float:
    """Processor time in ms, best of several runs: what other work on the machine disturbs least."""
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return 1e3 * min(times)


def main() -> None:
    torch.set_num_threads(1)
    x = load()
    points, box = torch.tensor(x), torch.full((3,), EDGE, dtype=torch.float64)
    single, batch = points.float(), points.float().expand(8, -1, -1)
    rows: list[tuple[str, Callable[[], object], int]] = [
        ("gensample, float64", lambda: neighbor_list(points, box, CUTOFF), 1),
        ("gensample, float32", lambda: neighbor_list(single, box.float(), CUTOFF), 1),
        ("gensample, float32, batch of 8", lambda: batched_neighbor_list(batch, box.float(), CUTOFF), 8),
        ("scipy cKDTree", lambda: scipy_list(x), 1),
        ("vesin", lambda: vesin_list(x), 1),
    ]
    edges = neighbor_list(points, box, CUTOFF)[0].shape[1]
    print(
        f"N = {len(x)}, r < {CUTOFF}, {edges} directed edges, one thread, processor time, best of {REPEATS}"
    )
    print(f"{'':32}{'ms':>8}{'relative':>10}{'edges':>10}")
    reference = None
    for name, function, count in rows:
        try:
            result = function()
        except ImportError as error:
            print(f"{name:32}  skipped: {error}")
            continue
        pairs = result[0].T if torch.is_tensor(result[0]) else result[0]
        milliseconds = best(function) / count
        reference = reference or milliseconds
        print(f"{name:32}{milliseconds:8.1f}{milliseconds / reference:10.2f}{len(pairs) // count:10d}")


if __name__ == "__main__":
    main()
