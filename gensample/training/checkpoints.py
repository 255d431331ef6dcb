"""Checkpoints of a training: written whole, beside where they belong, never with weights that diverged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.fabric.plugins.io import TorchCheckpointIO

from gensample.errors import DataError
from gensample.weights import check_tensors, read_checkpoint, write_checkpoint

# Without them Lightning would begin anew, and not say so.
STATE = {
    **{"epoch": int, "global_step": int, "loops": dict, "callbacks": dict},
    **{"optimizer_states": list, "lr_schedulers": list},
}


class WholeCheckpoints(TorchCheckpointIO):
    """Lightning's own writes to TMPDIR and moves, which copies where that is another file system.

    ``training``: read also what callbacks have kept; an evaluation has none of them.
    """

    def __init__(self, training: bool) -> None:
        self.training = training

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Write beside ``path``, then rename. Raises DataError when the training has diverged."""
        try:
            check_tensors({name: each.cpu() for name, each in checkpoint["state_dict"].items()}, "weights")
        except DataError as error:
            raise DataError(
                f"the training diverged by epoch {checkpoint['epoch']}: {error} with a lower model.lr or "
                "trainer.gradient_clip_val; the last checkpoint is of before"
            ) from error
        write_checkpoint(checkpoint, path)

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read by :func:`gensample.weights.read_checkpoint`, whatever is asked for; on the CPU."""
        found = read_checkpoint(path)
        if not self.training:
            found.pop("callbacks", None)
        elif wrong := [name for name, kind in STATE.items() if not isinstance(found.get(name), kind)]:
            raise DataError(f"{path}: no training can go on from it: {', '.join(wrong)} absent or damaged")
        return found
