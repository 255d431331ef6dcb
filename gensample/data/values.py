"""Whether the values of a dataset can be right: what every reader of a dataset takes for granted."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import numpy as np
import torch

from gensample.data.members import Members
from gensample.data.schema import PREDICTIONS, PROBE, SHEARED, SPLITS
from gensample.data.shear_values import check_shear_values
from gensample.errors import ConfigError, DataError
from gensample.physics.box import minimum_image
from gensample.physics.mixtures import TRUNCATIONS, Mixture, get_mixture

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


def check_values(members: Members) -> None:
    """Check every array but the displacements, which `check_fields` sees when they are read.

    Raises:
        DataError: the first thing that is wrong.
    """
    _check_state(members)
    _check_structures(members)
    _check_lags(members)
    _check_done(members)
    _check_drawn(members)
    _check_probe(members)
    if SHEARED in members:
        check_shear_values(members)


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


def _require(members: Members, condition: object, problem: str) -> None:
    if not condition:
        raise DataError(f"{members.path}: {problem}")


def _check_state(members: Members) -> None:
    attrs, box = members.attributes(), members.read("box")
    _, particles, dimension = members.shape("positions")
    mixture = _mixture(members)
    _require(members, mixture.dimension == dimension, f"{mixture.name} has {mixture.dimension} dimensions")
    _require(
        members,
        attrs["truncation"] in TRUNCATIONS,
        f"the truncation {attrs['truncation']!r} is unknown, known are {', '.join(TRUNCATIONS)}",
    )
    units = attrs.get("units", "lj")
    _require(members, units == "lj", f"units must be lj, got {units!r}")
    _check_species(members, mixture)
    _require(members, np.isfinite(box).all() and (box > 0).all(), "box edges must be positive")
    temperature = np.asarray(attrs["temperature"])
    _require(
        members, np.isfinite(temperature).all() and (temperature > 0).all(), "temperatures must be positive"
    )
    found, density = particles / box.prod(axis=1), attrs["density"]
    _require(
        members,
        np.allclose(found, density, rtol=DENSITY_TOLERANCE),
        f"boxes give density {found.min():.4g} to {found.max():.4g}, the attribute says {density:.4g}",
    )
    strange = sorted({name.decode() for name in members.read("split")} - set(SPLITS))
    _require(members, not strange, f"split names {', '.join(strange)}, known are {', '.join(SPLITS)}")


def _mixture(members: Members) -> Mixture:
    try:
        return get_mixture(members.attributes()["mixture"])
    except ConfigError as error:
        raise DataError(f"{members.path}: {error}") from None


def _check_species(members: Members, mixture: Mixture) -> None:
    species = members.read("species")
    kinds = (int(species.min()), int(species.max()))
    fits = kinds[0] >= 0 and kinds[1] < mixture.num_species
    _require(members, fits, f"species {kinds} do not fit {mixture.name}")
    counts, share = np.bincount(species, minlength=mixture.num_species), np.array(mixture.composition)
    expected = share * len(species)
    allowed = 1 + DEVIATIONS * np.sqrt(expected * (1 - share))
    off = np.abs(counts - expected)
    exchanged = min(np.abs(counts - expected[list(order)]).sum() for order in permutations(range(len(share))))
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
                _check_near(members, name, held, thermal, box[rows], rows.start)
    if "cage_spread" in members:
        spread = members.read("cage_spread")
        _require(
            members, np.isfinite(spread).all() and (spread >= 0).all(), "cage_spread must not be negative"
        )


def _blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    count = shape[0]
    width = max(1, AT_ONCE // int(np.prod(shape[1:])))
    for first in range(0, count, width):
        yield slice(first, min(first + width, count))


def _check_block(members: Members, name: str, x: np.ndarray, box: np.ndarray, first: int) -> None:
    _require(members, np.isfinite(x).all(), f"{name} hold values that are not finite")
    outside = ((x < 0) | (x >= box[:, None, :])).any(axis=(1, 2))
    _require(
        members, not outside.any(), f"{name} of configuration {first + outside.argmax()} are not wrapped"
    )
    together = _coincident(x)
    _require(
        members,
        not together.any(),
        f"{name} of configuration {first + together.argmax()} have two particles in one place",
    )


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


def _check_near(
    members: Members, name: str, x: np.ndarray, thermal: np.ndarray, box: np.ndarray, first: int
) -> None:
    apart = minimum_image(torch.from_numpy(x - thermal), torch.from_numpy(box)[:, None, :])
    distance = apart.norm(dim=-1).median(dim=1).values
    worst = int(distance.argmax())
    _require(
        members,
        distance[worst] <= FAR[name],
        f"{name} of configuration {first + worst} lie {distance[worst]:.2g} from the thermal positions: they "
        "belong to another configuration",
    )


def _check_lags(members: Members) -> None:
    times = members.read("times")
    increasing = np.isfinite(times).all() and (times > 0).all() and (np.diff(times) > 0).all()
    _require(members, increasing, f"lag times must be positive and increase, got {times.tolist()}")
    for name in ("propensity", "bond_breaking"):
        if name in members:
            averages = members.read(name)
            _require(members, np.isfinite(averages).all(), f"{name} holds values that are not finite")
            _require(members, (averages >= -1e-6).all(), f"{name} holds negative values")
            fraction = name == "bond_breaking"
            _require(members, not fraction or (averages <= 1 + 1e-6).all(), f"{name} holds values above 1")
    for name in members.names(PREDICTIONS) if PREDICTIONS in members else ():
        # NaN stands for species that a published model leaves out.
        infinite = np.isinf(members.read(f"{PREDICTIONS}/{name}")).any()
        _require(members, not infinite, f"{PREDICTIONS}/{name} holds infinite values")


def _check_done(members: Members) -> None:
    done, planned = members.read("done"), members.read("replicas")
    _require(
        members,
        (planned >= 0).all() and planned.max(initial=0) <= done.shape[1],
        "replicas exceed done flags",
    )
    beyond = np.arange(done.shape[1])[None, :] >= planned[:, None]
    _require(members, not (done & beyond).any(), "replicas beyond the planned number are marked complete")
    stored = "displacements" in members
    _require(members, stored or not done.any(), "replicas are marked complete, none is stored")
    if "inherent_energies" in members:
        finite = np.isfinite(members.read("inherent_energies")).all(axis=2)
        _require(members, finite[done].all(), "inherent_energies of complete replicas are not finite")


def _check_drawn(members: Members) -> None:
    """What is known of generated configurations."""
    if "source_configuration" in members:
        rows = members.read("source_configuration")
        _require(members, (rows >= 0).all(), "source_configuration must not be negative")
    for name in ("log_density", "log_density_variance"):
        if name in members:
            _require(
                members, np.isfinite(members.read(name)).all(), f"{name} holds values that are not finite"
            )
    if "log_density_variance" in members:
        variance = members.read("log_density_variance")
        _require(members, (variance >= 0).all(), "log_density_variance must not be negative")


def _check_probe(members: Members) -> None:
    if "probe" not in members:
        return
    for name in ("temperature", "time"):
        levels = members.read(f"probe/{name}")
        fits = np.isfinite(levels).all() and (levels > 0).all() and len(set(levels.tolist())) == len(levels)
        _require(members, fits, f"probe/{name} must be positive and distinct, got {levels.tolist()}")
    found = {name: members.read(f"probe/{name}") for name in PROBE}
    for name, values in found.items():
        _require(members, np.isfinite(values).all(), f"probe/{name} holds values that are not finite")
    # Of any lengths: exp(mean log) <= mean, and the length of a mean vector is at most the mean length.
    _require(members, (found["length"] >= 0).all(), "probe/length must not be negative")
    most = found["length"] * (1 + 1e-3) + 1e-6
    _require(
        members,
        (found["log_length"] <= np.log(most)).all(),
        "probe/log_length does not belong to probe/length",
    )
    mean = found["mean_displacement"]
    fits = (mean >= 0).all() and (mean <= most).all()
    _require(members, fits, "probe/mean_displacement does not belong to probe/length")
