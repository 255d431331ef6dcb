"""What every format keeps to; one from outside the package is in tests/test_extensions.py."""

from pathlib import Path

import numpy as np
import pytest
from lattices import write_glasses

from gensample.cli import main
from gensample.data import formats
from gensample.data.formats import FORMATS, sniff
from gensample.data.store import Store

STATE = ("--mixture", "ka2d", "--temperature", "0.45")


def test_every_file_is_a_format_of_its_name():
    files = {path.stem.replace("_", "-") for path in Path(formats.__path__[0]).glob("[a-z]*.py")}
    assert files <= set(FORMATS)
    assert all(name == format.name for name, format in FORMATS.items())


@pytest.mark.parametrize("name", [name for name, format in FORMATS.items() if format.writes])
def test_what_is_written_is_recognised_and_read_again(tmp_path, name):
    if name == "gsd":
        pytest.importorskip("gsd.hoomd", reason="the optional package gsd is not installed")
    path = write_glasses(tmp_path / "a.h5")
    file, out = tmp_path / "written", tmp_path / "b.h5"
    words = ["--format", name, "--configuration", "1", "--out", str(file)]
    assert main(["export", str(path), *words]) == 0
    assert sniff(file).name == name
    assert main(["import", str(file), *STATE, "--out", str(out)]) == 0
    with Store.open(path) as before, Store.open(out) as after:
        np.testing.assert_array_equal(after.species, before.species)
        np.testing.assert_allclose(after.positions[0], before.positions[1], atol=1e-5)
        np.testing.assert_allclose(after.box[0], before.box[1], rtol=1e-6)
