"""Validation of a dataset and the numbers a physicist looks at first, as plain values and as words."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import numpy as np

from gensample.data.catalog import EMBEDDED, KEPT, places
from gensample.data.door import first_strains
from gensample.data.positions import potential
from gensample.data.schema import SHEARED, SPLITS
from gensample.data.store import Store
from gensample.errors import ConfigError, DataError
from gensample.stats.dynamics import HOP_LENGTH, OVERLAP_LENGTH, magnitudes, msd, overlap, share_of_hops
from gensample.stats.plasticity import initial_modulus
from gensample.text import printable

ENERGY_SAMPLE = 16
EQUILIBRATION = ("equilibration_time", "tau_alpha", "energy_drift", "energy_drift_error")


def list_datasets() -> list[str]:
    """A line on each dataset that has a name; where those outside the package were looked for."""
    names = sorted({*EMBEDDED, *KEPT})
    lines, width = [], max(map(len, names))
    for name in names:
        try:
            with Store.open(name) as store:
                text = describe_briefly(store) + (f"  {store.path}" if name in KEPT else "")
        except DataError as error:
            looked = " and ".join(str(place) for place in places(name)) if name in KEPT else ""
            text = f"not usable{f' (looked for at {looked})' if looked else ''}: {error}"
        lines.append(printable(f"{name:<{width}}  {text}"))
    return [*lines, f"{len(names)} datasets; `gensample info NAME` says more of one"]


def inspect(path: str | Path) -> dict[str, Any]:
    """Validate a dataset and summarise it in plain Python values, ready for json.

    Raises:
        DataError: the file is damaged or breaks the format; the message says where.
    """
    with Store.open(path) as store:
        shear = {"shear": summarise_shear(store)} if store.is_sheared else {}
        return {
            **_head(store),
            **_splits(store),
            "energy": _energies(store),
            "lags": _lags(store),
            **shear,
        }


def _head(store: Store) -> dict[str, Any]:
    mixture, attrs = store.liquid, store.attrs
    counts = np.bincount(store.species)
    probe: dict[str, Any] | None = store.probe
    seed = int(attrs.get("seed", -1))
    made, cage = store.inherent_displacement_attrs, store.cage_attrs
    return {
        "path": str(store.path),
        "mixture": store.mixture,
        "truncation": store.truncation,
        "dimension": store.dimension,
        "particles": store.num_particles,
        "species": {ascii_uppercase[i]: int(n) for i, n in enumerate(counts)},
        "composition": {ascii_uppercase[i]: n for i, n in enumerate(mixture.counts(store.num_particles))},
        "temperature": sorted({round(float(t), 10) for t in store.temperature}),
        "density": store.density,
        "box": store.box.mean(axis=0).tolist(),
        "source": store.source,
        "command": attrs.get("command") or None,
        "seed": None if seed < 0 else seed,
        "software": attrs.get("software"),
        "equilibration": _numbers(attrs, EQUILIBRATION),
        "created": attrs.get("created", "not recorded"),
        "overlap_length": OVERLAP_LENGTH,
        "hop_length": HOP_LENGTH,
        "has_displacements": store.has_displacements,
        "inherent_displacements": {n: made.get(n) for n in ("minimiser", "tolerance", "max_residual_force")}
        if store.has_inherent_displacements
        else None,
        "has_inherent": store.inherent is not None,
        "cage": _numbers(
            {"standard_error": np.nan, **cage}, ("start", "time", "replicas", "snapshots", "standard_error")
        ),
        "probe": probe
        and {
            **{name: [float(x) for x in probe[name]] for name in ("temperature", "time")},
            "replicas": int(store.probe_attrs["replicas"]),
        },
        "averages": [n for n in ("propensity", "bond_breaking") if getattr(store, n) is not None],
        "predictions": sorted(store.predictions),
        "times": store.times.tolist(),
        "trajectory": attrs.get("trajectory"),
    }


def _numbers(attrs: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, float | None] | None:
    """Attributes, of several values the mean; None for what was not measured, or where one is missing."""
    if not set(names) <= attrs.keys():
        return None
    means = {name: float(np.mean(attrs[name])) for name in names}
    return {name: mean if np.isfinite(mean) else None for name, mean in means.items()}


def _splits(store: Store) -> dict[str, Any]:
    split, planned, done = store.split, store.replicas, store.done
    splits = {
        name: {
            "configurations": int((split == name).sum()),
            "replicas": sorted(set(planned[split == name].tolist())),
            "planned": int(planned[split == name].sum()),
            "complete": int(done[split == name].sum()),
        }
        for name in SPLITS
        if (split == name).any()
    }
    return {"splits": splits, "complete": bool(done.sum() == planned.sum())}


def _energies(store: Store) -> dict[str, Any]:
    """Energy per particle, thermal and inherent, and pressure, over at most ENERGY_SAMPLE configurations."""
    mixture = store.liquid
    if not mixture.has_potential:
        return {"not_computed": f"the potential of {mixture.name} is not known"}
    rows = np.unique(np.linspace(0, store.num_configurations - 1, ENERGY_SAMPLE).astype(int))
    inherent, of = store.inherent, (store.species, store.box[rows], mixture)
    try:
        thermal, virial, _ = potential(store.positions[rows], *of)
        quenched = None if inherent is None else potential(inherent[rows], *of)
    except ConfigError as error:
        return {"not_computed": str(error)}
    result: dict[str, Any] = {
        "configurations": len(rows),
        "thermal": _mean_and_error(thermal),
        "pressure": _mean_and_error(store.density * (store.temperature[rows] + virial)),
    }
    if quenched is not None:
        result["inherent"] = _mean_and_error(quenched[0])
        result["inherent_max_force"] = float(quenched[2].max())
        result["minimiser"] = str(store.inherent_attrs.get("minimiser", "not recorded"))
    return result


def _mean_and_error(values: np.ndarray) -> dict[str, float | None]:
    error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
    return {"mean": float(values.mean()), "standard_error": error}


def _lags(store: Store) -> list[dict[str, Any]]:
    """Per lag and species: MSD, overlap, mean displacement and share of hops, over configurations."""
    found = [_averages(*fields, store.species) for fields in _fields(store)]
    if not store.has_displacements and store.propensity is not None:
        kinds = np.unique(store.species)
        found = [
            [[{"mean_displacement": p[k][store.species == a].mean()} for a in kinds] for k in range(len(p))]
            for p in store.propensity
        ]
    elif not store.has_displacements:
        return []
    rows = []
    for k, time in enumerate(store.times.tolist()):
        species = {
            letter: {name: float(np.mean([one[k][a][name] for one in found])) for name in found[0][k][a]}
            for a, letter in enumerate(ascii_uppercase[: len(found[0][k])] if found else ())
        }
        rows.append({"time": time, "species": species})
    return rows


def _fields(store: Store) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Complete displacements (R, K, N, d) of each configuration that has any, and the inherent ones."""
    for c in np.flatnonzero(store.done.any(axis=1)).tolist() if store.has_displacements else ():
        h = store.inherent_displacements(c) if store.has_inherent_displacements else None
        yield store.displacements(c), h


def _averages(u: np.ndarray, h: np.ndarray | None, species: np.ndarray) -> list[list[dict[str, Any]]]:
    """Of one configuration, by lag and species; u, h: (R, K, N, d)."""
    of_lags: list[list[dict[str, Any]]] = []
    for k in range(u.shape[1]):
        of_lags.append([])
        for a in np.unique(species):
            mine = u[:, k, species == a]
            found = {
                "msd": msd(mine),
                "overlap": overlap(mine).mean(),
                "mean_displacement": magnitudes(mine).mean(),
            }
            of_lags[k].append(found | ({} if h is None else {"hops": share_of_hops(h[:, k, species == a])}))
    return of_lags


def summarise_shear(store: Store) -> dict[str, Any]:
    """Directions, modulus, first events and residual forces of a file of shear, in plain Python values."""
    arrays = store.group(SHEARED)
    strain, stress = arrays["strain"], arrays["stress"]
    curves = stress.reshape(-1, len(strain))
    first = first_strains(arrays)
    return {
        "directions": [name.decode() for name in arrays["direction"]],
        "strain_step": float(strain[1] - strain[0]),
        "max_strain": float(strain[-1]),
        "curves": len(curves),
        "modulus": _mean_and_spread(np.array([initial_modulus(strain, curve) for curve in curves])),
        "final_stress": _mean_and_spread(curves[:, -1]),
        "max_residual_force": float(arrays["residual"].max()),
        "events": len(arrays["event_step"]),
        "curves_with_events": int(np.isfinite(first).sum()),
        "first_event_strain": _mean_and_spread(first[np.isfinite(first)]),
    }


def _mean_and_spread(values: np.ndarray) -> dict[str, float | None]:
    """Mean, standard deviation over curves and smallest value; None where there are too few."""
    return {
        "mean": float(values.mean()) if len(values) else None,
        "deviation": float(values.std(ddof=1)) if len(values) > 1 else None,
        "smallest": float(values.min()) if len(values) else None,
    }


# As words


def describe_dataset(summary: dict[str, Any]) -> list[str]:
    """Lines of the summary, as printed."""
    s = summary
    species = ", ".join(f"{count} {name}" for name, count in s["species"].items())
    expected = s["composition"]
    if any(abs(s["species"].get(name, 0) - count) > 1 for name, count in expected.items()):
        species += f"; {s['mixture']} has " + ", ".join(f"{n} {name}" for name, n in expected.items())
    box = " x ".join(f"{edge:.6g}" for edge in s["box"])
    cage, probe, made = s["cage"], s["probe"], s["inherent_displacements"]
    stated = {
        "mixture": f"{s['mixture']} (d = {s['dimension']}, truncation {s['truncation']})",
        "particles": f"{s['particles']} ({species})",
        "temperature": _listed(s["temperature"]),
        "density": f"{s['density']:.6g} (box {box})",
        **_energy_words(s["energy"]),
        "cage": cage
        and f"means over {cage['replicas']:g} replicas of {cage['snapshots']:g} snapshots, "
        f"t = {cage['start']:g} to {cage['time']:g}"
        + ("" if cage["standard_error"] is None else f", standard error {cage['standard_error']:.2g}"),
        "probe": probe
        and f"{probe['replicas']} replicas at T = {_listed(probe['temperature'])}, up to "
        f"t = {probe['time'][-1]:g}",
        "trajectory": s["trajectory"]
        and f"the fields of a replica are one motion, in steps of {s['trajectory']:g}",
        "futures": made and f"quenched, minimiser {made['minimiser']}, tolerance {made['tolerance']}",
    }
    found = s["equilibration"]
    origin = {
        "source": s["source"],
        "created": s["created"],
        "command": s["command"],
        "seed": s["seed"],
        "software": s["software"]
        and ", ".join(f"{name} {version}" for name, version in json.loads(s["software"]).items()),
        "equilibrated": found and describe_equilibration(found),
    }
    shear = ["", *(f"  {line}" for line in describe_shear(s["shear"]))] if "shear" in s else []
    verdict = "valid" if s["complete"] else "valid, but not complete: resume its simulation"
    lines = [
        s["path"],
        *_named(stated),
        "",
        *_split_words(s),
        "",
        *_lag_words(s),
        *shear,
        "",
        *_named(origin),
    ]
    return [printable(line) for line in (*lines, "", verdict)]


def _named(values: Mapping[str, Any]) -> list[str]:
    return [
        f"  {'' if name == 'inherent' else name:<13}{printable(str(value))}"
        for name, value in values.items()
        if value is not None
    ]


def _listed(values: list[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _energy_words(energy: dict[str, Any]) -> dict[str, str | None]:
    if "not_computed" in energy:
        return {"energy": f"not computed: {energy['not_computed']}"}
    over = f"over {energy['configurations']} configuration{'s' if energy['configurations'] > 1 else ''}"
    inherent = "inherent" in energy and (
        f"U/N = {_with_error(energy['inherent'])} inherent (minimiser {energy['minimiser']}, largest force "
        f"{energy['inherent_max_force']:.2g})"
    )
    return {
        "energy": f"U/N = {_with_error(energy['thermal'])} thermal, {over}",
        "inherent": inherent or None,
        "pressure": _with_error(energy["pressure"]),
    }


def _with_error(value: dict[str, float | None]) -> str:
    error = value["standard_error"]
    return f"{value['mean']:.4f}" + ("" if error is None else f" +- {error:.4f}")


def _split_words(s: dict[str, Any]) -> list[str]:
    lines = [f"  {'split':<8}{'configurations':>15}{'replicas each':>15}{'complete':>16}"]
    for name, split in s["splits"].items():
        each = " or ".join(map(str, split["replicas"]))
        complete = f"{split['complete']} of {split['planned']}"
        lines.append(f"  {name:<8}{split['configurations']:>15}{each:>15}{complete:>16}")
    return lines


def _lag_words(s: dict[str, Any]) -> list[str]:
    known = [f"  predictions at t = {_listed(s['times'])}: {', '.join(s['predictions'])}"]
    predictions = known if s["predictions"] else []
    if not s["lags"]:
        return ["  no displacements and no averages: configurations only", *predictions]
    titles = {"msd": "MSD", "overlap": f"overlap({s['overlap_length']:g})", "mean_displacement": "<|u|>"}
    titles = titles if s["has_displacements"] else {"mean_displacement": "<|u|>"}
    titles |= {"hops": f"|h| > {s['hop_length']:g}"} if s["inherent_displacements"] else {}
    abscissa = "strain" if "shear" in s else "lag time"
    lines = [f"  {abscissa:<12}{'species':>8}" + "".join(f"{title:>14}" for title in titles.values())]
    for lag in s["lags"]:
        for name, values in lag["species"].items():
            lines.append(f"  {lag['time']:<12.6g}{name:>8}" + "".join(f"{values[c]:>14.5g}" for c in titles))
    if s["averages"]:
        lines.append(f"  averages stored: {', '.join(s['averages'])}")
    return lines + predictions


def describe_equilibration(attrs: Mapping[str, Any]) -> str:
    """What a simulation says of its equilibration as words; what could not be measured may be NaN or None."""
    values = (attrs[name] for name in EQUILIBRATION)
    time, tau, drift, error = (np.nan if value is None else float(value) for value in values)
    if np.isnan(tau):
        length = f"{time:g} tau; F_s of A did not fall to 1/e, tau_alpha is not known: run longer"
    else:
        length = f"{time:g} tau = {time / tau:.1f} tau_alpha (tau_alpha = {tau:.3g})"
    spread = "" if np.isnan(error) else f" +- {error:.4f}"
    return f"{length}; energy drift {drift:+.4f}{spread} per particle over the last half"


def describe_shear(summary: Mapping[str, Any]) -> list[str]:
    """Lines of `summarise_shear`, as printed."""

    def number(value: Mapping[str, float | None]) -> str:
        deviation = value["deviation"]
        return f"{value['mean']:.4g}" + ("" if deviation is None else f" ({deviation:.2g})")

    lines = [
        f"sheared along {', '.join(summary['directions'])} to strain {summary['max_strain']:g} "
        f"in steps of {summary['strain_step']:g}, largest force {summary['max_residual_force']:.2g}",
        f"shear modulus {number(summary['modulus'])}, stress at the end {number(summary['final_stress'])} "
        "(mean and standard deviation over curves)",
    ]
    if not summary["events"]:
        return [*lines, "no plastic event"]
    first = summary["first_event_strain"]
    return [
        *lines,
        f"{summary['events']} plastic events in {summary['curves_with_events']} of {summary['curves']} "
        f"curves, the first at strain {number(first)}, the earliest at {first['smallest']:g}",
    ]


def describe_briefly(store: Store) -> str:
    """Size, temperatures, lag times or strains, and splits in one line."""

    def listed(values: list[float]) -> str:
        """Numbers, of many the first and the last."""
        shown = [f"{value:g}" for value in values]
        return ", ".join(shown if len(shown) <= 6 else [*shown[:2], "...", shown[-1]])

    found = Counter(store.split.tolist())
    axis = "strain" if store.is_sheared else "t"
    parts = [
        f"{store.mixture}, N = {store.num_particles}, d = {store.dimension}",
        f"T = {listed(sorted({round(float(t), 10) for t in store.temperature}))}",
        f"{axis} = {listed(store.times.tolist())}" if len(store.times) else "no dynamics",
        ", ".join(f"{name} {found[name]}" for name in SPLITS if name in found),
    ]
    return "; ".join(parts)
