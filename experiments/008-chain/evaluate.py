"""Numbers of the chain: energies, propensities and ageing, with intervals over configurations."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from draw import draw
from files import SETS, SOURCES, Files
from tables import tables

from gensample.comparison.sets import Configurations, compare_configurations, potential_energies
from gensample.data.store import Store
from gensample.physics.mixtures import get_mixture
from gensample.report.page import to_json
from gensample.seeding import numpy_generator
from gensample.stats.dynamics import (
    ceiling_exact,
    ceiling_sampler,
    magnitudes,
    overlap,
    pearson,
    propensity,
    split_variance,
)
from gensample.stats.intervals import percentile_interval, resample_weights
from gensample.zoo import load_predictor

BOOTSTRAP = 1000
REFERENCE = ("test", "LAMMPS")
WHOLE = ("energy", "energy_sd", "energy_gap", "inherent_energy", "inherent_energy_gap")
PER_LAG = {"mean": "propensity_mean", "sd": "propensity_sd"}


def evaluate(files: Files, settings: dict, temperature: float, out: Path) -> None:
    """Write results.json, table.md and propensity.png from the files that are there."""
    lags, seed = tuple(settings["lags"]), settings["seed"]
    with Store.open(files.set("test")) as store:
        species = store.species.astype(int)
    fields = {
        (name, source): displacements(path, lags)
        for name in SETS
        for source, path in (("generator", files.generator(name)), ("LAMMPS", files.lammps(name)))
    }
    found = {key: np.stack([propensity(u) for u in us], 0) for key, us in fields.items() if us is not None}
    found |= {(name, "BOTAN"): predicted(settings["predictor"], files.set(name), lags) for name in SETS}
    found = {key: mu if key[1] == "BOTAN" else mu.swapaxes(1, 2) for key, mu in found.items()}  # (C, N, K)
    judged = Judge(files, found, lags, temperature, seed)
    results = {
        "settings": settings,
        "sets": judged.energies(),
        "propensity": [
            {**row, **correlation(row, found, fields, species, lags, seed)} for row in judged.propensities()
        ],
        "ageing": [row for run in files.runs() if (row := ageing(files, *run, lags, seed)) is not None],
        "drift": drifts(files, lags, settings["relaxation"], seed),
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.json").write_text(to_json(results))
    results = json.loads(to_json(results))
    (out / "table.md").write_text(tables(results))
    draw(found, species, lags, out / "propensity.png")
    print((out / "table.md").read_text(), flush=True)


@cache
def displacements(path: Path, lags: tuple[float, ...]) -> list[np.ndarray] | None:
    """Fields (R, K, N, d) of every configuration; None where the file is not there yet."""
    if not path.exists():
        print(f"missing: {path}; its rows are left out", flush=True)
        return None
    with Store.open(path) as store:
        chosen = np.flatnonzero(np.isin(store.times, lags))
        return [store.displacements(c)[:, chosen] for c in range(store.num_configurations)]


def predicted(predictor: str, path: Path, lags: tuple[float, ...]) -> np.ndarray:
    """Propensity (C, N, K) of a set by the predictor."""
    model = load_predictor(predictor)
    return model.propensity(path)[..., [model.times.index(t) for t in lags]]


class Judge:
    """Comparisons of every set and source with the test set."""

    def __init__(
        self, files: Files, found: dict, lags: tuple[float, ...], temperature: float, seed: int
    ) -> None:
        self.files, self.found, self.lags = files, found, lags
        self.temperature, self.seed = temperature, seed

    def energies(self) -> dict[str, dict]:
        """Of the configurations themselves: {set: {quantity: entry}}."""
        rows = {}
        for name in SETS:
            quantities = self._compare(name, "BOTAN", REFERENCE)
            rows[name] = {key: quantities[key]["all"]["generated"] for key in WHOLE}
            rows[name] |= {
                f"{key}_{kind}": quantities[key]["all"][source]
                for key in ("energy_W1", "inherent_energy_W1", "pair_distribution_distance")
                for kind, source in (("of set", "generated"), ("halves", "halves"))
            }
            if name == "test":  # a set is at no distance from itself
                rows[name] = {k: v for k, v in rows[name].items() if not k.endswith(("gap", "of set"))}
        return rows

    def propensities(self) -> list[dict]:
        """One row for every set, source, species and lag."""
        rows = []
        for name in SETS:
            for source in SOURCES:
                if (name, source) not in self.found:
                    continue
                numbers = self._compare(name, source, REFERENCE)
                for label in numbers["propensity_mean"]:
                    kind, time = label.split(", t = ")
                    where = {"set": name, "source": source, "species": kind, "t": float(time)}
                    values = {key: numbers[of][label]["generated"] for key, of in PER_LAG.items()}
                    rows.append({**where, **values, **self._distances(name, source, label)})
        return rows

    def _distances(self, name: str, source: str, label: str) -> dict:
        """W1 to the LAMMPS propensity of the test set, and to the test set's from the same source."""
        found = {}
        for key, reference in (("W1", REFERENCE), ("W1_same", ("test", source))):
            if reference not in self.found:
                continue
            both = self._compare(name, source, reference)["propensity_W1"][label]
            found[f"{key}_halves"] = both["halves"]
            if (name, source) != reference:
                found[key] = both["generated"]
        return found

    @cache  # noqa: B019
    def _compare(self, name: str, source: str, reference: tuple[str, str]) -> dict[str, Any]:
        """Quantities of a set with the propensities of a source, against the test set with others."""
        print(f"comparing {name}, {source}, with {', '.join(reference)}", flush=True)
        simulated = configurations(self.files.set("test"), self.found[reference], self.lags)
        generated = configurations(self.files.set(name), self.found[(name, source)], self.lags)
        with Store.open(self.files.set("test")) as store:
            mixture, truncation = get_mixture(store.mixture), store.truncation
        result = compare_configurations(
            simulated,
            generated,
            mixture=mixture,
            temperature=self.temperature,
            truncation=truncation,
            seed=self.seed,
            bootstrap=BOOTSTRAP,
        )
        return result.metrics["quantities"]


def configurations(path: Path, mu: np.ndarray | None = None, lags: tuple[float, ...] = ()) -> Configurations:
    """A file's configurations, with propensities (C, N, K)."""
    with Store.open(path) as store:
        return Configurations(
            store.positions,
            store.box,
            store.species.astype(np.int64),
            store.inherent_energy,
            propensity=mu,
            times=lags,
        )


def entry(values: np.ndarray, weights: np.ndarray, reduce: Any = lambda x: x) -> dict:
    """Of means over configurations, (C,) or (C, F) through ``reduce``: value and bootstrap interval."""
    value = float(reduce(values.mean(0)))
    if len(values) < 2:
        return {"value": value, "interval": None}
    draws = np.array([reduce(mean) for mean in weights @ values])
    return {"value": value, "interval": [float(x) for x in percentile_interval(draws)]}


def weights_for(count: int, seed: int) -> np.ndarray:
    """The same resamples of configurations for all that has as many of them."""
    return resample_weights(count, BOOTSTRAP, numpy_generator(seed))


def correlation(
    row: dict, found: dict, fields: dict, species: np.ndarray, lags: tuple[float, ...], seed: int
) -> dict:
    """Pearson over particles with the set's own LAMMPS propensity, mean over configurations; its ceiling."""
    name, source = row["set"], row["source"]
    label = found.get((name, "LAMMPS"))
    if source == "LAMMPS" or label is None:
        return {}
    members, k = np.flatnonzero(species == ord(row["species"]) - ord("A")), lags.index(row["t"])
    pairs = zip(found[(name, source)], label, strict=True)
    each = np.array([pearson(a[members, k], b[members, k]) for a, b in pairs])
    weights = weights_for(len(each), seed)
    runs = [magnitudes(u[:, k, members]) for u in fields[(name, "LAMMPS")]]
    if min(len(u) for u in runs) < 2:
        return {"pearson": entry(each, weights)}
    draws = None if source == "BOTAN" else len(fields[(name, source)][0])
    parts = np.array([split_variance(u)[:2] for u in runs])  # delta and iso

    def ceiling(mean: np.ndarray) -> float:
        delta, noise = mean[0], mean[1] / len(runs[0])
        best = ceiling_exact(delta, noise) if draws is None else None
        return float(ceiling_sampler(delta, noise, mean[1] / draws) if best is None else best)

    return {"pearson": entry(each, weights), "ceiling": entry(parts, weights, ceiling)}


# Ageing


@cache
def energies_along(files: Files, name: str, start: str, lags: tuple[float, ...]) -> dict[str, np.ndarray]:
    """Energies per particle (C, 1 + K) at the start of the runs and at every lag, mean over replicas.

    "inherent" is left out without frames.
    """
    runs = files.lammps(name, start)
    with Store.open(runs) as store:
        mixture, truncation = get_mixture(store.mixture), store.truncation
        fields = [store.displacements(c) for c in range(store.num_configurations)]
        positions, box, species = store.positions, store.box, store.species.astype(np.int64)
        begin = store.inherent_energy
    thermal = []
    for x, edges, u in zip(positions, box, fields, strict=True):
        frames = np.concatenate([x[None], (x + u).reshape(-1, *x.shape)])
        of = Configurations(frames, np.tile(edges, (len(frames), 1)), species)
        e = potential_energies(of, mixture, truncation) / len(x)
        thermal.append([e[0], *e[1:].reshape(len(u), -1).mean(0)])
    found = {"thermal": np.array(thermal)}
    path = files.frames(name, start)
    if path.exists():
        with Store.open(path) as store:
            later = store.inherent_energy.reshape(len(positions), -1, len(lags)).mean(1)
        found["inherent"] = np.column_stack([begin, later])
    return found


def ageing(files: Files, name: str, start: str, lags: tuple[float, ...], seed: int) -> dict | None:
    """Overlap of A and energies of runs as functions of time."""
    fields = displacements(files.lammps(name, start), lags)
    if fields is None:
        return None
    with Store.open(files.lammps(name, start)) as store:
        a = np.flatnonzero(store.species == 0)
    q = np.array([[overlap(u[:, k, a]).mean() for k in range(len(lags))] for u in fields])
    weights = weights_for(len(fields), seed)
    row: dict[str, Any] = {"set": name, "start": start}
    row["overlap"] = {f"{t:g}": entry(q[:, k], weights) for k, t in enumerate(lags)}
    for kind, e in energies_along(files, name, start, lags).items():
        row[f"{kind}_energy"] = {f"{t:g}": entry(e[:, k], weights) for k, t in enumerate((0.0, *lags))}
    return row


def drifts(files: Files, lags: tuple[float, ...], relaxation: float, seed: int) -> list[dict]:
    """Changes of energy per particle, paired by configuration: along runs, and over the relaxation."""
    rows = []
    starts: dict[tuple[str, str], dict[str, np.ndarray]] = {}
    for name, start in files.runs():
        if files.lammps(name, start).exists():
            energies = energies_along(files, name, start, lags)
            starts[(name, start)] = energies
            for kind, e in energies.items():
                change = e[:, -1] - e[:, 0]
                where = {"set": name, "what": f"{lags[-1]:g} tau of runs started {start}", "energy": kind}
                rows.append({**where, "drift": entry(change, weights_for(len(change), seed))})
    for name in SETS:
        before, after = starts.get((name, "at once")), starts.get((name, "relaxed"))
        if before is None or after is None:
            continue
        for kind in [kind for kind in before if kind in after]:
            change = after[kind][:, 0] - before[kind][:, 0]
            where = {"set": name, "what": f"relaxation of {relaxation:g} tau, one run each", "energy": kind}
            rows.append({**where, "drift": entry(change, weights_for(len(change), seed))})
    return rows
