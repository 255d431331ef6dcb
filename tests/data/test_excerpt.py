import numpy as np
import pytest

import gensample as gs
from gensample.errors import ConfigError, DataError


def same(a, b):
    assert a.store.attrs.keys() == b.store.attrs.keys()
    for name in ("positions", "box", "species", "lag_time", "temperature", "inherent", "replicas"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    for i in range(len(a)):
        np.testing.assert_array_equal(a.fields(i), b.fields(i))


def test_a_view_is_saved_with_all_that_is_known_of_it(tmp_path):
    view = gs.open_dataset("ka2d-mini")[[3, 90, 12]]
    view.save(tmp_path / "some.h5")
    found = gs.open_dataset(tmp_path / "some.h5")
    same(view, found)
    assert found.splits == view.splits
    np.testing.assert_array_equal(found.store.row("inherent", 1), view.store.row("inherent", 90))


def test_what_is_in_memory_becomes_a_file(tmp_path):
    drawn = gs.load_model("harmonic", data="ka2d-mini").sample(gs.open_dataset("ka2d-mini")[:2], 2, seed=1)
    drawn.save(tmp_path / "drawn.h5")
    same(drawn, gs.open_dataset(tmp_path / "drawn.h5"))
    assert gs.compare("ka2d-mini", tmp_path / "drawn.h5", bootstrap=10, quench=0, follow=0).levels == [
        1,
        10,
        100,
    ]


def test_files_are_not_overwritten_and_sheared_glasses_not_divided(tmp_path):
    (tmp_path / "there.h5").touch()
    with pytest.raises(ConfigError, match="exists"):
        gs.open_dataset("ka2d-mini")[:1].save(tmp_path / "there.h5")
    sheared = gs.open_dataset("ka2d-shear-mini")
    with pytest.raises(DataError, match="save all"):
        sheared[:1].save(tmp_path / "one.h5")
    assert not (tmp_path / "one.h5").exists()
    sheared.save(tmp_path / "all.h5")
    assert len(gs.open_dataset(tmp_path / "all.h5")) == len(sheared)
