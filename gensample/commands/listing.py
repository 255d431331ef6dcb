"""`gensample models`, `datasets` and `config`: what there is; `gensample info NAME`: what it is."""

from __future__ import annotations

from dataclasses import dataclass

from gensample.settings import switch, word, words


@dataclass(frozen=True)
class Models:
    """The words of the command; there are none."""

    def run(self) -> None:
        """Print name, kind and purpose of each, one a line; none is loaded."""
        from gensample.zoo import list_models

        print("\n".join(list_models()))


@dataclass(frozen=True)
class Datasets:
    """The words of the command; there are none."""

    def run(self) -> None:
        """Print what each holds, one a line; where those outside the package were looked for."""
        from gensample.data.summary import list_datasets

        print("\n".join(list_datasets()))


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

        from gensample import zoo

        if zoo.is_model(self.name):
            model = zoo.load_model(self.name)
            summary, lines = model.summary(), model.describe()
        else:
            from gensample.data.summary import describe_dataset, inspect

            summary = inspect(self.name)
            lines = describe_dataset(summary)
        print(json.dumps(summary, indent=1) if self.json else "\n".join(lines))
