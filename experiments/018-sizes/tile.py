"""Larger boxes from small ones: different configurations of ka2d-long side by side, as points to start from.

python experiments/018-sizes/tile.py 2000 --configurations 4 --split val --out tiles-2000.h5
python experiments/018-sizes/tile.py 10000 --configurations 2 --split val test --out tiles-10000.h5

Each tile is turned and shifted at random; where the box is no whole number of tiles, a square with the right
numbers of particles is cut from more of them. Particles overlap at the seams: `start.minimise` of simulate.
"""

import argparse
import math
from pathlib import Path

import numpy as np

from gensample.data.dataset import Dataset, open_dataset
from gensample.data.store import Contents
from gensample.physics.mixtures import Mixture, get_mixture
from gensample.seeding import numpy_generator

OFFSETS = 400


def patch(tiles: np.ndarray, edge: float, side: int, generator: np.random.Generator) -> np.ndarray:
    """Positions (side^2 N, 2) of side x side tiles (side^2, N, 2), each shifted, turned and reflected."""
    placed = []
    for k, tile in enumerate(tiles):
        x = (tile + generator.uniform(0, edge, 2)) % edge
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


def build(
    tiles: np.ndarray, edge: float, kinds: np.ndarray, particles: int, mixture: Mixture, seed: int, c: int
) -> np.ndarray:
    """One configuration (particles, 2) in the order of the species of the mixture, at its density."""
    generator, box = numpy_generator(seed, c), math.sqrt(particles / mixture.density)
    side = round(math.sqrt(len(tiles)))
    x, species = patch(tiles, edge, side, generator), np.tile(kinds, len(tiles))
    if len(x) == particles:
        return x[np.argsort(species, kind="stable")]
    counts = np.bincount(mixture.species(particles).numpy())
    x, size = cut(x, species, side * edge, counts, generator)
    print(f"configuration {c}: a square of {size:.3f}, rescaled to {box:.3f}")
    return x * (box / size)


def main() -> None:
    """Write the dataset."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("particles", type=int)
    parser.add_argument("--configurations", type=int, required=True)
    parser.add_argument("--split", nargs="+", default=["val"])
    parser.add_argument("--seed", type=int, default=18)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    data = open_dataset("ka2d-long")
    mixture, edge = get_mixture("ka2d"), float(data.box[0, 0])
    tiles = np.concatenate([data[split].positions for split in given.split])
    each = math.ceil(math.sqrt(given.particles / mixture.density) / edge - 1e-6) ** 2
    if len(tiles) < each * given.configurations:
        raise SystemExit(f"{given.configurations} boxes need {each} tiles each, there are {len(tiles)}")
    positions = np.stack(
        [
            build(
                tiles[c * each : (c + 1) * each],
                edge,
                data.species,
                given.particles,
                mixture,
                given.seed,
                c,
            )
            for c in range(given.configurations)
        ]
    )
    box = np.full((given.configurations, 2), math.sqrt(given.particles / mixture.density))
    contents = Contents(
        mixture="ka2d",
        temperature=0.45,
        density=mixture.density,
        truncation=mixture.truncation,
        positions=positions % box[:, None],
        species=mixture.species(given.particles).numpy(),
        box=box,
        split=["test"] * given.configurations,
        source=f"tiles of ka2d-long, {', '.join(given.split)}",
        seed=given.seed,
    )
    Dataset.create(contents, path=given.out)
    print(f"{given.out}: {given.configurations} configurations of {given.particles} from {each} tiles each")


if __name__ == "__main__":
    main()
