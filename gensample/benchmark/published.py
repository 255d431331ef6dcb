"""The numbers behind the published GlassBench figures, as plain values.

Source: Jung et al., Roadmap on machine learning glassy dynamics, Nat. Rev. Phys. (2025), arXiv 2311.14752;
data at doi 10.5281/zenodo.10118191 (CC-BY-4.0), of which glassbench.json beside this file has the curves.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gensample.errors import DataError
from gensample.plain import read_json

Curve = tuple[Sequence[float], Sequence[float]]
"""Lag times and values."""

ByTemperature = Mapping[float, Mapping[str, Curve]]
"""Curves by temperature and model."""

OURS = Path(__file__).with_name("glassbench.json")
# Figures with Pearson against lag time (A particles, pooled) of each system, by target and temperature.
FIGURES = {
    "KA": {"propensity": {0.44: "KA_results/FIG1.dat"}},
    "KA2D": {
        "propensity": {0.30: "KA2D_results/FIG3.dat", 0.23: "KA2D_results/FIGA1.dat"},
        "bond_breaking": {0.30: "KA2D_results/FIG4.dat"},
    },
}
CHI4, TRANSFER = "KA_results/FIG7.dat", "KA_results/FIG5.dat"
CHI4_TEMPERATURES = (0.44, 0.50, 0.56, 0.64)
NEAR = 1e-3
"""Temperatures within this of each other are the same."""


@dataclass(frozen=True)
class PublishedNumbers:
    """Published numbers of one system.

    pearson: curves by target, temperature and model; chi4: by temperature and model, simulation as "MD";
    transfer: of each model, Pearson near tau_alpha by (training temperature, test temperature).
    """

    pearson: Mapping[str, ByTemperature]
    chi4: ByTemperature
    transfer: Mapping[str, Mapping[tuple[float, float], float]]

    @classmethod
    def read(cls, system: str, path: str | Path | None = None) -> PublishedNumbers:
        """The numbers of a system, "KA" or "KA2D", from our file or one like it.

        Raises:
            DataError: the file is not such, or has no such system.
        """
        if system not in FIGURES:
            raise DataError(f"no published curves of {system!r}; there are those of {', '.join(FIGURES)}")
        tables = _Tables(path or OURS)
        pearson = {
            target: {temperature: tables.curves(figure) for temperature, figure in figures.items()}
            for target, figures in FIGURES[system].items()
        }
        # The figures of heterogeneity and transfer are of the liquid in 3D.
        three = system == "KA"
        return cls(pearson, tables.chi4() if three else {}, tables.transfer() if three else {})

    def pearson_at(self, target: str, temperature: float | None) -> dict[str, Curve]:
        """Curves by model that are of this target and temperature."""
        return _of_temperature(self.pearson.get(target, {}), temperature)

    def chi4_at(self, temperature: float | None) -> dict[str, tuple[Sequence[float], ...]]:
        """Lag times, simulation and predictions by model, of this temperature."""
        found = _of_temperature(self.chi4, temperature)
        return {m: (t, found["MD"][1], values) for m, (t, values) in found.items() if m != "MD"}

    def transfer_to(
        self, temperatures: Mapping[str, float | None]
    ) -> dict[tuple[str, float], dict[str, float]]:
        """Pearson by (model, training temperature) and test set, of test sets of these temperatures."""
        found: dict[tuple[str, float], dict[str, float]] = {}
        for model, matrix in self.transfer.items():
            for (trained, judged), value in matrix.items():
                for test, temperature in temperatures.items():
                    if temperature is not None and math.isclose(judged, temperature, abs_tol=NEAR):
                        found.setdefault((model, trained), {})[test] = value
        return found


NOTHING = PublishedNumbers({}, {}, {})


def at_lag(curve: Curve, lag: float) -> float | None:
    """Value of a published curve at a lag time of ours, which may be rounded; None where it has none."""
    return next((v for t, v in zip(*curve, strict=True) if abs(t - lag) < 0.01 * lag), None)


def _of_temperature(by: ByTemperature, temperature: float | None) -> dict[str, Curve]:
    near = (v for t, v in by.items() if temperature and math.isclose(t, temperature, abs_tol=NEAR))
    return dict(next(near, {}))


class _Tables:
    """Tables of a file by the end of their path: column names and rows."""

    def __init__(self, path: str | Path) -> None:
        try:
            tables = {t["path"]: (list(t["header"]), list(t["rows"])) for t in read_json(path)["tables"]}
        except (DataError, KeyError, TypeError) as error:
            raise DataError(f"{path} holds no published curves ({error!r})") from None
        self._tables = {name.split("/", 1)[-1]: table for name, table in tables.items()}

    def _table(self, name: str) -> tuple[list[str], list[list[float]]]:
        if name not in self._tables:
            raise DataError(f"the published curves lack {name}")
        return self._tables[name]

    def curves(self, figure: str) -> dict[str, Curve]:
        """Every column against the first."""
        header, rows = self._table(figure)
        times = [float(row[0]) for row in rows]
        return {name: (times, [float(row[k]) for row in rows]) for k, name in enumerate(header) if k}

    def chi4(self) -> dict[float, dict[str, Any]]:
        """By temperature, which columns end with, and model."""
        header, rows = self._table(CHI4)
        column = {name: [row[k] for row in rows] for k, name in enumerate(header)}
        return {
            t: {
                name.removesuffix(f"{t:.2f}"): (column[f"t{t:.2f}"], values)
                for name, values in column.items()
                if name.endswith(f"{t:.2f}") and not name.startswith("t")
            }
            for t in CHI4_TEMPERATURES
            if f"t{t:.2f}" in column
        }

    def transfer(self) -> dict[str, dict[tuple[float, float], float]]:
        """By model, and (training temperature, test temperature).

        Columns are read as training temperatures, rows as inverse test temperatures: in each row of SE3 and
        BOTAN the column of the same temperature is then the best, as a test set prefers the model trained on
        its like; read the other way, models trained elsewhere would beat those trained at T = 0.64 there.
        """
        header, rows = self._table(TRANSFER)
        found: dict[str, dict[tuple[float, float], float]] = {}
        for column, name in enumerate(header[1:], 1):
            match = re.fullmatch(r"(.*?)(0\.\d\d)", name)
            if match is None:
                raise DataError(f"column {name!r} of {TRANSFER} names no temperature")
            for row in rows:
                found.setdefault(match[1], {})[float(match[2]), round(1 / row[0], 2)] = row[column]
        return found
