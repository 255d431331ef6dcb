"""What huge pages for tensors are worth on a CPU: a training step of BOTAN, eight displacement fields.

    python benchmarks/huge_pages.py [--particles 4096] [--repeats 3] [--threads 1]

Each in a fresh process without and with THP_MEM_ALLOC_ENABLE, as `gensample` sets it, in turn; wall time of
the fastest repeat, the share of it that the kernel took, and the peak of memory.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from memory import peak_gb

from gensample.generators.displacement import DisplacementFlow
from gensample.nn.botan import Botan
from gensample.reads import Reads
from gensample.sampling.solver import Solver
from gensample.testing import graph_batch, random_sample


def batch_of(particles: int, cutoff: float):
    per_edge = round(particles ** (1 / 3))
    sample = random_sample(3, torch.Generator().manual_seed(0), configurations=1, per_edge=per_edge)
    return graph_batch(sample.to(torch.float32), cutoff=cutoff)


def training_step(particles: int) -> Callable[[], object]:
    batch, network = batch_of(particles, 2.0), Botan()

    def step() -> None:
        nodes, edges = network(batch)
        (nodes.square().mean() + edges.square().mean()).backward()

    return step


def field(particles: int) -> Callable[[], object]:
    """Eight fields at once, as `gensample sample` draws them, one step of two evaluations."""
    batch = batch_of(particles, 1.6)
    reads = Reads(cutoff=1.6, lags=(1.0,), species=2, dimension=3)
    flow = DisplacementFlow(reads, conditioner="none").eval()
    generator = torch.Generator().manual_seed(0)
    shape, lag = (batch.num_nodes, 8, 3), torch.zeros(1, 8, dtype=torch.int64)
    batch.temperature = torch.ones(1)

    def noise() -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    return lambda: flow.draw(batch, lag, noise, solver=Solver(steps=1))


WORK = {"training step of BOTAN": training_step, "eight fields": field}


def measured(options: argparse.Namespace) -> dict[str, float]:
    """Of one process: seconds, seconds in the kernel, GB."""
    torch.set_num_threads(options.threads)
    work = WORK[options.work](options.particles)
    peak = peak_gb(work)
    found = []
    for _ in range(options.repeats):
        started, kernel = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_stime
        work()
        spent = resource.getrusage(resource.RUSAGE_SELF).ru_stime - kernel
        found.append((time.perf_counter() - started, spent))
    seconds, spent = min(found)
    return {"seconds": seconds, "kernel": spent, "memory": peak}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--particles", type=int, default=4096)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--work", choices=list(WORK))
    options = parser.parse_args()
    if options.work:
        print(json.dumps(measured(options)))
        return
    for work in WORK:
        pair = []
        for enabled in "01":
            command = [sys.executable, __file__, *sys.argv[1:], "--work", work]
            environment = {**os.environ, "THP_MEM_ALLOC_ENABLE": enabled}
            output = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
            pair.append(json.loads(output.stdout.splitlines()[-1]))
        ratio = pair[0]["seconds"] / pair[1]["seconds"]
        text = "{seconds:.2f} s ({kernel:.2f} in the kernel, {memory:.2f} GB)"
        small, huge = (text.format(**each) for each in pair)
        print(f"{work}: {small}, on huge pages {huge}: {ratio:.2f} times faster", flush=True)


if __name__ == "__main__":
    main()
