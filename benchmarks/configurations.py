"""Cost of drawing configurations against N, with and without their exact density; divergences compared.

    python benchmarks/configurations.py [--particles 125 500 2000 8000] [--repeats 3] [--steps 48]

A randomly initialised network of the released size (2D, cut-off 2.5, 24 neighbours) at a jittered lattice of
density 1.2, as many configurations in a call as `gensample sample` takes (4,096 particles). What is timed is
one evaluation of the velocity as the solver calls it; a configuration is --steps midpoint steps of two
evaluations. Exponents are those of power laws fitted to the time per configuration. The divergences of the
second table are those of one configuration in a call: in closed form, by N d vector-Jacobian products of
automatic differentiation, and by 8 probes. Each row is measured in a process of its own: time is its own
(CPU) time, the smallest of the repeats, memory the peak of the first evaluation beyond what was held before.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from memory import peak_gb
from starts import jittered_lattice

from gensample.generators.configuration import PARTICLES_PER_CALL, ConfigurationFlow
from gensample.physics.mixtures import get_mixture
from gensample.reads import Reads
from gensample.sampling.solver import Solver
from gensample.sampling.transport import Divergence, transport
from gensample.seeding import torch_generator

DIVERGENCES = ("exact", "autograd", "hutchinson")


def evaluation(size: int, divergence: str, configurations: int) -> Callable[[], object]:
    """One evaluation of the velocity: an Euler step."""
    torch.manual_seed(0)
    system = {"mixture": "ka2d", "particles": size, "density": 1.2, "temperatures": [0.5]}
    reads = Reads(cutoff=2.5, species=2, dimension=2)
    flow = ConfigurationFlow(reads, system).eval().requires_grad_(False)
    flow.scale.fill_(0.1)
    start, box = jittered_lattice(configurations, size)
    velocity = flow.bind(get_mixture("ka2d").species(size), box, torch.full((configurations,), 0.5))
    change = Divergence(divergence, generator=torch_generator(2), chunk=16)
    return lambda: transport(velocity, start, None, Solver("euler", 1), change)


def measure(words: str) -> dict[str, float]:
    """Seconds and GB of the evaluation "N divergence configurations repeats", in this process."""
    size, divergence, configurations, repeats = words.split(",")
    torch.set_num_threads(1)
    evaluate, times = evaluation(int(size), divergence, int(configurations)), []

    def timed() -> None:
        start = time.process_time()
        evaluate()
        times.append(time.process_time() - start)

    memory = peak_gb(timed)
    for _ in range(int(repeats) - 1):
        timed()
    return {"seconds": min(times), "gb": memory}


def elsewhere(size: int, divergence: str, configurations: int, repeats: int) -> dict[str, float]:
    """The same in a fresh process."""
    words = f"{size},{divergence},{configurations},{repeats}"
    output = subprocess.run(
        [sys.executable, __file__, "--measure", words], check=True, capture_output=True, text=True
    )
    found: dict[str, float] = json.loads(output.stdout.splitlines()[-1])
    return found


def drawing(sizes: list[int], repeats: int, steps: int) -> None:
    print(f"{'N':>6}{'a call':>8} {'density':<8}{'s / evaluation':>15}{'s / configuration':>19}{'GB':>7}")
    for divergence in ("none", "exact"):
        per_configuration = []
        for size in sizes:
            count = max(1, PARTICLES_PER_CALL // size)
            found = elsewhere(size, divergence, count, repeats)
            per_configuration.append(2 * steps * found["seconds"] / count)
            print(
                f"{size:6d}{count:8d} {divergence:<8}{found['seconds']:15.4f}"
                f"{per_configuration[-1]:19.3f}{found['gb']:7.2f}",
                flush=True,
            )
        if len(sizes) > 1:
            exponent = np.polyfit(np.log(sizes), np.log(per_configuration), 1)[0]
            print(f"  density {divergence}: seconds per configuration grow as N^{exponent:.2f}")


def divergences(sizes: list[int], repeats: int) -> None:
    print(f"\n{'N':>6} {'divergence':<12}{'s / evaluation':>15}{'of the velocity':>17}{'GB':>7}")
    for size in sizes:
        alone = elsewhere(size, "none", 1, repeats)["seconds"]
        for divergence in DIVERGENCES:
            once = divergence == "autograd"  # a minute and more at N = 500
            found = elsewhere(size, divergence, 1, 1 if once else repeats)
            print(
                f"{size:6d} {divergence:<12}{found['seconds']:15.4f}"
                f"{found['seconds'] / alone:17.1f}{found['gb']:7.2f}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--particles", type=int, nargs="+", default=[125, 500, 2000, 8000])
    parser.add_argument("--divergences", type=int, nargs="*", default=[44, 500])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=48)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure)))
        return
    drawing(options.particles, options.repeats, options.steps)
    divergences(options.divergences, options.repeats)


if __name__ == "__main__":
    main()
