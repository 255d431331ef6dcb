"""Datasets addressed by name, and the resolution of a path or name to a file."""

from __future__ import annotations

from pathlib import Path

from gensample.checksums import sha256, sums_of
from gensample.errors import DataError
from gensample.hub import fetch, is_hub_name, short_name

_FOLDER = Path(__file__).parent / "embedded"
EMBEDDED = {name: _FOLDER / f"{name}.h5" for name in ("ka2d-mini", "ka2d-liquid", "ka2d-shear-mini")}
# Too large for the package: sha256 by name, of files in the folder `datasets` of the project's repository.
KEPT: dict[str, str] = {"ka2d-long": "9dd444a1d9151565b96633da256667e7d7fc0c5cb5ea619f34addca90ef88816"}
CHECKOUT = Path(__file__).parents[2]


def dataset_file(path_or_name: str | Path) -> Path:
    """File of a dataset given by path, by the name of one that the project comes with, or by OWNER/NAME.

    On the hub it is NAME.h5 of the dataset OWNER/NAME.

    Raises:
        DataError: nothing is found, or another file than the one of that name.
        ConfigError, MissingDependencyError: as `hub.fetch`.
    """
    name = str(path_or_name)
    if name in KEPT:
        return _kept(name)
    path = EMBEDDED.get(name, Path(path_or_name))
    if is_hub_name(name):
        file = f"{short_name(name)}.h5"
        path = fetch(name, "dataset", [file]) / file
    if not path.is_file():
        known = sorted({*EMBEDDED, *KEPT})
        raise DataError(f"no dataset at {path_or_name}; give a file, or one of the names {known}")
    return path


def is_ours(path: Path) -> bool:
    """Whether a file has a name or a checksum: nobody changes it in place."""
    if path.name in sums_of(path.parent):
        return True
    files = [*EMBEDDED.values(), *(file for name in KEPT for file in places(name))]
    return any(file.is_file() and path.samefile(file) for file in files)


def _kept(name: str) -> Path:
    found = next((file for file in places(name) if file.is_file()), None)
    if found is None:
        raise DataError(
            f"{name} is too large for the installed package: get datasets/{name}.h5 from the repository of "
            "gensample into a folder datasets where you work, or give the path of your copy"
        )
    digest = sha256(found)
    if digest != KEPT[name]:
        raise DataError(
            f"{found} is not {name}: its sha256 is {digest[:12]}..., expected {KEPT[name][:12]}...; get it "
            f"again from the repository, or give ./{found.name} if another dataset is meant"
        )
    return found


def places(name: str) -> list[Path]:
    """Where the file of a kept dataset may be: in a checkout, else where one works."""
    return [folder / "datasets" / f"{name}.h5" for folder in (CHECKOUT, Path())]


def is_source(data: str) -> bool:
    """Whether a word names files of other programs, and no dataset."""
    import h5py

    path = Path(data)
    if data in {*EMBEDDED, *KEPT}:
        return False
    return path.is_dir() or (path.is_file() and path.suffix != ".h5" and not h5py.is_hdf5(path))
