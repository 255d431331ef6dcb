"""table.md: energies first, then propensities, then ageing."""

from collections.abc import Iterable, Sequence

ENERGIES = {
    "energy": "U/N",
    "energy_gap": "less test",
    "energy_sd": "sd over configurations",
    "energy_W1_of set": "W1",
    "energy_W1_halves": "halves",
    "inherent_energy": "inherent U/N",
    "inherent_energy_gap": "less test",
    "inherent_energy_W1_of set": "W1",
    "inherent_energy_W1_halves": "halves",
    "pair_distribution_distance_of set": "g(r) distance",
    "pair_distribution_distance_halves": "halves",
}
PROPENSITY = {
    "mean": "mean",
    "sd": "sd",
    "W1": "W1 to test LAMMPS",
    "W1_halves": "halves",
    "W1_same": "W1 to test, same source",
    "W1_same_halves": "halves",
    "pearson": "Pearson with own LAMMPS",
    "ceiling": "ceiling",
}


def tables(results: dict) -> str:
    """All of them, as markdown."""
    rows = results["propensity"]
    parts = [
        "Value [95 % interval over configurations; of distances, the range of 95 % of random splits].",
        "## Configurations",
        _table(["set", *ENERGIES.values()], _of_sets(results["sets"])),
    ]
    for kind in sorted({row["species"] for row in rows}):
        chosen = [row for row in rows if row["species"] == kind]
        parts += [
            f"## Propensity of {kind}",
            _table(["set", "source", "t", *PROPENSITY.values()], _of_lags(chosen)),
        ]
    times = list(results["ageing"][0]["overlap"]) if results["ageing"] else []
    head = ["set", "runs started", *(f"Q({t})" for t in times)]
    head += [f"{kind} U/N({t})" for kind in ("thermal", "inherent") for t in ("0", *times)]
    parts += ["## Ageing: overlap of A and energies", _table(head, _of_runs(results["ageing"], times))]
    parts += [
        "## Drift of the energy per particle",
        _table(["set", "over", "energy", "change"], _of_drifts(results)),
    ]
    return "\n\n".join(parts) + "\n"


def _of_sets(sets: dict) -> Iterable[list[str]]:
    return [[name, *(show(row.get(key), 4) for key in ENERGIES)] for name, row in sets.items()]


def _of_lags(rows: list[dict]) -> Iterable[list[str]]:
    for row in rows:
        digits = {"pearson": 2, "ceiling": 2}
        cells = [show(row.get(key), digits.get(key, 4)) for key in PROPENSITY]
        yield [row["set"], row["source"], f"{row['t']:g}", *cells]


def _of_runs(rows: list[dict], times: list[str]) -> Iterable[list[str]]:
    for row in rows:
        cells = [show(row["overlap"][t], 3) for t in times]
        for kind in ("thermal_energy", "inherent_energy"):
            cells += [show(row.get(kind, {}).get(t), 4) for t in ("0", *times)]
        yield [row["set"], row["start"], *cells]


def _of_drifts(results: dict) -> Iterable[list[str]]:
    return [[row["set"], row["what"], row["energy"], show(row["drift"], 4)] for row in results["drift"]]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def show(entry: dict | None, digits: int) -> str:
    """Value and interval."""
    if not entry or entry["value"] is None:
        return ""
    text, interval = f"{entry['value']:.{digits}f}", entry["interval"]
    return f"{text} [{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]" if interval else text
