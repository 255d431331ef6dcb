"""Datasets addressed by name, and the resolution of a path or name to a file."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from gensample.errors import DataError

_FOLDER = Path(__file__).parent / "embedded"
EMBEDDED = {name: _FOLDER / f"{name}.h5" for name in ("ka2d-mini", "ka2d-liquid", "ka2d-shear-mini")}
# Too large for the package: sha256 by name, of files in the folder `datasets` of the project's repository.
KEPT: dict[str, str] = {"ka2d-long": "9dd444a1d9151565b96633da256667e7d7fc0c5cb5ea619f34addca90ef88816"}
CHECKOUT = Path(__file__).parents[2]


def dataset_file(path_or_name: str | Path) -> Path:
    """File of a dataset given by path, or by the name of one that the project comes with.

    Raises:
        DataError: nothing is found, or another file than the one of that name.
    """
    name = str(path_or_name)
    if name in KEPT:
        return _kept(name)
    path = EMBEDDED.get(name, Path(path_or_name))
    if not path.is_file():
        known = sorted({*EMBEDDED, *KEPT})
        raise DataError(f"no dataset at {path_or_name}; give a file, or one of the names {known}")
    return path


def is_ours(path: Path) -> bool:
    """Whether a file is one of those that have a name, which nobody changes in place."""
    files = [*EMBEDDED.values(), *(file for name in KEPT for file in places(name))]
    return any(file.is_file() and path.samefile(file) for file in files)


def _kept(name: str) -> Path:
    found = next((file for file in places(name) if file.is_file()), None)
    if found is None:
        raise DataError(
            f"{name} is too large for the installed package: get datasets/{name}.h5 from the repository of "
            "gensample into a folder datasets where you work, or give the path of your copy"
        )
    state = found.stat()
    sha256 = _sha256(found, state.st_size, state.st_mtime_ns)
    if sha256 != KEPT[name]:
        raise DataError(
            f"{found} is not {name}: its sha256 is {sha256[:12]}..., expected {KEPT[name][:12]}...; get it "
            f"again from the repository, or give ./{found.name} if another dataset is meant"
        )
    return found


def places(name: str) -> list[Path]:
    """Where the file of a kept dataset may be: in a checkout, else where one works."""
    return [folder / "datasets" / f"{name}.h5" for folder in (CHECKOUT, Path())]


@lru_cache
def _sha256(file: Path, size: int, modified: int) -> str:
    """Digest of a file, taken once for each of its states."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def is_source(data: str) -> bool:
    """Whether a word names files of other programs, and no dataset."""
    import h5py

    path = Path(data)
    if data in {*EMBEDDED, *KEPT}:
        return False
    return path.is_dir() or (path.is_file() and path.suffix != ".h5" and not h5py.is_hdf5(path))
