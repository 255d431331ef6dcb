"""`gensample info DATA.h5`, or of a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gensample.settings import switch, word


@dataclass(frozen=True)
class Info:
    """The words of the command."""

    name: str = word("dataset, by file or name, or model: a released one by name, a folder, or a checkpoint")
    json: bool = switch("print the summary as json")

    def run(self) -> None:
        """Validate a dataset and print its physics; or say what a model is and reads."""
        import json

        if _is_model(self.name):
            from gensample.commands.model_summary import describe_model, inspect_model

            summary = inspect_model(self.name)
            lines = describe_model(summary)
        else:
            from gensample.data.summary import describe_dataset, inspect

            summary = inspect(self.name)
            lines = describe_dataset(summary)
        print(json.dumps(summary, indent=1) if self.json else "\n".join(lines))


def _is_model(word: str) -> bool:
    """Whether a word names no dataset and what it names may be a model; DataError where it names neither."""
    from gensample import zoo
    from gensample.data.catalog import EMBEDDED, KEPT
    from gensample.errors import DataError

    path = Path(word)
    if word in {*EMBEDDED, *KEPT} or (path.is_file() and path.suffix != ".ckpt"):
        return False
    if word in zoo.names() or path.is_dir() or path.is_file():
        return True
    raise DataError(
        f"no dataset and no model at {word}; give a file, the folder of a model, or one of the names that "
        "`gensample datasets` and `gensample models` list"
    )
