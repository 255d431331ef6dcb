"""Which structural indicator tells where particles will move, and where a sheared glass will yield?

    python experiments/010-indicators/run.py dynamics [--models NAME=MODEL ...]
    python experiments/010-indicators/run.py shear [--models NAME=MODEL ...]

"dynamics": Pearson and Spearman correlation with the propensity of `ka2d-mini` at each lag. "shear": with the
non-affine displacement and D2min of `ka2d-shear-mini` at each strain, with D2min across the first plastic
event, and the percentile of the particle at its centre among its species. Species A, within configurations,
averaged over the test split; intervals by bootstrap over configurations. Of each indicator one length of
coarse-graining is shown, chosen on the validation split; ridge regressions and models see the training split.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import h5py
import numpy as np
from columns import LENGTHS, Structures, of_model, regression
from scores import cell, pearson, percentile_of, spearman, with_interval

from gensample.data.store import Store
from gensample.data.views import ShearView, open_view
from gensample.stats.dynamics import propensity

RUNS = Path("runs/010")
DATASETS = {"dynamics": "ka2d-mini", "shear": "ka2d-shear-mini"}
SOURCES = ("inherent", "thermal")
REGRESSED = "ridge, invariants"


@dataclass(frozen=True)
class Target:
    """What is predicted: (rows, N) values, or the one particle of each row whose percentile counts."""

    name: str
    values: np.ndarray
    percentile: bool = False
    species: np.ndarray | None = None

    def scores(self, x: np.ndarray, rows: np.ndarray, of: np.ndarray) -> dict[str, np.ndarray]:
        """Scores (rows,) by name of predictions x (rows, N) for the rows, over the particles ``of``."""
        if self.percentile:
            return {"percentile": percentile_of(x, self.values[rows], self.species)}
        y = self.values[rows][:, of]
        return {"pearson": pearson(x[:, of], y), "spearman": spearman(x[:, of], y)}


class Table:
    """All predictions against all targets of one dataset."""

    def __init__(self, kind: str) -> None:
        self.kind, self.path = kind, DATASETS[kind]
        self.structures = Structures(self.path, RUNS / self.path)
        self.store = open_view(self.path)
        count = self.store.num_configurations
        sheared = isinstance(self.store, ShearView)
        self.owner = np.array([self.store.source_row(r)[0] if sheared else r for r in range(count)])
        self.rows = {split: self.store.indices(split) for split in ("train", "val", "test")}
        self.species = self.store.species
        self.targets = _shear_targets(self.path) if sheared else _dynamic_targets(self.store)

    def evaluate(self, models: dict[str, str]) -> list[dict]:
        """One entry for each prediction and target."""
        found = []
        for source in SOURCES:
            found += self._indicators(source)
            found += self._regression(source)
        if self.kind == "shear":
            found += self._response()
        for name, model in models.items():
            found += self._model(name, model)
        return found

    def _valid(self, target: Target, split: str) -> np.ndarray:
        rows = self.rows[split]
        bad = target.values[rows] < 0 if target.percentile else ~np.isfinite(target.values[rows]).all(1)
        return rows[~bad]

    def _score(self, name: str, source: str, target: Target, x: np.ndarray, **more: object) -> dict:
        rows, of = self._valid(target, "test"), self.species == 0
        scores = target.scores(x[rows], rows, of)
        entry = {"name": name, "input": source, "target": target.name, **more}
        return entry | {key: with_interval(value, self.owner[rows]) for key, value in scores.items()}

    def _indicators(self, source: str) -> list[dict]:
        columns = self.structures.indicators(source)
        found = []
        for name in [key for key in columns if "@" not in key]:
            of_length = {
                length: columns[f"{name}@{length:g}" if length else name][self.owner] for length in LENGTHS
            }
            found += [self._best(name, source, target, of_length) for target in self.targets]
        return found

    def _best(self, name: str, source: str, target: Target, candidates: dict[float, np.ndarray]) -> dict:
        """The length, and for percentiles the sign, that the validation split prefers."""
        rows, of = self._valid(target, "val"), self.species == 0

        def merit(x: np.ndarray) -> float:
            scores = target.scores(x[rows], rows, of)
            mean = float(next(iter(scores.values())).mean())
            return mean - 0.5 if target.percentile else mean

        merits = {length: merit(x) for length, x in candidates.items()}
        length = max(merits, key=lambda key: abs(merits[key]))
        turned = target.percentile and merits[length] < 0
        x = -candidates[length] if turned else candidates[length]
        return self._score(name, source, target, x, length=length, turned=turned)

    def _regression(self, source: str) -> list[dict]:
        inputs, found = self.structures.invariants(source), []
        for target in self.targets:
            values = self.fields[target.name] if target.percentile else target.values
            fitted = np.nan_to_num(values)[:, :, None]
            train = self.rows["train"][np.isfinite(values[self.rows["train"]]).all(1)]
            x = regression(inputs, fitted, self.species, train, self.owner)[..., 0]
            found.append(self._score(REGRESSED, source, target, x))
        return found

    @property
    def fields(self) -> dict[str, np.ndarray]:
        """For a target of one particle, the field whose largest value it is."""
        by_name = {target.name: target.values for target in self.targets}
        return {"centre of the first event": by_name.get("D2min of the first event")}

    def _response(self) -> list[dict]:
        lengths, strains = (field[self.owner] for field in self.structures.response())
        return [
            self._score("harmonic response", "inherent", t, lengths if t.name.startswith("|u|") else strains)
            for t in self.targets
        ]

    def _model(self, name: str, model: str) -> list[dict]:
        """A model's columns belong to the targets of its kind: displacement, d2min or first_event."""
        label, _, kind = name.partition(":")
        label, _, source = label.partition("@")
        targets = [target for target in self.targets if _kind(target) == (kind or "displacement")]
        rows = self.rows["test"]
        predicted = np.full((len(self.owner), len(self.species), len(targets)), np.nan)
        found = of_model(model, self.path, rows)
        columns = min(found.shape[2], len(targets))
        predicted[rows, :, :columns] = found[:, :, :columns]
        for k in range(columns, len(targets)):  # the centre of an event: from its field
            predicted[rows, :, k] = found[:, :, columns - 1]
        return [self._score(label, source, t, predicted[..., k]) for k, t in enumerate(targets)]


def _kind(target: Target) -> str:
    if "first event" in target.name:
        return "first_event"
    return "d2min" if target.name.startswith("D2min") else "displacement"


def _dynamic_targets(store: Store) -> list[Target]:
    fields = [store.displacements(c) for c in range(store.num_configurations)]
    mean = np.stack([propensity(u) for u in fields])  # (C, K, N)
    return [Target(f"t = {t:g}", mean[:, k]) for k, t in enumerate(store.times)]


def _shear_targets(path: str) -> list[Target]:
    found = []
    view = ShearView(path)
    lengths = np.stack(
        [np.linalg.norm(view.displacements(r)[0], axis=-1) for r in range(view.num_configurations)]
    )
    found += [Target(f"|u| at {g:g}", lengths[:, k]) for k, g in enumerate(view.times)]
    view = ShearView(path, "d2min")
    d2min = np.stack([view.node_target(r) for r in range(view.num_configurations)])
    found += [Target(f"D2min at {g:g}", d2min[:, k]) for k, g in enumerate(view.times)]
    with h5py.File(view.path) as file:
        event = file["shear/first_event"][...].astype(float)
    event = event.reshape(-1, event.shape[-1])
    absent = ~np.isfinite(event).all(1)
    centre = np.where(absent, -1, np.nan_to_num(event).argmax(1))
    found.append(Target("D2min of the first event", np.log10(np.maximum(event, 1e-8))))
    found.append(Target("centre of the first event", centre, percentile=True, species=view.species))
    return found


def table(entries: Sequence[dict], score: str, targets: Sequence[str]) -> str:
    """Markdown: a line for each prediction, a column for each target."""
    lines = [f"| {score} | input | " + " | ".join(targets) + " |", "|---" * (len(targets) + 2) + "|"]
    names = list(dict.fromkeys((entry["name"], entry["input"]) for entry in entries))
    for name, source in names:
        mine = {e["target"]: e for e in entries if (e["name"], e["input"]) == (name, source)}
        cells = [_cell(mine.get(target), score) for target in targets]
        if any(cells):
            lines.append(f"| {name} | {source} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(entry: dict | None, score: str) -> str:
    if entry is None or score not in entry:
        return ""
    length = entry.get("length")
    turned = ", turned" if entry.get("turned") else ""
    return cell(entry[score]) + (f" (l = {length:g}{turned})" if length is not None else "")


def write(kind: str, entries: list[dict]) -> None:
    """results-KIND.json and table-KIND.md."""
    (HERE / f"results-{kind}.json").write_text(json.dumps(entries, indent=1) + "\n")
    groups: dict[str, Callable[[str], bool]] = {
        "dynamics": lambda name: name.startswith("t = "),
        "non-affine displacement": lambda name: name.startswith("|u|"),
        "D2min": lambda name: name.startswith("D2min"),
        "first event": lambda name: name.startswith("centre"),
    }
    targets = list(dict.fromkeys(entry["target"] for entry in entries))
    parts = []
    for title, belongs in groups.items():
        chosen = [name for name in targets if belongs(name)]
        for score in ("pearson", "spearman", "percentile"):
            if any(score in entry for entry in entries if entry["target"] in chosen):
                parts.append(f"## {title}, {score}\n\n{table(entries, score, chosen)}")
    (HERE / f"table-{kind}.md").write_text("\n".join(parts))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=sorted(DATASETS))
    parser.add_argument(
        "--models",
        nargs="*",
        default=[],
        help="NAME@INPUT[:KIND]=MODEL, KIND displacement, d2min or first_event",
    )
    options = parser.parse_args()
    models = dict(word.split("=", 1) for word in options.models)
    entries = Table(options.kind).evaluate(models)
    write(options.kind, entries)
    print((HERE / f"table-{options.kind}.md").read_text())
