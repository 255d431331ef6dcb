"""``gensample compare``: judge generated against simulated ensembles of displacements, or configurations."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gensample.errors import ConfigError
from gensample.ranges import NUMBER, POSITIVE, PROCESSES, SEED, TEMPERATURE, whole

if TYPE_CHECKING:
    import numpy as np

    from gensample.comparison.content import Propensities
    from gensample.comparison.ensembles import Ensembles, Progress
    from gensample.data.store import Store
    from gensample.physics.mixtures import Mixture


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("simulated", metavar="SIM.h5", help="simulated dataset: a file or an embedded name")
    parser.add_argument(
        "generated", metavar="GEN.h5", help="ensembles or configurations written by `gensample sample`"
    )
    parser.add_argument("--out", required=True, metavar="REPORT/", help="folder of the report")
    parser.add_argument(
        "--split",
        choices=("train", "val", "test", "all"),
        default="all",
        help="configurations to compare (default all)",
    )
    parser.add_argument(
        "--lags", type=POSITIVE, nargs="+", metavar="T", help="lag times to compare (default: all in common)"
    )
    parser.add_argument(
        "--temperature",
        type=TEMPERATURE,
        metavar="T",
        help="which temperature, where SIM.h5 has several (default for configurations: all in common)",
    )
    parser.add_argument(
        "--predictor",
        metavar="MODEL",
        help="for configurations: compare the propensities that this model predicts for both sets",
    )
    parser.add_argument(
        "--force", action="store_true", help="let the predictor read configurations outside its domain"
    )
    parser.add_argument(
        "--beside",
        nargs="+",
        default=[],
        metavar="SOURCE",
        help="further sources, shown beside the generated one: files of fields, or models to draw as many "
        "fields from, such as harmonic and heated; what is drawn is kept in the report",
    )
    parser.add_argument(
        "--quench-replicas",
        type=NUMBER,
        default=8,
        metavar="N",
        help="fields of each configuration to quench, of files that do not hold inherent displacements "
        "(default 8; 0: none; `gensample quench --futures` keeps them)",
    )
    parser.add_argument(
        "--follow",
        type=NUMBER,
        default=1,
        metavar="N",
        help="futures of each configuration, lag and source to start 5 tau of molecular dynamics from "
        "(default 1, about half a second each at 500 particles; 0: none)",
    )
    parser.add_argument("--processes", type=PROCESSES, default=2, help="quenches side by side (default 2)")
    parser.add_argument(
        "--bootstrap",
        type=whole(1, 100_000),
        default=1000,
        metavar="N",
        help="bootstrap resamples (default 1000)",
    )
    parser.add_argument(
        "--seed", type=SEED, default=0, help="seed of bootstrap, halves and controls (default 0)"
    )


def run(args: argparse.Namespace) -> None:
    """Compare, write the report and print the main table.

    Raises:
        DataError: the two files do not hold the same configurations, or lack what a comparison needs.
        ConfigError: the lags, the split or the output folder cannot be used.
    """
    from gensample.commands import compare_configurations
    from gensample.commands.beside import check_words, is_file
    from gensample.data.store import Store
    from gensample.report.page import check_target

    files = [word for word in check_words(args.beside).values() if is_file(word)]
    check_target(args.out, [args.simulated, args.generated, *files])
    with Store.open(args.generated) as gen:
        of_configurations = compare_configurations.holds_configurations(gen)
    if of_configurations:
        if args.beside:
            raise ConfigError(f"{args.generated} holds configurations; --beside is for displacements alone")
        compare_configurations.run(args)
    else:
        _run_ensembles(args)


def _refuse_sheared(*stores: Store) -> None:
    from gensample.data.shear_group import is_sheared

    for store in stores:
        if is_sheared(store):
            raise ConfigError(
                f"{store.path} holds sheared glasses, with directions in place of replicas: it is no "
                "isoconfigurational ensemble, compare has nothing to say about it"
            )


def _run_ensembles(args: argparse.Namespace) -> None:
    from rich.console import Console

    from gensample.comparison.compare import compare
    from gensample.comparison.content import Content
    from gensample.comparison.ensembles import mixture_of_data
    from gensample.comparison.metrics import Metrics
    from gensample.comparison.moves import choose_moves
    from gensample.comparison.opening import in_text
    from gensample.comparison.page import write_report
    from gensample.comparison.tables import to_text, with_verdicts
    from gensample.report.page import plain

    if args.predictor is not None:
        raise ConfigError(f"{args.generated} holds displacements; --predictor is for configurations alone")
    with ExitStack() as stack:
        opened = _open(args, stack)
        status = stack.enter_context(Console(stderr=True).status("statistics"))
        simulated, generated, *others = _ensembles(args, opened, status.update)
        mixture = mixture_of_data(opened.sim)
        result, curves = compare(
            simulated,
            generated,
            opened.times,
            mixture=mixture,
            temperature=opened.temperature,
            seed=args.seed,
            bootstrap=args.bootstrap,
            beside={one.name: one for one in others},
            follow=args.follow,
            progress=status.update,
        )
        metrics = with_verdicts(Metrics(plain({**result, "meta": {**result["meta"], **opened.meta()}})))
        status.update("figures and page")
        propensities = _propensities(simulated, generated, mixture)
        sources = {one.name: one for one in (simulated, generated, *others)}
        moves = choose_moves(sources, propensities)
        page = write_report(args.out, Content(metrics, curves, propensities, moves))
    print(f"{to_text(metrics)}\n\n{in_text(metrics)}")
    print(f"\nEverything else, species by species: {page}")


class _Opened(NamedTuple):
    """Every dataset of a comparison, with its rows and lag indices in the order of the first one's."""

    stores: dict[str, Store]
    rows: list[list[int]]
    lags: list[list[int]]

    @property
    def sim(self) -> Store:
        """The simulated dataset."""
        return self.stores["simulated"]

    @property
    def times(self) -> np.ndarray:
        """Lag times that are compared, (K,)."""
        times: np.ndarray = self.sim.times[self.lags[0]]
        return times

    @property
    def temperature(self) -> float:
        """Temperature of all configurations."""
        return float(self.sim.temperature[self.rows[0][0]])

    def meta(self) -> dict[str, Any]:
        """Where the datasets come from and how they were made."""
        from gensample.comparison.provenance import describe

        pairs = list(zip(self.rows[0], self.rows[1], strict=True))
        chosen = zip(self.stores.items(), self.rows, strict=True)
        further = {name: (store, rows) for (name, store), rows in list(chosen)[2:]}
        return describe(self.sim, self.stores["generated"], pairs, further)


def _open(args: argparse.Namespace, stack: ExitStack) -> _Opened:
    """Open both datasets and those beside, which are drawn where they are models."""
    from gensample.commands.beside import check_words, draw, is_file, lags_of_all, rows_beside
    from gensample.comparison.pairing import choose
    from gensample.comparison.sources import check_names
    from gensample.data.store import Store

    words = check_words(args.beside)
    check_names(words)
    sim, gen = (stack.enter_context(Store.open(path)) for path in (args.simulated, args.generated))
    _refuse_sheared(sim, gen)
    pairs = choose(sim, gen, args.split, args.temperature)
    lags_of_all(sim, [gen], args.lags)
    stores, rows = {"simulated": sim, "generated": gen}, [list(side) for side in zip(*pairs, strict=True)]
    for name, word in words.items():
        path = word if is_file(word) else draw(name, word, sim, gen, pairs, Path(args.out), args.seed)
        stores[name] = stack.enter_context(Store.open(path))
        _refuse_sheared(stores[name])
        rows.append(rows_beside(sim, stores[name], pairs))
    return _Opened(stores, rows, lags_of_all(sim, list(stores.values())[1:], args.lags))


def _ensembles(args: argparse.Namespace, opened: _Opened, progress: Progress) -> list[Ensembles]:
    """The ensembles of every dataset, simulation first."""
    from gensample.comparison.ensembles import Ensembles, FieldQuench, inherent_structures

    quench = FieldQuench(args.quench_replicas, args.processes, progress)
    chosen = list(zip(opened.stores.items(), opened.rows, opened.lags, strict=True))
    inherent = inherent_structures([(store, rows) for (_, store), rows, _ in chosen])
    return [Ensembles(name, store, rows, lags, quench, inherent) for (name, store), rows, lags in chosen]


def _propensities(simulated: Ensembles, generated: Ensembles, mixture: Mixture) -> Propensities:
    import numpy as np

    from gensample.comparison.content import Propensities
    from gensample.stats.propensity import propensity

    return Propensities(
        simulated=np.stack([propensity(e.displacements) for e in simulated]),
        generated=np.stack([propensity(e.displacements) for e in generated]),
        positions=np.stack([e.positions for e in simulated]),
        box=np.stack([e.box for e in simulated]),
        species=simulated[0].species,
        diameters=np.diag(mixture.sigma),
        names=simulated.rows,
    )
