"""What an HDF5 file must hold to be a dataset; see docs/data-format.md."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gensample.data.members import Attributes, Members
from gensample.errors import DataError
from gensample.physics.mixtures import Mixture, get_mixture

FORMAT = "gensample"
VERSION = 1
SPLITS = ("train", "val", "test")
SHEARED = "shear"
PREDICTIONS = "predictions"
EQUILIBRATION = "equilibration"


class Array(NamedTuple):
    """Dimensions by letter, type, and range of the values of an array; None where another check is due.

    Configurations C, replicas R, lags K, particles N, space d; shear has steps S and plastic events E, probe
    runs temperatures Q and times W of their own.
    """

    letters: str
    type: str
    range: tuple[float, float] | None = None


# Finite; of what is rounded, a little beyond the end.
FINITE, POSITIVE, NOT_NEGATIVE = (-math.inf, math.inf), (5e-324, math.inf), (0, math.inf)
MEAN, FRACTION = (-1e-6, math.inf), (-1e-6, 1 + 1e-6)


ARRAYS = {
    "positions": Array("CNd", "f8"),
    "times": Array("K", "f8"),
    "done": Array("CR", "?"),
    "species": Array("N", "i1"),
    "box": Array("Cd", "f8", POSITIVE),
    "split": Array("C", "S"),
    "replicas": Array("C", "i4"),
    "inherent": Array("CNd", "f8"),
    "cage": Array("CNd", "f8"),
    "cage_spread": Array("CN", "f8", NOT_NEGATIVE),
    "displacements": Array("CRKNd", "f4"),
    "inherent_displacements": Array("CRKNd", "f4"),
    "inherent_energies": Array("CRK", "f8"),
    "propensity": Array("CKN", "f4", MEAN),
    "bond_breaking": Array("CKN", "f4", FRACTION),
    "source_configuration": Array("C", "i8", NOT_NEGATIVE),
    "log_density": Array("C", "f8", FINITE),
    "log_density_variance": Array("C", "f8", NOT_NEGATIVE),
}
# Of which what belongs to replicas that are not complete need not be there.
FIELDS = ("displacements", "inherent_displacements")
REQUIRED = ("positions", "times", "done", "species", "box", "split", "replicas")
# The group of `gensample shear`.
SHEAR = {
    "direction": Array("R", "S"),
    "strain": Array("S", "f8"),
    "stress": Array("CRS", "f8", FINITE),
    "energy": Array("CRS", "f8", FINITE),
    "residual": Array("CRS", "f4", FINITE),
    "first_event": Array("CRN", "f4"),
    "event_configuration": Array("E", "i4"),
    "event_direction": Array("E", "i4"),
    "event_step": Array("E", "i4"),
    **{
        f"event_{name}": Array("E", "f8", FINITE)
        for name in ("strain", "stress_drop", "energy_drop", "participation")
    },
    "event_center": Array("E", "i4"),
}
# The group of `gensample probe`: averages over its runs.
PROBE = ("length", "log_length", "mean_displacement")
PROBE_ARRAYS = {"temperature": Array("Q", "f8", POSITIVE), "time": Array("W", "f8", POSITIVE)}
PROBE_RANGES = (NOT_NEGATIVE, FINITE, NOT_NEGATIVE)
PROBE_ARRAYS |= {name: Array("CNQW", "f4", r) for name, r in zip(PROBE, PROBE_RANGES, strict=True)}
# Published predictions of the propensity, by the name of the model.
PREDICTION = Array("CKN", "f4")
# What must be in a group that is there; the others are free in their names.
GROUPS: dict[str, dict[str, Array]] = {
    SHEARED: SHEAR,
    "probe": PROBE_ARRAYS,
    PREDICTIONS: {},
    EQUILIBRATION: {},
}


def array_of(name: str) -> Array | None:
    """What is known of an array by its name, such as "positions" or "probe/length"."""
    group, _, last = name.rpartition("/")
    of_group = PREDICTION if group == PREDICTIONS else GROUPS.get(group, {}).get(last)
    return of_group if group else ARRAYS.get(name)


# Kinds of attributes: text, json (an object, as text), whole and number; letters as for arrays, with "C?" for
# one number or one for each configuration, and T temperatures of an equilibrium simulation.
Kinds = dict[str, tuple[str, str]]
REQUIRED_ATTRIBUTES: Kinds = {
    "version": ("whole", ""),
    "mixture": ("text", ""),
    "temperature": ("number", "C?"),
    "density": ("number", ""),
    "truncation": ("text", ""),
    "source": ("text", ""),
}
_TEXTS = (
    *("units", "command", "created", "kind", "start", "start_fingerprint"),
    *("import_notes", "input", "engine", "outside_domain"),
)
_SAMPLING = (
    *("temperatures", "sampling_interval", "equilibration_time", "energy_spacing", "mean_energy"),
    *("mean_energy_error", "autocorrelation_time", "autocorrelation_time_error", "autocorrelation_window"),
    *("energy_drift", "energy_drift_error", "moved_fraction"),
)
ATTRIBUTES: dict[str, Kinds] = {
    "/": {
        **REQUIRED_ATTRIBUTES,
        **{name: ("text", "") for name in _TEXTS},
        **{name: ("json", "") for name in ("software", "config", "request", "mixture_values")},
        **{name: ("whole", "") for name in ("seed", "nfe")},
        **{
            name: ("number", "")
            for name in ("tau_alpha", "core_seconds", "core_seconds_per_replica", "trajectory")
        },
    },
    "inherent": {
        **{name: ("text", "") for name in ("minimiser", "engine")},
        **{name: ("number", "C") for name in ("energy", "residual")},
        **{name: ("number", "") for name in ("tolerance", "max_residual_force")},
    },
    "inherent_displacements": {
        **{name: ("text", "") for name in ("minimiser", "engine")},
        **{name: ("number", "") for name in ("tolerance", "max_residual_force", "precision")},
    },
    "cage": {
        **{name: ("text", "") for name in ("thermostat", "engine", "command")},
        **{name: ("number", "") for name in ("start", "time", "damping", "timestep")},
        **{name: ("whole", "") for name in ("replicas", "snapshots", "seed")},
        "standard_error": ("number", "C?"),
    },
    "probe": {
        **{name: ("text", "") for name in ("thermostat", "engine", "command")},
        **{name: ("number", "") for name in ("damping", "timestep")},
        **{name: ("whole", "") for name in ("replicas", "seed")},
        "velocity_temperature": ("number", "Q"),
    },
}


def check_layout(members: Members) -> None:
    """Format, version, links, types, sizes, shapes that fit each other, and attributes.

    Members that docs/data-format.md does not name are neither followed nor read.

    Raises:
        DataError: what is missing or does not fit.
    """
    _check_format(members)
    sizes: dict[str, int] = {}
    for name, array in _held(members):
        check_array(members, name, array, sizes)
    for letter, what in (("C", "configuration"), ("N", "particle")):
        if not sizes[letter]:
            raise DataError(f"{members.path} holds no {what}; make it again")
    if ("inherent_displacements" in members) != ("inherent_energies" in members):
        raise DataError(
            f"{members.path} must hold both inherent_displacements and inherent_energies, or neither; "
            "make them again with `gensample quench --futures --again`"
        )
    for name in FIELDS:
        if name in members:
            complete = int(members.read("done").sum())
            members.check_size(name, complete * math.prod(members.shape(name)[2:]))
    for owner, kinds in ATTRIBUTES.items():
        if owner == "/" or owner in members:
            check_attributes(members, owner, kinds, sizes)


def _check_format(members: Members) -> None:
    path, known = members.path, REQUIRED_ATTRIBUTES
    attrs, names = members.attributes("/"), members.attribute_names("/")
    if str(attrs.get("format")) != FORMAT:
        raise DataError(f"{path} is not a gensample dataset; convert it with `gensample import`")
    missing = [name for name in known if name not in names]
    missing += [name for name in REQUIRED if name not in members.names()]
    if missing:
        raise DataError(f"{path} lacks {', '.join(missing)}; the file is damaged, make it again")
    version = _checked(members, attrs, "/", "version", ("whole", ""), {})
    if not 1 <= version <= VERSION:
        raise DataError(
            f"{path} has format version {version}, this gensample reads up to {VERSION}; upgrade gensample"
        )
    kind = str(attrs.get("kind", SHEARED))
    if kind != SHEARED or ("kind" in names) != (SHEARED in members.names()):
        raise DataError(f"{path}: the attribute kind and the group {SHEARED} do not agree; make it again")


def _held(members: Members) -> Iterator[tuple[str, Array | None]]:
    """Arrays that the file holds, with what is known of them; shapes of required ones come first."""
    there = members.names()
    for name, array in ARRAYS.items():
        if name in there:
            yield name, array
    for group, known in GROUPS.items():
        if group not in there:
            continue
        inside = members.names(group)
        if missing := [f"{group}/{name}" for name in known if name not in inside]:
            raise DataError(f"{members.path} lacks {', '.join(missing)}; make the file again")
        for name in inside:
            yield f"{group}/{name}", array_of(f"{group}/{name}")


def check_array(members: Members, name: str, array: Array | None, sizes: dict[str, int]) -> None:
    """Links, storage, shape, type and size of one array; None for numbers of any type and shape.

    Raises:
        DataError: what is wrong.
    """
    members.add(name, array and array.type)
    if array is not None:
        check_shape(members.path, name, array.letters, members.shape(name), sizes)
    members.check_type(name)
    if name not in FIELDS:
        members.check_size(name, math.prod(members.shape(name)))


def check_shape(path: Path, name: str, letters: str, shape: tuple[int, ...], sizes: dict[str, int]) -> None:
    """A shape fits the sizes that letters have; those that had none before have one then.

    Raises:
        DataError: it does not.
    """
    expected = tuple(sizes.get(letter, letter) for letter in letters)
    if len(shape) != len(letters) or any(
        sizes.setdefault(letter, size) != size for letter, size in zip(letters, shape, strict=True)
    ):
        wanted = ", ".join(map(str, expected))
        raise DataError(f"{path}: {name} has shape {shape}, expected ({wanted}); make the file again")


def check_attributes(members: Members, owner: str, kinds: Kinds, sizes: dict[str, int]) -> None:
    """Kinds and shapes of the attributes of a member or of the file.

    Raises:
        DataError: the first that does not fit.
    """
    attrs, names = members.attributes(owner), members.attribute_names(owner)
    if owner == "/" and "autocorrelation_time" in attrs:
        kinds = {**kinds, **{name: ("number", "T") for name in _SAMPLING}}
        if missing := [name for name in _SAMPLING if name not in attrs]:
            raise DataError(f"{members.path} lacks the attributes {', '.join(missing)}; make it again")
    elif owner == "/" and "tau_alpha" in attrs:
        evidence = ("equilibration_time", "energy_drift", "energy_drift_error")
        kinds = {**kinds, **{name: ("number", "") for name in evidence}}
    for name in kinds.keys() & set(names):
        _checked(members, attrs, owner, name, kinds[name], sizes)


def _checked(
    members: Members,
    attrs: Attributes,
    owner: str,
    name: str,
    wanted: tuple[str, str],
    sizes: dict[str, int],
) -> Any:
    """The attribute, of the kind and shape that are ``wanted``."""
    kind, letters = wanted
    value = attrs.get(name)
    shape: tuple[int, ...] = getattr(value, "shape", ())
    alone = letters in ("", "C?") and shape == ()
    many = letters != "" and len(shape) == 1 and sizes.setdefault(letters[0], shape[0]) == shape[0]
    if not (_is(value, kind) and (alone or many)):
        of = "" if owner == "/" else f" of {owner}"
        words = {"": f"one {kind}", "C?": f"one {kind} or one for each configuration"}
        raise DataError(
            f"{members.path}: the attribute {name}{of} must be {words.get(letters, f'an array of {kind}s')}; "
            "make the file again"
        )
    return value


def _is(value: Any, kind: str) -> bool:
    if kind == "json":
        return isinstance(value, str) and _is_object(value)
    if kind == "text":
        return isinstance(value, str)
    of = getattr(getattr(value, "dtype", None), "kind", None)
    whole = of in ("i", "u") or (isinstance(value, int) and not isinstance(value, bool))
    return whole or (kind == "number" and (of == "f" or isinstance(value, float)))


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def liquid_of(attributes: Mapping[str, Any]) -> Mixture:
    """The mixture of a dataset by value; of files without its values the known one of that name.

    Raises:
        ConfigError: there is none.
    """
    values = attributes.get("mixture_values")
    return get_mixture(json.loads(values) if values else attributes["mixture"])
