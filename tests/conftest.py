"""Fixtures shared by all tests."""

from pathlib import Path

import pytest

SHARED_DATA = (Path(__file__).resolve().parent.parent / ".." / "shared" / "data").resolve()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of public data sets beside the checkout; never copied into it."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no public data at {SHARED_DATA}")
    return SHARED_DATA
