"""``gensample compare``: judge generated against simulated ensembles of displacements, or configurations."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from gensample.errors import ConfigError, DataError
from gensample.ranges import POSITIVE, SEED, TEMPERATURE, whole

if TYPE_CHECKING:
    from gensample.data.store import Store
    from gensample.physics.mixtures import Mixture
    from gensample.report.content import Propensities
    from gensample.stats.ensemble import Ensemble


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
    from gensample.data.store import Store
    from gensample.report.write import check_target

    check_target(args.out, [args.simulated, args.generated])
    with Store.open(args.generated) as gen:
        of_configurations = compare_configurations.holds_configurations(gen)
    if of_configurations:
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
    from gensample.data.store import Store
    from gensample.report.content import Content
    from gensample.report.metrics import Metrics
    from gensample.report.moves import choose_moves
    from gensample.report.pairing import choose, common_lags
    from gensample.report.provenance import describe
    from gensample.report.tables import to_text, with_verdicts
    from gensample.report.write import plain, write_report

    if args.predictor is not None:
        raise ConfigError(f"{args.generated} holds displacements; --predictor is for configurations alone")
    with Store.open(args.simulated) as sim, Store.open(args.generated) as gen:
        _refuse_sheared(sim, gen)
        pairs = choose(sim, gen, args.split, args.temperature)
        lags = common_lags(sim, gen, args.lags)
        simulated = [_ensemble(sim, i, [a for a, _ in lags]) for i, _ in pairs]
        generated = [_ensemble(gen, j, [b for _, b in lags]) for _, j in pairs]
        meta = describe(sim, gen, pairs)
        mixture = _mixture(sim)
        temperature = float(sim.temperature[pairs[0][0]])
        times = sim.times[[a for a, _ in lags]]
    names = [i for i, _ in pairs]
    with Console(stderr=True).status("statistics") as status:
        result, curves = compare(
            simulated,
            generated,
            times,
            mixture=mixture,
            temperature=temperature,
            seed=args.seed,
            bootstrap=args.bootstrap,
            progress=status.update,
        )
        metrics = with_verdicts(Metrics(plain({**result, "meta": {**result["meta"], **meta}})))
        status.update("figures and page")
        propensities = _propensities(simulated, generated, names)
        moves = choose_moves(simulated, generated, propensities)
        page = write_report(args.out, Content(metrics, curves, propensities, moves))
    print(to_text(metrics))
    print(f"\nEverything else, species by species: {page}")


def _mixture(store: Store) -> Mixture:
    """The mixture of a dataset, truncated as the dataset says."""
    from dataclasses import replace

    from gensample.physics.mixtures import get_mixture

    return replace(get_mixture(store.mixture), truncation=store.truncation)


def _ensemble(store: Store, configuration: int, lags: list[int]) -> Ensemble:
    from gensample.stats.ensemble import Ensemble

    if not store.has_displacements:
        raise DataError(f"{store.path} holds averages only; compare needs displacements of single replicas")
    fields = store.displacements(configuration)[:, lags]
    return Ensemble(store.positions[configuration], store.box[configuration], store.species, fields)


def _propensities(simulated: list[Ensemble], generated: list[Ensemble], names: list[int]) -> Propensities:
    import numpy as np

    from gensample.report.content import Propensities
    from gensample.stats.propensity import propensity

    return Propensities(
        simulated=np.stack([propensity(e.displacements) for e in simulated]),
        generated=np.stack([propensity(e.displacements) for e in generated]),
        positions=np.stack([e.positions for e in simulated]),
        box=np.stack([e.box for e in simulated]),
        species=simulated[0].species,
        names=names,
    )
