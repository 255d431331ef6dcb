"""Descriptors as the data module serves them: probe runs by their levels, rows read one by one."""

import numpy as np
import pytest
import torch
from lightning import Trainer
from sheared import write_shear
from synthetic import SIZE, write_dataset

from gensample.cli import main
from gensample.data.datamodule import KADataModule
from gensample.data.positions import Inputs
from gensample.data.store import Store, StoreWriter
from gensample.data.views import ShearView
from gensample.errors import ConfigError, DataError
from gensample.nn.glassmlp import GlassMLP
from gensample.predictors.ridge import Ridge
from gensample.reads import Reads
from gensample.structure.descriptors.short_runs import probe_names
from gensample.training.dynamics import DynamicsTask

COUNT = 6
TEMPERATURES, TIMES = (0.6, 0.8), (1.0, 5.0, 20.0)
PROBE_COLUMNS = probe_names([(T, t) for T in TEMPERATURES for t in TIMES])


def write(path, temperatures=TEMPERATURES, times=TIMES, scale=1.0):
    """A dataset with short and probe runs; both in the order they are stored in."""
    write_dataset(path, box=10.5)
    generator = np.random.default_rng(3)
    length, shorter, mean = generator.uniform(0.1, 1.0, (3, COUNT, SIZE, 2, len(TIMES)))
    averages = {
        "length": length,
        "log_length": np.log(length) - shorter,
        "mean_displacement": scale * mean * length,
    }
    order = np.argsort(temperatures)
    level, time = np.argsort(order), np.argsort(np.argsort(times))
    stored = {name: x[:, :, level][..., time] for name, x in averages.items()}
    with Store.open(path) as store:
        cage = (store.positions + generator.normal(0, 0.3, (COUNT, SIZE, 2))) % 10.5
    with StoreWriter.resume(path) as writer:
        writer.write_probe(stored, temperatures, times, {"replicas": 2})
        writer.write_cage(cage, {}, generator.uniform(0.1, 0.2, (COUNT, SIZE)))
    return str(path)


def served(path, descriptors=("probe",), **settings):
    data = KADataModule(path, descriptors=list(descriptors), **settings)
    data.setup()
    return data


@pytest.mark.parametrize("stored", [{"temperatures": TEMPERATURES[::-1]}, {"times": (20.0, 1.0, 5.0)}])
def test_probe_runs_are_served_in_the_order_of_their_levels(tmp_path, stored):
    first = served(write(tmp_path / "up.h5"))
    second = served(write(tmp_path / "down.h5", **stored))
    assert first.described.levels == second.described.levels == [[T, t] for T in TEMPERATURES for t in TIMES]
    assert first.described.names == second.described.names
    assert torch.equal(*(data.per_particle("descriptors", [0, 4]) for data in (first, second)))
    with Store.open(tmp_path / "up.h5") as store:
        expected = store.probe["log_length"][4].reshape(SIZE, -1)
    assert torch.equal(first.per_particle("descriptors", [4])[0, :, :6], torch.from_numpy(expected))


@pytest.mark.parametrize("others", [{"temperatures": (0.6, 0.9)}, {"times": (1.0, 5.0, 21.0)}])
def test_runs_at_other_levels_are_refused(tmp_path, others):
    """As many columns, and of other meaning: by estimators, joint fits and networks."""
    data, other = served(write(tmp_path / "data.h5")), served(write(tmp_path / "other.h5", **others))
    estimator = Ridge()
    estimator.fit([data], torch.Generator())
    assert estimator.predict(data, [5]).shape == (1, SIZE, 3)
    with pytest.raises(ConfigError, match=r"fitted on probe runs at \(T 0\.6, t 1\), .*other\.h5 are at"):
        estimator.predict(other, [5])
    with pytest.raises(ConfigError, match="fitted on probe runs"):
        Ridge().fit([data, other], torch.Generator())
    with pytest.raises(ConfigError, match="fitted on probe runs"):
        other.described.use(*data.descriptor_statistics(), data.described.levels)


def test_a_model_that_does_not_say_its_levels_is_refused(tmp_path):
    """As those of earlier versions do not."""
    data = served(write(tmp_path / "data.h5"))
    statistics = data.descriptor_statistics()
    with pytest.raises(ConfigError, match=r"knows of no probe runs, .*fit it again"):
        data.described.use(*statistics, [])


def test_checkpoints_that_do_not_say_their_levels_are_refused(tmp_path, capsys):
    path, out = write(tmp_path / "data.h5"), tmp_path / "run"
    settings = {
        "model": "gensample.training.dynamics.DynamicsTask",
        "model.network": "gensample.nn.glassmlp.GlassMLP",
        "model.network.outputs": 3,
        "model.network.descriptors": len(PROBE_COLUMNS),
        "model.p": 1.0,
        "data": "gensample.data.datamodule.KADataModule",
        "data.dataset": path,
        "data.descriptors": "[probe]",
    }
    words = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    quiet = ["--trainer.max_epochs", "1", "--trainer.accelerator", "cpu"]
    assert main(["fit", *words, *quiet, "--out", str(out)]) == 0
    checkpoint = out / "checkpoints" / "last.ckpt"
    assert main(["test", *words, *quiet, "--ckpt_path", str(checkpoint), "--out", str(out)]) == 0
    content = torch.load(checkpoint, weights_only=True)
    assert content["hyper_parameters"]["reads"].pop("levels") == [[T, t] for T in TEMPERATURES for t in TIMES]
    torch.save(content, checkpoint)
    capsys.readouterr()
    assert main(["test", *words, *quiet, "--ckpt_path", str(checkpoint), "--out", str(out)]) == 2
    assert "knows of no probe runs" in capsys.readouterr().err


def test_a_model_that_reads_no_probe_runs_takes_any(tmp_path):
    data = served(write(tmp_path / "data.h5"), ["symmetry"])
    other = served(write(tmp_path / "other.h5", times=(1.0, 2.0, 3.0)), ["symmetry"])
    assert data.described.levels == []
    other.described.use(*data.descriptor_statistics(), data.described.levels)
    assert torch.equal(other.descriptor_statistics()[0], data.descriptor_statistics()[0])
    with pytest.raises(ConfigError, match=r"fitted on 3 descriptors, .*other\.h5 serves"):
        other.described.use(torch.zeros(2, 3), torch.ones(2, 3), [])


def test_networks_keep_their_levels(tmp_path):
    """They hand them over with what they were standardised by."""
    data = served(write(tmp_path / "data.h5"))
    network = GlassMLP(3, data.num_descriptors)
    task = DynamicsTask(network, p=1.0, reads=Reads.of(data))
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    trainer.test(task, datamodule=data, verbose=False)
    with pytest.raises(ConfigError, match="fitted on probe runs"):
        trainer.test(task, datamodule=served(write(tmp_path / "other.h5", times=(1.0, 2.0, 3.0))))


def test_rows_are_read_one_by_one_and_only_what_is_asked_for(tmp_path, monkeypatch):
    path = write(tmp_path / "data.h5")
    whole = property(lambda self: pytest.fail("a whole array was read for one row"))
    read = []
    row = Store.row
    monkeypatch.setattr(Store, "row", lambda self, name, c: read.append((name, c)) or row(self, name, c))
    expected = served(path, ["probe", "cage"], input="inherent").per_particle("descriptors", [2, 3])
    assert expected.isfinite().all()
    assert {name for name, _ in read} == {
        "cage",
        "cage_spread",
        "probe/log_length",
        "probe/mean_displacement",
    }
    assert {c for _, c in read} == {2, 3}
    read.clear()
    data = served(path, ["symmetry"], input="inherent")
    for name in ("probe", "cage", "cage_spread", "propensity"):
        monkeypatch.setattr(Store, name, whole)
    data.per_particle("descriptors", [2, 3])
    assert not read
    again = served(path, ["probe", "cage"], input="inherent").per_particle("descriptors", [2, 3])
    assert torch.equal(again, expected)


@pytest.mark.parametrize("dimension", [2, 3])
def test_rows_of_a_sheared_glass_are_those_of_its_arrays(tmp_path, dimension):
    path = write_shear(tmp_path / "shear.h5", dimension)
    with StoreWriter.resume(path) as writer, Store.open(path) as store:
        shape = store.positions.shape
        generator = np.random.default_rng(0)
        cage = (store.positions + 0.1) % store.box[:, None]
        writer.write_cage(cage, {}, generator.uniform(0.1, 0.2, shape[:2]))
        length = generator.uniform(0.1, 1, (*shape[:2], 2, 3))
        averages = {"length": length, "log_length": np.log(length) - 0.1, "mean_displacement": length / 2}
        writer.write_probe(averages, TEMPERATURES, TIMES, {"replicas": 2})
    view = ShearView(path)
    for c in range(view.num_configurations):
        for name in ("positions", "inherent", "cage", "cage_spread"):
            np.testing.assert_array_equal(view.row(name, c), getattr(view, name)[c])
        np.testing.assert_array_equal(
            view.probe_row("length", c), view.probe["length"][c].reshape(shape[1], -1)
        )
    vector, spread = Inputs(view, "inherent", torch.device("cpu")).short_runs(view.num_configurations - 1)
    assert vector.shape == shape[1:]
    assert spread.shape == shape[1:2]


def test_descriptors_that_are_not_finite_are_refused(tmp_path):
    """The logarithm of a mean displacement of zero."""
    with pytest.raises(DataError, match=r"descriptors of configurations \[0, 1, 2\] are not finite"):
        Ridge().fit([served(write(tmp_path / "data.h5", scale=0.0))], torch.Generator())
