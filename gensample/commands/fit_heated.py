"""The fit of `heated`: jobs of short runs from training configurations, and the choice among candidates."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from gensample.commands.fitting import Task, check_out, keep
from gensample.data.store import digest_structures
from gensample.generators.base import Origin
from gensample.generators.heated import COOLED_BY, Phase, Recipe
from gensample.generators.heated_fit import (
    Branches,
    Choice,
    Scores,
    Search,
    choose,
    plain,
    score,
)
from gensample.meter import Meter
from gensample.simulate.runners import Dynamics
from gensample.simulate.scheduler import Job, run_jobs
from gensample.simulate.short_runs import System, displacements
from gensample.simulate.structure import keep as keep_files
from gensample.stats.dynamics import OVERLAP_LENGTH
from gensample.stats.propensity import magnitudes
from gensample.work import Work, claim, parts_beside

LENGTHS = "lengths.npz"


def fit_heated(task: Task, search: Search, out: Path, dynamics: Dynamics) -> str:
    """The recipe of each lag, written as the folder of a model; resumes; returns a summary.

    Raises:
        ConfigError: ``out`` exists, or the folder of finished jobs is another's.
        DataError: the dataset has no known potential.
        GensampleError: LAMMPS failed.
    """
    check_out(out)
    fit = Fit(task, search, dynamics)
    with claim(parts_beside(out, "fit"), fit.fingerprint) as work:
        jobs = fit.jobs()
        run_jobs(jobs, work, dynamics.processes, dynamics.stop, "fitted", "tau")
        choices = [fit.choice(work, lag) for lag in range(len(task.lag_time))]
        fit.write(out, choices, fit.core_seconds(work))
        work.remove()
    return "\n".join([f"{out}: {fit.criterion}", *map(fit.told, range(len(choices)), choices)])


class Fit:
    """One search with its data: the jobs, and what they say of each lag."""

    def __init__(self, task: Task, search: Search, dynamics: Dynamics) -> None:
        self.task, self.search, self.dynamics = task, search, dynamics
        self.starts = task.starts()
        self.times = search.grid(task.lag_time)
        self._meter = Meter()
        time = self.branches(self.starts[0], search.temperatures[0]).cost if self.times else 1.0
        width = dynamics.width(task.store.num_particles, time)
        self._blocks = [
            range(first, min(first + width, search.replicas)) for first in range(0, search.replicas, width)
        ]

    @property
    def criterion(self) -> str:
        """How the choice is made, in words."""
        search = self.search
        return (
            f"the highest CRPS skill of |u| among candidates whose share of particles with |u| > "
            f"{OVERLAP_LENGTH:g} is that of simulation within {search.tolerance:.0%} and that cost at most "
            f"{search.share:g} of the lag, or {search.least:g} tau"
            + ("" if search.most is None else f", and never more than {search.most:g}")
        )

    @property
    def fingerprint(self) -> dict[str, str]:
        """Of the runs, whatever is then chosen among them."""
        decides = {
            k: v for k, v in asdict(self.search).items() if k not in ("share", "least", "most", "tolerance")
        }
        return {
            "fit": json.dumps({**decides, "times": self.times, "rows": self.task.rows, "cooled": COOLED_BY}),
            "engine": self.dynamics.kind,
            "content": digest_structures(self.task.store, self.task.store.indices(self.task.split)),
        }

    def branches(self, start: Origin, hot: float) -> Branches:
        """The runs of one configuration at one hot temperature."""
        return Branches(self.search, start.row, start.temperature, hot, self.times)

    def jobs(self) -> list[Job]:
        """One for each configuration, hot temperature and block of replicas; each leaves `LENGTHS`."""
        return [
            Job(
                _name(start.row, hot, replicas),
                None,
                len(replicas) * self.branches(start, hot).cost,
                self._work(start, hot, replicas),
            )
            for start in self.starts
            for hot in (self.search.temperatures if self.times else ())
            for replicas in self._blocks
        ]

    def _work(self, start: Origin, hot: float, replicas: range) -> Callable[[Path], None]:
        def work(folder: Path) -> None:
            branches = self.branches(start, hot)
            system, timestep = System(start.mixture, start.species, start.box), self.search.timestep
            found = self.dynamics.run(system, timestep, branches.hot_legs(start.positions, replicas), folder)
            # (R, B, N, d): of each time, once for every candidate that branches off there.
            ends = np.repeat(np.stack(found), len(branches.recipes) // len(self.times), axis=1)
            for phase in range(1, max(map(len, branches.recipes))):
                going = branches.legs(ends, replicas, phase)
                after = self.dynamics.run(system, timestep, [leg for _, _, leg in going], folder)
                for (k, b, _), positions in zip(going, after, strict=True):
                    ends[k, b] = positions[-1]
            lengths = magnitudes(displacements(list(ends), start.positions)).astype(np.float32)
            np.savez(folder / LENGTHS, lengths=lengths, core_seconds=self._meter.lap())
            keep_files(folder, LENGTHS)

        return work

    def core_seconds(self, work: Work) -> float:
        """Of all jobs."""
        return sum(float(work.arrays(f"{job.name}/{LENGTHS}")["core_seconds"]) for job in self.jobs())

    def choice(self, work: Work, lag: int) -> Choice:
        """The recipe of one lag (its index)."""
        time, search = self.task.lag_time[lag], self.search
        if search.is_plain(time):
            own: Recipe = (Phase(None, time),)
            row = {"stages": plain(own), "cost": time, "share_of_lag": 1.0, "chosen": True}
            return Choice(own, [row])
        recipes: list[Recipe] = []
        scores: list[list[Scores]] = []
        for hot in search.temperatures:
            for b, recipe in enumerate(search.recipes(self.task.temperature, hot, self.times)):
                if search.holds(recipe, time):
                    recipes.append(recipe)
                    scores.append([self._score(work, start, hot, b, lag) for start in self.starts])
        return choose(recipes, scores, time, search)

    def _score(self, work: Work, start: Origin, hot: float, b: int, lag: int) -> Scores:
        found = [
            work.arrays(f"{_name(start.row, hot, replicas)}/{LENGTHS}")["lengths"][:, b]
            for replicas in self._blocks
        ]
        observed = magnitudes(self.task.store.displacements(start.row)[:, lag])
        return score(observed, np.concatenate(found), start.species)

    def write(self, out: Path, choices: list[Choice], core_seconds: float) -> None:
        """The folder of the model."""
        settings = {"stages": [plain(each.recipe) for each in choices], "timestep": self.search.timestep}
        lags = {f"{time:g}": each.table for time, each in zip(self.task.lag_time, choices, strict=True)}
        found: dict[str, Any] = {
            "criterion": self.criterion,
            "search": asdict(self.search),
            "engine": self.dynamics.description,
            "core_seconds": core_seconds,
            "lags": lags,
        }
        story = [
            "Molecular dynamics at a higher temperature for a fraction of the lag, then at that of the data.",
            "",
            *(f"* {self.told(lag, choice)}" for lag, choice in enumerate(choices)),
            f"* chosen by {self.criterion}",
        ]
        keep(self.task, out, "heated", settings, found, story)

    def told(self, lag: int, choice: Choice) -> str:
        """A line on a lag."""
        time = self.task.lag_time[lag]
        phases = ", then ".join(
            f"{phase.time:g} tau at T = {phase.temperature or self.task.temperature:g}"
            for phase in choice.recipe
        )
        row = next(row for row in choice.table if row["chosen"])
        if "skill" not in row:
            return f"t = {time:g}: {phases}: plain molecular dynamics, nothing is cheaper"
        short = "" if row["within_tolerance"] else ", outside the tolerance as every candidate is"
        return (
            f"t = {time:g}: {phases}; {row['share_of_lag']:.2g} of the lag; skill {row['skill']:.3f} "
            f"({row['skill_of_a_perfect_sampler']:.3f} a perfect sampler's), mobile {row['mobile']:.3f} "
            f"({row['mobile_simulated']:.3f} simulated{short}), mean |u| {row['mean']:.4f} "
            f"({row['mean_simulated']:.4f}); {len(choice.table)} candidates"
        )


def _name(row: int, hot: float, replicas: range) -> str:
    return f"heated-{row:05d}-{hot:g}-{replicas.start:04d}"
