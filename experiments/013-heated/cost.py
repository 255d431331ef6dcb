"""Core-seconds of a replica at t = 100, heated and by molecular dynamics, by the same program on one core.

python experiments/013-heated/cost.py          # nothing else should run beside it; 1 min
"""

import resource

from gensample import zoo
from gensample.data.store import Store
from gensample.generators.base import starts
from gensample.generators.heated import Heated
from gensample.simulate.lammps.engine import find_engine
from gensample.simulate.programs import Lammps

REPLICAS = 32


def used() -> float:
    """Processor time of this process and of those it started."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in both)


def main() -> None:
    """Print core-seconds a replica."""
    released = zoo.load_physics("ka2d-mini-heated")
    assert isinstance(released, Heated)
    stages = [list(phase) for phase in released.recipes[2]]
    lammps = Lammps(find_engine(None))
    with Store.open("ka2d-mini") as store:
        (start,) = starts(store, store.indices("test")[:1])
    for name, one in {
        "heated": Heated([100.0], [stages]),
        "molecular dynamics": Heated([100.0], [[[None, 100.0]]]),
    }.items():
        one.use(lammps).draw(start, [0], 0)  # what is made once
        before, width = used(), min(REPLICAS, lammps.width(500, one.time))
        for first in range(0, REPLICAS, width):
            one.draw(start, range(first, min(first + width, REPLICAS)), 1)
        print(f"{name}: {(used() - before) / REPLICAS:.3f}")


if __name__ == "__main__":
    main()
