from argparse import ArgumentTypeError

import pytest

from gensample.errors import ConfigError
from gensample.ranges import (
    COUNT,
    DENSITY,
    NOT_NEGATIVE,
    NUMBER,
    POSITIVE,
    PROCESSES,
    RESIDUAL_FORCE,
    SEED,
    TEMPERATURE,
    TIMESTEP,
    Range,
    check_choice,
    check_device,
    whole,
)

NUMBERS = {"POSITIVE": POSITIVE, "NOT_NEGATIVE": NOT_NEGATIVE, "DENSITY": DENSITY}
NUMBERS |= {"TEMPERATURE": TEMPERATURE, "TIMESTEP": TIMESTEP, "RESIDUAL_FORCE": RESIDUAL_FORCE}
WHOLE = {"COUNT": COUNT, "NUMBER": NUMBER, "SEED": SEED, "PROCESSES": PROCESSES}
NONSENSE = ("nan", "inf", "-inf", "1e308", "", "one", "1e999")


@pytest.mark.parametrize("name", [*NUMBERS, *WHOLE])
def test_no_range_takes_what_is_no_number_or_beyond_all_sizes(name: str) -> None:
    limits = (NUMBERS | WHOLE)[name]
    for text in NONSENSE:
        with pytest.raises(ArgumentTypeError, match=r"must be .*, got"):
            limits(text)
    for value in (float("nan"), float("inf"), 10**400, True, None, "1", [1]):
        with pytest.raises(ConfigError, match=r"^x must be .*, got"):
            limits.check("x", value)


@pytest.mark.parametrize("name", WHOLE)
def test_whole_numbers_have_no_fraction_and_an_end(name: str) -> None:
    for text in ("1.5", "1e3", str(2**63), str(10**30), "9" * 5000):
        with pytest.raises(ArgumentTypeError):
            WHOLE[name](text)


@pytest.mark.parametrize(
    ("limits", "good", "bad"),
    [
        (POSITIVE, "1e-9", "0"),
        (NOT_NEGATIVE, "0", "-1e-9"),
        (COUNT, "1", "0"),
        (NUMBER, "0", "-1"),
        (SEED, str(2**63 - 1), "-1"),
        (TIMESTEP, "0.005", "0.1"),
        (TEMPERATURE, "0.45", "0"),
        (DENSITY, "1.2", "0"),
        (RESIDUAL_FORCE, "1e-6", "0.2"),
    ],
)
def test_the_ends_of_each_range(limits: Range, good: str, bad: str) -> None:
    assert limits(good) == limits.kind(good)
    limits.check("x", limits.kind(good))
    with pytest.raises(ArgumentTypeError):
        limits(bad)
    with pytest.raises(ConfigError):
        limits.check("x", limits.kind(bad))


def test_a_seed_has_63_bits() -> None:
    SEED.check("seed", 2**63 - 1)
    with pytest.raises(ConfigError, match="9223372036854775807, got 9223372036854775808"):
        SEED.check("seed", 2**63)
    with pytest.raises(ConfigError, match="thousands of digits"):
        SEED.check("seed", 10**5000)


def test_counts_have_ends_of_their_own() -> None:
    whole(2, 2).check("replicas", 2)
    with pytest.raises(ConfigError, match="replicas must be a whole number from 2 to 3, got 4"):
        whole(2, 3).check("replicas", 4)


def test_a_wrong_name_brings_the_nearest_right_one() -> None:
    check_choice("--method", "midpoint", ["euler", "midpoint"])
    with pytest.raises(ConfigError, match=r"got 'Midpoint': did you mean midpoint\?"):
        check_choice("--method", "Midpoint", ["euler", "midpoint"])
    with pytest.raises(ConfigError, match=r"must be one of euler, midpoint; got '\\x1b\[31m'"):
        check_choice("--method", "\x1b[31m", ["euler", "midpoint"])


@pytest.mark.parametrize(
    "name", ["", "gpu", "cuda:", "cuda:-1", "cuda:999", "CPU", "meta", "cpu:0:1", "xpu:7"]
)
def test_devices_that_are_not_here(name: str) -> None:
    with pytest.raises(ConfigError, match="--device"):
        check_device("--device", name)
    check_device("--device", "cpu")
