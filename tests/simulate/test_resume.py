"""Killed at any moment, a simulation resumes to the same bits, with no replica lost or repeated."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from gensample.cli import main
from gensample.data.store import Store
from gensample.errors import GensampleError
from gensample.simulate.run import simulate
from gensample.work import claim, parts_beside

pytestmark = pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="needs /proc to see processes")


def killed(tiny_yaml, out, signal, *moments):
    """One line for each moment: name, exit status, LAMMPS processes before and after, finished jobs."""
    script = Path(__file__).with_name("killed.py")
    command = [sys.executable, script, tiny_yaml, out, signal, *moments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert result.returncode == 0, result.stderr
    lines = [line.split() for line in result.stdout.splitlines()[: len(moments)]]
    return [(line[0], *map(int, line[1:])) for line in lines], result.stderr


def test_sigkill_at_every_stage(engine, tiny_yaml, reference, tmp_path, assert_same):
    moments = ["scratch", "equilibration-00000-0001", "replicas-00001-00000", "structure-00002", "assembly"]
    lines, _ = killed(tiny_yaml, tmp_path / "killed.h5", "SIGKILL", *moments)
    assert [line[0] for line in lines] == moments
    assert all(status == -9 for _, status, *_ in lines)
    assert lines[0][2] > 0  # LAMMPS was at work when its parent was killed,
    assert all(after == 0 for *_, after, _ in lines)  # and did not outlive it
    finished = [line[-1] for line in lines]
    assert finished == sorted(finished)
    assert finished[0] == 0
    assert finished[-1] == 21
    assert_same(tmp_path / "killed.h5", reference)
    with Store.open(tmp_path / "killed.h5") as store:
        assert store.done.sum() == 10


@pytest.mark.slow
def test_sigkill_at_random_moments(engine, tiny_yaml, reference, tmp_path, assert_same):
    moments = [f"{random.Random(seed).uniform(0.02, 0.5):.3f}" for seed in range(30)]
    killed(tiny_yaml, tmp_path / "killed.h5", "SIGKILL", *moments)
    assert_same(tmp_path / "killed.h5", reference)


def test_an_interrupt_is_clean(engine, tiny_yaml, reference, tmp_path, assert_same):
    lines, errors = killed(
        tiny_yaml, tmp_path / "stopped.h5", "SIGINT", "scratch", "equilibration-00000-0000"
    )
    assert [status for _, status, *_ in lines] == [130, 130]
    assert [after for *_, after, _ in lines] == [0, 0]
    assert errors.count("the same command resumes") == 2
    assert "Traceback" not in errors
    assert_same(tmp_path / "stopped.h5", reference)


def test_an_orphan_that_still_writes_does_no_harm(engine, tiny_config, reference, tmp_path, assert_same):
    """Where the system does not end LAMMPS with its parent, it goes on in a folder that does not count."""
    out = tmp_path / "data.h5"
    scratch = parts_beside(out) / "scratch-orphan"
    scratch.mkdir(parents=True)
    script = (
        "units lj\ndimension 2\nregion r block 0 9 0 9 -0.5 0.5\ncreate_box 1 r\nmass 1 1\n"
        "create_atoms 1 random 5 1 NULL\nfix m all nve\npair_style zero 1.0\npair_coeff * *\n"
        "dump d all custom 10 snapshots.*.dump id x y\nrun 2000000000\n"
    )
    (scratch / "in.lammps").write_text(script)
    orphan = subprocess.Popen(
        [engine.executable, "-in", "in.lammps", "-log", "none"],
        cwd=scratch,
        env=engine._environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not any(scratch.glob("*.dump")):
            assert orphan.poll() is None
        simulate(tiny_config(), out)
    finally:
        orphan.kill()
        orphan.wait()
    assert_same(out, reference)


FAILING = """#!/bin/sh
if [ "$1" = -in ] && [ -d ../structure-00000 ] && [ ! -e {mended} ]; then
  echo "ERROR: Lost atoms: original 60 current 59"
  exit 1
fi
exec {lmp} "$@"
"""


def test_a_failed_job_is_one_line_and_resumes(engine, tiny_yaml, reference, tmp_path, assert_same, capsys):
    lmp, mended, out = tmp_path / "lmp", tmp_path / "mended", tmp_path / "data.h5"
    lmp.write_text(FAILING.format(mended=mended, lmp=engine.executable))
    lmp.chmod(0o755)
    command = ["simulate", str(tiny_yaml), "--out", str(out), "--lmp", str(lmp)]
    assert main(command) == 2
    *_, last = capsys.readouterr().err.splitlines()
    assert "Lost atoms" in last
    assert "finished jobs are kept, the same command resumes" in last
    assert not out.exists()
    finished = {path.name for path in parts_beside(out).glob("equilibration-*")}
    assert finished
    mended.touch()
    assert main(command) == 0
    assert_same(out, reference)
    assert not parts_beside(out).exists()


def test_a_run_that_ended_before_its_parts_were_removed(engine, tiny_config, reference, tmp_path):
    out = tmp_path / "data.h5"
    out.write_bytes(reference.read_bytes())
    with claim(parts_beside(out), {}) as claimed:
        (claimed.root / "structure-00000").mkdir()
    assert "nothing to do" in simulate(tiny_config(), out)
    assert not parts_beside(out).exists()


def test_a_broken_simulation_names_its_job(engine, tiny_config, tmp_path):
    config = tiny_config(
        "timestep=0.05",
        "melt.temperature=100",
        "lags=[0.1]",
        "equilibration.time=8",
        "equilibration.segment=8",
        single=1,
    )
    with pytest.raises(GensampleError, match=r"equilibration-00000-0000: LAMMPS failed in .*ERROR"):
        simulate(config, tmp_path / "data.h5")
