"""A larger box from smaller ones, as a point to start from.

python experiments/018-sizes/tile.py ka2d-long 2000 --split val --out tiles-2000.h5 # four different boxes
python experiments/018-sizes/tile.py equilibrium-2000.h5 10000 --copies --out tiles-10000.h5

Different boxes side by side are turned and shifted at random, and do not fit at the seams; copies of one do.
Where the box is no whole number of tiles, a square with the right numbers of particles is cut from more of
them, and does not fit at its edges: `start.minimise` of simulate pushes apart what overlaps there.
"""

import argparse
import math
from pathlib import Path

import numpy as np

from gensample.data.dataset import Dataset, open_dataset
from gensample.data.store import Contents
from gensample.physics.mixtures import get_mixture
from gensample.seeding import numpy_generator

OFFSETS = 400


def patch(tiles: np.ndarray, edge: float, generator: np.random.Generator | None) -> np.ndarray:
    """Positions (k^2 N, 2) of k x k tiles (k^2, N, 2), each shifted, turned and reflected where there is a
    generator.
    """
    placed, side = [], round(math.sqrt(len(tiles)))
    for k, x in enumerate(tiles):
        if generator is not None:
            x = (x + generator.uniform(0, edge, 2)) % edge
            x = x[:, ::-1] if generator.random() < 0.5 else x
            x = np.where(generator.random(2) < 0.5, x, edge - x)
        placed.append(x + edge * np.array(divmod(k, side)))
    return np.concatenate(placed)


def cut(
    x: np.ndarray, species: np.ndarray, whole: float, counts: np.ndarray, generator: np.random.Generator
) -> tuple[np.ndarray, float]:
    """A periodic square with these numbers of particles of each species: positions (N, 2), and its edge.

    Of many corners, that at which the smallest square with enough of both has the fewest too many; those
    nearest its edges are left out.
    """
    best: tuple[int, float, np.ndarray] | None = None
    for _ in range(OFFSETS):
        y = (x + generator.uniform(0, whole, 2)) % whole
        reach = y.max(1)
        edge = max(np.sort(reach[species == a])[n - 1] for a, n in enumerate(counts)) + 1e-6
        surplus = int((reach < edge).sum() - counts.sum())
        if best is None or surplus < best[0]:
            best = surplus, float(edge), y
    assert best is not None
    _, edge, y = best
    kept = []
    for a, n in enumerate(counts):
        inside = np.flatnonzero((species == a) & (y.max(1) < edge))
        depth = np.minimum(y[inside], edge - y[inside]).min(1)
        kept.append(np.sort(inside[np.argsort(-depth, kind="stable")[:n]]))
    return y[np.concatenate(kept)], edge


def main() -> None:
    """Write a dataset of one configuration."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("particles", type=int)
    parser.add_argument("--split", default="test")
    parser.add_argument("--copies", action="store_true", help="of the first configuration, as it is")
    parser.add_argument("--seed", type=int, default=18)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    data = open_dataset(given.data)[given.split]
    mixture, edge = get_mixture(data.mixture), float(data.box[0, 0])
    box = math.sqrt(given.particles / mixture.density)
    side = math.ceil(box / edge - 1e-6)
    chosen = data[[0] * side**2] if given.copies else data[: side**2]
    if len(chosen) < side**2:
        raise SystemExit(f"{side**2} tiles are needed, there are {len(chosen)}")
    generator = numpy_generator(given.seed)
    x = patch(chosen.positions, edge, None if given.copies else generator)
    species, kinds = np.tile(data.species, side**2), mixture.species(given.particles).numpy()
    if len(x) == given.particles:
        x = x[np.argsort(species, kind="stable")]
    else:
        x, size = cut(x, species, side * edge, np.bincount(kinds), generator)
        print(f"a square of {size:.3f}, rescaled to {box:.3f}")
        x *= box / size
    contents = Contents(
        mixture=mixture.name,
        temperature=float(data.temperature[0]),
        density=mixture.density,
        truncation=mixture.truncation,
        positions=x[None] % box,
        species=kinds,
        box=np.full((1, 2), box),
        split=["test"],
        source=f"{side**2} tiles of {given.data}",
        seed=given.seed,
    )
    Dataset.create(contents, path=given.out)
    print(f"{given.out}: {given.particles} particles from {side**2} tiles")


if __name__ == "__main__":
    main()
