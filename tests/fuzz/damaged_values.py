"""Values that no dataset may hold: where, and how they get there. Every command refuses them."""

from collections.abc import Callable

import h5py
import numpy as np

Change = Callable[[h5py.File, np.random.Generator], None]


def put(name: str, value) -> Change:
    """One element of an array, at random."""

    def change(file: h5py.File, rng: np.random.Generator) -> None:
        data = file[name][...]
        data[tuple(rng.integers(data.shape))] = value
        file[name][...] = data

    return change


def whole(name: str, function) -> Change:
    """A function of the array in its place."""

    def change(file: h5py.File, rng: np.random.Generator) -> None:
        file[name][...] = function(file[name][...])

    return change


def attribute(name: str, value) -> Change:
    """A root attribute; of what has one value for each configuration, the first of them."""

    def change(file: h5py.File, rng: np.random.Generator) -> None:
        held = np.array(file.attrs[name])
        file.attrs[name] = np.where(np.arange(held.size) == 0, value, held) if held.ndim else value

    return change


def _first_replica(value, name: str = "displacements") -> Change:
    """The first complete replica becomes ``value(fields)``."""

    def change(file: h5py.File, rng: np.random.Generator) -> None:
        c, r = np.argwhere(file["done"][...])[0]
        file[name][c, r] = value(file[name][c, r])

    return change


def _drift(u: np.ndarray) -> np.ndarray:
    return u + 0.1


def _one(value):
    def set_one(u: np.ndarray) -> np.ndarray:
        u[0, 3, 1] = value
        return u

    return set_one


def _split_names(name: bytes) -> Change:
    def change(file: h5py.File, rng: np.random.Generator) -> None:
        names = list(file["split"][...])
        del file["split"]
        file["split"] = np.array([name, *names[1:]], h5py.string_dtype())

    return change


def _coincident(file: h5py.File, rng: np.random.Generator) -> None:
    x = file["positions"][...]
    x[0, 1] = x[0, 0]
    file["positions"][...] = x


def _done_beyond_planned(file: h5py.File, rng: np.random.Generator) -> None:
    if file["done"].shape[1]:
        file["replicas"][0] = 1
    else:
        file["replicas"][0] = 5


def _nearest_image(file: h5py.File, rng: np.random.Generator) -> None:
    """Inherent structures in units of the box."""
    file["inherent"][...] = file["inherent"][...] / file["box"][...][:, None]


VALUES: dict[str, tuple[str, Change]] = {}


def _add(member: str, **changes: Change) -> None:
    VALUES.update({f"{member} {how.replace('_', ' ')}": (member, change) for how, change in changes.items()})


for _name in ("positions", "inherent", "cage"):
    _add(_name, nan=put(_name, np.nan), infinite=put(_name, np.inf), negative=put(_name, -0.5))
    _add(
        _name,
        outside=put(_name, 1e3),
        huge=put(_name, 1e300),
        rolled=whole(_name, lambda a: np.roll(a, 1, 0)),
    )
VALUES.pop("positions rolled")  # another dataset, and a good one
_add("positions", coincident=_coincident, all_zero=whole("positions", np.zeros_like))
_add("inherent", of_the_unit_box=_nearest_image, all_zero=whole("inherent", np.zeros_like))
_add("cage_spread", nan=put("cage_spread", np.nan), negative=put("cage_spread", -1.0))
_add("species", vast=put("species", 127), negative=put("species", -1), alike=whole("species", np.zeros_like))
_add("species", too_many=put("species", 3))
_add(
    "box",
    zero=put("box", 0.0),
    negative=put("box", -7.0),
    nan=put("box", np.nan),
    infinite=put("box", np.inf),
)
_add("box", huge=put("box", 1e6), tiny=put("box", 1e-3))
_add(
    "times",
    reversed=whole("times", lambda t: t[::-1] - (len(t) < 2)),
    equal=whole("times", lambda t: 0 * t + 1),
)
_add("times", negative=put("times", -1.0), nan=put("times", np.nan), infinite=put("times", np.inf))
_add("times", zero=put("times", 0.0))
_add("split", unknown=_split_names(b"trian"), empty=_split_names(b""), not_utf8=_split_names(b"\xfftest"))
_add("replicas", negative=put("replicas", -1), vast=put("replicas", 2**31 - 1), too_few=_done_beyond_planned)
_add("displacements", nan=_first_replica(_one(np.nan)), infinite=_first_replica(_one(np.inf)))
_add("displacements", huge=_first_replica(_one(1e30)), drifting=_first_replica(_drift))
_add("displacements", all_zero=_first_replica(np.zeros_like))
_H = "inherent_displacements"
_add(_H, nan=_first_replica(_one(np.nan), _H), drifting=_first_replica(_drift, _H))
_add("inherent_energies", nan=_first_replica(lambda e: e * np.nan, "inherent_energies"))
_add("propensity", nan=put("propensity", np.nan), negative=put("propensity", -0.5))
_add("bond_breaking", nan=put("bond_breaking", np.nan), negative=put("bond_breaking", -0.5))
_add("bond_breaking", above_one=put("bond_breaking", 1.5))
_add("predictions/botan", infinite=put("predictions/botan", np.inf))
_add("probe/length", nan=put("probe/length", np.nan), negative=put("probe/length", -1.0))
_add("probe/log_length", infinite=put("probe/log_length", -np.inf))
_add("probe/mean_displacement", nan=put("probe/mean_displacement", np.nan))
_add("probe/temperature", nan=put("probe/temperature", np.nan), negative=put("probe/temperature", -1.0))
_add("probe/time", zero=put("probe/time", 0.0), nan=put("probe/time", np.nan))
_add("log_density", nan=put("log_density", np.nan), infinite=put("log_density", np.inf))
_add(
    "log_density_variance",
    negative=put("log_density_variance", -1.0),
    nan=put("log_density_variance", np.nan),
)
_add("source_configuration", negative=put("source_configuration", -1))
_add("shear/strain", nan=put("shear/strain", np.nan), reversed=whole("shear/strain", lambda s: s[::-1]))
_add("shear/stress", nan=put("shear/stress", np.nan))
_add("shear/energy", infinite=put("shear/energy", np.inf))
_add("shear/direction", unknown=put("shear/direction", b"zz+"), not_utf8=put("shear/direction", b"\xff"))
_add("shear/first_event", negative=put("shear/first_event", -1.0))
_add("shear/event_configuration", vast=put("shear/event_configuration", 999))
_add("shear/event_direction", vast=put("shear/event_direction", 99))
_add("shear/event_step", negative=put("shear/event_step", -5))
_ATTRIBUTES = {
    "temperature": (-1.0, 0.0, np.nan, np.inf),
    "density": (12.0, 0.0, -1.2, np.nan, np.inf),
    "version": (99, 0, -1),
    "mixture": ("ka3d-wrong", "ka3d-fs-long"),
    "truncation": ("none", "SHIFT"),
    "format": ("other",),
    "units": ("real", "metal"),
}
# "species" stands for a member that every dataset has.
for _name, _values in _ATTRIBUTES.items():
    for _one_value in _values:
        VALUES[f"attribute {_name} {_one_value}"] = ("species", attribute(_name, _one_value))
