"""Work on a dask.distributed cluster: the same bits, whatever happens to its workers."""

import gc
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from equilibrium import COLD, write_equilibrium
from synthetic import write_dataset

from gensample import __version__
from gensample.cli import main
from gensample.data.datamodule import KADataModule
from gensample.errors import GensampleError
from gensample.reads import Reads
from gensample.simulate import cluster as clusters
from gensample.simulate import scheduler
from gensample.simulate.cluster import Elsewhere, Order, connected, make_part
from gensample.training.configuration import ConfigurationTask
from gensample.training.displacement import DisplacementTask
from gensample.work import claim
from tests.commands.test_sample_configurations import SMALL, save
from tests.simulate.conftest import contents

distributed = pytest.importorskip("distributed", reason="the extra `cluster` is not installed")


@pytest.fixture(scope="module")
def workers(tmp_path_factory):
    """Two worker processes, in another folder than the commands, and the scheduler file."""
    folder = tmp_path_factory.mktemp("workers")
    before = Path.cwd()
    os.chdir(folder)
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        os.chdir(before)
        with distributed.Client(cluster, set_as_default=False) as client:
            client.write_scheduler_file(str(folder / "scheduler.json"))
            yield client


@pytest.fixture
def address(workers):
    return workers.scheduler.address


def at_work(parts):
    """Processes that have joined a folder of work."""
    return {int(path.name.split("-")[1]) for path in parts.glob(".shared-*.lock")}


def kill_a_worker(workers, parts, begun, killed):
    """Once ``begun`` parts are begun, so that one is lost with it."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not killed:
        found = at_work(parts) & workers
        if found and len(list(parts.glob("scratch-*"))) >= begun:
            killed.append(found.pop())
            os.kill(killed[0], signal.SIGKILL)
        time.sleep(0.001)


@pytest.fixture
def one_dies(workers):
    """Kill a worker as soon as it is at work in a folder of parts."""
    killed, threads = [], []

    def begin(parts, begun=0):
        pids = set(workers.run(os.getpid).values())
        threads.append(threading.Thread(target=kill_a_worker, args=(pids, parts, begun, killed)))
        threads[0].start()

    yield begin
    threads[0].join()
    assert len(killed) == 1
    workers.wait_for_workers(2, timeout=120)


@pytest.fixture
def slow_lammps(engine, tmp_path):
    """LAMMPS that takes a fifth of a second more."""
    path = tmp_path / "lmp"
    path.write_text(f'#!/bin/sh\nsleep 0.2\nexec {engine.executable} "$@"\n')
    path.chmod(0o755)
    return path


def test_a_simulation_of_which_a_worker_is_killed(
    reference, tiny_yaml, slow_lammps, tmp_path, address, one_dies, assert_same
):
    out = tmp_path / "out.h5"
    one_dies(tmp_path / "out.h5.parts", begun=2)
    words = ["simulate", str(tiny_yaml), "--out", str(out), "--lmp", str(slow_lammps)]
    assert main([*words, "--cluster", address]) == 0
    assert_same(reference, out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lmp", "out.h5"]


def test_an_interrupted_simulation_goes_on_without_the_cluster(
    reference, tiny_yaml, slow_lammps, tmp_path, address, monkeypatch, assert_same
):
    """Nothing runs on when the command has ended; what was finished is not done again."""
    out, parts = tmp_path / "out.h5", tmp_path / "out.h5.parts"
    finish, count = scheduler._next_finished, []

    def interrupted(running, reporter):
        count.append(running)
        if len(count) == 3:
            raise KeyboardInterrupt
        return finish(running, reporter)

    monkeypatch.setattr(scheduler, "_next_finished", interrupted)
    words = ["simulate", str(tiny_yaml), "--out", str(out)]
    assert main([*words, "--cluster", address, "--lmp", str(slow_lammps)]) == 130
    deadline = time.monotonic() + 60
    while at_work(parts):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    kept = {path.name: path.stat().st_ino for path in parts.glob("equilibration-*")}
    assert 2 <= len(kept) < 6
    monkeypatch.setattr(scheduler, "_next_finished", finish)
    assert main([*words, "--keep-parts"]) == 0
    assert kept.items() <= {path.name: path.stat().st_ino for path in parts.iterdir()}.items()
    assert_same(reference, out)


def test_an_error_on_a_worker_comes_back_in_words(tiny_yaml, tmp_path, address, capsys):
    lmp = tmp_path / "lmp"
    version = '[ "$1" = -h ] && echo "Simulator - none" && exit'
    lmp.write_text(f"#!/bin/sh\n{version}\necho ERROR: no luck\nexit 1\n")
    lmp.chmod(0o755)
    words = ["simulate", str(tiny_yaml), "--out", str(tmp_path / "out.h5"), "--lmp", str(lmp)]
    assert main([*words, "--cluster", address]) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert "equilibration-0000" in told
    assert "ERROR: no luck (on " in told


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """Generators of fields and of configurations, in the folder where the command runs."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    fields = KADataModule(str(write_dataset(Path("fields.h5"))), target="displacement", cutoff=1.6)
    tiny = {"width": 8, "vectors": 4, "layers": 1, "conditioner": "none"}
    save(DisplacementTask(reads=Reads.of(fields), **tiny), fields, "fields.ckpt")
    settings = {"target": "configuration", "temperatures": [COLD], "batch_size": 2}
    liquid = KADataModule(str(write_equilibrium(Path("liquid.h5"))), cutoff=1.5, **settings)
    save(ConfigurationTask(reads=Reads.of(liquid), system=liquid.system, **SMALL), liquid, "conf.ckpt")
    return tmp_path


FIELDS = ["sample", "fields.ckpt", "--data", "fields.h5", "--split", "val", "--replicas", "33"]
CHAIN = [*FIELDS[:-1], "9", "--lag", "1", "--chain", "2"]
CONFIGURATIONS = ["sample", "conf.ckpt", "--temperature", str(COLD), "--num", "300", "--steps", "2"]


def bits(path):
    return {key: value for key, value in contents(path).items() if "seconds" not in "".join(key)}


def check_same(folder, workers, words, where):
    """The command gives the same bits here and there, on as many threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(workers.submit(torch.get_num_threads).result())
    assert main([*words, "--out", "here.h5"]) == 0
    torch.set_num_threads(threads)
    assert main([*words, "--out", "there.h5", "--cluster", where]) == 0
    assert bits(folder / "here.h5") == bits(folder / "there.h5")
    assert not list(folder.glob("*.parts"))


@pytest.mark.parametrize("words", [CHAIN, CONFIGURATIONS], ids=["chain", "configurations"])
def test_samples_have_the_same_bits(workplace, workers, words):
    """The workers, which run in another folder, are found by the scheduler file."""
    check_same(workplace, workers, words, workers.scheduler_file)


@pytest.mark.slow
def test_fields_of_which_a_worker_is_killed(workplace, workers, address, one_dies):
    one_dies(workplace / "there.h5.parts")
    check_same(workplace, workers, FIELDS, address)


# Without workers: what is told instead of a result.


class Parts:
    """A bench without work."""

    settings: ClassVar = {"seed": 1}

    def make(self, part, work):
        work.keep(part, value=1)

    def stop(self):
        self.stopped = True


def order(tmp_path, version=__version__):
    return Order("token", version, tmp_path, tmp_path / "work", "", Parts)


@pytest.fixture(autouse=True)
def nothing_open(monkeypatch):
    monkeypatch.setattr(clusters, "_open", {})
    monkeypatch.setattr(clusters, "_closed", set())


def test_a_worker_makes_parts_until_the_command_ends(tmp_path):
    with claim(tmp_path / "work", Parts.settings, shared=True) as work:
        make_part(order(tmp_path), "a.npz")
        assert work.has("a.npz")
        clusters.close_bench("token", stop=True)
        with pytest.raises(GensampleError, match="has ended"):
            make_part(order(tmp_path), "b.npz")


def test_a_worker_that_does_not_see_the_folder_says_so(tmp_path):
    with pytest.raises(GensampleError, match=r"does not see .*/work: .* share the file system"):
        make_part(order(tmp_path), "a.npz")
    assert list(tmp_path.iterdir()) == []


def test_a_worker_of_another_version_or_work_refuses(tmp_path):
    with claim(tmp_path / "work", {"seed": 2}, shared=True):
        with pytest.raises(GensampleError, match="the worker has gensample"):
            make_part(order(tmp_path, "0"), "a.npz")
        with pytest.raises(GensampleError, match="parts of other settings"):
            make_part(order(tmp_path), "a.npz")


def test_a_worker_keeps_few_works_open(tmp_path):
    with claim(tmp_path / "work", Parts.settings, shared=True):
        for token in "abcdef":
            make_part(replace(order(tmp_path), token=token), "a.npz")
    assert list(clusters._open) == list("cdef")


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("", "no scheduler of dask.distributed answers"),
        ("nowhere.json", "no scheduler of dask.distributed answers"),
        ("tcp://127.0.0.1:1", "no scheduler of dask.distributed answers"),
        ("local:0", "no scheduler of dask.distributed answers"),
        ("broken.json", "is not json"),
        ("other.json", "is no scheduler file"),
    ],
)
def test_an_address_where_nobody_is(tmp_path, monkeypatch, address, told):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(clusters, "PATIENCE", 1)
    Path("broken.json").write_text("{")
    Path("other.json").write_text("{}")
    with pytest.raises(GensampleError, match=told), connected(Elsewhere(address, Parts), tmp_path):
        pass


def test_a_connection_that_fails_is_closed_at_once(tmp_path):
    """dask closes one that is collected wherever Python is: in the start of another, both wait for ever."""
    gc.disable()
    try:
        with pytest.raises(GensampleError), connected(Elsewhere("nowhere.json", Parts), tmp_path):
            pass
        clients = [it for it in gc.get_objects() if issubclass(type(it), distributed.Client)]
        states = {type(it).__name__: it.status for it in clients}
    finally:
        gc.enable()
    assert states["Connection"] == "closed"
