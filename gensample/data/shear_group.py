"""What a file of `gensample shear` holds beyond displacements: curves and events, checked and summarised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gensample.data.layout import SHEAR
from gensample.data.store import Store
from gensample.errors import DataError
from gensample.stats.plasticity import initial_modulus

KIND = "shear"


def is_sheared(store: Store) -> bool:
    """Whether a dataset was made by `gensample shear`."""
    return store.attrs.get("kind") == KIND


def summarise_shear(store: Store) -> dict[str, Any]:
    """Directions, modulus, first events and residual forces of a file of shear, in plain Python values.

    Raises:
        DataError: the curves or the events cannot be right.
    """
    arrays = store.group("shear")
    check_shear_group(store, arrays)
    strain, stress = arrays["strain"], arrays["stress"]
    curves = stress.reshape(-1, len(strain))
    modulus = np.array([initial_modulus(strain, curve) for curve in curves])
    first = _first_strains(arrays)
    return {
        "directions": [name.decode() for name in arrays["direction"]],
        "strain_step": float(strain[1] - strain[0]),
        "max_strain": float(strain[-1]),
        "curves": len(curves),
        "modulus": _mean_and_spread(modulus),
        "final_stress": _mean_and_spread(curves[:, -1]),
        "max_residual_force": float(arrays["residual"].max()),
        "events": len(arrays["event_step"]),
        "curves_with_events": int(np.isfinite(first).sum()),
        "first_event_strain": _mean_and_spread(first[np.isfinite(first)]),
    }


def check_shear_group(store: Store, arrays: Mapping[str, np.ndarray]) -> None:
    """Refuse a group that lacks arrays, curves that are not finite, and events that no curve has.

    Raises:
        DataError: the first thing that is wrong.
    """
    missing = sorted(set(SHEAR) - set(arrays))
    if missing:
        raise DataError(f"{store.path} lacks {', '.join(missing)} of shear; make the file again")
    strain = arrays["strain"]
    steps = np.diff(strain)
    curves = [arrays[name] for name in ("stress", "energy", "residual")]
    events = [values for name, values in arrays.items() if name.startswith("event_")]
    limits = {"configuration": len(arrays["stress"]), "direction": len(arrays["direction"])}
    limits |= {"step": len(strain), "center": store.num_particles}
    problems = {
        "strains must rise from 0": len(strain) < 2 or strain[0] != 0 or not (steps > 0).all(),
        "curves hold values that are not finite": not all(np.isfinite(curve).all() for curve in curves),
        "events hold values that are not finite": not all(np.isfinite(column).all() for column in events),
        "events name what is not there": any(
            ((arrays[f"event_{name}"] < 0) | (arrays[f"event_{name}"] >= size)).any()
            for name, size in limits.items()
        ),
        "stored strains are none of the steps": not _among(store.times, strain),
        "first_event is given where there is no event, or lacks": not np.array_equal(
            np.isfinite(arrays["first_event"]).all(-1), np.isfinite(_first_strains(arrays))
        ),
    }
    wrong = next((text for text, found in problems.items() if found), None)
    if wrong is not None:
        raise DataError(f"{store.path}: shear: {wrong}; make the file again")


def _among(times: np.ndarray, strain: np.ndarray) -> bool:
    return bool(np.isclose(times[:, None], strain, rtol=1e-9, atol=1e-12).any(1).all())


def _first_strains(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Strain of the first event of each curve, (C, R); infinite where there is none."""
    first = np.full(arrays["stress"].shape[:2], np.inf)
    where = (arrays["event_configuration"], arrays["event_direction"])
    np.minimum.at(first, where, arrays["event_strain"])
    return first


def _mean_and_spread(values: np.ndarray) -> dict[str, float | None]:
    """Mean, standard deviation over curves and smallest value; None where there are too few."""
    return {
        "mean": float(values.mean()) if len(values) else None,
        "deviation": float(values.std(ddof=1)) if len(values) > 1 else None,
        "smallest": float(values.min()) if len(values) else None,
    }


def describe_shear(summary: Mapping[str, Any]) -> list[str]:
    """Lines of the summary, as printed."""
    lines = [
        f"sheared along {', '.join(summary['directions'])} to strain {summary['max_strain']:g} "
        f"in steps of {summary['strain_step']:g}, largest force {summary['max_residual_force']:.2g}",
        f"shear modulus {_number(summary['modulus'])}, stress at the end {_number(summary['final_stress'])} "
        "(mean and standard deviation over curves)",
    ]
    if not summary["events"]:
        return [*lines, "no plastic event"]
    first = summary["first_event_strain"]
    return [
        *lines,
        f"{summary['events']} plastic events in {summary['curves_with_events']} of {summary['curves']} "
        f"curves, the first at strain {_number(first)}, the earliest at {first['smallest']:g}",
    ]


def _number(value: Mapping[str, float | None]) -> str:
    deviation = value["deviation"]
    return f"{value['mean']:.4g}" + ("" if deviation is None else f" ({deviation:.2g})")
