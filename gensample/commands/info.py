"""`gensample info DATA.h5`, or of a model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from gensample.text import printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "name", help="dataset, by file or name, or model: a released one by name, a folder, or a checkpoint"
    )
    parser.add_argument("--json", action="store_true", help="print the summary as json")


def run(args: argparse.Namespace) -> None:
    """Validate a dataset and print its physics; or say what a model is and reads."""
    import json

    if _is_model(args.name):
        from gensample.commands.model_summary import describe_model, inspect_model

        summary = inspect_model(args.name)
        lines = describe_model(summary)
    else:
        from gensample.data.summary import inspect

        summary = inspect(args.name)
        lines = describe(summary)
    print(json.dumps(summary, indent=1) if args.json else "\n".join(lines))


def _is_model(word: str) -> bool:
    """Whether a word names no dataset and what it names may be a model.

    Raises:
        DataError: it is the name of neither.
    """
    from gensample import zoo
    from gensample.data.catalog import EMBEDDED, KEPT
    from gensample.errors import DataError

    path = Path(word)
    if word in {*EMBEDDED, *KEPT} or (path.is_file() and path.suffix != ".ckpt"):
        return False
    if word in zoo.names() or path.is_dir() or path.is_file():
        return True
    raise DataError(
        f"no dataset and no model at {word}; give a file, the folder of a model, or one of the names that "
        "`gensample datasets` and `gensample models` list"
    )


def describe(summary: dict[str, Any]) -> list[str]:
    """Lines of the summary, as printed."""
    lines = [f"{summary['path']}", *_state(summary), *_energy(summary["energy"])]
    lines += [*_cage(summary["cage"]), *_probe(summary["probe"])]
    lines += [*_futures(summary["inherent_displacements"]), ""]
    lines += [*_splits(summary), ""]
    lines += [*_lags(summary), *_shear(summary), ""]
    lines += _provenance(summary)
    verdict = "valid" if summary["complete"] else "valid, but not complete: resume its simulation"
    return [printable(line) for line in (*lines, "", verdict)]


def _line(name: str, text: object) -> str:
    return f"  {name:<13}{printable(str(text))}"


def _state(s: dict[str, Any]) -> list[str]:
    species = ", ".join(f"{count} {name}" for name, count in s["species"].items())
    expected = s["composition"]
    if any(abs(s["species"].get(name, 0) - count) > 1 for name, count in expected.items()):
        species += f"; {s['mixture']} has " + ", ".join(f"{n} {name}" for name, n in expected.items())
    box = " x ".join(f"{edge:.6g}" for edge in s["box"])
    return [
        _line("mixture", f"{s['mixture']} (d = {s['dimension']}, truncation {s['truncation']})"),
        _line("particles", f"{s['particles']} ({species})"),
        _line("temperature", ", ".join(f"{t:g}" for t in s["temperature"])),
        _line("density", f"{s['density']:.6g} (box {box})"),
    ]


def _energy(energy: dict[str, Any]) -> list[str]:
    if "not_computed" in energy:
        return [_line("energy", f"not computed: {energy['not_computed']}")]
    over = f"over {energy['configurations']} configuration{'s' if energy['configurations'] > 1 else ''}"
    lines = [
        _line("energy", f"U/N = {_with_error(energy['thermal'])} thermal, {over}"),
        _line("pressure", _with_error(energy["pressure"])),
    ]
    if "inherent" in energy:
        how = f"minimiser {energy['minimiser']}, largest force {energy['inherent_max_force']:.2g}"
        lines.insert(1, _line("", f"U/N = {_with_error(energy['inherent'])} inherent ({how})"))
    return lines


def _cage(cage: dict[str, Any] | None) -> list[str]:
    if cage is None:
        return []
    error = cage["standard_error"]
    text = f"means over {cage['replicas']:g} replicas of {cage['snapshots']:g} snapshots, "
    text += f"t = {cage['start']:g} to {cage['time']:g}"
    return [_line("cage", text + ("" if error is None else f", standard error {error:.2g}"))]


def _probe(probe: dict[str, Any] | None) -> list[str]:
    if probe is None:
        return []
    temperatures = ", ".join(f"{value:g}" for value in probe["temperature"])
    text = f"{probe['replicas']} replicas at T = {temperatures}, up to t = {probe['time'][-1]:g}"
    return [_line("probe", text)]


def _futures(made: dict[str, Any] | None) -> list[str]:
    if made is None:
        return []
    return [_line("futures", f"quenched, minimiser {made['minimiser']}, tolerance {made['tolerance']}")]


def _with_error(value: dict[str, float | None]) -> str:
    error = value["standard_error"]
    return f"{value['mean']:.4f}" + ("" if error is None else f" +- {error:.4f}")


def _splits(s: dict[str, Any]) -> list[str]:
    lines = [f"  {'split':<8}{'configurations':>15}{'replicas each':>15}{'complete':>16}"]
    for name, split in s["splits"].items():
        each = " or ".join(map(str, split["replicas"]))
        complete = f"{split['complete']} of {split['planned']}"
        lines.append(f"  {name:<8}{split['configurations']:>15}{each:>15}{complete:>16}")
    return lines


def _lags(s: dict[str, Any]) -> list[str]:
    if not s["lags"]:
        return ["  no displacements and no averages: configurations only", *_predictions(s)]
    columns = ["msd", "overlap", "mean_displacement"] if s["has_displacements"] else ["mean_displacement"]
    columns += ["hops"] if s["inherent_displacements"] else []
    titles = {"msd": "MSD", "overlap": f"overlap({s['overlap_length']:g})", "mean_displacement": "<|u|>"}
    titles["hops"] = f"|h| > {s['hop_length']:g}"
    abscissa = "strain" if "shear" in s else "lag time"
    lines = [f"  {abscissa:<12}{'species':>8}" + "".join(f"{titles[c]:>14}" for c in columns)]
    for lag in s["lags"]:
        for name, values in lag["species"].items():
            lines.append(f"  {lag['time']:<12.6g}{name:>8}" + "".join(f"{values[c]:>14.5g}" for c in columns))
    if s["averages"]:
        lines.append(f"  averages stored: {', '.join(s['averages'])}")
    return lines + _predictions(s)


def _predictions(s: dict[str, Any]) -> list[str]:
    """What `gensample predict` wrote, or came with the source."""
    times = ", ".join(f"{time:g}" for time in s["times"])
    names = printable(", ".join(s["predictions"]))
    return [f"  predictions at t = {times}: {names}"] if s["predictions"] else []


def _shear(s: dict[str, Any]) -> list[str]:
    from gensample.data.shear_group import describe_shear

    return ["", *(f"  {line}" for line in describe_shear(s["shear"]))] if "shear" in s else []


def _provenance(s: dict[str, Any]) -> list[str]:
    lines = [_line("source", s["source"]), _line("created", s["created"])]
    for name in ("command", "seed", "software"):
        if s[name] is not None:
            lines.append(_line(name, _versions(s[name]) if name == "software" else s[name]))
    return [*lines, *_equilibration(s["equilibration"])]


def _equilibration(evidence: dict[str, float | None] | None) -> list[str]:
    from gensample.simulate.isoconfigurational.evidence import describe_equilibration

    return [] if evidence is None else [_line("equilibrated", describe_equilibration(evidence))]


def _versions(text: str) -> str:
    """The stored json of program versions as words."""
    import json

    return ", ".join(f"{name} {version}" for name, version in json.loads(text).items())
