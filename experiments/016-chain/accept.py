"""What would acceptance do to a step? Metropolis on the inherent energy, of the first step of chains.

    python experiments/016-chain/accept.py FOLDER --model ka2d-long-heated --hot 0.7

A hot run at T' moves between basins as the liquid at T' does. In the harmonic approximation the weights of
basins at T and T' differ by exp(-(1/T - 1/T') N e_IS) alone, so that a future that is accepted with
probability min(1, exp(-(1/T - 1/T') N (e_IS' - e_IS))), and is the start otherwise, keeps the equilibrium at
T. Prints what is left of the shift of the inherent energy, how many are accepted, and their share of the
mean square displacement, with standard errors over configurations.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from run import DATA, file_name

import gensample as gs


def main() -> None:
    """Print the numbers of one model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", required=True, help="as run.py has it")
    parser.add_argument("--hot", type=float, required=True, help="temperature of its hot phase")
    parser.add_argument("--replicas", type=int, default=4)
    options = parser.parse_args()
    data = gs.open_dataset(options.folder / f"val-{file_name(options.model)}-{options.replicas}.h5")
    start = gs.open_dataset(DATA)["val"][: len(data)]
    beta = 1 / data.temperature[0] - 1 / options.hot
    rows: dict[str, list[float]] = {"shift": [], "accepted": [], "shift left": [], "share of MSD": []}
    for c in range(len(data)):
        shift = data.store.inherent_energies(c)[:, 0] - start.store.inherent_energy[start.rows[c]]
        accepted = np.minimum(1, np.exp(-beta * len(data.species) * shift))
        squared = (data.fields(c)[:, 0, data.species == 0] ** 2).sum(-1).mean(-1)
        rows["shift"].append(shift.mean())
        rows["accepted"].append(accepted.mean())
        rows["shift left"].append((accepted * shift).mean())
        rows["share of MSD"].append((accepted * squared).mean() / squared.mean())
    for name, values in rows.items():
        print(f"{name}: {np.mean(values):.4f}({np.std(values, ddof=1) / len(values) ** 0.5:.4f})")


if __name__ == "__main__":
    main()
