"""Settings of a command as a dataclass: its fields are the words and options of the command line.

A command is a frozen dataclass whose fields are made by `word`, `words`, `option` and `switch`; its ``run()``
does the work.
"""

from __future__ import annotations

import argparse
import dataclasses
import shlex
from collections.abc import Callable, Sequence
from dataclasses import MISSING, field
from typing import Any, TypeVar

T = TypeVar("T")
Kind = Callable[[str], Any]

CLUSTER = "dask.distributed scheduler, its address or file, whose workers do the jobs; local:N starts N here"
"""What the option ``--cluster`` is."""


def word(
    help: str, kind: Kind = str, *, choices: Sequence[str] | None = None, metavar: str | None = None
) -> Any:
    """A field that is given by its place on the command line; ``kind`` reads it, as a `ranges.Range` does."""
    keywords = {"help": help, "type": kind, "choices": choices, "metavar": metavar}
    return field(metadata={**keywords, "word": True})


def words(help: str, kind: Kind = str, *, metavar: str | None = None) -> Any:
    """A tuple of all the words that are left on the command line, perhaps none."""
    keywords = {"help": help, "type": kind, "metavar": metavar, "nargs": "*", "word": True}
    return field(default=(), metadata=keywords)


def option(
    help: str,
    default: Any = MISSING,
    kind: Kind = str,
    *,
    choices: Sequence[str] | None = None,
    many: bool = False,
    metavar: str | None = None,
    group: str | None = None,
) -> Any:
    """A field that is given by its name; without a default it has to be.

    ``many``: one or more values, a tuple; ``group``: heading of the help under which it stands.
    """
    keywords = {"help": help, "type": kind, "choices": choices, "metavar": metavar, "group": group}
    return field(default=default, metadata=keywords | {"nargs": "+" if many else None}, kw_only=True)


def switch(help: str, *, group: str | None = None) -> Any:
    """A field that is true when its name is given."""
    return field(default=False, metadata={"help": help, "switch": True, "group": group}, kw_only=True)


def add_options(parser: argparse.ArgumentParser, settings: type) -> None:
    """Declare the fields of settings to a parser."""
    groups: dict[str | None, Any] = {None: parser}
    for each in dataclasses.fields(settings):
        keywords = {key: value for key, value in each.metadata.items() if value is not None}
        heading = keywords.pop("group", None)
        if heading not in groups:
            groups[heading] = parser.add_argument_group(heading)
        if keywords.pop("switch", False):
            groups[heading].add_argument(_flag(each.name), action="store_true", help=keywords["help"])
        elif keywords.pop("word", False):
            groups[heading].add_argument(each.name, **keywords)
        elif each.default is MISSING:
            groups[heading].add_argument(_flag(each.name), required=True, **keywords)
        else:
            groups[heading].add_argument(_flag(each.name), default=each.default, **keywords)


def read_settings(settings: type[T], found: argparse.Namespace) -> T:
    """The settings that a parser found; lists are tuples in them."""
    values = {each.name: getattr(found, each.name) for each in dataclasses.fields(settings)}  # type: ignore[arg-type]
    return settings(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})


def command_line(command: str, settings: Any, *without: str) -> str:
    """The command line of settings, as files record it: words, then options other than by default.

    without: names of fields that decide nothing of a result.
    """
    found, options = ["gensample", command], list[str]()
    for each in dataclasses.fields(settings):
        value = getattr(settings, each.name)
        if each.name in without or value == each.default:
            continue
        told = [] if value is True else list(map(str, value if isinstance(value, tuple) else [value]))
        if each.metadata.get("word"):
            found += told
        else:
            options += [_flag(each.name), *told]
    return shlex.join([*found, *options])


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
