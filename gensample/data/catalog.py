"""Datasets addressed by name, and the resolution of a path or name to a file."""

from pathlib import Path

from gensample.errors import DataError

_FOLDER = Path(__file__).parent / "embedded"
EMBEDDED = {name: _FOLDER / f"{name}.h5" for name in ("ka2d-mini", "ka2d-liquid", "ka2d-shear-mini")}


def resolve(path_or_name: str | Path) -> Path:
    """File of a dataset given by path, or by the name of an embedded one.

    Raises:
        DataError: nothing is found.
    """
    embedded = EMBEDDED.get(str(path_or_name))
    path = embedded if embedded is not None else Path(path_or_name)
    if not path.is_file():
        raise DataError(f"no dataset at {path_or_name}; give a file, or one of the names {sorted(EMBEDDED)}")
    return path
