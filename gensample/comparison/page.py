"""The page of a comparison and the folder around it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from gensample.comparison.figures import FIRST, plates
from gensample.comparison.quantities import EVERYONE, OfFields, OfSets
from gensample.comparison.result import Comparison
from gensample.comparison.rows import MARKS, SIGNS, finding
from gensample.comparison.tables import cost_table, full_table, glance_table, glossary, sentence, weight_table
from gensample.report import page
from gensample.report.page import Picture

FEW = 10  # configurations below which a bootstrap interval is only indicative
_COMMON = ("mixture", "particles", "temperature", "density", "truncation")


def write(result: Comparison, folder: str | Path) -> Path:
    """Write metrics.json, curves/*.csv, figures/*.png and *.svg, and index.html; the path of the page.

    Raises:
        ConfigError: ``folder`` exists and is not an earlier report.
    """
    return page.write_folder(folder, result.metrics, result.curves, plates(result), partial(render, result))


def render(result: Comparison, pictures: Sequence[Picture], curves: Iterable[str]) -> str:
    """The page; ``curves`` are the relative paths of the CSV files it links to."""
    first = [p for p in pictures if p.name == FIRST]
    others = [p for p in pictures if p.name != FIRST]
    content = {"meta": result.meta, "pictures": others, "curves": list(curves), "few": FEW}
    content |= {"compared": _facts(result), "levels": result.levels}
    lags = range(len(result.levels))
    if result.of_sets:
        energies = bool(result.curves.get("energy"))
        return page.render(
            "configurations.html",
            title=f"{_name(result, 'generated')} against simulation: configurations",
            lead=f"Generated configurations beside those of {_name(result, 'simulated')} at T = "
            f"{_list(result.levels)}: do they have the {'energies and the ' if energies else ''}structure of "
            f"the liquid?{'' if energies else ' Its potential is not known: there are no energies.'}",
            glance=[full_table(result, k, EVERYONE, main=True) for k in lags],
            tables=[full_table(result, k, EVERYONE) for k in lags],
            weights=weight_table(result),
            glossary=glossary(OfSets),
            blocks=result.blocks,
            **content,
        )
    # Whether futures are configurations is asked before how far they moved.
    groups = sorted(result.groups, key=lambda group: group != EVERYONE)
    return page.render(
        "displacements.html",
        title=f"{_name(result, 'generated')} against simulation",
        lead=sentence(result),
        first=first,
        cost=cost_table(result),
        finding=finding(result),
        glance=[glance_table(result, g) for g in groups],
        tables=[full_table(result, k, g) for g in groups for k in lags],
        glossary=glossary(OfFields),
        beside=result.beside,
        marks=MARKS,
        signs=SIGNS,
        **content,
    )


def _name(result: Comparison, side: str) -> str:
    unknown = {"generated": "generated", "simulated": "the simulated data"}
    return str(result.meta.get(side, {}).get("name", unknown[side]))


def _list(numbers: Sequence[float]) -> str:
    return ", ".join(f"{x:g}" for x in numbers)


def _facts(result: Comparison) -> list[tuple[str, Mapping[str, Any]]]:
    """(heading, facts) of what both have in common, of simulation, of generated and of what is beside."""
    meta, levels = result.meta, _list(result.levels)
    sim, gen = meta.get("simulated", {}), meta.get("generated", {})
    bootstrap = f"{meta['bootstrap']} resamples, seed {meta.get('seed')}" if "bootstrap" in meta else None
    if result.of_sets:
        common = {name: sim.get(name) for name in _COMMON if name not in ("particles", "temperature")}
        counts = {
            side: ", ".join(str(block["configurations"][side]) for block in result.blocks)
            for side in ("simulated", "generated")
        }
        both = {**common, "temperature": levels, "predictor": meta.get("predictor"), "bootstrap": bootstrap}
        ours = {"configurations": counts["simulated"], "split": meta.get("split"), **sim}
        theirs = {"configurations": counts["generated"], **gen}
    else:
        common = {name: sim.get(name) for name in _COMMON}
        both = {**common, "lag times / τ": levels, "configurations": meta.get("configurations")}
        both |= {"split": meta.get("split"), "bootstrap": bootstrap}
        ours, theirs = sim, gen
    told = {"name", *common}
    sides = [{k: v for k, v in side.items() if k not in told} for side in (ours, theirs)]
    titles = ("Both sets" if result.of_sets else "Both ensembles", "Simulation", "Generated")
    return [*zip(titles, (both, *sides), strict=True), *meta.get("further", {}).items()]
