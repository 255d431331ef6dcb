"""The folder that `gensample fit` writes: one run, one process, nothing left where nothing came of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gensample.errors import ConfigError
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
