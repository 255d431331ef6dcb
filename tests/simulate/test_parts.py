import pytest

from gensample.simulate.parts import Parts
from gensample.simulate.scheduler import Job
from gensample.work import claim


def job(name, work):
    return Job(name, None, 1.0, work)


def test_a_finished_job_is_a_folder(tmp_path):
    with claim(tmp_path / "parts", {}):
        parts = Parts(tmp_path / "parts")
        done = job("a", lambda folder: (folder / "result").write_text("1"))
        assert not parts.is_done(done)
        parts.run(done)
        assert parts.is_done(done)
        assert (tmp_path / "parts" / "a" / "result").read_text() == "1"


def test_a_failed_job_leaves_nothing_that_counts(tmp_path):
    def work(folder):
        (folder / "half").write_text("1")
        raise OSError("disk full")

    with claim(tmp_path / "parts", {}):
        parts = Parts(tmp_path / "parts")
        with pytest.raises(OSError, match="disk full"):
            parts.run(job("a", work))
        assert not parts.is_done(job("a", work))
        assert list((tmp_path / "parts").glob("scratch-*"))  # kept to be looked at
    with claim(tmp_path / "parts", {}):
        assert not list((tmp_path / "parts").glob("scratch-*"))
