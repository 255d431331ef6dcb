"""`gensample fit heated | harmonic`: the numbers of a generator without training, from training data."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gensample.errors import ConfigError
from gensample.ranges import PROCESSES, SEED
from gensample.settings import option, word

if TYPE_CHECKING:
    from gensample.generators.fitting import FitData, Fitted

HEATED = "heated"


@dataclass(frozen=True)
class FitGenerator:
    """Find the numbers of a generator without training; an unfinished search is resumed."""

    generator: str = word("what to fit", choices=(HEATED, "harmonic"))
    data: str = option("dataset with displacements, file or name")
    out: str = option("folder of the model to write")
    split: str = option("configurations to fit to (train)", "train")
    configurations: int | None = option("no more of them than this (all)", None, int)
    temperature: float | None = option("which, where the dataset has several", None, float)
    seed: int = option("of the draws (0)", 0, SEED)
    device: str = option("cpu, cuda, cuda:1, ...; of dynamics, others than cpu with torch", "cpu")

    temperatures: tuple[float, ...] | None = option(
        "of the hot phase (1.2, 1.33, 1.5, 1.7 and 1.9 times that of the data)",
        None,
        float,
        many=True,
        group=HEATED,
    )
    ramps: tuple[float, ...] | None = option(
        "try a phase between, too: 0 the temperature of the data, 1 the hot one (none)",
        None,
        float,
        many=True,
        group=HEATED,
    )
    ramp_time: float | None = option("length of that phase, tau (3)", None, float, group=HEATED)
    settle: float | None = option(
        "length of the last phase, at the temperature of the data, tau (3)", None, float, group=HEATED
    )
    share: float | None = option("of the lag that a field may cost (0.2)", None, float, group=HEATED)
    least: float | None = option("cost allowed whatever the lag, tau (8)", None, float, group=HEATED)
    most: float | None = option("cost that is never passed, tau (no limit)", None, float, group=HEATED)
    tolerance: float | None = option(
        "of the share of mobile particles, relative to simulation's (0.1)", None, float, group=HEATED
    )
    replicas: int | None = option(
        "draws of each candidate from each configuration (8)", None, int, group=HEATED
    )
    timestep: float | None = option("tau (0.005)", None, float, group=HEATED)
    engine: str | None = option("of dynamics: lammps (default where installed) or torch", None, group=HEATED)
    lmp: str | None = option("LAMMPS executable of your own", None, group=HEATED)
    processes: int | None = option("LAMMPS processes side by side (2)", None, PROCESSES, group=HEATED)

    def run(self) -> None:
        """Fit, write the folder of the model, and say what was found."""
        from gensample import zoo
        from gensample.generators.fitting import FitData

        out, given = Path(self.out), self._given()
        if self.generator != HEATED and given:
            raise ConfigError(f"--{next(iter(given)).replace('_', '-')} is of heated alone; drop it")
        zoo.check_new(out)
        data = FitData.read(self.data, self.split, self.configurations, self.temperature)
        fitted = self._heated(data, out, given) if self.generator == HEATED else self._harmonic(data, out)
        print("\n".join([f"{out}: {fitted.told[0]}", *fitted.told[1:]]))

    def _given(self) -> dict[str, Any]:
        """The options of heated that were given."""
        from dataclasses import fields

        own = [each.name for each in fields(self) if each.metadata.get("group") == HEATED]
        return {name: getattr(self, name) for name in own if getattr(self, name) is not None}

    def _heated(self, data: "FitData", out: Path, given: dict[str, Any]) -> "Fitted":
        from gensample import zoo
        from gensample.generators.heated_fit import FACTORS, HeatedFit, Search
        from gensample.simulate import runners
        from gensample.work import claim, parts_beside

        engine = {name: given.pop(name, None) for name in ("engine", "lmp", "processes")}
        given.setdefault("temperatures", tuple(round(factor * data.temperature, 3) for factor in FACTORS))
        search = Search(seed=self.seed, **given)
        fit = HeatedFit(data, search, runners.choose_dynamics(device=self.device, **engine))
        with claim(parts_beside(out, "fit"), fit.request) as work:
            fitted = fit.run(work)
            zoo.keep_fit(out, data, fitted)
            work.remove()
        return fitted

    def _harmonic(self, data: "FitData", out: Path) -> "Fitted":
        from rich.console import Console
        from rich.progress import track

        from gensample import zoo
        from gensample.generators.harmonic_fit import fit_harmonic

        fitted = fit_harmonic(
            data,
            self.seed,
            self.device,
            lambda steps: track(list(steps), "fit", console=Console(stderr=True)),
        )
        zoo.keep_fit(out, data, fitted)
        return fitted
