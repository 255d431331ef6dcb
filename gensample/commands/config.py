"""`gensample config`: the configs that come with gensample; with a NAME: one of them, to be edited."""

from __future__ import annotations

import argparse
import difflib
from pathlib import Path

from gensample.errors import ConfigError
from gensample.ranges import shown

_PACKAGE = Path(__file__).parents[1]
# An installed wheel carries the configs inside the package; a checkout has them beside it.
ROOTS = (_PACKAGE / "_configs", _PACKAGE.parent / "configs")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "name", nargs="?", help="config to print, such as dynamics/ka2d-mini-botan; all are listed without it"
    )


def run(args: argparse.Namespace) -> None:
    """Print one config as it stands, or the first line of each."""
    found = configs()
    if args.name is not None:
        print(found[choose(args.name, list(found))].read_text(encoding="utf-8"), end="")
        return
    width = max(map(len, found), default=0)
    for name, path in found.items():
        head = path.read_text(encoding="utf-8").split("\n", 1)[0]
        print(f"{name:<{width}}  {head.removeprefix('#').strip() if head.startswith('#') else ''}".rstrip())


def configs() -> dict[str, Path]:
    """Files of the configs by FOLDER/NAME."""
    files = [(path.relative_to(root), path) for root in ROOTS for path in root.glob("*/*.yaml")]
    return dict(sorted((name.with_suffix("").as_posix(), path) for name, path in files))


def choose(word: str, names: list[str]) -> str:
    """The one of ``names`` that a word stands for, with or without folder, ``configs/`` and ``.yaml``.

    Raises:
        ConfigError: there is none, or several.
    """
    name = word.removeprefix("configs/").removesuffix(".yaml")
    matches = [known for known in names if name in (known, known.partition("/")[2])]
    if not matches:
        near = difflib.get_close_matches(name, [*names, *(known.partition("/")[2] for known in names)], n=1)
        cure = f"did you mean {near[0]}? " if near else ""
        raise ConfigError(f"no config called {shown(word)}: {cure}`gensample config` lists them")
    if len(matches) > 1:
        raise ConfigError(f"config {name} may be {' or '.join(matches)}; name the folder too")
    return matches[0]
