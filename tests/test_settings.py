import argparse
from dataclasses import dataclass

import pytest

from gensample.ranges import COUNT
from gensample.settings import add_options, option, read_settings, switch, word, words


@dataclass(frozen=True)
class Toy:
    name: str = word("what it is called")
    rest: tuple[str, ...] = words("overrides")
    out: str = option("where to")
    many_lags: tuple[int, ...] | None = option("lags", None, COUNT, many=True, group="physics")
    again: bool = switch("once more")


def read(*line):
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_options(parser, Toy)
    return read_settings(Toy, parser.parse_intermixed_args(list(line)))


def test_a_command_line_becomes_settings():
    assert read("a", "--out", "b") == Toy("a", out="b")
    full = read("a", "x=1", "--out", "b", "--many-lags", "1", "2", "--again")
    assert full == Toy("a", ("x=1",), out="b", many_lags=(1, 2), again=True)


@pytest.mark.parametrize("line", [["--out", "b"], ["a"], ["a", "--out", "b", "--many-lags", "0"]])
def test_what_is_missing_or_out_of_range_is_refused(line):
    with pytest.raises((SystemExit, argparse.ArgumentError)):
        read(*line)


def test_help_groups_its_options(capsys):
    parser = argparse.ArgumentParser()
    add_options(parser, Toy)
    text = parser.format_help()
    assert text.index("physics:") < text.index("--many-lags", text.index("physics:"))
