"""``gensample compare``: judge generated against simulated ensembles of displacements, or configurations."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gensample.ranges import NUMBER, POSITIVE, PROCESSES, SEED, TEMPERATURE, whole
from gensample.settings import option, switch, word

if TYPE_CHECKING:
    from gensample.data.dataset import Dataset

SPLITS = ("train", "val", "test")
KEPT = ("seed", "bootstrap", "lags", "temperature", "follow", "processes")


@dataclass(frozen=True)
class Compare:
    """Compare, write the report and print the main table."""

    simulated: str = word("simulated dataset: a file or an embedded name", metavar="SIM.h5")
    generated: str = word("ensembles or configurations written by `gensample sample`", metavar="GEN.h5")
    out: str = option("folder of the report", metavar="REPORT/")
    split: str = option("configurations to compare (default all)", "all", choices=(*SPLITS, "all"))
    lags: tuple[float, ...] | None = option(
        "lag times to compare (default: all in common)", None, POSITIVE, many=True, metavar="T"
    )
    temperature: float | None = option(
        "which, where SIM.h5 has several (default for configurations: all in common)", None, TEMPERATURE
    )
    predictor: str | None = option(
        "for configurations: compare the propensities that this model predicts for both sets", None
    )
    force: bool = switch("let the predictor read configurations outside its domain")
    beside: tuple[str, ...] = option(
        "further sources, shown beside the generated one: files of fields, or models to draw as many "
        "fields from, such as harmonic and heated; what is drawn is kept in the report",
        (),
        many=True,
        metavar="SOURCE",
    )
    quench_replicas: int = option(
        "fields of each configuration to quench, of files that do not hold inherent displacements "
        "(default 8; 0: none; `gensample quench --futures` keeps them)",
        8,
        NUMBER,
    )
    follow: int = option(
        "futures of each configuration, lag and source to start 5 tau of molecular dynamics from "
        "(default 1, about half a second each at 500 particles; 0: none)",
        1,
        NUMBER,
    )
    processes: int = option("quenches side by side (default 2)", 2, PROCESSES)
    bootstrap: int = option("bootstrap resamples (default 1000)", 1000, whole(1, 100_000))
    seed: int = option("seed of bootstrap, halves and controls (default 0)", 0, SEED)

    def run(self) -> None:
        """Compare, write the report and print the main table."""
        from rich.console import Console
        from rich.markup import escape

        from gensample.comparison.compare import compare
        from gensample.comparison.sources import by_name
        from gensample.data.dataset import open_dataset
        from gensample.report.page import check_target

        further = by_name(self.beside)
        files = [word for word in further.values() if Path(word).suffix == ".h5"]
        check_target(self.out, [self.simulated, self.generated, *files])
        sim, gen = open_dataset(self.simulated), open_dataset(self.generated)
        sim = sim if self.split == "all" else sim[self.split]
        predictor = None
        if self.predictor is not None:
            from gensample.zoo import load_predictor

            predictor = load_predictor(self.predictor, force=self.force)
        with Console(stderr=True).status("reading") as status:
            drawn = {name: partial(self._draw, name, word) for name, word in further.items()}
            beside = {name: word if word in files else drawn[name] for name, word in further.items()}
            how = {name: getattr(self, name) for name in KEPT}
            how |= {"beside": beside, "quench": self.quench_replicas, "predictor": predictor}
            result = compare(sim, gen, progress=lambda line: status.update(escape(line)), **how)
            status.update("figures and page")
            page = result.write(self.out)
        more = "" if result.of_sets else ", species by species"
        print(f"{result.table()}\n\nEverything else{more}: {page}")

    def _draw(self, name: str, model: str, sim: Dataset, replicas: int) -> Path:
        """Fields of a model for the compared configurations, kept in the report for a second run."""
        from gensample import zoo
        from gensample.report.page import BESIDE

        split = next(iter(sim.splits)) if len(sim.splits) == 1 else "all"
        out = Path(self.out) / BESIDE / f"{name}.h5"
        path = str(sim.store.path)
        zoo.load_model(model, data=path).sample(path, replicas, self.seed, out, split=split)
        return out
