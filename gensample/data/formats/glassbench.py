"""GlassBench npz: trajectory files (replicas at one lag each) and model files (averages only).

Source: doi 10.5281/zenodo.10118191. Trajectory files hold ``positions`` (R, N, d), ``initial_positions``,
``initial_positions_inherent``, ``box`` and ``types`` from 1; model files hold ``md_prop`` and ``bb_prop``
(K, N) instead of replicas, with the lag times of the folder ``*_results/times_T.dat``, and the predictions of
published models under their own keys.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gensample.data.formats.botan import LAGS, USED, BotanFormat, at_temperature
from gensample.data.importing import npz
from gensample.data.importing.source import (
    Options,
    Source,
    SourceStructure,
    as_floats,
    lag_times,
    temperature_of,
)
from gensample.errors import DataError
from gensample.text import printable

_LAGS_2D = {
    0.23: (0.1, 1.1, 11.64, 122.47, 1288.41, 13554.0, 142587.0, 1.5e6),
    0.30: (0.11, 1.25, 14.14, 158.74, 1781.79, 20000.0),
}
# What may name a prediction in a dataset.
_NAME = re.compile(r"[A-Za-z0-9_+ -][A-Za-z0-9_.+ -]{0,63}")
# Particles that moved less than this, on average, have all their neighbours, or nearly so.
_CALM = 0.2
_CALM_VALUES = 10
_ROUNDING = 1e-6


class GlassBench(BotanFormat):
    """Structures of a set of trajectory files or of model files.

    KA2D is the ternary mixture, KA the force-shifted Kob-Andersen mixture of BOTAN.
    """

    name = "glassbench"
    options = frozenset({"averages", "bond_breaking"})
    mixtures: Mapping[int, str] = {2: "ka2d-ternary", 3: "ka3d-fs"}
    wrapped = False

    def sniff(self, path: Path, head: bytes) -> bool:
        """An npz with initial positions and what only GlassBench adds: a box, or propensities."""
        found = npz.keys(path) if npz.is_npz(head) else set()
        return {"types", "initial_positions"} <= found and bool(found & {"box", "md_prop"})

    def read(self, files: list[Source], options: Options, notes: list[str]) -> list[SourceStructure]:
        """Structures of a set of trajectory files or of model files.

        Raises:
            DataError: both kinds come together, or as for the parts.
        """
        averages = [source for source in files if "md_prop" in npz.keys(source.path)]
        if averages and len(averages) < len(files):
            raise DataError("model files (averages) and trajectory files came together; import them apart")
        if averages:
            return self._models(files, options, notes)
        if options.averages or options.bond_breaking != "auto":
            raise DataError(
                "--averages and --bond-breaking mean nothing for trajectory files; leave them out"
            )
        return super().read(files, options, notes)

    def table(self, codes: list[str], temperature: float | None, dimension: int) -> dict[str, float] | None:
        """Published lag times of ``codes`` at a temperature; None where they are not known."""
        if dimension == 3:
            return super().table(codes, temperature, dimension)
        times = at_temperature(_LAGS_2D, temperature)
        if times == _LAGS_2D[0.23]:
            return {f"tc{5 * i:02d}": t for i, t in enumerate(times, 1)}
        # The codes at T = 0.30 are not documented where we could read them: mapped only when all are there.
        return dict(zip(codes, times, strict=True)) if len(codes) == len(times) else None

    def _models(self, files: list[Source], options: Options, notes: list[str]) -> list[SourceStructure]:
        structures = [self._averages(source, options) for source in files]
        notes.append("model files hold averages only: stored as propensity, without displacements")
        taken = sorted(set.intersection(*(set(s.predictions) for s in structures)))
        if taken:
            notes.append(f"taken as published predictions, an array for each lag time: {', '.join(taken)}")
        left_out = sorted(set().union(*(npz.keys(source.path) for source in files)) - USED - set(taken))
        if left_out:
            notes.append(f"left out: {printable(', '.join(left_out))}")
        _turn_bond_breaking(structures, options, notes)
        return structures

    def _averages(self, source: Source, options: Options) -> SourceStructure:
        structure, arrays = self.common(source)
        particles, dimension = structure.positions.shape
        propensity = as_floats(np.atleast_2d(arrays["md_prop"]), f"{source}: md_prop", (None, particles))
        if (propensity < 0).any():
            raise DataError(f"{source}: md_prop holds negative mean displacements")
        structure.propensity = propensity
        if "bb_prop" in arrays:
            broken = as_floats(np.atleast_2d(arrays["bb_prop"]), f"{source}: bb_prop", propensity.shape)
            if broken.min() < -_ROUNDING or broken.max() > 1 + _ROUNDING:
                raise DataError(f"{source}: bb_prop holds fractions outside 0 to 1")
            structure.bond_breaking = broken.clip(0, 1)
        structure.predictions = _predictions(source.path, propensity.shape)
        codes = [f"lag {i}" for i in range(1, len(propensity) + 1)]
        temperature = temperature_of(source, structure.temperature, options)
        times = at_temperature(LAGS if dimension == 3 else _LAGS_2D, temperature)
        table = dict(zip(codes, times, strict=True)) if len(times) == len(codes) else None
        structure.times = lag_times(codes, options, table, str(source))
        return structure


def _predictions(path: Path, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Further real arrays with a value for each lag time and particle, NaN allowed, by their keys."""
    named = [name for name in npz.keys(path) if name not in USED and _NAME.fullmatch(name)]
    arrays = npz.arrays(path, [name for name in named if npz.shape(path, name) == shape])
    return {name: a.astype(np.float64) for name, a in arrays.items() if a.dtype.kind in "iuf"}


def _turn_bond_breaking(structures: list[SourceStructure], options: Options, notes: list[str]) -> None:
    """Store the fraction of neighbours lost, whichever of the two the files hold.

    Raises:
        DataError: the files do not tell, or they differ.
    """
    given = [s for s in structures if s.bond_breaking is not None]
    if not given:
        if options.bond_breaking != "auto":
            raise DataError("--bond-breaking: the files have no bb_prop")
        return
    kinds = {options.bond_breaking} if options.bond_breaking != "auto" else {_kind(s) for s in given}
    if len(kinds) > 1:
        raise DataError("bb_prop counts neighbours kept in some files, lost in others; import them apart")
    if kinds == {"lost"}:
        notes.append("bb_prop taken as the fraction of neighbours lost")
        return
    notes.append("bb_prop taken as the fraction of neighbours kept: stored 1 - bb_prop, the fraction lost")
    for structure in given:
        structure.bond_breaking = 1.0 - np.asarray(structure.bond_breaking)


def _kind(structure: SourceStructure) -> str:
    """What a file counts, by the particles that hardly moved: they have all their neighbours."""
    value = np.asarray(structure.bond_breaking)[np.asarray(structure.propensity) < _CALM]
    if value.size >= _CALM_VALUES and abs(value.mean() - 0.5) > 0.25:
        return "kept" if value.mean() > 0.5 else "lost"
    raise DataError(
        f"{structure.name}: bb_prop may count neighbours kept or lost, the {value.size} particles that moved "
        f"less than {_CALM} do not tell; say --bond-breaking kept or lost"
    )


FORMAT = GlassBench()
