"""What a file of `gensample shear` holds beyond displacements: curves and events, summarised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gensample.data.schema import SHEARED
from gensample.data.shear_values import first_strains
from gensample.data.store import Store
from gensample.stats.plasticity import initial_modulus


def is_sheared(store: Store) -> bool:
    """Whether a dataset was made by `gensample shear`."""
    return store.attrs.get("kind") == SHEARED


def summarise_shear(store: Store) -> dict[str, Any]:
    """Directions, modulus, first events and residual forces of a file of shear, in plain Python values."""
    arrays = store.group(SHEARED)
    strain, stress = arrays["strain"], arrays["stress"]
    curves = stress.reshape(-1, len(strain))
    modulus = np.array([initial_modulus(strain, curve) for curve in curves])
    first = first_strains(arrays)
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
