"""`gensample release`: the folder of a model that can be handed on."""

from __future__ import annotations

from dataclasses import dataclass

from gensample.settings import option, word


@dataclass(frozen=True)
class Release:
    """Write config, weights, numbers, card and checksums of a model, ready to upload."""

    source: str = word("checkpoint of a run, or the folder of a model")
    out: str = option("folder to write, named as the model will be")
    config: str | None = option("config.yaml (that of the run or the folder)", None)
    metrics: str | None = option(
        "of `gensample compare`, json, or of `gensample test`, csv (that of the run or the folder)",
        None,
    )
    license: str | None = option("for the header of the card, such as apache-2.0 (none, or as it was)", None)

    def run(self) -> None:
        """Write the folder; say what is left to do."""
        from gensample.hub import CARD
        from gensample.release import release

        folder = release(self.source, self.out, self.config, self.metrics, self.license)
        card = folder / CARD
        todo = card.read_text(encoding="utf-8").count("TODO")
        print(f"{folder}: " + (f"fill in {card} ({todo} times TODO), then" if todo else "complete;"))
        print(f"next: hf upload OWNER/{folder.name} {folder}, and load it as OWNER/{folder.name}")
