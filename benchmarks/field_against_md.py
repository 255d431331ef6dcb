"""One generated field against the molecular dynamics of one replica at the same lag, on one core.

    python benchmarks/field_against_md.py MODEL --data DATA --simulation CONFIG.yaml [--lag T] [--fraction F]

MODEL draws 8 fields in one call, as `gensample sample` does, its conditioner run once before; LAMMPS (the
config's thermostat and time step) runs one replica from the same configuration. Both are processor times on
one thread. ``--fraction`` runs that part of the lag and scales its time, less that of starting, up: molecular
dynamics costs the same at every step. Memory is what a call adds for the generator, all of the process for
LAMMPS.
"""

import argparse
import json
import os
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import torch
from memory import peak_gb

from gensample import zoo
from gensample.data.datamodule import KADataModule
from gensample.physics.mixtures import get_mixture
from gensample.sampling.ensemble import FIELDS_PER_CALL
from gensample.sampling.solver import Solver
from gensample.seeding import numpy_generator, torch_generator
from gensample.simulate.isoconfigurational.config import SimulationConfig
from gensample.simulate.lammps import scripts
from gensample.simulate.lammps.engine import find_engine
from gensample.simulate.lammps.files import write_data
from gensample.simulate.run import load_config
from gensample.simulate.start import maxwell_boltzmann

# Run by LAMMPS at its end: the peak of the nearest parent process that is LAMMPS. (The peak that the system
# reports of a finished child counts what Python held when it started it.)
PEAK = """
p=$PPID
until grep -q lmp /proc/$p/comm; do p=$(cut -d' ' -f4 /proc/$p/stat); done
grep VmHWM /proc/$p/status > peak.txt
"""


def generated(options: argparse.Namespace) -> dict:
    """Seconds and memory of one field, and what goes before: graph with descriptors, conditioner."""
    model = zoo.load_model(options.model)
    data = model.open(options.data, [options.row], force=True)
    start = time.process_time()
    batch = data.batch([options.row])
    with torch.no_grad():
        condition = model.condition(batch)
    before = time.process_time() - start
    lags = model.lag_time.tolist()
    if options.lag not in lags:
        raise SystemExit(f"{options.model} knows the lag times {lags}, not {options.lag}")
    lag = torch.full((1, FIELDS_PER_CALL), lags.index(options.lag))
    generator = torch_generator(0)
    shape = (batch.num_nodes, FIELDS_PER_CALL, batch.edge_vector.shape[1])

    def draw() -> int:
        noise = lambda: torch.randn(shape, generator=generator)  # noqa: E731
        return model.draw(batch, lag, noise, condition=condition, solver=Solver(steps=options.steps))[1]

    memory, times = peak_gb(draw), []
    for _ in range(options.repeats):
        start = time.process_time()
        evaluations = draw()
        times.append((time.process_time() - start) / FIELDS_PER_CALL)
    return {
        "seconds_a_field": round(min(times), 4),
        "seconds_before_the_first": round(before, 2),
        "evaluations": evaluations,
        "gb_of_a_call": round(memory, 3),
    }


def simulated(options: argparse.Namespace) -> dict:
    """Seconds and memory of one replica."""
    config = load_config(options.simulation)
    timed = round(options.lag * options.fraction, 6)
    start, _ = run_md(options, replace(config, lags=[config.timestep]))
    seconds, peak = run_md(options, replace(config, lags=[timed]))
    seconds -= start
    steps = config.steps(timed)
    return {
        "seconds_a_replica": round(seconds / options.fraction, 2),
        "steps_timed": steps,
        "steps_per_second": round(steps / seconds),
        "seconds_to_start": round(start, 2),
        "gb_of_the_process": round(peak, 3),
    }


def run_md(options: argparse.Namespace, config: SimulationConfig) -> tuple[float, float]:
    """Processor seconds and peak GB of LAMMPS for one replica of ``config`` from the configuration."""
    mixture, engine = get_mixture(config.mixture), find_engine()
    store = KADataModule(options.data, target="structure").store
    positions, box = store.positions[options.row], store.box[options.row]
    velocities = maxwell_boltzmann(*positions.shape, config.temperature, numpy_generator(0))
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "replica-0.data"
        write_data(data, positions, store.species, mixture.masses, box, velocities)
        (Path(name) / "peak.sh").write_text(PEAK)
        script = scripts.replica(config, mixture, 0, 1).removeprefix("clear\n") + "shell sh peak.sh\n"
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        engine.run(script, Path(name))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        peak = float((Path(name) / "peak.txt").read_text().split()[1]) / 2**20
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, peak


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("model", help="released generator, folder or checkpoint")
    parser.add_argument("--data", required=True)
    parser.add_argument("--simulation", required=True, help="config with mixture and thermostat")
    parser.add_argument("--lag", type=float, default=100.0)
    parser.add_argument("--row", type=int, default=0, help="configuration of the dataset")
    parser.add_argument("--fraction", type=float, default=1.0)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    result = {"lag": options.lag, "generated": generated(options), "simulated": simulated(options)}
    ratio = result["simulated"]["seconds_a_replica"] / result["generated"]["seconds_a_field"]
    result["times_faster_than_md"] = round(ratio, 1)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
