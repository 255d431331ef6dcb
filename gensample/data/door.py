"""The one door for datasets: whatever reads one, and whatever has written one, comes through here."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator, Mapping
from itertools import permutations
from pathlib import Path

import h5py
import numpy as np
import torch

from gensample.data.catalog import is_source
from gensample.data.members import DAMAGE, Members
from gensample.data.schema import (
    PREDICTIONS,
    PROBE,
    SHEAR,
    SHEARED,
    SPLITS,
    array_of,
    check_layout,
    liquid_of,
)
from gensample.errors import ConfigError, DataError
from gensample.physics.box import minimum_image
from gensample.physics.mixtures import NO_TRUNCATION, TRUNCATIONS, Mixture
from gensample.physics.strain import shear_direction

# A file that was written so shortly ago may change without its time doing so.
SETTLED = 2.0
# Stored displacements may be rounded to 1e-3; the mean over particles of that rounding stays far below.
DRIFT_TOLERANCE = 1e-3
DENSITY_TOLERANCE = 0.02
# Two particles in one place; generated ones may be close, but never as close as this.
COINCIDENT = 1e-6
# Median distance from thermal positions: of inherent structures 0.17 at T = 0.45 and 0.21 at T = 1, of cage
# positions more where particles diffuse; of another configuration 0.4 box edges.
FAR = {"inherent": 0.7, "cage": 2.0}
# Standard deviations by which random species may differ from a composition.
DEVIATIONS = 5
# Positions looked at together.
AT_ONCE = 2**20
_sound: set[tuple[Path, int, int, int, int]] = set()


def open_members(place: Path | h5py.File) -> Members:
    """A dataset, of a file or in memory, whose layout and values are checked; a file's once in a process.

    Raises:
        DataError: what is wrong with the file.
    """
    if not isinstance(place, Path):
        members = Members(place, Path(place.filename))
        check_layout(members)
        check_values(members)
        return members
    members = Members(_open(place), place)
    try:
        check_layout(members)
        state = os.stat(place)
        key = (place.resolve(), state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns)
        if key not in _sound:
            check_values(members)
            if time.time() - state.st_mtime > SETTLED:
                _sound.add(key)
    except BaseException:
        members.close()
        raise
    return members


def _open(path: Path) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except DAMAGE as error:
        reason = str(error).splitlines()[0]
        if getattr(error, "errno", None) in (errno.EAGAIN, errno.EACCES, errno.EPERM) and "lock" in reason:
            raise DataError(
                f"another process has {path} open for writing, such as a notebook or a running command: "
                "close it there, or wait"
            ) from None
        if "already open for write" in reason:
            raise DataError(
                f"{path} is open for writing elsewhere, or its writer was killed: close it there, or "
                "make the file again"
            ) from None
        if is_source(str(path)):
            raise DataError(
                f"{path} is no dataset; of a file of another program make one: "
                f"`gensample import {path} --out DATA.h5`"
            ) from None
        raise DataError(f"{path} is not a readable HDF5 file ({reason}); make it again") from None


def check_fields(path: Path, configuration: int, fields: np.ndarray, *, inherent: bool = False) -> None:
    """Displacements (R, K, N, d) of complete replicas are finite, not all zero, and do not drift.

    ``inherent``: those between inherent structures, which may all be zero.

    Raises:
        DataError: the first of these that does not hold.
    """
    if not fields.size:
        return
    where, what = f"configuration {configuration}", "inherent displacements" if inherent else "displacements"
    # Not finite where one of the particles is not.
    drift = np.abs(fields.mean(axis=2, dtype=np.float64)).max()
    if not np.isfinite(drift):
        raise DataError(f"{path}: {what} of {where} are not finite; make the file again")
    if not (inherent or fields.any(axis=(1, 2, 3)).all()):
        raise DataError(f"{path}: {where} has replicas marked complete that hold only zeros")
    if drift >= DRIFT_TOLERANCE:
        raise DataError(f"{path}: {where} drifts by {drift:.2g} in its {what}; expected drift removed")


def check_values(members: Members) -> None:
    """Check every array but the displacements, which `check_fields` sees when they are read.

    Raises:
        DataError: the first thing that is wrong.
    """
    _check_state(members)
    _check_structures(members)
    for name in members.held():
        _check_range(members, name)
    times = members.read("times")
    increasing = np.isfinite(times).all() and (times > 0).all() and (np.diff(times) > 0).all()
    _require(members, increasing, f"lag times must be positive and increase, got {times.tolist()}")
    step = members.attributes().get("trajectory")
    steps = step is None or np.allclose(times, step * np.arange(1, len(times) + 1), rtol=1e-6, atol=0)
    _require(
        members, steps, f"lag times of a trajectory must be the multiples of {step}, got {times.tolist()}"
    )
    _check_done(members)
    if "probe" in members:
        _check_probe(members)
    if SHEARED in members:
        _check_shear(members)


def _require(members: Members, condition: object, problem: str) -> None:
    if not condition:
        raise DataError(f"{members.path}: {problem}")


def _check_range(members: Members, name: str) -> None:
    if name.startswith(f"{PREDICTIONS}/"):
        # NaN stands for species that a published model leaves out.
        infinite = np.isinf(members.read(name)).any()
        return _require(members, not infinite, f"{name} holds infinite values")
    known = array_of(name)
    if known is None or known.range is None:
        return
    values, (least, most) = members.read(name), known.range
    _require(members, np.isfinite(values).all(), f"{name} holds values that are not finite")
    below = "negative values" if least <= 0 else "values that are not positive"
    _require(members, (values >= least).all(), f"{name} holds {below}")
    _require(members, (values <= most).all(), f"{name} holds values above {most:.3g}")


def _check_state(members: Members) -> None:
    attrs, box = members.attributes(), members.read("box")
    _, particles, dimension = members.shape("positions")
    mixture = _mixture(members)
    _require(members, mixture.dimension == dimension, f"{mixture.name} has {mixture.dimension} dimensions")
    known = TRUNCATIONS if mixture.has_potential else (NO_TRUNCATION,)
    _require(
        members,
        attrs["truncation"] in known,
        f"the truncation {attrs['truncation']!r} is unknown, known are {', '.join(known)}",
    )
    units = attrs.get("units", "lj")
    _require(members, units == "lj", f"units must be lj, got {units!r}")
    _check_species(members, mixture)
    _check_range(members, "box")
    temperature = np.asarray(attrs["temperature"])
    positive = np.isfinite(temperature).all() and (temperature > 0).all()
    _require(members, positive, "temperatures must be positive")
    found, density = particles / box.prod(axis=1), attrs["density"]
    _require(
        members,
        np.allclose(found, density, rtol=DENSITY_TOLERANCE),
        f"boxes give density {found.min():.4g} to {found.max():.4g}, the attribute says {density:.4g}",
    )
    strange = sorted({name.decode() for name in members.read("split")} - set(SPLITS))
    _require(members, not strange, f"split names {', '.join(strange)}, known are {', '.join(SPLITS)}")


def _mixture(members: Members) -> Mixture:
    attrs = members.attributes()
    try:
        mixture = liquid_of(attrs)
    except ConfigError as error:
        raise DataError(f"{members.path}: {error}") from None
    name = attrs["mixture"]
    _require(members, mixture.name == name, f"the mixture is {name!r}, its values are of {mixture.name!r}")
    return mixture


def _check_species(members: Members, mixture: Mixture) -> None:
    species = members.read("species")
    kinds = (int(species.min()), int(species.max()))
    fits = kinds[0] >= 0 and kinds[1] < mixture.num_species
    _require(members, fits, f"species {kinds} do not fit {mixture.name}")
    counts, share = np.bincount(species, minlength=mixture.num_species), np.array(mixture.fractions)
    expected = share * len(species)
    allowed = 1 + DEVIATIONS * np.sqrt(expected * (1 - share))
    off = np.abs(counts - expected)
    orders = permutations(range(len(share))) if len(share) < 8 else [range(len(share))]
    exchanged = min(np.abs(counts - expected[list(order)]).sum() for order in orders)
    # Rounding may move a particle of each species; beyond that, another order of names must not fit better.
    fits = (off <= allowed).all() and off.sum() <= exchanged + 2 * len(share)
    _require(
        members,
        fits,
        f"{counts.tolist()} particles of the species are not the composition of {mixture.name}, "
        f"{list(mixture.counts(len(species)))}",
    )


def _check_structures(members: Members) -> None:
    """Positions of each kind: finite, wrapped, apart, and near the thermal ones."""
    box = members.read("box")
    for rows in _blocks(members.shape("positions")):
        thermal = members.read("positions", rows)
        for name in ("positions", "inherent", "cage"):
            if name not in members:
                continue
            held = thermal if name == "positions" else members.read(name, rows)
            _check_block(members, name, held, box[rows], rows.start)
            if name != "positions":
                _check_near(members, name, held - thermal, box[rows], rows.start)


def _blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    count = shape[0]
    width = max(1, AT_ONCE // int(np.prod(shape[1:])))
    for first in range(0, count, width):
        yield slice(first, min(first + width, count))


def _check_block(members: Members, name: str, x: np.ndarray, box: np.ndarray, first: int) -> None:
    _require(members, np.isfinite(x).all(), f"{name} hold values that are not finite")
    outside = ((x < 0) | (x >= box[:, None, :])).any(axis=(1, 2))
    for wrong, problem in ((outside, "are not wrapped"), (_coincident(x), "have two particles in one place")):
        _require(members, not wrong.any(), f"{name} of configuration {first + wrong.argmax()} {problem}")


def _coincident(x: np.ndarray) -> np.ndarray:
    """Which configurations (C, N, d) have two particles in one place, (C,).

    Particles in one place have the same projection on any axis; that on a skew one is shared by few others.
    """
    skew = np.sqrt([1.0, 2.0, 3.0])[: x.shape[2]]
    order = np.argsort(x @ skew, axis=1)
    x = np.take_along_axis(x, order[..., None], axis=1)
    found = np.zeros(len(x), bool)
    for lag in range(1, x.shape[1]):
        apart = x[:, lag:] - x[:, :-lag]
        close = np.abs(apart @ skew) < COINCIDENT * skew.sum()
        if not close.any() or found.any():
            break
        found |= (close & (np.abs(apart) < COINCIDENT).all(axis=2)).any(axis=1)
    return found


def _check_near(members: Members, name: str, apart: np.ndarray, box: np.ndarray, first: int) -> None:
    image = minimum_image(torch.from_numpy(apart), torch.from_numpy(box)[:, None, :])
    distance = image.norm(dim=-1).median(dim=1).values
    worst = int(distance.argmax())
    _require(
        members,
        distance[worst] <= FAR[name],
        f"{name} of configuration {first + worst} lie {distance[worst]:.2g} from the thermal positions: they "
        "belong to another configuration",
    )


def _check_done(members: Members) -> None:
    done, planned = members.read("done"), members.read("replicas")
    fits = (planned >= 0).all() and planned.max(initial=0) <= done.shape[1]
    _require(members, fits, "replicas exceed done flags")
    beyond = np.arange(done.shape[1])[None, :] >= planned[:, None]
    _require(members, not (done & beyond).any(), "replicas beyond the planned number are marked complete")
    stored = "displacements" in members
    _require(members, stored or not done.any(), "replicas are marked complete, none is stored")
    if "inherent_energies" in members:
        finite = np.isfinite(members.read("inherent_energies")).all(axis=2)
        _require(members, finite[done].all(), "inherent_energies of complete replicas are not finite")


def _check_probe(members: Members) -> None:
    for name in ("temperature", "time"):
        levels = members.read(f"probe/{name}").tolist()
        _require(members, len(set(levels)) == len(levels), f"probe/{name} must be distinct, got {levels}")
    length, log_length, mean = (members.read(f"probe/{name}") for name in PROBE)
    # Of any lengths: exp(mean log) <= mean, and the length of a mean vector is at most the mean length.
    most = length * (1 + 1e-3) + 1e-6
    for name, fits in (("log_length", log_length <= np.log(most)), ("mean_displacement", mean <= most)):
        _require(members, fits.all(), f"probe/{name} does not belong to probe/length")


def _check_shear(members: Members) -> None:
    """Directions are known, strains rise, and events are those of the curves."""
    arrays = {name: members.read(f"{SHEARED}/{name}") for name in SHEAR}
    strain, stored = arrays["strain"], members.read("times")
    configurations, directions, steps = arrays["stress"].shape
    particles = members.shape("positions")[1]
    limits = {"configuration": configurations, "direction": directions, "step": steps, "center": particles}
    events = {name: arrays[f"event_{name}"] for name in limits}
    absent = any(((events[name] < 0) | (events[name] >= size)).any() for name, size in limits.items())
    names = [name.decode() for name in arrays["direction"]]
    known = _are_directions(names, members.shape("positions")[2])
    among = np.isclose(stored[:, None], strain, rtol=1e-9, atol=1e-12).any(1).all()
    problems = {
        "the minima that were sheared are missing": "inherent" not in members,
        "directions must be known and distinct": not known or len(set(names)) < len(names),
        "strains must rise from 0": len(strain) < 2 or strain[0] != 0 or not (np.diff(strain) > 0).all(),
        "stored strains are none of the steps": not among,
        "events name what is not there": absent,
        "first_event lies before the shear": bool((arrays["first_event"] < 0).any()),
    }
    for text, found in problems.items():
        _require(members, not found, f"shear: {text}; make the file again")
    given, real = np.isfinite(arrays["first_event"]).all(-1), np.isfinite(first_strains(arrays))
    text = "shear: first_event is given where there is no event, or lacks; make the file again"
    _require(members, np.array_equal(given, real), text)


def _are_directions(names: list[str], dimension: int) -> bool:
    try:
        return all(shear_direction(name, dimension) for name in names)
    except ConfigError:
        return False


def first_strains(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Strain of the first event of each curve, (C, R); infinite where there is none."""
    first = np.full(arrays["stress"].shape[:2], np.inf)
    where = (arrays["event_configuration"], arrays["event_direction"])
    np.minimum.at(first, where, arrays["event_strain"])
    return first
