"""Scores of mobility fields against simulated ones, and what a local law makes of them."""

from __future__ import annotations

import numpy as np
import torch

from gensample.generators.mobility import averaged
from gensample.stats.dynamics import pearson, predictability, split_variance
from gensample.stats.scores import best_score, crps

SCALES = {"particle": 0, "4": 4, "16": 16, "64": 64, "box": float("inf")}
BINS, LEVELS, OVERLAP = 48, 65, 0.3


def at_scale(m: np.ndarray, matrix: torch.Tensor, rounds: float) -> np.ndarray:
    """Fields (R, N) averaged over neighbours."""
    return averaged(torch.from_numpy(np.ascontiguousarray(m.T)), matrix, rounds).numpy().T


def reference(pool: np.ndarray) -> float:
    """E|Y - Y'| / 2 of any two values of the pool."""
    values = np.sort(pool.ravel())
    n = len(values)
    return float(2 * ((2 * np.arange(1, n + 1) - n - 1) @ values) / (n * (n - 1.0))) / 2


def field_scores(observed: list, drawn: list, matrices: list, species: np.ndarray) -> dict:
    """Per scale: share of the best possible CRPS skill, of species A, over climatology of all configurations;
    ratio of the variance over replicas, and Pearson of the means over replicas."""
    a, found = species == 0, {}
    for name, rounds in SCALES.items():
        one = slice(0, 1) if name == "box" else a
        o = [
            at_scale(m[:, a], None, rounds) if name == "box" else at_scale(m, w, rounds)
            for m, w in zip(observed, matrices, strict=True)
        ]
        d = [
            at_scale(m[:, a], None, rounds) if name == "box" else at_scale(m, w, rounds)
            for m, w in zip(drawn, matrices, strict=True)
        ]
        o, d = [x[:, one] for x in o], [x[:, one] for x in d]
        score = np.mean([crps(x, y).mean() for x, y in zip(o, d, strict=True)])
        best, base = np.mean([best_score(x).mean() for x in o]), reference(np.stack(o))
        variance = [np.mean([x.var(0, ddof=1).mean() for x in both]) for both in (d, o)]
        means = [np.concatenate([x.mean(0) for x in both]) for both in (d, o)]
        found[name] = {
            "skill": 1 - score / base,
            "best": 1 - best / base,
            "variance": variance[0] / variance[1],
            "pearson": pearson(*means),
        }
    return found


class Law:
    """p(|u| | log mobility) of particles, by species: quantiles in bins of equal population."""

    def __init__(self, m: list, length: list, species: np.ndarray) -> None:
        self.edges, self.table, self.species = {}, {}, species
        levels = np.linspace(0, 1, LEVELS)
        for s in np.unique(species):
            x = np.concatenate([v[:, species == s].ravel() for v in m])
            y = np.concatenate([v[:, species == s].ravel() for v in length])
            self.edges[s] = np.unique(np.quantile(x, np.linspace(0, 1, BINS + 1)[1:-1]))[1:]
            at = np.searchsorted(self.edges[s], x)
            self.table[s] = np.stack([np.quantile(y[at == b], levels) for b in range(len(self.edges[s]) + 1)])

    def lengths(self, m: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """|u| (R, N) drawn for fields (R, N)."""
        u, out = generator.random(m.shape) * (LEVELS - 1), np.empty(m.shape)
        low = u.astype(int)
        for s in self.edges:
            mine = self.species == s
            at = np.searchsorted(self.edges[s], m[:, mine])
            t, k = self.table[s], low[:, mine]
            out[:, mine] = t[at, k] + (u[:, mine] - k) * (t[at, k + 1] - t[at, k])
        return out


def of_lengths(drawn: list, observed: list, species: np.ndarray) -> dict:
    """What the lengths |u| (R, N) of species A show."""
    a = species == 0

    def moments(sets: list) -> dict:
        x = [v[:, a] for v in sets]
        parts = [split_variance(v) for v in x]
        square, fourth = (np.mean([(v**p).mean() for v in x]) for p in (2, 4))
        q = [(v < OVERLAP).mean(1) for v in x]
        return {
            "mean": np.mean([v.mean() for v in x]),
            "alpha2": fourth / (2 * square**2) - 1,
            "R": float(predictability(np.mean([p.delta for p in parts]), np.mean([p.iso for p in parts]))),
            "chi4": a.sum() * np.mean([v.var(ddof=1) for v in q]),
            "chi4 total": a.sum()
            * (np.mean([v.var(ddof=1) for v in q]) + np.var([v.mean() for v in q], ddof=1)),
        }

    best = np.mean([best_score(v[:, a]).mean() for v in observed])
    base = reference(np.stack([v[:, a] for v in observed]))
    score = np.mean([crps(o[:, a], d[:, a]).mean() for o, d in zip(observed, drawn, strict=True)])
    means = [np.concatenate([v[:, a].mean(0) for v in sets]) for sets in (drawn, observed)]
    made, true = moments(drawn), moments(observed)
    return {
        **{name: [made[name], true[name]] for name in made},
        "pearson": pearson(*means),
        "skill share": (1 - score / base) / (1 - best / base),
    }
