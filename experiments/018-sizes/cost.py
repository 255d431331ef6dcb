"""Core-seconds against the number of particles: of the statistics of a comparison, and of a quench.

python experiments/018-sizes/cost.py FOLDER      # 15 core-seconds

The comparison is of two sets of 16 random fields of one configuration at one lag; the quench is by LAMMPS.
What a field costs is written in the files of fields, and kept in results.json.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from sizes import BOXES, place_of

from gensample.comparison.gather import compare_ensembles
from gensample.data.dataset import Dataset, open_dataset
from gensample.meter import Meter
from gensample.physics.mixtures import get_mixture
from gensample.seeding import numpy_generator
from gensample.simulate.lammps.engine import find_engine
from gensample.simulate.programs import Lammps, Task
from gensample.stats.dynamics import Ensemble


def random_fields(data: Dataset, seed: int) -> Ensemble:
    """Of the first configuration: vibrations, and hops of every sixth particle."""
    generator, shape = numpy_generator(seed), (16, 1, len(data.species), 2)
    u = generator.normal(scale=0.05, size=shape)
    u += (generator.random((*shape[:3], 1)) < 1 / 6) * generator.normal(scale=0.5, size=shape)
    u = (u - u.mean(2, keepdims=True)).astype(np.float32)
    return Ensemble(data.positions[0], data.box[0], data.species.astype(np.int64), u)


def main() -> None:
    """Print both for every size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    mixture, lammps = get_mixture("ka2d"), Lammps(find_engine(None))
    for particles in BOXES:
        data = open_dataset(place_of(particles, given.folder, "equilibrium"))["test"][:1]
        one, other = random_fields(data, 1), random_fields(data, 2)
        meter = Meter()
        compare_ensembles([one], [other], [1.0], mixture=mixture, temperature=0.45, seed=0, bootstrap=100)
        statistics = meter.lap()
        with tempfile.TemporaryDirectory() as folder:
            task = Task(mixture, data.positions, data.species, data.box)
            lammps.minimise(task, 3e-4, Path(folder))
        print(f"{particles}: statistics {statistics:.2f}, quench {meter.lap():.3f}", flush=True)


if __name__ == "__main__":
    main()
