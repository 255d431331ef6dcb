"""`gensample models`, `datasets` and `config`: what there is; `gensample info NAME`: what it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gensample.errors import DataError
from gensample.settings import switch, word, words
from gensample.text import printable

WIDTH = 100  # of what a model is for


@dataclass(frozen=True)
class Models:
    """The words of the command; there are none."""

    def run(self) -> None:
        """Print name, kind and purpose of each, one a line; none is loaded."""
        import textwrap

        from gensample import zoo

        names = zoo.names()
        width = max(map(len, names), default=0)
        for name in names:
            kind = zoo.class_of(name).rpartition(".")[2]
            purpose = textwrap.shorten(zoo.purpose(name), WIDTH, placeholder=" ...")
            print(printable(f"{name:<{width}}  {kind:<17}  {purpose}"))
        print(f"{len(names)} released models; `gensample info NAME` says more of one")


@dataclass(frozen=True)
class Datasets:
    """The words of the command; there are none."""

    def run(self) -> None:
        """Print what each holds, one a line; where those outside the package were looked for."""
        from gensample.data.catalog import EMBEDDED, KEPT, places
        from gensample.data.store import Store
        from gensample.data.summary import describe_briefly

        names = sorted({*EMBEDDED, *KEPT})
        width = max(map(len, names))
        for name in names:
            try:
                with Store.open(name) as store:
                    text = describe_briefly(store) + (f"  {store.path}" if name in KEPT else "")
            except DataError as error:
                looked = " and ".join(str(place) for place in places(name)) if name in KEPT else ""
                text = f"not usable{f' (looked for at {looked})' if looked else ''}: {error}"
            print(printable(f"{name:<{width}}  {text}"))
        print(f"{len(names)} datasets; `gensample info NAME` says more of one")


@dataclass(frozen=True)
class Config:
    """The words of the command."""

    name: tuple[str, ...] = words("to print, such as dynamics/ka2d-mini-botan; without one all are listed")

    def run(self) -> None:
        """Print configs as they stand, or the first line of each there is."""
        from gensample.configs import configs, find_config

        for each in self.name:
            print(find_config(each).read_text(encoding="utf-8"), end="")
        found = {} if self.name else configs()
        width = max(map(len, found), default=0)
        for name, path in found.items():
            head = path.read_text(encoding="utf-8").split("\n", 1)[0]
            told = head.removeprefix("#").strip() if head.startswith("#") else ""
            print(f"{name:<{width}}  {told}".rstrip())


@dataclass(frozen=True)
class Info:
    """The words of the command."""

    name: str = word("dataset, by file or name, or model: a released one by name, a folder, or a checkpoint")
    json: bool = switch("print the summary as json")

    def run(self) -> None:
        """Validate a dataset and print its physics; or say what a model is and reads."""
        import json

        if _is_model(self.name):
            from gensample import zoo

            model = zoo.load_model(self.name)
            summary, lines = model.summary(), model.describe()
        else:
            from gensample.data.summary import describe_dataset, inspect

            summary = inspect(self.name)
            lines = describe_dataset(summary)
        print(json.dumps(summary, indent=1) if self.json else "\n".join(lines))


def _is_model(word: str) -> bool:
    """Whether a word names no dataset and what it names may be a model; DataError where it names neither."""
    from gensample import zoo
    from gensample.data.catalog import EMBEDDED, KEPT

    path = Path(word)
    if word in {*EMBEDDED, *KEPT} or (path.is_file() and path.suffix != ".ckpt"):
        return False
    if word in zoo.names() or path.is_dir() or path.is_file():
        return True
    raise DataError(
        f"no dataset and no model at {word}; give a file, the folder of a model, or one of the names that "
        "`gensample datasets` and `gensample models` list"
    )
