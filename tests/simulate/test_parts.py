import json
import multiprocessing
import time

import pytest

from gensample.errors import ConfigError
from gensample.simulate.parts import claim
from gensample.simulate.scheduler import Job


def job(name, work):
    return Job(name, None, 1.0, work)


def test_a_finished_job_is_a_folder(tmp_path):
    with claim(tmp_path / "parts", {}) as parts:
        done = job("a", lambda folder: (folder / "result").write_text("1"))
        assert not parts.is_done(done)
        parts.run(done)
        assert parts.is_done(done)
        assert (tmp_path / "parts" / "a" / "result").read_text() == "1"


def test_a_failed_job_leaves_nothing_that_counts(tmp_path):
    def work(folder):
        (folder / "half").write_text("1")
        raise OSError("disk full")

    with claim(tmp_path / "parts", {}) as parts:
        with pytest.raises(OSError, match="disk full"):
            parts.run(job("a", work))
        assert not parts.is_done(job("a", work))
        assert list((tmp_path / "parts").glob("scratch-*"))  # kept to be looked at
    with claim(tmp_path / "parts", {}) as parts:
        assert not list((tmp_path / "parts").glob("scratch-*"))


def test_other_settings_are_refused(tmp_path):
    with claim(tmp_path / "parts", {"seed": 1}):
        pass
    with claim(tmp_path / "parts", {"seed": 1}):
        pass
    with pytest.raises(ConfigError, match="other settings"), claim(tmp_path / "parts", {"seed": 2}):
        pass
    assert json.loads((tmp_path / "parts" / "config.json").read_text()) == {"seed": 1}


def _try_claim(root, results):
    try:
        with claim(root, {}):
            results.put("claimed")
    except ConfigError as error:
        results.put(str(error))


def test_two_processes_never_share_a_folder(tmp_path):
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    with claim(tmp_path / "parts", {}):
        other = context.Process(target=_try_claim, args=(tmp_path / "parts", results))
        other.start()
        assert "another gensample" in results.get(timeout=60)
        other.join()
    other = context.Process(target=_try_claim, args=(tmp_path / "parts", results))
    other.start()
    assert results.get(timeout=60) == "claimed"
    other.join()


def _publish_half(parts, out):
    with parts.publish(out) as temporary:
        temporary.write_text("half")
        raise OSError("disk full")


def test_publishing_is_all_or_nothing(tmp_path):
    out = tmp_path / "data.h5"
    out.write_text("old")
    with claim(tmp_path / "parts", {}) as parts:
        with pytest.raises(OSError, match="disk full"):
            _publish_half(parts, out)
        assert out.read_text() == "old"
        with parts.publish(out) as temporary:
            temporary.write_text("new")
        assert out.read_text() == "new"
        parts.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["data.h5"]


def _append(root, name, target):
    with claim(root / name, {}) as parts, parts.amend(target, target) as temporary:
        before = temporary.read_text()
        time.sleep(0.05)
        temporary.write_text(before + name)


def test_those_that_amend_a_file_find_what_the_others_added(tmp_path):
    """Each may begin while another is at work: it copies when that is done."""
    context = multiprocessing.get_context("fork")
    target, names = tmp_path / "data", "abcdefgh"
    target.write_text("")
    processes = [context.Process(target=_append, args=(tmp_path, name, target)) for name in names]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert "".join(sorted(target.read_text())) == names
    assert {path.name for path in tmp_path.iterdir()} == {*names, "data"}
