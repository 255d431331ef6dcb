"""`gensample fit | validate | test`: `gensample.training.cli`; `fit heated | harmonic` without training."""

from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

from gensample.errors import ConfigError
from gensample.ranges import PROCESSES, SEED
from gensample.settings import option, word

HEATED = "heated"
_heated = partial(option, default=None, group=HEATED)


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
    device: str = option("cpu (default), cuda, cuda:1, ...; of dynamics, others than cpu with torch", "cpu")

    temperatures: tuple[float, ...] | None = _heated(
        "of the hot phase (1.2, 1.33, 1.5, 1.7 and 1.9 times that of the data)", kind=float, many=True
    )
    ramps: tuple[float, ...] | None = _heated(
        "try a phase between, too: 0 the temperature of the data, 1 the hot one (none)", kind=float, many=True
    )
    ramp_time: float | None = _heated("length of that phase, tau (3)", kind=float)
    settle: float | None = _heated(
        "length of the last phase, at the temperature of the data, tau (3)", kind=float
    )
    share: float | None = _heated("of the lag that a field may cost (0.2)", kind=float)
    least: float | None = _heated("cost allowed whatever the lag, tau (8)", kind=float)
    most: float | None = _heated("cost that is never passed, tau (no limit)", kind=float)
    tolerance: float | None = _heated(
        "of the share of mobile particles, relative to simulation's (0.1)", kind=float
    )
    replicas: int | None = _heated("draws of each candidate from each configuration (8)", kind=int)
    gains: tuple[float, ...] | None = _heated(
        "try temperature fields, hotter where a learned field expects motion: 0 none (0)",
        kind=float,
        many=True,
    )
    timestep: float | None = _heated("tau (0.005)", kind=float)
    hot_timestep: float | None = _heated("of hotter phases, tau (the same)", kind=float)
    engine: str | None = _heated("of dynamics: lammps (default where installed) or torch")
    lmp: str | None = _heated("LAMMPS executable of your own")
    processes: int | None = _heated("LAMMPS processes side by side (2)", kind=PROCESSES)

    def run(self) -> None:
        """Fit, write the folder of the model, and say what was found."""
        from rich.console import Console
        from rich.progress import track

        from gensample.generators.fitting import FitData
        from gensample.release import check_new, keep_fit

        own = [each.name for each in fields(self) if each.metadata.get("group") == HEATED]
        given = {name: getattr(self, name) for name in own if getattr(self, name) is not None}
        if self.generator != HEATED and given:
            raise ConfigError(f"--{next(iter(given)).replace('_', '-')} is of heated alone; drop it")
        out = Path(self.out)
        check_new(out)
        data = FitData.read(self.data, self.split, self.configurations, self.temperature)
        keep = partial(keep_fit, out, data)
        if self.generator == HEATED:
            from gensample.generators.heated_fit import fit_heated

            fitted = fit_heated(data, out, keep, seed=self.seed, device=self.device, **given)
        else:
            from gensample.generators.harmonic import fit_harmonic

            progress = partial(track, description="fit", console=Console(stderr=True))
            fitted = fit_harmonic(data, self.seed, self.device, lambda steps: progress(list(steps)))
            keep(fitted)
        print("\n".join([f"{out}: {fitted.told[0]}", *fitted.told[1:]]))


def run_training(command: str, args: list[str]) -> None:
    """Run one command, or print its page of help."""
    if {"-h", "--help"} & set(args):
        from gensample.training.page import help_page

        print(help_page(command))
        return
    from gensample.training.cli import train

    train(command, ["--help" if word == "--help-all" else word for word in args])
