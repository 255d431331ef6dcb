"""The temperatures and times of heated runs, found on training configurations."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from gensample.data.store import digest_structures
from gensample.errors import ConfigError
from gensample.generators.base import FieldStart
from gensample.generators.drawing import Arrays, Parts, draw_parts
from gensample.generators.fitting import FitData, GeneratorFit
from gensample.generators.guided import factors
from gensample.generators.heated import COOLED_BY, Phase, Recipe, Steps, leg_of
from gensample.generators.mobility_field import MobilityField, fit_mobility_field
from gensample.ranges import (
    NOT_NEGATIVE,
    POSITIVE,
    SEED,
    TEMPERATURE,
    TIMESTEP,
    check_table,
    positive_to,
    whole,
)
from gensample.seeding import numpy_generator
from gensample.simulate import programs
from gensample.simulate.programs import Leg, Program, System, displacements
from gensample.simulate.start import HEATED_FIT
from gensample.stats.dynamics import OVERLAP_LENGTH, magnitudes
from gensample.stats.intervals import resample_weights
from gensample.stats.scores import best_score, climatology_score, crps
from gensample.work import Work, claim, parts_beside

FACTORS = (1.2, 1.33, 1.5, 1.7, 1.9)
"""Hot temperatures where none are given, in units of the temperature of the data."""
RATIO = 2**0.5
"""Of successive times in the grid."""
WINDOW = 6.0
"""Times of a lag reach down from the longest that is allowed to this fraction of it."""
SHORTEST = 1.0
SAMPLES = 2000
UNIFORM = "Molecular dynamics at a higher temperature for a fraction of the lag, then at that of the data."
GUIDED = (
    "Molecular dynamics for a fraction of the lag, heated where a field of log mobility, learned from "
    "structure, expects motion, then at the temperature of the data."
)
CHOOSING = ("share", "least", "most", "tolerance")
"""Settings that decide what is chosen among the runs, and not the runs."""
RANGES = {
    "temperatures": TEMPERATURE,
    "ramps": positive_to(0.99),
    "ramp_time": POSITIVE,
    "settle": POSITIVE,
    "share": positive_to(1),
    "least": NOT_NEGATIVE,
    "most": POSITIVE,
    "tolerance": positive_to(1),
    "replicas": whole(2, 10_000),
    "timestep": TIMESTEP,
    "hot_timestep": TIMESTEP,
    "gains": NOT_NEGATIVE,
    "seed": SEED,
}


@dataclass(frozen=True)
class Search:
    """What is tried, what it may cost, and how the choice is made; times in tau.

    temperatures: of the hot phase; settle: time of the last phase, at the temperature of the data; ramps:
    temperatures of a phase between, 0 that of the data and 1 the hot one, for ``ramp_time``; gains: of
    temperature fields (`guided.Guided`), 0 for none; a field may cost ``share`` of its lag, or ``least``
    where that is more, but no more than the lag or ``most``, all as time at ``timestep``, of which hotter
    phases may have a longer one; tolerance: of the share of mobile particles, relative to simulation's.
    """

    temperatures: tuple[float, ...]
    settle: float = 3.0
    ramps: tuple[float, ...] = ()
    ramp_time: float = 3.0
    gains: tuple[float, ...] = (0.0,)
    share: float = 0.2
    least: float = 8.0
    most: float | None = None
    tolerance: float = 0.1
    replicas: int = 8
    timestep: float = 0.005
    hot_timestep: float | None = None
    seed: int = 0

    @property
    def steps(self) -> Steps:
        """Time steps of the phases."""
        return Steps(self.timestep, self.hot_timestep or self.timestep)

    def check(self, temperature: float) -> None:
        """Refuse settings that cannot be; ``temperature``: of the data."""
        check_table(self, RANGES, "--")
        if not self.temperatures or min(self.temperatures) <= temperature:
            raise ConfigError(
                f"--temperatures must be above that of the data, {temperature:g}, "
                f"got {list(self.temperatures)}"
            )

    @property
    def criterion(self) -> str:
        """How the choice is made, in words."""
        return (
            "the coldest among those within a standard error of the highest CRPS skill of |u|, of candidates "
            f"whose share of particles with |u| > {OVERLAP_LENGTH:g} is that of simulation within "
            f"{self.tolerance:.0%} and that cost at most {self.share:g} of the lag, or {self.least:g} tau"
            + ("" if self.most is None else f", and never more than {self.most:g}")
        )

    def allowed(self, lag: float) -> float:
        """What a field at a lag may cost, tau."""
        return min(lag, max(self.share * lag, self.least), self.most or lag)

    def longest(self, lag: float) -> float:
        """The longest hot phase of a lag."""
        return round((self.allowed(lag) - self.settle) * self.steps.hot / self.steps.own, 2)

    def holds(self, recipe: Recipe, lag: float) -> bool:
        """Whether a recipe is a candidate for a lag."""
        longest = self.longest(lag) * (1 + 1e-9)
        within = self.steps.cost(recipe) <= self.allowed(lag) * (1 + 1e-9)
        return within and longest / WINDOW <= recipe[0].time <= longest

    def is_plain(self, lag: float) -> bool:
        """Whether a run at the temperature of the data is no dearer than the cheapest candidate."""
        return self.longest(lag) < SHORTEST or lag <= SHORTEST + self.settle

    def grid(self, lags: Sequence[float]) -> list[float]:
        """Times of the hot phase that some lag asks for, ascending."""
        heated = [lag for lag in lags if not self.is_plain(lag)]
        longest = max(map(self.longest, heated), default=0.0)
        count = 1 + int(math.log(max(longest, SHORTEST) / SHORTEST, RATIO) + 1e-9)
        times = [longest, *(float(f"{longest / RATIO**k:.2g}") for k in range(1, count))]
        hot = max(self.temperatures, default=1.0)
        recipes = [(Phase(hot, time), Phase(None, self.settle)) for time in reversed(times)]
        return [recipe[0].time for recipe in recipes if any(self.holds(recipe, lag) for lag in heated)]

    def recipes(self, temperature: float, hot: float, times: Sequence[float]) -> list[Recipe]:
        """All candidates of one hot temperature: for each time without a ramp, then with each.

        ``temperature``: of the data.
        """
        levels = [temperature + ramp * (hot - temperature) for ramp in self.ramps]
        between = [(), *((Phase(round(level, 4), self.ramp_time),) for level in levels)]
        return [(Phase(hot, time), *ramp, Phase(None, self.settle)) for time in times for ramp in between]


class Branches:
    """The runs behind all candidates of one hot temperature: one hot run serves all times.

    It goes on through the times, and from where it is at each of them every candidate branches off, with
    fresh velocities. ``factor`` (N,): what the temperature is multiplied by, of the field ``number``. Random
    numbers are keyed by (seed, row, temperature, field, replica, time, ramp, phase).
    """

    def __init__(
        self,
        search: Search,
        row: int,
        temperature: float,
        hot: float,
        times: Sequence[float],
        factor: np.ndarray | None = None,
        number: int = 0,
    ) -> None:
        self.search, self.temperature, self.hot, self.times = search, temperature, hot, list(times)
        self.factor = factor
        self.recipes = search.recipes(temperature, hot, times)
        self._key = (search.seed, row, HEATED_FIT, round(1e6 * hot), number)

    @property
    def cost(self) -> float:
        """Time of dynamics for one replica, tau."""
        return self.times[-1] + sum(self.search.steps.cost(recipe[1:]) for recipe in self.recipes)

    def hot_legs(self, start: np.ndarray, replicas: Sequence[int]) -> list[Leg]:
        """The hot runs from positions (N, d), seen at all times."""
        step = self.search.steps.hot
        kept = [max(1, round(time / step)) for time in self.times]
        first: Recipe = (Phase(self.hot, self.times[-1]),)
        return [
            replace(
                leg_of(first, 0, start, self.temperature, self.search.steps, (*self._key, r), self.factor),
                kept=kept,
            )
            for r in replicas
        ]

    def legs(self, ends: np.ndarray, replicas: Sequence[int], phase: int) -> list[tuple[int, int, Leg]]:
        """Runs of phase ``phase`` (from 1) of each candidate from its present ends (R, B, N, d).

        With the place of the replica and of the candidate that each belongs to.
        """
        return [
            (
                k,
                b,
                leg_of(
                    recipe,
                    phase,
                    ends[k, b],
                    self.temperature,
                    self.search.steps,
                    (*self._key, r, b, phase),
                    self.factor,
                ),
            )
            for k, r in enumerate(replicas)
            for b, recipe in enumerate(self.recipes)
            if phase < len(recipe)
        ]


class Scores(NamedTuple):
    """Of one configuration and lag, draws (R', N) of |u| against simulation (R, N).

    crps, climatology (any displacement of the species), best (of a perfect sampler): summed over particles;
    mobile: share of particles that moved by `OVERLAP_LENGTH`; mean: of |u|.
    """

    crps: float
    climatology: float
    best: float
    mobile: float
    mobile_simulated: float
    mean: float
    mean_simulated: float


def score(observed: np.ndarray, drawn: np.ndarray, species: np.ndarray) -> Scores:
    """Scores of lengths drawn (R', N) for those observed (R, N)."""
    # Of lengths the score is exact: nothing is drawn.
    generator = numpy_generator(0)
    of_species = [observed[:, species == kind] for kind in np.unique(species)]
    return Scores(
        crps=float(crps(observed, drawn).sum()),
        climatology=sum(climatology_score(part, generator) * part.shape[1] for part in of_species),
        best=float(best_score(observed).sum()),
        mobile=float((drawn >= OVERLAP_LENGTH).mean()),
        mobile_simulated=float((observed >= OVERLAP_LENGTH).mean()),
        mean=float(drawn.mean()),
        mean_simulated=float(observed.mean()),
    )


class Candidate(NamedTuple):
    """A recipe, and the gain of its temperature field."""

    recipe: Recipe
    gain: float = 0.0


class Choice(NamedTuple):
    """What is chosen at a lag, and the table of its candidates as plain values."""

    chosen: Candidate
    table: list[dict[str, Any]]


def choose_recipe(
    candidates: Sequence[Candidate], scores: Sequence[Sequence[Scores]], lag: float, search: Search
) -> Choice:
    """The coldest of the best candidates, the better of two as cold; scores: of each in each configuration.

    The share of mobile particles must be that of simulation within the tolerance (where none is, the nearest
    counts). Of those, the best is the one of highest CRPS skill of |u| over climatology, and with it all
    whose skill is not lower by more than a standard error of the difference (L. Breiman et al.,
    Classification and Regression Trees (1984), section 3.4.3): what heat leaves in the structures, skill does
    not see. Standard errors are those of a bootstrap over configurations (Efron, Ann. Statist. 7, 1 (1979)).
    """
    values = np.array(scores)  # (B, C, len(Scores))
    weights = resample_weights(values.shape[1], SAMPLES, numpy_generator(search.seed, HEATED_FIT))
    mean = dict(zip(Scores._fields, values.mean(1).T, strict=True))
    resampled = dict(zip(Scores._fields, np.einsum("sc,bcf->fsb", weights, values), strict=True))
    skill, samples = (1 - found["crps"] / found["climatology"] for found in (mean, resampled))
    off = np.abs(mean["mobile"] / mean["mobile_simulated"] - 1)
    fits = off <= max(search.tolerance, off.min())
    costs = np.array([search.steps.cost(each.recipe) for each in candidates])
    top = int(np.lexsort((costs, -skill, ~fits))[0])
    good = fits & (skill[top] - skill <= (samples[:, top, None] - samples).std(0))
    heat = np.array([each.recipe[0].temperature or 0.0 for each in candidates])
    best = int(np.lexsort((costs, -skill, heat, ~good))[0])
    columns = {
        "cost": costs,
        "share_of_lag": costs / lag,
        "skill": skill,
        "skill_error": samples.std(0),
        "below_best": skill[best] - skill,
        "below_best_error": (samples[:, best, None] - samples).std(0),
        "skill_of_a_perfect_sampler": 1 - mean["best"] / mean["climatology"],
        **{name: mean[name] for name in Scores._fields[3:]},
    }
    table = [
        {
            "stages": list(map(list, each.recipe)),
            "gain": each.gain,
            **{name: float(f"{values[b]:.6g}") for name, values in columns.items()},
            "within_tolerance": bool(off[b] <= search.tolerance),
            "chosen": b == best,
        }
        for b, each in enumerate(candidates)
    ]
    return Choice(candidates[best], table)


def fit_heated(
    data: FitData,
    out: Path,
    keep: Callable[[GeneratorFit], None],
    *,
    seed: int = 0,
    device: str = "cpu",
    **given: Any,
) -> GeneratorFit:
    """What `Search` finds; its runs are kept beside ``out`` until ``keep`` has the result.

    given: settings of `Search`, and ``engine``, ``lmp``, ``processes`` of `choose_dynamics`.
    """
    engine = {name: given.pop(name, None) for name in ("engine", "lmp", "processes")}
    given.setdefault("temperatures", tuple(round(factor * data.temperature, 3) for factor in FACTORS))
    search = Search(seed=seed, **given)
    fit = HeatedFit(data, search, programs.choose_dynamics(device=device, **engine))
    with claim(parts_beside(out, "fit"), fit.request) as work:
        fitted = fit.run(work)
        keep(fitted)
        work.remove()
    return fitted


@dataclass(frozen=True)
class Runs:
    """The runs of one configuration at one temperature, without a field (``gain`` 0), for the candidates of
    all lags, or in the field of one lag (its index), for those of this one."""

    start: FieldStart
    hot: float
    times: tuple[float, ...]
    gain: float = 0.0
    lag: int | None = None

    def part(self, replicas: range) -> str:
        """Name of the file that keeps those of some replicas."""
        of = "" if self.lag is None else f"-gain{self.gain:g}-lag{self.lag}"
        return f"heated-{self.start.row:05d}-{self.hot:g}{of}-{replicas.start:04d}.npz"


class HeatedFit(Parts):
    """One search with its data: the runs, and what they say of each lag.

    A field that a configuration is heated by was fitted to training configurations that are not searched on;
    the one that is kept is fitted to all of the training split.

    Raises:
        ConfigError: there are no others to fit a field to.
        DataError: the dataset has no known potential.
    """

    def __init__(self, data: FitData, search: Search, dynamics: Program) -> None:
        search.check(data.temperature)
        self.data, self.search, self.dynamics = data, search, dynamics
        self.processes = dynamics.processes
        self.guided = any(search.gains)
        self.starts = data.starts(inherent=self.guided)
        self.expected = _expected(data, self.starts) if self.guided else {}
        runs = [run for start in self.starts for run in self._runs_from(start)]
        time = max((self._branches(run).cost for run in runs), default=1.0)
        width = dynamics.width(len(self.starts[0].species), time)
        self._blocks = [
            range(first, min(first + width, search.replicas)) for first in range(0, search.replicas, width)
        ]
        self._runs = {run.part(replicas): (run, replicas) for run in runs for replicas in self._blocks}
        self.parts = list(self._runs)
        self.told = f"{search.replicas} runs of {len(self.starts)} configurations"

    def _runs_from(self, start: FieldStart) -> list[Runs]:
        """All that is run from a configuration."""
        search, lags = self.search, self.data.lag_time
        sets: list[tuple[tuple[float, ...], float, int | None]] = []
        if 0 in search.gains:
            sets.append((tuple(search.grid(lags)), 0.0, None))
        for lag, time in enumerate(lags):
            sets += [(tuple(search.grid([time])), gain, lag) for gain in search.gains if gain]
        return [Runs(start, hot, *own) for hot in search.temperatures for own in sets if own[0]]

    @property
    def request(self) -> dict[str, str]:
        """What decides the runs, whatever is then chosen among them."""
        decides = {k: v for k, v in asdict(self.search).items() if k not in CHOOSING}
        rows = self.data.data.rows.tolist()
        store = self.data.data.store
        times = self.search.grid(self.data.lag_time)
        return {
            "fit": json.dumps({**decides, "times": times, "rows": rows, "cooled": COOLED_BY}),
            "engine": self.dynamics.kind,
            "content": digest_structures(store, store.indices(self.data.split)),
        }

    def _branches(self, run: Runs) -> Branches:
        start, factor, number = run.start, None, 0
        if run.lag is not None:
            factor = factors(self.expected[start.row][:, run.lag], run.gain)
            number = 1 + run.lag + len(self.data.lag_time) * round(1e6 * run.gain)
        return Branches(self.search, start.row, start.temperature, run.hot, run.times, factor, number)

    def stop(self) -> None:
        """See `Parts`."""
        self.dynamics.stop()

    def draw(self, part: str, scratch: Path | None) -> Arrays:
        """``lengths`` (R, B, N) of the displacements that candidates lead to, from one configuration."""
        run, replicas = self._runs[part]
        start, branches, timestep = run.start, self._branches(run), self.search.timestep
        system = System(start.mixture, start.species, start.box)
        with tempfile.TemporaryDirectory(prefix="scratch-", dir=scratch) as name:
            folder = Path(name)
            found = self.dynamics.run(system, timestep, branches.hot_legs(start.positions, replicas), folder)
            # (R, B, N, d): of each time, once for every candidate that branches off there.
            ends = np.repeat(np.stack(found), len(branches.recipes) // len(run.times), axis=1)
            for phase in range(1, max(map(len, branches.recipes))):
                going = branches.legs(ends, replicas, phase)
                after = self.dynamics.run(system, timestep, [leg for _, _, leg in going], folder)
                for (k, b, _), positions in zip(going, after, strict=True):
                    ends[k, b] = positions[-1]
        return {"lengths": magnitudes(displacements(list(ends), start.positions)).astype(np.float32)}

    def run(self, work: Work) -> GeneratorFit:
        """What is chosen at each lag, once all runs are done.

        Raises:
            GensampleError: LAMMPS failed.
        """
        draw_parts(self, work, self.parts)
        choices = [self._choice(work, lag) for lag in range(len(self.data.lag_time))]
        told = [self._told(lag, choice) for lag, choice in enumerate(choices)]
        tables = zip(self.data.lag_time, choices, strict=True)
        found: dict[str, Any] = {
            "criterion": self.search.criterion,
            "search": asdict(self.search),
            "engine": self.dynamics.description,
            "core_seconds": sum(float(work.arrays(part)["core_seconds"]) for part in self.parts),
            "lags": {f"{time:g}": choice.table for time, choice in tables},
        }
        chosen = [choice.chosen for choice in choices]
        settings: dict[str, Any] = {
            "stages": [list(map(list, each.recipe)) for each in chosen],
            "timestep": self.search.timestep,
            **({} if self.search.hot_timestep is None else {"hot_timestep": self.search.hot_timestep}),
        }
        words = [self.search.criterion, *told]
        tail = ["", *(f"* {line}" for line in told), f"* chosen by {self.search.criterion}"]
        if not any(each.gain for each in chosen):
            return GeneratorFit(
                "gensample.generators.heated.Heated", settings, found, words, [UNIFORM, *tail]
            )
        field = _field(self.data, self.data.training())
        species, lags = field.gain.shape
        settings |= {
            "gain": [each.gain for each in chosen],
            "mobility": {"num_species": species, "num_lags": lags, "columns": field.mean.shape[1]},
        }
        class_path, tensors = "gensample.generators.guided.Guided", field.state_dict()
        return GeneratorFit(class_path, settings, found, words, [GUIDED, *tail], tensors)

    def _choice(self, work: Work, lag: int) -> Choice:
        """What is chosen at one lag (its index)."""
        time, search = self.data.lag_time[lag], self.search
        if search.is_plain(time):
            own: Recipe = (Phase(None, time),)
            row = {"stages": list(map(list, own)), "cost": time, "share_of_lag": 1.0, "chosen": True}
            return Choice(Candidate(own), [row])
        candidates: list[Candidate] = []
        scores: list[list[Scores]] = []
        for runs in zip(*(self._runs_at(start, lag) for start in self.starts), strict=True):
            for b, recipe in enumerate(self._branches(runs[0]).recipes):
                if search.holds(recipe, time):
                    candidates.append(Candidate(recipe, runs[0].gain))
                    scores.append([self._score(work, run, b, lag) for run in runs])
        return choose_recipe(candidates, scores, time, search)

    def _runs_at(self, start: FieldStart, lag: int) -> list[Runs]:
        """Those from a configuration that a lag chooses among."""
        return [run for run in self._runs_from(start) if run.lag in (None, lag)]

    def _score(self, work: Work, run: Runs, b: int, lag: int) -> Scores:
        found = [work.arrays(run.part(each))["lengths"][:, b] for each in self._blocks]
        observed = magnitudes(self.data.data.store.displacements(run.start.row)[:, lag])
        return score(observed, np.concatenate(found), run.start.species)

    def _told(self, lag: int, choice: Choice) -> str:
        """A line on a lag."""
        time = self.data.lag_time[lag]
        phases = ", then ".join(
            f"{phase.time:g} tau at T = {phase.temperature or self.data.temperature:g}"
            for phase in choice.chosen.recipe
        )
        phases += f", gain {choice.chosen.gain:g}" if choice.chosen.gain else ""
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


def _field(data: FitData, rows: np.ndarray) -> MobilityField:
    """Fitted to the displacements of some rows, between inherent structures where the dataset has them."""
    store = data.data.store
    fields = store.inherent_displacements if store.has_inherent_displacements else store.displacements
    return fit_mobility_field(data.starts_of(rows, inherent=True), fields)


def _expected(data: FitData, starts: Sequence[FieldStart]) -> dict[int, np.ndarray]:
    """Standardised log mobility (N, K) of each configuration (its row), by a field that has not seen it.

    Raises:
        ConfigError: no training configuration is left to fit it to.
    """
    others = np.setdiff1d(data.training(), data.data.rows)
    if not len(others):
        raise ConfigError(
            "--gains need training configurations that are not searched on, to fit a field to: search on "
            "fewer (--configurations) or on --split val"
        )
    field = _field(data, others)
    with torch.no_grad():
        return {start.row: field.standardised(field.read(start)) for start in starts}
