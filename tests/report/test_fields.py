"""Pictures of fields: arrows that point where particles go, movies that hold every frame."""

import shutil

import numpy as np
import pytest
from lattices import write_lattices
from PIL import Image

from gensample.cli import main
from gensample.errors import DataError
from gensample.report import fields

BOX = np.array([4.0, 5.0])


def test_arrows_start_at_particles_and_point_along_displacements():
    x, u = np.array([[0.5, 4.5], [4.5, 1.0]]), np.array([[0.3, 0.0], [0.0, -0.4]])
    figure = fields.draw_field(x, u, BOX)
    (arrows,) = [c for c in figure.axes[0].collections if hasattr(c, "U")]
    np.testing.assert_allclose(arrows.get_offsets(), [[0.5, 4.5], [0.5, 1.0]])
    np.testing.assert_allclose(np.stack([arrows.U, arrows.V], 1), fields.LONGER * u)
    np.testing.assert_allclose(arrows.get_array(), [0.3, 0.4])


@pytest.mark.parametrize("shapes", [((3, 3), (3, 3), (3,)), ((3, 2), (4, 2), (2,)), ((3, 2), (3, 2), (3,))])
def test_what_is_no_field_in_two_dimensions_is_refused(shapes):
    with pytest.raises(DataError, match="shapes"):
        fields.draw_field(*map(np.zeros, shapes))


@pytest.fixture(scope="module")
def motion(tmp_path_factory):
    """Two lags of two replicas."""
    return write_lattices(tmp_path_factory.mktemp("data") / "a.h5", times=[0.5, 10.0], scale=0.02)


def export(data, format, out, *more):
    return main(["export", str(data), "--format", format, "--out", str(out), "--configuration", "0", *more])


def test_a_movie_has_a_frame_for_each_step_and_the_start(motion, tmp_path):
    assert export(motion, "gif", tmp_path / "a.gif", "--replica", "0") == 0
    with Image.open(tmp_path / "a.gif") as movie:
        assert movie.n_frames == 3
    assert [path.name for path in tmp_path.iterdir()] == ["a.gif"]


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_mp4(motion, tmp_path):
    assert export(motion, "mp4", tmp_path / "a.mp4", "--replica", "0") == 0
    assert (tmp_path / "a.mp4").read_bytes()[4:8] == b"ftyp"


@pytest.mark.parametrize("more", [("--replica", "0", "--lag", "1"), ()])
def test_no_movie_of_what_does_not_move(motion, tmp_path, capsys, more):
    assert export(motion, "gif", tmp_path / "a.gif", *more) == 2
    assert "trajectory" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_mp4_without_ffmpeg_names_the_cure(motion, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert export(motion, "mp4", tmp_path / "a.mp4", "--replica", "0") == 2
    assert "ffmpeg" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
