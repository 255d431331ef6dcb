"""What fits of generators without training share: the data they read and the folder they write."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from gensample import __version__, zoo
from gensample.data.positions import Inputs
from gensample.data.schema import SPLITS
from gensample.data.store import Store, domain_of
from gensample.errors import ConfigError
from gensample.generators.base import Origin, starts
from gensample.meter import Meter
from gensample.ranges import COUNT, check_choice
from gensample.work import check_folder


@dataclass(frozen=True)
class Task:
    """Configurations ``rows`` of a dataset, all of one temperature, and their simulated displacements."""

    data: str
    split: str
    store: Store
    rows: list[int]
    temperature: float

    @classmethod
    def read(cls, data: str, split: str, most: int | None, temperature: float | None) -> Task:
        """The first ``most`` configurations of a split at a temperature.

        Raises:
            ConfigError: an option cannot be, or the split has several temperatures and none is chosen.
            DataError: no such data, or nothing in the split.
        """
        check_choice("--split", split, (*SPLITS, "all"))
        if most is not None:
            COUNT.check("--configurations", most)
        store = Store.open(data)
        if not store.has_displacements:
            raise ConfigError(f"{data} has no displacements to fit to; simulate some, or take another --data")
        rows = store.indices(split)
        known = np.unique(store.temperature[rows])
        if temperature is not None:
            rows = rows[np.isclose(store.temperature[rows], temperature, rtol=1e-6)]
        elif len(known) > 1:
            raise ConfigError(f"{data} has the temperatures {known.tolist()}: choose one with --temperature")
        if not len(rows):
            raise ConfigError(f"--temperature {temperature:g}: {data} has {known.tolist()}")
        chosen = [int(row) for row in rows[:most]]
        return cls(data, split, store, chosen, float(store.temperature[chosen[0]]))

    @property
    def lag_time(self) -> list[float]:
        """All lags of the dataset."""
        return [float(time) for time in self.store.times]

    @property
    def domain(self) -> dict[str, Any]:
        """What a model fitted to this is of."""
        return domain_of(self.store, [self.temperature], self.lag_time)

    def starts(self, inherent: bool = False, device: str = "cpu") -> list[Origin]:
        """Where fields start, with inherent structures (found where the dataset has none) if asked for."""
        if not inherent:
            return starts(self.store, self.rows)
        inputs = Inputs(self.store, "inherent", torch.device(device))
        inputs.prepare(self.rows)
        made = inputs.inherent(np.array(self.rows))
        assert made is not None
        return starts(self.store, self.rows, made[0])


def check_out(out: Path) -> None:
    """Refuse a folder that is there.

    Raises:
        ConfigError: it exists, or cannot be made.
    """
    check_folder(out)
    if out.exists():
        raise ConfigError(f"{out} exists; remove it or choose another --out")


def keep(
    task: Task, out: Path, name: str, settings: dict[str, Any], found: dict[str, Any], story: list[str]
) -> None:
    """Write the model ``name``: settings beside lags and domain, what was found, a card with a story."""
    class_path = f"gensample.generators.{name}.{name.capitalize()}"
    init_args = {"lag_time": task.lag_time, **settings, "domain": task.domain}
    about = {"data": task.data, "split": task.split, "configurations": len(task.rows)}
    card = [
        f"# {out.name}",
        "",
        *story,
        "",
        f"* class: `{class_path}`, no training, no weights",
        f"* data: `{task.data}`, {len(task.rows)} configurations of the split {task.split}, T = "
        f"{task.temperature:g}; nothing else was seen",
        f"* made with gensample {__version__}; `metrics.json` has everything that was tried",
    ]
    zoo.keep_generator(
        out,
        {"class_path": class_path, "init_args": init_args},
        {"fit": {**about, **found}},
        "\n".join(card) + "\n",
    )


def fit_harmonic(task: Task, out: Path, seed: int, device: str) -> str:
    """Amplitude, damping and share at rest for each lag, see `harmonic_fit.fit`; returns a summary.

    Raises:
        ConfigError: ``out`` exists.
        DataError: an inherent structure is no minimum.
    """
    from gensample.generators.harmonic_fit import fit

    check_out(out)
    meter = Meter()

    def progress(steps: Iterable[Any]) -> Iterable[Any]:
        return track(list(steps), "fit", console=Console(stderr=True))

    settings, candidates = fit(
        task.starts(True, device), task.store.displacements, task.lag_time, seed, progress
    )
    rows = [
        f"t = {time:g}: " + ", ".join(f"{name} {values[k]:.3g}" for name, values in settings.items())
        for k, time in enumerate(task.lag_time)
    ]
    criterion = "least CRPS of |u| over damping and share at rest, where its mean is that of simulation"
    found = {
        "criterion": criterion,
        "seed": seed,
        "core_seconds": meter.lap(),
        "candidates": [asdict(candidate) for candidate in candidates],
    }
    story = ["Vibrations about the inherent structure; nothing hops.", "", *(f"* {row}" for row in rows)]
    keep(task, out, "harmonic", settings, found, story)
    return "\n".join([f"{out}: {criterion}", *rows])
