"""Tables and figures of this experiment from the entries in results-*.json: nothing is trained or judged.

    python experiments/012-benchmark/report_again.py

Rows of several runs of the benchmark come together in one file of entries; this writes what
`gensample benchmark` would have written of them at once.
"""

import json
import shutil
import tempfile
from pathlib import Path

from gensample.benchmark.published import PublishedNumbers
from gensample.benchmark.result import BenchmarkResult

HERE = Path(__file__).parent
# Of each file: system of the published numbers beside it, and figures that are kept, by their new names.
KEPT = {
    "3d": (
        "KA",
        {
            "ranking-3d": "ranking-propensity-T-0.44",
            "transfer": "transfer-propensity",
            "learning-3d": "learning-propensity",
            "chi4-3d": "chi4-propensity-T-0.44",
        },
    ),
    "3d-runs": ("KA", {}),
    "2d": ("KA2D", {"lags-2d": "lags-propensity-ka2d-mini", "chi4-2d": "chi4-propensity-ka2d-mini"}),
    "ternary": ("KA2D", {}),
}


def main() -> None:
    """Write table-*.md and figures beside this script."""
    for name, (system, figures) in KEPT.items():
        source = HERE / f"results-{name}.json"
        if not source.exists():
            continue
        found = json.loads(source.read_text())
        for entry in found["entries"]:
            entry["train"] = entry["train"] and entry["train"].split("+")
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder, "report")
            BenchmarkResult(found["title"], found["entries"], published=PublishedNumbers.read(system)).write(
                report
            )
            shutil.copy(report / "table.md", HERE / f"table-{name}.md")
            for new, old in figures.items():
                shutil.copy(report / "figures" / f"{old}.png", HERE / f"{new}.png")


if __name__ == "__main__":
    main()
