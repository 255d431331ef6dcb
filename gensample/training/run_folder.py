"""The folder that `gensample fit` writes: one run, one process, nothing left where nothing came of it.

Checkpoints are written whole, beside where they belong, never with weights that diverged.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lightning.fabric.plugins.io import TorchCheckpointIO

from gensample.errors import ConfigError, DataError
from gensample.weights import check_tensors, read_checkpoint, write_checkpoint
from gensample.work import alone, remove, sweep

CHECKPOINTS = "checkpoints"
# What a run leaves before its first checkpoint; a folder with other files alone is someone else's.
OWN = ("config.yaml", "metrics.csv", CHECKPOINTS)


@contextmanager
def run_folder(folder: Path, resumed: str | Path | None) -> Iterator[None]:
    """Hold the folder of a run while it trains; ``resumed`` is its checkpoint, if it is one that goes on.

    Raises:
        Busy: another process trains there.
        ConfigError: the folder holds an earlier run or foreign files, or is no folder.
    """
    absent = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    check_run_folder(folder)
    try:
        with alone(folder, wait=False):
            _check_resumed(folder, resumed)
            for lock in folder.glob(f"{CHECKPOINTS}/.*.lock"):
                sweep(lock.with_name(lock.name[1 : -len(".lock")]))
            try:
                yield
            except Exception:
                if folder in absent and not any(folder.rglob("*.ckpt")):
                    remove(folder)
                raise
    finally:
        for parent in absent:
            with suppress(OSError):
                parent.rmdir()


def check_run_folder(folder: Path) -> None:
    """Refuse a path where no run can be.

    Raises:
        ConfigError: it is no folder, or one with foreign files.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ConfigError(f"--out must be a folder, {folder} is a file; choose another --out")
    held = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    if held and not any((folder / name).exists() for name in OWN):
        raise ConfigError(f"{folder} holds {held[0]}, which is no run's; choose another --out")


def _check_resumed(folder: Path, resumed: str | Path | None) -> None:
    """Two runs in one folder: the weights of one beside the config of the other."""
    checkpoints = folder / CHECKPOINTS
    own = resumed == "last" or (resumed and Path(resumed).resolve().is_relative_to(checkpoints.resolve()))
    if any(checkpoints.glob("*.ckpt")) and not own:
        raise ConfigError(
            f"{folder} holds an earlier run: resume it with --ckpt_path last, remove it, "
            "or choose another --out"
        )


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
