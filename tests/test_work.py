import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from gensample.errors import ConfigError
from gensample.work import (
    Busy,
    alone,
    amended,
    atomic,
    atomic_folder,
    check_output,
    claim,
    is_of,
    parts_beside,
    tidy,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def in_other_process(function, *arguments):
    """What the function returns, or the class of its error, in a process of its own."""
    context = multiprocessing.get_context("fork")
    results = context.Queue()

    def run():
        try:
            results.put(function(*arguments))
        except Exception as error:
            results.put(type(error).__name__)

    other = context.Process(target=run)
    other.start()
    found = results.get(timeout=60)
    other.join()
    return found


def write(path, text, **options):
    with atomic(path, **options) as temporary:
        temporary.write_text(text)


def write_and_fail(path, error, **options):
    with atomic(path, **options) as temporary:
        temporary.write_text("half")
        raise error


def killed(function, *arguments):
    """Run in a process that ends within, as by SIGKILL."""
    child = os.fork()
    if child == 0:
        function(*arguments)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def write_and_die(path, **options):
    with atomic(path, **options) as temporary:
        temporary.write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError])
def test_a_file_is_written_whole_or_not_at_all(tmp_path, error):
    path = tmp_path / "folder" / "a.txt"
    write(path, "one")
    assert path.read_text() == "one"
    with pytest.raises(error):
        write_and_fail(path, error(), replace=True)
    assert path.read_text() == "one"
    with pytest.raises(error):
        write_and_fail(path.with_name("b.txt"), error())
    assert names(path.parent) == ["a.txt"]


def test_a_file_that_exists_is_kept_unless_it_may_be_replaced(tmp_path):
    path = tmp_path / "a.txt"
    write(path, "one")
    with pytest.raises(ConfigError, match="exists; remove it"):
        write(path, "two")
    assert path.read_text() == "one"
    write(path, "two", replace=True)
    assert path.read_text() == "two"


def test_a_file_that_appears_meanwhile_is_kept(tmp_path):
    path = tmp_path / "a.txt"

    def race():
        with atomic(path) as temporary:
            temporary.write_text("ours")
            path.write_text("theirs")

    with pytest.raises(ConfigError, match="meanwhile"):
        race()
    assert path.read_text() == "theirs"
    assert names(tmp_path) == ["a.txt"]


def test_the_mask_of_the_user_holds(tmp_path):
    before = os.umask(0o077)
    try:
        write(tmp_path / "a.txt", "one")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o600
    write(tmp_path / "b.txt", "one")
    assert (tmp_path / "b.txt").stat().st_mode & 0o777 == 0o666 & ~before


def hard_link(source, out):
    os.link(source, out)


def symbolic_link(source, out):
    out.symlink_to(source)


def itself(source, out):
    source.rename(out)
    source.symlink_to(out)


@pytest.mark.parametrize("make", [hard_link, symbolic_link, itself])
def test_an_input_is_never_the_output(tmp_path, make):
    source, out = tmp_path / "source", tmp_path / "out"
    source.write_text("precious")
    make(source, out)
    for replace in (False, True):
        with pytest.raises(ConfigError, match="is what is read"):
            check_output(out, [tmp_path / "absent", source], replace=replace)
    assert source.read_text() == "precious"


def folder(path):
    path.mkdir()


def dangling_link(path):
    path.symlink_to(path.with_name("nowhere"))


def loop(path):
    path.symlink_to(path)


def below_a_file(path):
    path.with_name("file").write_text("")
    return path.with_name("file") / "out"


@pytest.mark.parametrize("make", [folder, os.mkfifo, dangling_link, loop, below_a_file])
def test_only_regular_files_are_written(tmp_path, make):
    path = make(tmp_path / "out") or tmp_path / "out"
    before = names(tmp_path)
    with pytest.raises(ConfigError, match=r"not a regular file|link to nothing|not a folder"):
        write(path, "text", replace=True)
    assert names(tmp_path) == before


def test_a_device_is_no_output():
    with pytest.raises(ConfigError, match="not a regular file"):
        check_output("/dev/null", replace=True)


def test_a_link_to_a_file_stays_one(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "file").write_text("one")
    write(tmp_path / "link", "two", replace=True)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "two"


def test_what_a_killed_process_left_is_swept(tmp_path):
    path = tmp_path / "a.h5"
    killed(write_and_die, path)
    assert len(names(tmp_path)) == 2
    check_output(path)
    assert names(tmp_path) == []
    killed(write_and_die, path)
    write(path, "one")
    assert names(tmp_path) == ["a.h5"]


def test_what_a_live_process_writes_is_not_swept(tmp_path):
    path = tmp_path / "a.h5"
    with atomic(path) as temporary:
        temporary.write_text("half")
        in_other_process(check_output, path)
        assert temporary.exists()


def hold(path):
    with alone(path, wait=False):
        return "held"


def test_one_process_at_a_time(tmp_path):
    with alone(tmp_path / "run"):
        assert in_other_process(hold, tmp_path / "run") == "Busy"
    assert in_other_process(hold, tmp_path / "run") == "held"
    assert names(tmp_path) == []


def append(source, target, name):
    with amended(source, target) as temporary:
        before = temporary.read_text()
        time.sleep(0.05)
        temporary.write_text(before + name)


def test_those_that_amend_a_file_find_what_the_others_added(tmp_path):
    """Each may begin while another is at work: it copies when that is done."""
    context = multiprocessing.get_context("fork")
    target, letters = tmp_path / "data", "abcdefgh"
    target.write_text("")
    target.chmod(0o640)
    processes = [context.Process(target=append, args=(target, target, letter)) for letter in letters]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert "".join(sorted(target.read_text())) == letters
    assert target.stat().st_mode & 0o777 == 0o640
    assert names(tmp_path) == ["data"]


def test_an_amended_copy_replaces_nothing(tmp_path):
    for name in ("source", "other"):
        (tmp_path / name).write_text(name)
    with pytest.raises(ConfigError, match="exists"):
        append(tmp_path / "source", tmp_path / "other", "x")
    append(tmp_path / "source", tmp_path / "new", "x")
    assert [(tmp_path / name).read_text() for name in ("source", "other", "new")] == [
        "source",
        "other",
        "sourcex",
    ]


def test_a_folder_takes_the_place_of_another(tmp_path):
    path = tmp_path / "report"
    path.mkdir()
    (path / "old").write_text("")

    def fail():
        with atomic_folder(path) as fresh:
            (fresh / "half").write_text("")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert names(path) == ["old"]
    with atomic_folder(path) as fresh:
        (fresh / "new").write_text("")
    assert names(path) == ["new"]
    assert names(tmp_path) == ["report"]


def finish(root, name="part"):
    (root / name).write_text("done")


def test_finished_parts_are_of_one_setting(tmp_path):
    root = tmp_path / "parts"
    with claim(root, {"seed": 1}):
        finish(root)
    with claim(root, {"seed": 1}) as claimed:
        assert (claimed.root / "part").exists()
    with pytest.raises(ConfigError, match="other settings"), claim(root, {"seed": 2}):
        pass
    assert json.loads((root / "work.json").read_text()) == {"seed": 1}
    with claim(root, {"seed": 1}) as claimed:
        claimed.remove()
    assert names(tmp_path) == []


def test_work_without_a_finished_part_binds_nobody(tmp_path):
    root = tmp_path / "parts"

    def fail():
        with claim(root, {"method": "Midpoint"}):
            raise ConfigError("no such method")

    with pytest.raises(ConfigError, match="no such method"):
        fail()
    assert names(tmp_path) == []

    def begin_and_die():
        with claim(root, {"method": "Midpoint"}):
            (root / "scratch-a").mkdir()
            os.kill(os.getpid(), signal.SIGKILL)

    killed(begin_and_die)
    with claim(root, {"method": "midpoint"}):
        assert [name for name in names(root) if not name.startswith(".")] == ["work.json"]
        finish(root)


def test_a_folder_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "parts").mkdir()
    finish(tmp_path / "parts", "thesis")
    with pytest.raises(ConfigError, match="thesis"), claim(tmp_path / "parts", {}):
        pass
    tidy(tmp_path / "data.h5", tmp_path / "parts")
    assert (tmp_path / "parts" / "thesis").exists()


def enter(root, settings, shared):
    with claim(root, settings, shared=shared):
        return "claimed"


def test_only_those_that_share_work_side_by_side(tmp_path):
    root = tmp_path / "parts"
    with claim(root, {}, shared=True):
        finish(root)
        (root / ".temporary").write_text("")
        assert in_other_process(enter, root, {}, True) == "claimed"
        assert in_other_process(enter, root, {"seed": 2}, True) == "ConfigError"
        assert in_other_process(enter, root, {}, False) == "Busy"
        assert (root / ".temporary").exists()
    with claim(root, {}):
        assert not (root / ".temporary").exists()


def test_an_output_inside_unfinished_work_is_refused(tmp_path):
    root = tmp_path / "a.h5.parts"
    with claim(root, {}), pytest.raises(ConfigError, match="unfinished work"):
        check_output(root / "b.h5")


def write_twice_and_die(path, root):
    with claim(root, {"seed": 1}):
        finish(root)
        with atomic(path) as temporary:
            temporary.write_text("one")
            path.write_text("one")
            os.kill(os.getpid(), signal.SIGKILL)


def test_a_run_that_was_killed_after_it_had_written_its_output_is_tidied(tmp_path):
    path, root = tmp_path / "data.h5", tmp_path / "parts"
    killed(write_twice_and_die, path, root)
    assert len(names(tmp_path)) == 4
    assert is_of(root, {"seed": 1})
    assert not is_of(root, {"seed": 2})
    with claim(root, {"seed": 1}):
        in_other_process(tidy, path, root)
        assert (root / "part").exists()
    tidy(path, root)
    assert names(tmp_path) == ["data.h5"]


@pytest.mark.parametrize("error", [FileNotFoundError, Busy, BlockingIOError])
def test_errors_of_the_work_pass_through(tmp_path, error):
    def fail():
        with claim(tmp_path / "parts", {}, shared=True), alone(tmp_path / "a"):
            raise error

    with pytest.raises(error):
        fail()
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["", ".", "/"])
def test_parts_lie_beside_a_file(name):
    with pytest.raises(ConfigError, match="must name a file"):
        parts_beside(Path(name), "parts")


def test_a_part_is_a_folder_or_arrays(tmp_path):
    with claim(tmp_path / "parts", {}) as work:
        assert not work.has("a")
        work.make("a", lambda folder: (folder / "result").write_text("1"))
        work.keep("b.npz", numbers=[1, 2])
        assert work.has("a")
        assert work.path("a").joinpath("result").read_text() == "1"
        assert work.arrays("b.npz")["numbers"].tolist() == [1, 2]


def test_a_failed_part_leaves_nothing_that_counts(tmp_path):
    def fail(folder):
        (folder / "half").write_text("1")
        raise OSError("disk full")

    root = tmp_path / "parts"
    with claim(root, {}) as work:
        work.keep("b.npz")
        with pytest.raises(OSError, match="disk full"):
            work.make("a", fail)
        assert not work.has("a")
        assert list(root.glob("scratch-*"))  # kept to be looked at
    with claim(root, {}):
        assert not list(root.glob("scratch-*"))


def draw_both(root, out, slow):
    """Parts that this process makes of two; the second is waited for."""
    with claim(root, {}, shared=True) as work:
        made = []
        for part in ("a.npz", "b.npz"):

            def make(part=part):
                time.sleep(slow)
                work.keep(part, x=1)
                made.append(part)

            work.once(part, make)
        work.publish(out, lambda temporary: temporary.write_text("done"))
        return made


def test_processes_that_share_make_each_part_once_and_publish_once(tmp_path):
    root, out = tmp_path / "parts", tmp_path / "out"
    context = multiprocessing.get_context("fork")
    with context.Pool(3) as pool:
        found = pool.starmap(draw_both, [(root, out, 0.2)] * 3)
    assert sorted(part for parts in found for part in parts) == ["a.npz", "b.npz"]
    assert names(tmp_path) == ["out"]


def test_what_is_kept_for_later_is_renewed(tmp_path):
    root = tmp_path / "row"
    for seed in (1, 2):
        with claim(root, {"seed": seed}, renew=True) as work:
            assert not work.has("part")
            finish(root)
    with claim(root, {"seed": 2}, renew=True) as work:
        assert work.has("part")
    (tmp_path / "other").mkdir()
    finish(tmp_path / "other", "thesis")
    with pytest.raises(ConfigError, match="thesis"), claim(tmp_path / "other", {}, renew=True):
        pass


def wait_and_enter(root):
    with claim(root, {}, wait=True) as work:
        return work.has("part")


def test_one_may_wait_for_another(tmp_path):
    root = tmp_path / "parts"
    context = multiprocessing.get_context("fork")
    with context.Pool(1) as pool:
        with claim(root, {}):
            found = pool.apply_async(wait_and_enter, (root,))
            time.sleep(0.3)
            assert not found.ready()
            finish(root)
        assert found.get(timeout=20)
