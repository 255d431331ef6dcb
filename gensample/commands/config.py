"""`gensample config`: the configs that come with gensample; with a NAME: one of them, to be edited."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from gensample.errors import ConfigError
from gensample.ranges import shown
from gensample.settings import words

_PACKAGE = Path(__file__).parents[1]
# An installed wheel carries the configs inside the package; a checkout has them beside it.
ROOTS = (_PACKAGE / "_configs", _PACKAGE.parent / "configs")


@dataclass(frozen=True)
class Config:
    """The words of the command."""

    name: tuple[str, ...] = words("to print, such as dynamics/ka2d-mini-botan; without one all are listed")

    def run(self) -> None:
        """Print configs as they stand, or the first line of each there is."""
        found = configs()
        for word in self.name:
            print(found[choose(word, list(found))].read_text(encoding="utf-8"), end="")
        if self.name:
            return
        width = max(map(len, found), default=0)
        for name, path in found.items():
            head = path.read_text(encoding="utf-8").split("\n", 1)[0]
            told = head.removeprefix("#").strip() if head.startswith("#") else ""
            print(f"{name:<{width}}  {told}".rstrip())


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
