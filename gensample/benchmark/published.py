"""The numbers behind the published GlassBench figures, as plain values.

Source: Jung et al., Roadmap on machine learning glassy dynamics, Nat. Rev. Phys. (2025), arXiv 2311.14752;
data at doi 10.5281/zenodo.10118191 (CC-BY-4.0).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gensample.errors import DataError

Curve = tuple[list[float], list[float]]
"""Lag times and values."""

ByTemperature = dict[float, dict[str, Curve]]
"""Curves by temperature and model."""

# Figures with Pearson against lag time (A particles, pooled) of each system, by temperature.
_PEARSON = {
    "KA": {0.44: "KA_results/FIG1.dat"},
    "KA2D": {0.30: "KA2D_results/FIG3.dat", 0.23: "KA2D_results/FIGA1.dat"},
}
_BOND_BREAKING = {"KA2D": {0.30: "KA2D_results/FIG4.dat"}}
_CHI4, _TRANSFER = "KA_results/FIG7.dat", "KA_results/FIG5.dat"
CHI4_TEMPERATURES = (0.44, 0.50, 0.56, 0.64)
"""Temperatures that published chi4 of KA are of."""


@dataclass(frozen=True)
class PublishedCurves:
    """Tables by the end of their path: column names and rows."""

    tables: Mapping[str, tuple[list[str], list[list[float]]]]

    @classmethod
    def read(cls, path: str | Path) -> PublishedCurves:
        """Read ``published_curves.json``.

        Raises:
            DataError: the file is not such.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            tables = {t["path"]: (list(t["header"]), list(t["rows"])) for t in content["tables"]}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path} holds no published curves ({error!r})") from None
        return cls({name.split("/", 1)[-1]: table for name, table in tables.items()})

    def pearson(self, system: str) -> ByTemperature:
        """Pearson correlation with the propensity of A particles; system "KA" or "KA2D"."""
        return self._curves(_PEARSON, system)

    def bond_breaking(self, system: str) -> ByTemperature:
        """Pearson correlation with the bond-breaking propensity of A particles; system "KA2D"."""
        return self._curves(_BOND_BREAKING, system)

    def ceiling(self, system: str, temperature: float, quantity: str) -> Curve:
        """Highest correlation that the replicas allow; quantity "MD" (displacement) or "BB" (bonds)."""
        rows = self._table(f"{system}_results/rhomax_T{temperature:.2f}_{quantity}.dat")[1]
        kept = [row for row in rows if len(row) > 1]
        return [row[0] for row in kept], [row[1] for row in kept]

    def chi4(self, temperature: float) -> dict[str, Curve]:
        """chi4 of predictions by model, of simulation as "MD"; KA at one of CHI4_TEMPERATURES."""
        header, rows = self._table(_CHI4)
        suffix = f"{temperature:.2f}"
        if f"t{suffix}" not in header:
            raise DataError(f"no published chi4 at temperature {temperature:g}")
        times = [row[header.index(f"t{suffix}")] for row in rows]
        names = {name: name.removesuffix(suffix) for name in header if name.endswith(suffix)}
        return {
            short: (times, [row[header.index(name)] for row in rows])
            for name, short in names.items()
            if short != "t"
        }

    def transfer(self) -> dict[str, dict[tuple[float, float], float]]:
        """Pearson near tau_alpha by (training temperature, test temperature) and model; KA.

        Columns are read as training temperatures, rows as inverse test temperatures: in each row of SE3 and
        BOTAN the column of the same temperature is then the best, as a test set prefers the model trained on
        its like; read the other way, models trained elsewhere would beat those trained at T = 0.64 there.
        """
        header, rows = self._table(_TRANSFER)
        found: dict[str, dict[tuple[float, float], float]] = {}
        for column, name in enumerate(header[1:], 1):
            match = re.fullmatch(r"(.*?)(0\.\d\d)", name)
            if match is None:
                raise DataError(f"column {name!r} of {_TRANSFER} names no temperature")
            for row in rows:
                key = (float(match[2]), round(1 / row[0], 2))
                found.setdefault(match[1], {})[key] = row[column]
        return found

    def _curves(self, figures: Mapping[str, Mapping[float, str]], system: str) -> ByTemperature:
        if system not in figures:
            raise DataError(f"no published curves of {system!r}; there are those of {', '.join(figures)}")
        found = {}
        for temperature, figure in figures[system].items():
            header, rows = self._table(figure)
            found[temperature] = {name: _column(rows, k) for k, name in enumerate(header) if k}
        return found

    def _table(self, name: str) -> tuple[list[str], list[list[float]]]:
        if name not in self.tables:
            raise DataError(f"the published curves lack {name}")
        return self.tables[name]


def _column(rows: Sequence[Sequence[Any]], column: int) -> Curve:
    return [float(row[0]) for row in rows], [float(row[column]) for row in rows]
