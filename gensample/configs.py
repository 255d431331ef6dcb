"""The configs that come with gensample, by FOLDER/NAME."""

from __future__ import annotations

import difflib
from pathlib import Path

from gensample.errors import ConfigError
from gensample.ranges import shown

_PACKAGE = Path(__file__).parent
# An installed wheel carries the configs inside the package; a checkout has them beside it.
ROOTS = (_PACKAGE / "_configs", _PACKAGE.parent / "configs")


def configs() -> dict[str, Path]:
    """Their files."""
    files = [(path.relative_to(root), path) for root in ROOTS for path in root.glob("*/*.yaml")]
    return dict(sorted((name.with_suffix("").as_posix(), path) for name, path in files))


def find_config(word: str) -> Path:
    """The file of the one that a word stands for, with or without folder, ``configs/`` and ``.yaml``.

    Raises:
        ConfigError: there is none, or several.
    """
    files, name = configs(), word.removeprefix("configs/").removesuffix(".yaml")
    matches = [known for known in files if name in (known, known.partition("/")[2])]
    if not matches:
        near = difflib.get_close_matches(name, [*files, *(known.partition("/")[2] for known in files)], n=1)
        cure = f"did you mean {near[0]}? " if near else ""
        raise ConfigError(f"no config called {shown(word)}: {cure}`gensample config` lists them")
    if len(matches) > 1:
        raise ConfigError(f"config {name} may be {' or '.join(matches)}; name the folder too")
    return files[matches[0]]
