"""``gensample compare`` of two sets of configurations: energies, structure, weights, propensities."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.markup import escape

from gensample.errors import ConfigError

if TYPE_CHECKING:
    from gensample.commands.predict_propensity import Predictor
    from gensample.data.store import Store
    from gensample.stats.configurations import Configurations


def holds_configurations(store: Store) -> bool:
    """Whether a file is a set of configurations: no lag times, no displacements or no replicas."""
    return not store.has_displacements or not len(store.times) or not store.done.shape[1]


def run(args: argparse.Namespace) -> None:
    """Compare at every common temperature, write the report and print the main table.

    Raises:
        DataError: the two files hold other systems, or lack what a comparison needs.
        ConfigError: the temperature, the predictor or the output folder cannot be used.
    """
    from rich.console import Console

    from gensample.comparison.configurations.content import Content
    from gensample.comparison.configurations.page import write_report
    from gensample.comparison.configurations.tables import to_text
    from gensample.report.page import plain

    if args.lags is not None:
        raise ConfigError(f"{args.generated} holds configurations, which have no lag times; leave out --lags")
    with Console(stderr=True).status("reading") as status:
        metrics, curves = _compare(args, status.update)
        status.update("figures and page")
        content = Content(plain(metrics), curves)
        page = write_report(args.out, content)
    print(to_text(content))
    print(f"\nEverything else: {page}")


def _compare(args: argparse.Namespace, tell: Callable[[str], None]) -> tuple[dict[str, Any], dict[str, Any]]:
    """{"meta", "temperatures"} and the curves of all temperatures together."""
    from gensample.comparison.pairing import common_temperatures
    from gensample.comparison.provenance import describe_sets
    from gensample.data.store import Store
    from gensample.physics.mixtures import get_mixture
    from gensample.stats.configurations import compare_configurations

    with Store.open(args.simulated) as sim, Store.open(args.generated) as gen:
        groups = common_temperatures(sim, gen, args.split, args.temperature)
        mixture, truncation = get_mixture(sim.mixture), sim.truncation
        ours, theirs = (np.concatenate([g[k] for g in groups]).tolist() for k in (1, 2))
        meta = {"kind": "configurations", **describe_sets(sim, gen, ours, theirs)}
        meta |= {"seed": args.seed, "bootstrap": args.bootstrap}
        predictor = _predictor(args.predictor, args.force)
        pairs = [
            (t, _configurations(sim, a, predictor, tell), _configurations(gen, b, predictor, tell))
            for t, a, b in groups
        ]
        if predictor is not None:
            meta |= {"predictor": predictor.name, "outside_domain": sorted(predictor.outside)}
    blocks: list[dict[str, Any]] = []
    curves: dict[str, list[Any]] = {}
    for temperature, simulated, generated in pairs:
        result = compare_configurations(
            simulated,
            generated,
            mixture=mixture,
            temperature=temperature,
            truncation=truncation,
            seed=args.seed,
            bootstrap=args.bootstrap,
            progress=tell,
        )
        blocks.append(result.metrics)
        for name, rows in result.curves.items():
            curves.setdefault(name, []).extend(rows)
    return {"meta": meta, "temperatures": blocks}, curves


def _predictor(name: str | None, force: bool) -> Predictor | None:
    if name is None:
        return None
    from gensample.commands.predict_propensity import Predictor

    return Predictor(name, force)


def _configurations(
    store: Store, rows: np.ndarray, predictor: Predictor | None, tell: Callable[[str], None]
) -> Configurations:
    """The configurations ``rows`` with all that the file, or the predictor, knows of them."""
    from gensample.stats.configurations import Configurations

    if predictor is not None:
        tell(escape(f"propensities of {store.path.name}"))
        propensity: np.ndarray | None = predictor.propensity(store.path, rows)
        times = predictor.times
    else:
        stored, times = store.propensity, tuple(float(t) for t in store.times)
        propensity = None if stored is None else stored[rows].swapaxes(1, 2)
    known = {
        name: getattr(store, name) for name in ("inherent_energy", "log_density", "log_density_variance")
    }
    return Configurations(
        positions=store.positions[rows],
        box=store.box[rows],
        species=store.species.astype(np.int64),
        propensity=propensity,
        times=times,
        **{name: None if value is None else value[rows] for name, value in known.items()},
    )
