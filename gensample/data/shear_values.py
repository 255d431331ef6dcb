"""Whether the curves and events of a file of `gensample shear` can be right."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gensample.data.members import Members
from gensample.data.schema import SHEAR, SHEARED
from gensample.errors import ConfigError, DataError
from gensample.physics.strain import shear_direction


def check_shear_values(members: Members) -> None:
    """Refuse unknown directions, curves that are not finite, and events that no curve has.

    Raises:
        DataError: the first thing that is wrong.
    """
    arrays = {name: members.read(f"{SHEARED}/{name}") for name in SHEAR}
    strain, particles = arrays["strain"], members.shape("positions")[1]
    curves = [arrays[name] for name in ("stress", "energy", "residual")]
    problems = {
        "the minima that were sheared are missing": "inherent" not in members,
        "directions must be known and distinct": not _known(
            members, [name.decode() for name in arrays["direction"]]
        ),
        "strains must rise from 0": len(strain) < 2 or strain[0] != 0 or not (np.diff(strain) > 0).all(),
        "curves hold values that are not finite": not all(np.isfinite(curve).all() for curve in curves),
        "stored strains are none of the steps": not _among(members.read("times"), strain),
        **_problems_of_events(arrays, particles),
    }
    wrong = next((text for text, found in problems.items() if found), None)
    if wrong is not None:
        raise DataError(f"{members.path}: shear: {wrong}; make the file again")


def _problems_of_events(arrays: Mapping[str, np.ndarray], particles: int) -> dict[str, bool]:
    events = [values for name, values in arrays.items() if name.startswith("event_")]
    configurations, directions, steps = arrays["stress"].shape
    limits = {"configuration": configurations, "direction": directions, "step": steps, "center": particles}
    absent = any(
        ((arrays[f"event_{name}"] < 0) | (arrays[f"event_{name}"] >= size)).any()
        for name, size in limits.items()
    )
    first = None if absent else first_strains(arrays)
    given = np.isfinite(arrays["first_event"]).all(-1)
    return {
        "events hold values that are not finite": not all(np.isfinite(column).all() for column in events),
        "events name what is not there": absent,
        "first_event lies before the shear": bool((arrays["first_event"] < 0).any()),
        "first_event is given where there is no event, or lacks": (
            first is not None and not np.array_equal(given, np.isfinite(first))
        ),
    }


def _known(members: Members, names: list[str]) -> bool:
    try:
        for name in names:
            shear_direction(name, members.shape("positions")[2])
    except ConfigError:
        return False
    return len(set(names)) == len(names)


def _among(times: np.ndarray, strain: np.ndarray) -> bool:
    return bool(np.isclose(times[:, None], strain, rtol=1e-9, atol=1e-12).any(1).all())


def first_strains(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Strain of the first event of each curve, (C, R); infinite where there is none."""
    first = np.full(arrays["stress"].shape[:2], np.inf)
    where = (arrays["event_configuration"], arrays["event_direction"])
    np.minimum.at(first, where, arrays["event_strain"])
    return first
