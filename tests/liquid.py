"""A small crystal-like Kob-Andersen configuration with replicas, as plain arrays, for files of any format."""

import dataclasses

import numpy as np

from gensample.physics.mixtures import get_mixture


@dataclasses.dataclass
class Liquid:
    positions: np.ndarray
    species: np.ndarray
    box: np.ndarray
    displacements: np.ndarray

    @property
    def edge(self):
        return float(self.box[0])

    @property
    def final(self):
        """Unwrapped positions of the replicas, (R, K, N, d)."""
        return self.positions + self.displacements

    @property
    def without_drift(self):
        return self.displacements - self.displacements.mean(axis=2, keepdims=True)


def make_liquid(mixture="ka3d-fs", per_edge=6, replicas=3, lags=1, seed=0):
    """A jittered lattice at the mixture's density and displacements that grow with the lag, drift left in."""
    rng = np.random.default_rng(seed)
    m = get_mixture(mixture)
    size = per_edge**m.dimension
    edge = m.edge_length(size)
    grid = np.stack(np.meshgrid(*[np.arange(per_edge)] * m.dimension, indexing="ij"), axis=-1)
    positions = grid.reshape(size, m.dimension) * edge / per_edge + rng.uniform(
        -0.02, 0.02, (size, m.dimension)
    )
    positions %= edge  # half of the particles on a face lie at its other side
    species = rng.permutation(m.species(size).numpy())
    scale = 0.1 * np.arange(1, lags + 1)[:, None, None]
    displacements = scale * rng.normal(size=(replicas, lags, size, m.dimension)) + 0.003
    displacements[0, -1, 0, 0] += 1.2 * edge  # a true long move, farther than the minimum image would allow
    return Liquid(positions, species, np.full(m.dimension, edge), displacements)


def write_botan(folder, liquid, number=1, lags=("tc07",), types=None):
    """Files of the public BOTAN data, one a lag."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, code in enumerate(lags):
        np.savez(
            folder / f"isoconfig_N{len(liquid.species)}T0.44_{number}_{code}.npz",
            types=(liquid.species if types is None else types).astype(np.int8),
            initial_positions=liquid.positions,
            positions=liquid.final[:, k],
        )


def write_model_file(path, liquid, kept=True, **more):
    """A model file of GlassBench at its eight lag times; returns both propensities, (8, N)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    moved = np.sort(rng.random((8, len(liquid.species))), axis=0)
    broken = 0.8 * moved
    np.savez(
        path,
        types=liquid.species + 1,
        initial_positions=liquid.positions - liquid.edge / 2,
        initial_positions_inherent=liquid.positions - liquid.edge / 2 + 0.01,
        md_prop=moved,
        bb_prop=1 - broken if kept else broken,
        **more,
    )
    return moved, broken
