"""One training step of BOTAN (forward, loss, backward): plain form, factorised form, factorised and compiled.

    python benchmarks/botan_step.py [--particles 4096] [--repeats 3] [--threads 1] [--skip-compiled]

A random configuration at density 1.2 with the cut-off of the published network (about 40 neighbours each), or
configuration ``--row`` of ``--dataset``. All forms run in turn in one process; time is the process's own
(CPU) time, the smallest of the repeats. Memory is the peak of a first step beyond what was held before it,
in a fresh process per form.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from memory import peak_gb

from gensample.data.datamodule import KADataModule
from gensample.nn.botan import Botan
from gensample.testing import graph_batch, random_sample

FORMS = ("plain", "factorised", "compiled")


def configuration(options: argparse.Namespace):
    if options.dataset:
        data = KADataModule(options.dataset)
        data.setup()
        return data.batch([options.row])
    per_edge = round(options.particles ** (1 / 3))
    sample = random_sample(3, torch.Generator().manual_seed(0), configurations=1, per_edge=per_edge)
    batch = graph_batch(sample.to(torch.float32), cutoff=2.0)
    batch.propensity, batch.elongation = batch.pos[:, :1], batch.edge_vector[:, :1]
    return batch


def step_of(form: str, batch) -> Callable[[], None]:
    torch.manual_seed(0)
    network = Botan(factorised=form != "plain")
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    if form == "compiled":
        network.compile(dynamic=True)

    def step() -> None:
        optimizer.zero_grad()
        nodes, edges = network(batch)
        loss = (
            0.4 * (nodes - batch.propensity).square().mean()
            + 0.6 * (edges - batch.elongation).square().mean()
        )
        loss.backward()
        optimizer.step()

    return step


def cpu_time(step: Callable[[], None]) -> float:
    start = time.process_time()
    step()
    return time.process_time() - start


def peak_of(form: str, words: list[str]) -> float:
    """Peak memory in GB of the first step of a fresh process."""
    output = subprocess.run(
        [sys.executable, __file__, *words, "--peak-of", form], check=True, capture_output=True, text=True
    ).stdout
    return float(output.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--particles", type=int, default=4096)
    parser.add_argument("--dataset")
    parser.add_argument("--row", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--skip-compiled", action="store_true")
    parser.add_argument("--peak-of", choices=FORMS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    batch = configuration(options)
    if options.peak_of:
        print(peak_gb(step_of(options.peak_of, batch)))
        return
    forms = FORMS[: 2 if options.skip_compiled else 3]
    steps = {form: step_of(form, batch) for form in forms}
    for step in steps.values():
        step()  # warm up, compile
    times = {form: min(cpu_time(step) for _ in range(options.repeats)) for form, step in steps.items()}
    words = sys.argv[1:]
    memory = {form: round(peak_of(form, words), 2) for form in forms if form != "compiled"}
    result = {
        "particles": batch.num_nodes,
        "edges": batch.edge_index.shape[1],
        "threads": options.threads,
        "seconds": {form: round(value, 2) for form, value in times.items()},
        "times_faster_than_plain": {form: round(times["plain"] / value, 2) for form, value in times.items()},
        "peak_gb_of_a_step": memory,
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
