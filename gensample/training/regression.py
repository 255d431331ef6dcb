"""Scores of predicted against simulated propensities and elongations, per configuration, species and lag."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gensample.stats.propensity import ceiling_exact


@dataclass(frozen=True)
class Score:
    """What one configuration contributes: predictions, labels and the correlation over its bonds."""

    species: Tensor  # (N,)
    predicted: Tensor  # (N, K)
    label: Tensor  # (N, K)
    spread: Tensor | None  # (N, K)
    replicas: int
    lag_time: Tensor  # (K,)
    bonds: Tensor | None  # (K,) Pearson over the chosen bonds

    @classmethod
    def of_batch(cls, batch: Any, nodes: Tensor, edges: Tensor, chosen: Tensor) -> "list[Score]":
        """One score per configuration of a batch; nodes (n, K or more), edges (E, K), chosen (E,) bool."""
        lags = len(batch.lag_time)
        owner = batch.batch[batch.edge_index[0]]
        scores = []
        for i in range(batch.num_graphs):
            of, bonds = batch.batch == i, None
            if "elongation" in batch and edges.shape[1]:
                mine = chosen & (owner == i)
                bonds = pearson(edges[mine], batch.elongation[mine])
            spread = batch.spread[of] if "spread" in batch else None
            label, predicted = batch.propensity[of], nodes[of, :lags]
            replicas = int(batch.replicas[i])
            scores.append(cls(batch.species[of], predicted, label, spread, replicas, batch.lag_time, bonds))
        return scores


def bond_mask(batch: Any, cutoff: float) -> Tensor:
    """Edges (E,) between two A particles closer than ``cutoff``."""
    both: Tensor = (batch.species[batch.edge_index] == 0).all(0)
    return both.logical_and(batch.edge_vector.norm(dim=-1) < cutoff)


def pearson(x: Tensor, y: Tensor) -> Tensor:
    """Pearson correlation of the columns of x and y (M, K): (K,); nan where a column is constant."""
    x, y = x.double(), y.double()
    x, y = x - x.mean(0), y - y.mean(0)
    return (x * y).sum(0) / (x.square().sum(0) * y.square().sum(0)).sqrt()


def summarise(scores: list[Score], ceilings: bool) -> dict[str, float]:
    """Correlations by name, with species letter and lag time.

    ``pearson_A_10`` (mean over configurations), ``pearson_pooled_A_10``, ``edge_pearson_10`` (A-A bonds), the
    mean over lags as ``pearson_A``; and ``ceiling_A_10`` if asked.
    """
    lags = [f"{t:g}" for t in scores[0].lag_time.tolist()]
    found: dict[str, float] = {}
    for s in range(int(scores[0].species.max()) + 1):
        found |= _of_species(scores, s, chr(ord("A") + s), lags, ceilings)
    bonds = [score.bonds for score in scores if score.bonds is not None]
    if bonds:
        mean = torch.stack(bonds).mean(0).tolist()
        found |= {f"edge_pearson_{lag}": value for lag, value in zip(lags, mean, strict=True)}
    return found


def _of_species(
    scores: list[Score], s: int, letter: str, lags: list[str], ceilings: bool
) -> dict[str, float]:
    predicted = [score.predicted[score.species == s] for score in scores]
    labels = [score.label[score.species == s] for score in scores]
    each = torch.stack([pearson(x, y) for x, y in zip(predicted, labels, strict=True)]).mean(0)
    columns = {"pearson": each, "pearson_pooled": pearson(torch.cat(predicted), torch.cat(labels))}
    if ceilings and (ceiling := _ceiling(scores, s)) is not None:
        columns["ceiling"] = ceiling
    found = {f"pearson_{letter}": float(each.mean())}
    for name, column in columns.items():
        found |= {f"{name}_{letter}_{lag}": value for lag, value in zip(lags, column.tolist(), strict=True)}
    return found


def _ceiling(scores: list[Score], s: int) -> Tensor | None:
    """Best Pearson (K,) of the exact propensity with these labels; None where replicas are not known."""
    if any(score.spread is None or score.replicas < 2 for score in scores):
        return None
    delta, noise = [], []
    for score in scores:
        of = score.species == s
        assert score.spread is not None
        noise.append(score.spread[of].double().square().mean(0) / score.replicas)
        delta.append(score.label[of].double().var(0) - noise[-1])
    mean_delta, mean_noise = torch.stack(delta).mean(0), torch.stack(noise).mean(0)
    return torch.from_numpy(ceiling_exact(mean_delta, mean_noise))
