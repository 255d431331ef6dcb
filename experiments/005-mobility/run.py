"""How much of the dynamics is in the mobility field, and what the untrained generator already reproduces.

    python experiments/005-mobility/run.py

Validation split of ka2d-mini, species A. Per lag: skewness of the deviation of the log mobility from its mean
over replicas, beside that of log |u|; correlation over replicas of a configuration's overlap (a = 0.3) with
its mean log mobility; then, of 16 draws by priors and ridge regression alone (networks that add nothing, 8
evaluations each): mean |u|, alpha2 and chi4 within a configuration, over simulation's.
"""

import json
from pathlib import Path

import torch

from gensample.data.datamodule import KADataModule
from gensample.generators.displacement import DisplacementFlow
from gensample.physics.mobility import averaging_matrix, log_mobility
from gensample.reads import Reads
from gensample.sampling.solver import Solver
from gensample.seeding import torch_generator

HERE = Path(__file__).parent
OVERLAP = 0.3


def skewness(x: torch.Tensor) -> float:
    """Of the deviations of (n, R) values from their mean over replicas."""
    x = x - x.mean(1, keepdim=True)
    return float((x**3).mean() / (x**2).mean() ** 1.5)


def mobility_statistics(fields: torch.Tensor, matrix: torch.Tensor, a: torch.Tensor) -> dict:
    """Of the simulated fields (n, R, d) of one configuration and lag."""
    mobility, length = log_mobility(fields, matrix)[a], fields.norm(dim=-1)[a]
    overlap = (length < OVERLAP).float().mean(0)
    both = torch.stack([overlap, mobility.mean(0)])
    return {
        "skewness of m": skewness(mobility),
        "skewness of log u": skewness(length.clamp(min=1e-4).log()),
        "correlation of overlap and m": float(torch.corrcoef(both)[0, 1]),
    }


def moments(fields: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
    """mean |u|, <u^2>, <u^4>, chi4 of species A of fields (n, R, d)."""
    length = fields.norm(dim=-1)[a]
    chi4 = len(length) * (length < OVERLAP).float().mean(0).var()
    return torch.stack([length.mean(), length.square().mean(), length.pow(4).mean(), chi4])


def untrained(data: KADataModule) -> DisplacementFlow:
    """The generator with fitted priors and regression, and networks that add nothing."""
    task = DisplacementFlow(reads=Reads.of(data), prior="elastic-mobility", layers=1)
    task.fit_statistics(data, 0)
    for parameter in task.conditioner.head[-1].parameters():
        torch.nn.init.zeros_(parameter)
    return task.eval()


def ratios(generated: torch.Tensor, simulated: torch.Tensor) -> dict:
    """Generated over simulated, from moments averaged over configurations."""
    alpha2 = [m[2] / (2 * m[1] ** 2) - 1 for m in (generated, simulated)]
    return {
        "mean": float(generated[0] / simulated[0]),
        "alpha2": float(alpha2[0] / alpha2[1]),
        "chi4": float(generated[3] / simulated[3]),
    }


def main() -> None:
    torch.set_num_threads(1)
    data = KADataModule(
        "ka2d-mini", target="displacement", input="inherent", cutoff=1.6, descriptors=True, fields=3
    )
    data.setup()
    task, found = untrained(data), {}
    for k, t in enumerate(data.lag_times):
        per_configuration, drawn, simulated = [], [], []
        for row in data.rows("val"):
            batch = data.batch([int(row)])
            a = batch.species == 0
            fields = torch.from_numpy(data.store.displacements(int(row))[:, k]).transpose(0, 1).contiguous()
            matrix = averaging_matrix(batch.edge_index, batch.edge_vector, batch.num_nodes)
            per_configuration.append(mobility_statistics(fields, matrix, a))
            generator, shape = torch_generator(1, int(row), k), (batch.num_nodes, 16, 2)
            white = lambda: torch.randn(shape, generator=generator)  # noqa: B023, E731
            draws, _ = task.draw(batch, torch.full((1, 16), k), white, solver=Solver(steps=4))
            drawn.append(moments(draws, a))
            simulated.append(moments(fields, a))
        means = {
            key: sum(p[key] for p in per_configuration) / len(per_configuration)
            for key in per_configuration[0]
        }
        found[f"{t:g}"] = means | ratios(torch.stack(drawn).mean(0), torch.stack(simulated).mean(0))
        print(t, found[f"{t:g}"])
    (HERE / "results.json").write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
