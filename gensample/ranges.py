"""What a setting may be: one declaration serves an option of the command line and a value of a yaml file."""

from __future__ import annotations

import difflib
import re
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from gensample.errors import ConfigError
from gensample.text import printable

# Torch, numpy and HDF5 hold seeds in 64 bits, with a sign.
LARGEST_SEED = 2**63 - 1
# LAMMPS counts atoms, and we rows, in 32 bits.
LARGEST_COUNT = 2**31 - 1
DEVICE = re.compile(r"cpu|mps|(cuda|xpu)(:\d{1,3})?")


@dataclass(frozen=True)
class Range:
    """The values that a setting may have; as the ``type`` of an argparse option it reads and checks one.

    ``accepted`` ends the sentence "must be ...".
    """

    accepted: str
    holds: Callable[[Any], bool]
    kind: type = float

    def __call__(self, text: str) -> Any:
        """The value that ``text`` stands for; argparse adds the name of the option to the message."""
        try:
            value = self.kind(text)
        except ValueError:
            raise ArgumentTypeError(self._message(text)) from None
        if not self.holds(value):
            raise ArgumentTypeError(self._message(text))
        return value

    def check(self, name: str, value: Any) -> None:
        """Refuse a value, by the name of its setting.

        Raises:
            ConfigError: it is outside.
        """
        number = isinstance(value, Integral if self.kind is int else Real)
        if not number or isinstance(value, bool) or not self.holds(value):
            raise ConfigError(f"{name} {self._message(value)}")

    def _message(self, value: object) -> str:
        return f"must be {self.accepted}, got {shown(value)}"


def _is_finite(value: float) -> bool:
    # Whole numbers beyond the floats raise in math.isfinite; they compare.
    return -1e300 < value < 1e300


def between(least: float, most: float) -> Range:
    """Numbers from ``least`` to ``most``."""
    return Range(f"at least {least:g} and at most {most:g}", lambda x: least <= x <= most)


def positive_to(most: float) -> Range:
    """Positive numbers to ``most``."""
    return Range(f"positive and at most {most:g}", lambda x: 0 < x <= most)


def whole(least: int, most: int = LARGEST_COUNT) -> Range:
    """Whole numbers from ``least`` to ``most``."""
    return Range(f"a whole number from {least} to {most}", lambda x: least <= x <= most, int)


POSITIVE = Range("positive and finite", lambda x: _is_finite(x) and x > 0)
NOT_NEGATIVE = Range("finite and not negative", lambda x: _is_finite(x) and x >= 0)
COUNT = whole(1)
NUMBER = whole(0)
SEED = whole(0, LARGEST_SEED)
PROCESSES = whole(1, 4096)
# Of networks: far beyond ours, and a mistyped one is told before it fills the memory.
WIDTH, DEPTH, SPECIES = whole(1, 4096), whole(1, 1000), whole(1, 100)
# In Lennard-Jones units. The fastest vibrations have omega near 33: Verlet steps beyond 2 / omega explode.
TIMESTEP = between(1e-8, 0.05)
TEMPERATURE = positive_to(100)
DENSITY = between(0.01, 10)
# Thermal forces are of order 10 to 100: a larger residual force is no minimum.
RESIDUAL_FORCE = positive_to(0.1)
# To multiples of which displacements are rounded before they are stored; 0: they are not.
ROUNDING = between(0, 0.1)


def check_table(settings: object, limits: Mapping[str, Range], prefix: str = "") -> None:
    """Refuse values outside the ranges of a table by (dotted) names of attributes.

    Of a sequence every element counts; None is what is not given. ``prefix``: of the names, "--" for options.

    Raises:
        ConfigError: a value is outside.
    """
    for name, limit in limits.items():
        value: Any = settings
        for part in name.split("."):
            value = getattr(value, part, None)
        label = prefix + (name.replace("_", "-") if prefix == "--" else name)
        if isinstance(value, (list, tuple)):
            for k, each in enumerate(value):
                limit.check(f"{label}[{k}]", each)
        elif value is not None:
            limit.check(label, value)


def check_choice(name: str, value: object, known: Iterable[str]) -> None:
    """Refuse a name that is not known, with the nearest that is.

    Raises:
        ConfigError: it is not one of ``known``.
    """
    names = list(known)
    if value in names:
        return
    near = difflib.get_close_matches(str(value).lower(), names, n=1)
    cure = f": did you mean {near[0]}?" if near else ""
    raise ConfigError(f"{name} must be one of {', '.join(names)}; got {shown(value)}{cure}")


def check_device(name: str, value: str) -> None:
    """Refuse a device that torch does not know or this machine does not have.

    Raises:
        ConfigError: it is not there.
    """
    if not DEVICE.fullmatch(value):
        raise ConfigError(f"{name} must be cpu, mps, cuda or one of several as cuda:1; got {shown(value)}")
    if value == "cpu":
        return
    import torch

    kind, _, index = value.partition(":")
    backend = getattr(torch, kind)
    count = int(backend.is_available()) if kind == "mps" else backend.device_count()
    if int(index or 0) >= count:
        raise ConfigError(f"{name} {value}: this machine has {count or 'no'} {kind} device; choose cpu")


def shown(value: object) -> str:
    """A value as a message shows it: escaped, and no longer than a line."""
    try:
        text = value if isinstance(value, str) else str(value)
    except ValueError:  # whole numbers of thousands of digits
        return "a number of thousands of digits"
    text = printable(text[:80]) + ("..." if len(text) > 80 else "")
    return f"'{text}'" if isinstance(value, str) else text
