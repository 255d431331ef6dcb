"""Models and datasets by OWNER/NAME or OWNER/NAME@REVISION: from huggingface.co, kept in its cache."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from gensample.checksums import SUMS, check_sums, sums_of
from gensample.errors import ConfigError, DataError, MissingDependencyError

NAME = re.compile(r"[A-Za-z0-9][\w.-]*/([A-Za-z0-9][\w.-]*)(@[\w./-]+)?")
FILES = (".h5", ".ckpt", ".yaml")
CARD = "README.md"
"""What the hub calls the card of a model or dataset."""


def is_hub_name(word: str | Path) -> bool:
    """Whether a word may name something on the hub; a path into a folder that is here does not."""
    text = str(word)
    here = Path(text).exists() or Path(text.partition("/")[0]).exists()
    return NAME.fullmatch(text) is not None and not here and not text.endswith(FILES)


def short_name(word: str) -> str:
    """NAME alone."""
    match = NAME.fullmatch(word)
    return match[1] if match else word


def fetch(word: str, kind: Literal["model", "dataset"], files: Iterable[str]) -> Path:
    """Folder with those of the files that there are, each as its list of checksums says.

    Raises:
        MissingDependencyError: huggingface_hub is not installed.
        ConfigError: it is not there, or not to be had without network.
        DataError: a file is another one, or there is no list of checksums.
    """
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise MissingDependencyError(
            f"there is no file or folder {word}; to look on huggingface.co: pip install 'gensample[hub]'"
        ) from error
    repo, _, revision = word.partition("@")
    wanted = [*files, SUMS]
    try:
        found = snapshot_download(
            repo, repo_type=kind, revision=revision or None, allow_patterns=[*wanted, CARD]
        )
    except Exception as error:  # of the hub, of http clients of several kinds, of the file system
        raise ConfigError(_cure(word, kind, error)) from error
    folder = Path(found)
    if not sums_of(folder):
        raise DataError(f"{word} has no {SUMS}: its owner makes one with `gensample release`, or sha256sum")
    check_sums(folder, files)
    return folder


def _cure(word: str, kind: str, error: Exception) -> str:
    from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError

    head = f"there is no file or folder {word}, and"
    repo = word.partition("@")[0]
    if isinstance(error, RevisionNotFoundError):
        return f"{head} {repo} on huggingface.co has no such revision"
    if isinstance(error, RepositoryNotFoundError):
        return f"{head} no {kind} of that name on huggingface.co, or it is private (`hf auth login`)"
    if isinstance(error, LocalEntryNotFoundError):
        option = " --repo-type dataset" if kind == "dataset" else ""
        return (
            f"{head} huggingface.co cannot be reached, nor is it in the cache: where there is network, run "
            f"`hf download {repo}{option} --local-dir FOLDER`, copy FOLDER here and give its path"
        )
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return f"{head} huggingface.co does not give it: {reason}"
