"""The lines that decide, of every source of a report: python scripts/demo_table.py REPORT [LAG]."""

import json
import sys
from pathlib import Path

# Name in metrics.json, block, words, and the name of what the best possible sampler has.
ROWS = (
    ("inherent_energy", "all", "inherent energy of a future", None),
    ("hops", "A", "share of hops", None),
    ("pearson", "A", "propensity, Pearson", "pearson_ceiling_sampler"),
    ("crps_skill", "A", "CRPS skill of |u|", "crps_skill_best"),
)


def main() -> None:
    """Print simulation (or the best that is possible) and every source, at the last lag or LAG."""
    metrics = json.loads((Path(sys.argv[1]) / "metrics.json").read_text())
    lags = {lag["time"]: lag["species"] for lag in metrics["lags"]}
    time = float(sys.argv[2]) if len(sys.argv) > 2 else max(lags)
    sources = ["generated", *metrics["meta"].get("beside", [])]
    table = [[f"t = {time:g}, species A", "aim", *sources]]
    for name, species, words, best in ROWS:
        blocks = [lags[time][species][source] for source in sources]
        if name in blocks[0]:
            table.append([words, *_values(blocks, name, best)])
    costs = metrics["meta"]["core_seconds"]
    seconds = [costs.get(source) for source in ("simulated", *sources)]
    table.append(
        ["core-seconds of a replica", *("not recorded" if s is None else f"{s:.3g}" for s in seconds)]
    )
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


def _values(blocks: list[dict], name: str, best: str | float | None) -> list[str]:
    """The aim, and what every source has."""
    values = [block[name]["value"] for block in blocks]
    if isinstance(values[0], list):
        return [_short(values[0][0]), *(_short(value[1]) for value in values)]
    aim = blocks[0][best]["value"] if isinstance(best, str) else best
    return [_short(aim), *map(_short, values)]


def _short(value: float) -> str:
    return f"{value:.3g}" if abs(value) >= 1000 else f"{value:.3f}"


if __name__ == "__main__":
    main()
