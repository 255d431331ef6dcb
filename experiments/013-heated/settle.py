"""Where does the last phase of a heated run end? Energies of futures after 1 to 5 tau, minus simulation's.

    python experiments/013-heated/settle.py        # 2 min

Of 20 training configurations of `ka2d-mini`, four draws each. Writes settle.json: for each thermostat of
the last phase means with standard errors over configurations.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
import torch

from gensample.data.positions import mixture_of
from gensample.data.store import Store
from gensample.physics.potentials import energy
from gensample.simulate.lammps.engine import find_engine
from gensample.simulate.programs import Lammps, Leg, System

HERE = Path(__file__).parent
CASES = {"t = 10, 3.5 tau at 0.55": (1, 0.55, 3.5), "t = 100, 14 tau at 0.7": (2, 0.7, 14.0)}
CONFIGURATIONS, DRAWS, TIMESTEP, TEMPERATURE = 20, 4, 0.005, 0.45
KEPT = (200, 400, 600, 800, 1000)


def found(store: Store, lag: int, hot: float, time: float) -> dict[str, list[list[float]]]:
    """{thermostat: [means, standard errors]} of energies per particle."""
    mixture, lammps = mixture_of(store), Lammps(find_engine(None))
    species = torch.from_numpy(store.species.astype(np.int64))
    off: dict[str, list[np.ndarray]] = {"nose-hoover": [], "langevin": []}
    for row in store.indices("train")[:CONFIGURATIONS]:
        x, box, key = store.positions[row], torch.from_numpy(store.box[row]), int(row)
        system = System(mixture, store.species, store.box[row])

        def per_particle(futures: np.ndarray, box: torch.Tensor = box) -> np.ndarray:
            each = [float(energy(torch.from_numpy(y), species, box, mixture).mean()) for y in futures]
            return np.array(each)

        simulated = per_particle(x + store.displacements(key)[:, lag].astype(np.float64)).mean()
        with tempfile.TemporaryDirectory() as scratch:
            legs = [Leg(x, hot, (5, key, r), (round(time / TIMESTEP),)) for r in range(DRAWS)]
            ends = [end[-1] for end in lammps.run(system, TIMESTEP, legs, Path(scratch))]
            for name, own in off.items():
                last = [Leg(y, TEMPERATURE, (6, key, r), KEPT, None, name) for r, y in enumerate(ends)]
                frames = lammps.run(system, TIMESTEP, last, Path(scratch))
                own.append(np.mean([per_particle(each) for each in frames], 0) - simulated)
    spread = CONFIGURATIONS**-0.5
    return {
        name: [np.mean(own, 0).tolist(), (np.std(own, 0, ddof=1) * spread).tolist()]
        for name, own in off.items()
    }


def main() -> None:
    """Write settle.json."""
    with Store.open("ka2d-mini") as store:
        results = {name: found(store, *case) for name, case in CASES.items()}
    (HERE / "settle.json").write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
