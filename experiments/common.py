"""What several experiments do: run gensample commands, read their metrics, write a table."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from gensample.cli import main


def call(*words: str | Path) -> None:
    """One gensample command; stops at the first that fails."""
    if code := main([str(word) for word in words]):
        raise SystemExit(code)


def sample_and_compare(
    model: str | Path, data: str, split: str, folder: Path, *, replicas: int, solver: Sequence[str]
) -> dict:
    """Draw an ensemble of a split with seed 1 and compare it; returns metrics.json."""
    generated, report = folder / f"{split}.h5", folder / f"report-{split}"
    if Path(model).is_file() and generated.exists() and _older(generated, Path(model)):
        generated.unlink()
    where = ["--data", data, "--split", split, "--replicas", str(replicas), "--seed", "1"]
    call("sample", model, "--out", generated, *where, *solver)
    call("compare", data, generated, "--split", split, "--out", report, "--bootstrap", "200")
    return json.loads((report / "metrics.json").read_text())


def _older(one: Path, other: Path) -> bool:
    return one.stat().st_mtime < other.stat().st_mtime


def blocks(metrics: dict, columns: Sequence[str], species: str = "A", source: str = "generated") -> dict:
    """{lag: {column: entry}} of the generated ensemble, or of another source, without the curves."""
    found = {}
    for lag in metrics["lags"]:
        block = lag["species"][species][source]
        found[f"{lag['time']:g}"] = {name: block[name] for name in columns if name in block}
    return found


def without_curves(metrics: dict) -> dict:
    """metrics.json with its numbers and pairs only."""
    lags = []
    for lag in metrics["lags"]:
        species = {
            name: {source: {k: v for k, v in block.items() if _short(v)} for source, block in of.items()}
            for name, of in lag["species"].items()
        }
        lags.append({"time": lag["time"], "species": species})
    return {"meta": metrics["meta"], "lags": lags}


def _short(entry: dict) -> bool:
    value = entry.get("value")
    return not isinstance(value, list) or not any(isinstance(x, list) for x in value)


def table(first: Sequence[str], rows: Mapping[tuple[str, ...], dict], columns: Mapping[str, str]) -> str:
    """Markdown: one line per row and lag; [simulation, generated] pairs as generated / simulation."""
    lines = ["| " + " | ".join([*first, "t", *columns.values()]) + " |"]
    lines.append("|---" * (len(first) + 1 + len(columns)) + "|")
    for names, lags in rows.items():
        for t, block in lags.items():
            cells = [cell(block.get(column, {}).get("value")) for column in columns]
            lines.append("| " + " | ".join([*names, t, *cells]) + " |")
    return "\n".join(lines) + "\n"


def cell(value: float | list[float] | None) -> str:
    """A number, or the generated over the simulated one."""
    if value is None:
        return ""
    return f"{value[1] / value[0]:.2f} of sim" if isinstance(value, list) else f"{value:.3f}"
