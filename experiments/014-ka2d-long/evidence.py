"""Is `ka2d-long` equilibrated? Energies, inherent energies and chi4 of its equilibration runs against time.

    gensample simulate configs/simulate/ka2d-long.yaml --out runs/ka2d-long.h5 --keep-parts
    python experiments/014-ka2d-long/evidence.py runs/ka2d-long.h5.parts

Reads the snapshots of the equilibration runs (one every 100 tau, 96 runs of 6,000 tau, each from its own
melt), quenches every fifth, and writes evidence.json: means over configurations with standard errors, in
windows of 1,000 tau.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch

from gensample.physics.minimize import minimize
from gensample.physics.mixtures import get_mixture
from gensample.stats.intervals import resample_weights

SPACING, WINDOW, EVERY, RADIUS = 100.0, 10, 5, 0.3  # tau, snapshots, snapshots, sigma_AA
HERE = Path(__file__).parent


def read(parts: Path) -> tuple[np.ndarray, np.ndarray]:
    """Snapshots (C, S, N, d) and block energies (C, S') of the runs that are complete."""
    segments: dict[str, list[Path]] = {}
    for folder in sorted(parts.glob("equilibration-*")):
        segments.setdefault(folder.name[:-5], []).append(folder / "evidence.npz")
    whole = [files for files in segments.values() if len(files) == max(map(len, segments.values()))]
    loaded = [[np.load(file) for file in files] for files in whole]
    # The start of a segment, dumped too, is the end of the one before.
    snapshots = np.stack([np.concatenate([each["snapshots"][-WINDOW:] for each in run]) for run in loaded])
    return snapshots, np.stack([np.concatenate([each["energy"] for each in run]) for run in loaded])


def inherent_energies(snapshots: np.ndarray, config: dict) -> np.ndarray:
    """Energies per particle (C, S / EVERY) of the inherent structures of every fifth snapshot."""
    mixture = get_mixture(config["mixture"])
    species = mixture.species(config["particles"])
    box = torch.full((2,), (config["particles"] / config["density"]) ** 0.5, dtype=torch.float64)
    found = []
    for chain in snapshots[:, EVERY - 1 :: EVERY]:
        found.append(minimize(torch.from_numpy(chain), species, box, mixture, tolerance=1e-3).energy.numpy())
    return np.stack(found)


def windows(values: np.ndarray, per: int) -> list[list[float]]:
    """[mean, standard error over configurations] of each window of ``per`` values."""
    means = values.reshape(len(values), -1, per).mean(-1)
    return [[float(m.mean()), float(m.std(ddof=1) / len(m) ** 0.5)] for m in means.T]


def persistence(values: np.ndarray, per: int) -> list[float]:
    """Correlation over configurations of the last window with each."""
    means = values.reshape(len(values), -1, per).mean(-1)
    return [float(np.corrcoef(means[:, -1], m)[0, 1]) for m in means.T]


def chi4(snapshots: np.ndarray, members: np.ndarray, lag: int) -> list[list[float]]:
    """N var(Q) over configurations of single trajectories of ``lag`` snapshots, by window of their origin.

    [value, standard error (bootstrap over configurations)]; the mean over the origins of a window.
    """
    x = snapshots[:, :, members] - snapshots.mean(2, keepdims=True)
    overlap = (np.linalg.norm(x[:, lag:] - x[:, :-lag], axis=-1) < RADIUS).mean(-1)
    uniform = np.full((1, len(x)), 1 / len(x))
    weights = np.vstack([uniform, resample_weights(len(x), 1000, np.random.default_rng(1))])
    found = []
    for first in range(0, overlap.shape[1] - WINDOW + 1, WINDOW):
        q = overlap[:, first : first + WINDOW]
        spread = (weights @ q**2 - (weights @ q) ** 2).mean(-1) * len(x) / (len(x) - 1) * len(members)
        found.append([float(spread[0]), float(spread[1:].std())])
    return found


def main() -> None:
    """Write evidence.json beside this file."""
    parts = Path(sys.argv[1])
    config = json.loads((parts / "work.json").read_text())
    snapshots, energy = read(parts)
    members = np.flatnonzero(get_mixture(config["mixture"]).species(config["particles"]).numpy() == 0)
    inherent = inherent_energies(snapshots, config)
    result = {
        "configurations": len(snapshots),
        "window": WINDOW * SPACING,
        "energy": windows(energy, energy.shape[1] // 6),
        "inherent_energy": windows(inherent, WINDOW // EVERY),
        "energy_persistence": persistence(energy, energy.shape[1] // 6),
        "inherent_energy_persistence": persistence(inherent, WINDOW // EVERY),
        "chi4_100": chi4(snapshots, members, 1),
        "chi4_1000": chi4(snapshots, members, 10),
    }
    (HERE / "evidence.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
