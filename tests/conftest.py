"""Fixtures shared by all tests."""

from pathlib import Path

import pytest
from hypothesis import settings

# Shared and slow machines: a time limit per example would make the suite fail at random.
settings.register_profile("gensample", deadline=None)
settings.load_profile("gensample")

SHARED_DATA = (Path(__file__).resolve().parent.parent / ".." / "shared" / "data").resolve()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of public data sets beside the checkout; never copied into it."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no public data at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture
def out(tmp_path) -> Path:
    """File to import to, alone in its folder."""
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "data.h5"
