"""The futures of a generator in one table, a column for each lag: python scripts/card_table.py METRICS.json.

Species A, energies of all particles; 95 % intervals; in brackets simulation, or the best that is possible.
"""

import json
import sys
from pathlib import Path

# Name in metrics.json, block, words, and the name of what a perfect sampler has, where it is no pair.
ROWS = (
    ("pearson", "A", "Pearson (best)", "pearson_ceiling_sampler"),
    ("crps_skill", "A", "CRPS skill (best)", "crps_skill_best"),
    ("c2st", "A", "classifier (0.5)", None),
    ("future_energy_median", "all", "energy of a future (simulation)", None),
    ("future_overlapping", "all", "share of futures that overlap (simulation)", None),
    ("inherent_energy", "all", "its inherent energy (simulation)", None),
    ("mean_propensity", "A", r"mean \|u\| (simulation)", None),
    ("hops", "A", "share of hops (simulation)", None),
    ("hop_pearson", "A", "Pearson of h (best)", "hop_pearson_ceiling_sampler"),
    ("hop_chi4_within", "A", "chi4 of hops (simulation)", None),
    ("chi4_iso", "A", "chi4 of the overlap (simulation)", None),
    ("alpha2", "A", "alpha2 (simulation)", None),
    ("predictability", "A", "R (simulation)", None),
    ("next_overlap", "all", "at their places 5 tau on (simulation)", None),
)


def main() -> None:
    """Print the table."""
    lags = json.loads(Path(sys.argv[1]).read_text())["lags"]
    print("| | " + " | ".join(f"t = {lag['time']:g}" for lag in lags) + " |")
    print("|---|" + "---|" * len(lags))
    for name, block, words, best in ROWS:
        found = [lag["species"][block]["generated"] for lag in lags]
        if any(name in each for each in found):
            print(f"| {words} | " + " | ".join(_cell(each, name, best) for each in found) + " |")


def _cell(found: dict, name: str, best: str | None) -> str:
    if name not in found:
        return ""
    value, interval = found[name]["value"], found[name].get("interval")
    aim = found[best]["value"] if best in found else None
    if isinstance(value, list):
        (aim, value), interval = value, interval and interval[1]
    digits = 3 if abs(value) < 10 else 1
    text = f"{value:.{digits}f}"
    if interval is not None:
        text += f" [{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]"
    return text if aim is None else f"{text} ({aim:.{digits}f})"


if __name__ == "__main__":
    main()
