"""Do chi4, its blocks and S4 of generated futures follow molecular dynamics as the box grows?

python experiments/018-sizes/sizes.py FOLDER ka2d-long-heated [MODEL ...]   # resumes; results.json, sizes.svg

FOLDER holds md-N.h5 and equilibrium-N.h5 of 2,000 and 10,000 particles (README.md); ka2d-long is the box of
500. Fields of every model are drawn there, at the lags up to 100, and compared. All numbers are of species A.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import yaml
from matplotlib.axes import Axes

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))

from common import call

from gensample import zoo
from gensample.data.dataset import Dataset, open_dataset
from gensample.physics.mixtures import get_mixture
from gensample.release import keep_generator
from gensample.report.style import look, look_of
from gensample.seeding import numpy_generator
from gensample.stats import dynamics, pairs
from gensample.stats.dynamics import Floats
from gensample.stats.intervals import chi_square, resample_weights, standard_error

BOXES = (500, 2000, 10000)
LAGS = (1.0, 10.0, 100.0)
SHOWN = ("10", "100")
REPLICAS = {500: 16, 2000: 8, 10000: 4}
SEED, RESAMPLES = 18, 1000
BLOCKS = {500: (1, 2), 2000: (1, 2, 3, 4), 10000: (1, 2, 3, 4, 6, 9)}
"""Blocks along an edge of the box."""
SHADES = {"500": 0.35, "2000": 0.6, "10000": 1.0}
SHARED_Q = 2 * np.pi / np.sqrt(500 / 1.2)
"""The least wave number of the smallest box."""
FEW = 8
"""Fewer blocks than this tell no error: it is then that of Gaussian overlaps."""
KEPT = ("pearson", "pearson_ceiling_sampler", "chi4_iso", "cr_chi4_within", "s4_length_within", "alpha2")
KEPT_OF_ALL = ("future_energy_median", "future_overlapping")


def cut(name: str, folder: Path, last: float = LAGS[-1]) -> str:
    """The model at its lags up to the last: a generator without training is kept there, cut off."""
    place = zoo.resolve(name)
    if not place.is_dir() or (place / zoo.WEIGHTS).exists():
        return name
    block = yaml.safe_load((place / zoo.CONFIG).read_text())["model"]
    settings = block["init_args"]
    lags = len(settings["lag_time"])
    few = sum(time <= last for time in settings["lag_time"])
    out = folder / ("models" if last == LAGS[-1] else f"models-{last:g}") / name
    if few < lags and not out.exists():
        short = {k: v[:few] if isinstance(v, list) and len(v) == lags else v for k, v in settings.items()}
        keep_generator(out, {**block, "init_args": short}, {}, f"# {name} up to t = {last:g}\n")
    return name if few == lags else str(out)


def place_of(particles: int, folder: Path, kind: str = "md") -> str:
    """The dataset of a size: where its futures are ("md"), or its configurations ("equilibrium")."""
    return "ka2d-long" if particles == BOXES[0] else str(folder / f"{kind}-{particles}.h5")


def lags_of(sim: Dataset) -> list[float]:
    """Those of LAGS that were simulated."""
    return [t for t in LAGS if np.isclose(sim.lag_time, t).any()]


def compared(model: str, particles: int, folder: Path) -> tuple[Dataset, dict[str, Any]]:
    """Fields of a model, and what `gensample compare` says of them."""
    data, start = place_of(particles, folder), place_of(particles, folder, "equilibrium")
    out, report = folder / f"{Path(model).name}-{particles}.h5", folder / f"{Path(model).name}-{particles}"
    where = ["--data", start, "--split", "test", "--replicas", str(REPLICAS[particles])]
    call("sample", model, *where, "--seed", str(SEED), "--processes", "1", "--out", out)
    if not (report / "metrics.json").exists():
        how = ["--quench-replicas", "0", "--follow", "0", "--bootstrap", "200", "--split", "test"]
        lags = [str(t) for t in lags_of(open_dataset(data))]
        call("compare", data, out, *how, "--lags", *lags, "--out", report)
    return open_dataset(out), json.loads((report / "metrics.json").read_text())


def blocks_of(slow: Floats, x: Floats, box: Floats, side: int) -> Floats:
    """Of each block of particles at x (n, 2): overlap, its variance over replicas (R - 1), number; (B, 3).

    slow (R, n): whether a particle has moved less than 0.3. Blocks are equal squares, as in S. Chakrabarty,
    I. Tah, S. Karmakar and C. Dasgupta, Phys. Rev. Lett. 119, 205502 (2017); who is in one is decided at
    t = 0.
    """
    cell = np.minimum((x / box * side).astype(int), side - 1)
    which = cell[:, 0] * side + cell[:, 1]
    number = np.bincount(which, minlength=side**2)
    share = np.stack([np.bincount(which, row, side**2) for row in slow]) / number
    return np.stack([share.mean(0), share.var(0, ddof=1), number], axis=1)


def chi4_parts(table: Floats, replicas: int, weights: Floats) -> Floats:
    """chi4 within and between blocks (W, 2) under weights (W, B) of the blocks of `blocks_of`."""
    mean, variance, number = table.T
    count = len(table)
    spread = weights @ mean**2 - (weights @ mean) ** 2
    between = spread * count / max(count - 1, 1) - weights @ variance / replicas
    return np.stack([weights @ (number * variance), number.mean() * between], axis=1)


def chi4_of(tables: Mapping[str, Floats], replicas: Mapping[str, int]) -> dict[str, Any]:
    """chi4 of blocks by source, [value, low, high] (95 %), and the ratio of each to simulation's within.

    By bootstrap over blocks, the same for all sources; with fewer than FEW of them within a configuration
    alone, by the error of Gaussian overlaps.
    """
    count = len(tables["simulated"])
    one = np.full((1, count), 1 / count)
    weights = resample_weights(count, RESAMPLES, numpy_generator(SEED, count))
    found: dict[str, Any] = {"blocks": count, "particles": float(tables["simulated"][:, 2].mean())}
    resampled = {name: chi4_parts(table, replicas[name], weights) for name, table in tables.items()}
    for name, table in tables.items():
        value, freedom = chi4_parts(table, replicas[name], one)[0], count * (replicas[name] - 1)
        gaussian = np.sqrt(2 / freedom)
        if count < FEW:
            found[name] = {"within": _three(value[0], *chi_square(value[0], gaussian * value[0], freedom))}
            log_error = np.sqrt(gaussian**2 + 2 / count / (replicas["simulated"] - 1))
        else:
            error = standard_error(resampled[name], count)
            within = chi_square(value[0], error[0], freedom, count)
            between = _three(value[1], value[1] - 2 * error[1], value[1] + 2 * error[1])
            found[name] = {"within": _three(value[0], *within), "between": between}
            ratios = np.log(resampled[name][:, 0] / resampled["simulated"][:, 0])
            log_error = float(standard_error(ratios[:, None], count)[0])
        if name != "simulated":
            ratio = value[0] / found["simulated"]["within"][0]
            found[name]["ratio"] = _three(
                ratio, ratio * np.exp(-1.96 * log_error), ratio * np.exp(1.96 * log_error)
            )
    return found


def four_point_of(sums: list[pairs.FourPointSums], overlap: list[float], replicas: int) -> dict[str, Any]:
    """S4 within and total by bins of |q|, [value, low, high], and their lengths.

    Intervals as if W(q) of every wave vector, replica and configuration were independent and Gaussian.
    """
    mean = pairs.FourPointSums(*(np.mean([one[k] for one in sums], axis=0) for k in range(len(sums[0]))))
    s4 = pairs.four_point(mean, np.mean(overlap))
    q2, count = mean.square / mean.vectors, 2 * mean.vectors * len(sums)
    found: dict[str, Any] = {"q": np.sqrt(q2).round(5).tolist()}
    for name, values, freedom in (("within", s4.within, count * (replicas - 1)), ("total", s4.total, count)):
        bounds = [chi_square(v, v * np.sqrt(2 / f), f) for v, f in zip(values, freedom, strict=True)]
        found[name] = [_three(v, *b) for v, b in zip(values, bounds, strict=True)]
        found[f"length_{name}"] = round(float(pairs.ornstein_zernike(q2, values, mean.vectors)), 3)
    return found


def _three(*values: Any) -> list[float]:
    return [float(f"{float(value):.5g}") for value in values]


def measured(sources: Mapping[str, Dataset], particles: int) -> dict[str, Any]:
    """MSD, chi4 of blocks and S4 of all sources at every lag; u as it is, and relative to its cage."""
    sim = sources["simulated"]
    members, sigma = np.flatnonzero(sim.species == 0), np.asarray(get_mixture(sim.mixture).sigma)
    near = [
        pairs.initial_neighbors(x, box, sim.species, sigma, pairs.BOND_FORMED)
        for x, box in zip(sim.positions, sim.box, strict=True)
    ]
    edges = pairs.wave_edges(sim.box[0])
    replicas = {name: int(data.replicas.min()) for name, data in sources.items()}
    found: dict[str, Any] = {}
    for time in lags_of(sim):
        tables: dict[tuple[str, int], dict[str, Any]] = {}
        entry: dict[str, Any] = {"msd": {}, "chi4": {"plain": {}, "cage": {}}, "s4": {}, "fast": {}}
        each: dict[str, Floats] = {}
        for name, data in sources.items():
            lag, sums, overlap = int(np.argmin(np.abs(data.lag_time - time))), [], []
            second: dict[str, list[float]] = {"plain": [], "cage": []}
            for c, (x, box) in enumerate(zip(sim.positions, sim.box, strict=True)):
                u = data.fields(c)[:, lag].astype(np.float64)
                for kind, v in (("plain", u), ("cage", pairs.cage_relative(u, near[c]))):
                    v = v[:, members]
                    second[kind].append(dynamics.msd(v))
                    slow = (dynamics.magnitudes(v) < dynamics.OVERLAP_LENGTH).astype(np.float64)
                    for side in BLOCKS[particles]:
                        of = tables.setdefault((kind, side), {}).setdefault(name, [])
                        of.append(blocks_of(slow, x[members], box, side))
                sums.append(pairs.four_point_sums(u[:, members], x[members], box, edges))
                overlap.append(float(dynamics.overlap(u[:, members]).mean()))
            entry["msd"][name] = {kind: _three(np.mean(values))[0] for kind, values in second.items()}
            entry["s4"][name] = four_point_of(sums, overlap, replicas[name])
            each[name] = np.array(second["cage"])
            if len(sim) > 2 and name != "simulated":
                # By how much a configuration that is faster in simulation is faster here.
                slope = float(np.polyfit(each["simulated"], each[name], 1)[0])
                correlation = dynamics.pearson(each["simulated"], each[name])
                entry["fast"][name] = {"slope": round(slope, 3), "correlation": round(correlation, 3)}
        for (kind, side), of in tables.items():
            joined = {name: np.concatenate(each) for name, each in of.items()}
            entry["chi4"][kind][str(particles // side**2)] = chi4_of(joined, replicas)
        found[f"{time:g}"] = entry
    return found


def kept_of(metrics: dict[str, Any]) -> dict[str, Any]:
    """Some numbers of a comparison: {lag: {name: {value, interval}}}."""
    found = {}
    for lag in metrics["lags"]:
        own, all_of = (lag["species"][of]["generated"] for of in ("A", "all"))
        entries = {name: own[name] for name in KEPT if name in own}
        entries |= {name: all_of[name] for name in KEPT_OF_ALL if name in all_of}
        found[f"{lag['time']:g}"] = entries
    return {"core_seconds": metrics["meta"]["core_seconds"], **found}


def table(results: dict[str, Any], models: list[str]) -> str:
    """Markdown: every lag, size and source."""
    columns = ["MSD", "cage-relative", "χ₄ of the box", "of blocks of about 125", "of these, cage-relative"]
    columns += [f"S₄ at q = {SHARED_Q:.2f}", "ξ₄"]
    lines = ["| t | N | source | " + " | ".join(columns) + " | U/N |", "|---" * (len(columns) + 4) + "|"]
    for time in SHOWN:
        for size, found in results.items():
            if time not in found["lags"]:
                continue
            for name in ("simulated", *models):
                told = found["compare"][models[0] if name == "simulated" else name][time]
                energy = told["future_energy_median"]["value"][name != "simulated"]
                cells = " | ".join(_cells(found["lags"][time], size, name))
                lines.append(f"| {time} | {size} | {name} | {cells} | {energy:.4f} |")
    return "\n".join(lines) + "\n"


def _cells(entry: dict[str, Any], size: str, name: str) -> list[str]:
    plain, cage = entry["chi4"]["plain"], entry["chi4"]["cage"]
    small = min(plain, key=lambda n: abs(float(n) - 125))
    msd, s4 = entry["msd"][name], entry["s4"][name]
    near = int(np.argmin(np.abs(np.array(s4["q"]) - SHARED_Q)))
    cells = [f"{msd['plain']:.4f}", f"{msd['cage']:.4f}"]
    cells += [_cell(of[name]["within"]) for of in (plain[size], plain[small], cage[small])]
    return [*cells, _cell(s4["within"][near]), f"{s4['length_within']:.2f}"]


def _cell(three: list[float]) -> str:
    return f"{three[0]:.2f} [{three[1]:.2f}, {three[2]:.2f}]"


def draw(results: dict[str, Any], models: list[str], path: Path) -> None:
    """chi4 of boxes and blocks, and S4, within a configuration; t = 10 and 100, species A."""
    with look():
        figure, axes = plt.subplots(2, 2, figsize=(9, 7))
        for (left, right), time in zip(axes, SHOWN, strict=True):
            there = {size: found["lags"][time] for size, found in results.items() if time in found["lags"]}
            for name in ("simulated", *models):
                for size, entry in there.items():
                    how = {"alpha": SHADES[size], "lw": 0.9, "elinewidth": 0.6}
                    for kind, line in (("plain", "-"), ("cage", ":")):
                        blocks = entry["chi4"][kind]
                        values = [one[name]["within"] for one in blocks.values()]
                        _points(left, [float(n) for n in blocks], values, name, ls=line, **how)
                    s4, label = entry["s4"][name], f"{look_of(name).label}, N = {size}"
                    _points(right, s4["q"], s4["within"], name, ms=3, label=label, **how)
            left.set(xscale="log", yscale="log", xlabel="particles of the box or block")
            left.set_ylabel(r"$\chi_4$ within")
            _ticks(left, (125, 500, 2000, 10000))
            left.set_title(f"t = {time}; dotted: cage-relative")
            right.set(xscale="log", yscale="log", xlabel=r"$q\,\sigma$", ylabel=r"$S_4(q)$ within")
            _ticks(right, (0.1, 0.2, 0.5, 1, 2))
            right.legend(fontsize=6.5)
        figure.tight_layout()
        figure.savefig(path)


def _ticks(axis: Axes, at: tuple[float, ...]) -> None:
    axis.set_xticks(at, [f"{x:g}" for x in at])
    axis.set_xticks([], minor=True)


def _points(axis: Axes, x: list[float], rows: list[list[float]], name: str, **how: Any) -> None:
    """Values with their intervals, (value, low, high) each, in the look of a source."""
    (value, low, high), one = np.transpose(rows), look_of(name)
    how = {"color": one.colour, "marker": one.marker, "ls": "-", **how}
    axis.errorbar(x, value, [value - low, high - value], **how)


def main() -> None:
    """Draw, compare, measure, and write results.json, table.md and sizes.svg."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--sizes", nargs="+", type=int, default=list(BOXES), choices=BOXES)
    given = parser.parse_args()
    results = {}
    for particles in given.sizes:
        sim, told = open_dataset(place_of(particles, given.folder))["test"], {}
        sources, lags = {"simulated": sim}, lags_of(sim)
        for name in given.models:
            sources[name], metrics = compared(cut(name, given.folder, lags[-1]), particles, given.folder)
            told[name] = kept_of(metrics)
        results[str(particles)] = {"compare": told, "lags": measured(sources, particles)}
    (HERE / "results.json").write_text(json.dumps(results) + "\n")
    (HERE / "table.md").write_text(table(results, given.models))
    draw(results, given.models, HERE / "sizes.svg")


if __name__ == "__main__":
    main()
