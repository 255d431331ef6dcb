"""`gensample sample`: the same bits however the work is cut, resumption, refusals."""

import json
import shutil

import h5py
import lightning
import numpy as np
import pytest
import torch

from gensample import zoo
from gensample.cli import main
from gensample.data.datamodule import KADataModule
from gensample.data.dataset import open_dataset
from gensample.data.store import Store
from gensample.errors import ConfigError
from gensample.generators.drawing import FieldDrawing
from gensample.reads import Reads
from gensample.sampling.solver import Solver
from gensample.training.displacement import DisplacementTask
from tests.synthetic import write_dataset


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A dataset and the checkpoint of a generator that saw two steps of it."""
    folder = tmp_path_factory.mktemp("sample")
    data = write_dataset(folder / "data.h5")
    module = KADataModule(str(data), target="displacement", cutoff=1.6, fields=3)
    task = DisplacementTask(
        reads=Reads.of(module),
        width=8,
        vectors=4,
        layers=2,
        conditioner_layers=1,
        lr=1e-2,
        prior="elastic",
    )
    task.hparams["_class_path"] = "gensample.training.displacement.DisplacementTask"
    trainer = lightning.Trainer(
        max_epochs=2, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    trainer.fit(task, module)
    trainer.save_checkpoint(folder / "model.ckpt")
    return folder


def sample(folder, out, *words, code=0):
    arguments = [
        str(folder / "model.ckpt"),
        "--data",
        str(folder / "data.h5"),
        "--out",
        str(out),
        "--steps",
        "2",
    ]
    assert main(["sample", *arguments, "--replicas", "10", "--split", "val", *words]) == code


def fields(path):
    with Store.open(path) as store:
        return np.stack([store.displacements(c) for c in range(store.num_configurations)])


def test_writes_a_complete_ensemble(workplace, tmp_path, capsys):
    out = tmp_path / "gen.h5"
    sample(workplace, out)
    assert "4 function evaluations" in capsys.readouterr().out
    with Store.open(out) as store, Store.open(workplace / "data.h5") as source:
        assert store.done.all()
        assert store.done.shape == (2, 10)
        assert store.source_configuration.tolist() == [3, 4]
        assert np.array_equal(store.positions, source.positions[[3, 4]])
        assert np.array_equal(store.times, source.times)
        assert store.attrs["seed"] == 0
        assert store.attrs["nfe"] == 4
    assert np.abs(fields(out).mean(3)).max() < 1e-5
    assert not list(tmp_path.glob("*.parts"))


def test_in_memory_the_bits_are_those_of_the_command(workplace, tmp_path):
    """Of a view, and of a configuration as numpy arrays; nothing is left behind."""
    sample(workplace, tmp_path / "gen.h5")
    model, val = zoo.load_model(workplace / "model.ckpt"), open_dataset(workplace / "data.h5")["val"]
    drawn = model.sample(val, replicas=10, solver=Solver(steps=2))
    assert np.array_equal(drawn.displacements, fields(tmp_path / "gen.h5"))
    assert drawn.store.attrs["nfe"] == 4
    assert np.array_equal(
        model.sample(val[[1]], 3, solver=Solver(steps=2)).displacements[0], fields(tmp_path / "gen.h5")[1, :3]
    )
    one = model.sample(val[0], 3)
    assert one.displacements.shape == (1, 3, 3, 40, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["gen.h5"]
    with pytest.raises(ConfigError, match="--replicas"):
        model.sample(val, replicas=0)


def test_propensities_are_read_without_a_draw(workplace):
    model, data = zoo.load_model(workplace / "model.ckpt"), open_dataset(workplace / "data.h5")
    found = model.propensity(data["val"])
    assert found.shape == (2, 40, 3)
    assert np.array_equal(model.propensity(data, split="val"), found)
    np.testing.assert_allclose(model.propensity(data[3])[0], found[0], rtol=1e-5)


def test_same_seed_same_bits_and_other_seed_other_fields(workplace, tmp_path):
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        sample(workplace, tmp_path / f"{name}.h5", "--seed", seed)
    a, b, c = (fields(tmp_path / f"{name}.h5") for name in "abc")
    assert np.array_equal(a, b)
    assert not np.allclose(a, c)


def test_shards_and_fewer_replicas_give_the_same_bits(workplace, tmp_path):
    sample(workplace, tmp_path / "whole.h5")
    for shard in ("1/3", "0/3", "2/3"):
        assert not (tmp_path / "parts.h5").exists()
        sample(workplace, tmp_path / "parts.h5", "--shard", shard)
    whole = fields(tmp_path / "whole.h5")
    assert np.array_equal(whole, fields(tmp_path / "parts.h5"))
    sample(workplace, tmp_path / "few.h5", "--replicas", "3")
    assert np.array_equal(whole[:, :3], fields(tmp_path / "few.h5"))


def test_a_chain_has_the_same_bits_however_it_is_cut(workplace, tmp_path, capsys):
    chain = ["--lag", "1", "--chain", "2", "--replicas"]
    sample(workplace, tmp_path / "whole.h5", *chain, "9")
    err = capsys.readouterr().err
    assert "step 1 of 2, t = 1: 9 replicas of 2 configurations" in err
    assert "step 2 of 2, t = 2" in err
    for shard in ("1/2", "0/2"):
        sample(workplace, tmp_path / "parts.h5", *chain, "9", "--shard", shard)
    sample(workplace, tmp_path / "few.h5", *chain, "2")
    whole = fields(tmp_path / "whole.h5")
    assert whole.shape == (2, 9, 2, 40, 2)
    assert np.array_equal(whole, fields(tmp_path / "parts.h5"))
    assert np.array_equal(whole[:, :2], fields(tmp_path / "few.h5"))
    sample(workplace, tmp_path / "usual.h5", "--replicas", "9")
    assert np.array_equal(whole[:, :, 0], fields(tmp_path / "usual.h5")[:, :, 0])
    # Fields of a step depend on where each replica is, and on noise of its own.
    steps = whole[:, :, 1] - whole[:, :, 0]
    assert len(np.unique(steps.reshape(18, -1).round(5), axis=0)) == 18
    sample(workplace, tmp_path / "no.h5", "--chain", "2", code=2)
    assert "--lag must be one of the lag times" in capsys.readouterr().err


def test_an_interrupted_sample_goes_on(workplace, tmp_path, monkeypatch):
    sample(workplace, tmp_path / "whole.h5")
    draw, count = FieldDrawing.draw, []

    def stop_at_third(self, *given):
        count.append(given)
        if len(count) == 3:
            raise KeyboardInterrupt
        return draw(self, *given)

    monkeypatch.setattr(FieldDrawing, "draw", stop_at_third)
    out = tmp_path / "gen.h5"
    sample(workplace, out, code=130)
    assert not out.exists()
    count.append("and go on")
    sample(workplace, out)
    assert len(count) == 3 + 1 + 2, "two units were done before, four are needed"
    assert np.array_equal(fields(tmp_path / "whole.h5"), fields(out))


def test_replicas_differ(workplace, tmp_path):
    sample(workplace, tmp_path / "gen.h5")
    u = fields(tmp_path / "gen.h5")
    flat = u.reshape(u.shape[0], u.shape[1], -1)
    correlation = np.corrcoef(flat[0])
    assert np.abs(correlation - np.eye(len(correlation))).max() < 0.9


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--shard", "3/3"], "i from 0 to n - 1"),
        (["--shard", "half"], "i/n"),
        (["--replicas", "0"], "--replicas must be a whole number from 1"),
        (["--method", "Midpoint"], "did you mean midpoint?"),
        (["--split", "nothing"], "split"),
    ],
)
def test_bad_requests_are_one_line_and_leave_nothing(workplace, tmp_path, capsys, words, text):
    out = tmp_path / "gen.h5"
    sample(workplace, out, *words, code=2)
    assert text in capsys.readouterr().err
    assert not out.exists()


def test_another_ensemble_is_not_overwritten(workplace, tmp_path, capsys):
    out = tmp_path / "gen.h5"
    shutil.copy(workplace / "data.h5", out)
    sample(workplace, out, code=2)
    assert "remove it" in capsys.readouterr().err


def test_a_model_of_another_dimension_is_refused(workplace, tmp_path, capsys):
    other = write_dataset(tmp_path / "other.h5", dimension=3)
    arguments = [str(workplace / "model.ckpt"), "--data", str(other), "--out", str(tmp_path / "gen.h5")]
    assert main(["sample", *arguments]) == 2
    assert "trained on" in capsys.readouterr().err


def test_data_outside_the_domain_are_refused_unless_forced(workplace, tmp_path, capsys):
    shutil.copy(workplace / "data.h5", tmp_path / "hot.h5")
    with h5py.File(tmp_path / "hot.h5", "r+") as file:
        file.attrs["temperature"] = 1.0
    words = ["--data", str(tmp_path / "hot.h5")]
    sample(workplace, tmp_path / "gen.h5", *words, code=2)
    assert "temperature 1, trained on 0.45" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["hot.h5"]
    sample(workplace, tmp_path / "gen.h5", *words, "--force")
    with Store.open(tmp_path / "gen.h5") as store:
        assert store.attrs["outside_domain"] == "temperature 1, trained on 0.45"


def test_a_model_without_a_domain_says_that_nothing_was_checked(workplace, tmp_path, caplog):
    checkpoint = torch.load(workplace / "model.ckpt", weights_only=True)
    checkpoint["hyper_parameters"]["reads"]["domain"] = {}
    torch.save(checkpoint, tmp_path / "model.ckpt")
    shutil.copy(workplace / "data.h5", tmp_path / "data.h5")
    sample(tmp_path, tmp_path / "gen.h5")
    assert "was not checked" in caplog.text


def test_a_sample_knows_its_data_by_content(workplace, tmp_path, capsys, monkeypatch):
    """Stopped after one configuration, it does not go on with other positions under the same name."""
    folder, out = tmp_path / "workplace", tmp_path / "gen.h5"
    shutil.copytree(workplace, folder)
    with monkeypatch.context() as patched:
        draw, drawn = FieldDrawing.draw, []

        def stop_at_second(self, *given):
            if drawn:
                raise KeyboardInterrupt
            drawn.append(given)
            return draw(self, *given)

        patched.setattr(FieldDrawing, "draw", stop_at_second)
        sample(folder, out, code=130)
    (folder / "data.h5").unlink()
    write_dataset(folder / "data.h5", seed=1)
    sample(folder, out, code=2)
    assert "other settings" in capsys.readouterr().err
    assert not out.exists()
    (folder / "data.h5").unlink()
    shutil.copy(workplace / "data.h5", folder / "data.h5")
    sample(folder, out)
    sample(folder, out)
    assert "nothing to do" in capsys.readouterr().out
    (folder / "data.h5").unlink()
    write_dataset(folder / "data.h5", seed=1)
    sample(folder, out, code=2)
    assert "other data" in capsys.readouterr().err


def test_older_samples_do_not_say_which_data(workplace, tmp_path, capsys):
    out = tmp_path / "gen.h5"
    sample(workplace, out)
    with h5py.File(out, "r+") as file:
        request = json.loads(file.attrs["request"])
        del request["content"]
        file.attrs["request"] = json.dumps(request)
    sample(workplace, out)
    assert "nothing to do" in capsys.readouterr().out


def test_a_mistyped_option_leaves_nothing_behind(workplace, tmp_path, capsys):
    out = tmp_path / "gen.h5"
    sample(workplace, out, "--method", "Midpoint", code=2)
    sample(workplace, out, "--split", "tset", code=2)
    assert list(tmp_path.iterdir()) == []


def test_the_data_are_never_the_output(workplace, tmp_path, capsys):
    data = tmp_path / "data.h5"
    shutil.copy(workplace / "data.h5", data)
    before = data.read_bytes()
    words = [str(workplace / "model.ckpt"), "--data", str(data)]
    assert main(["sample", *words, "--out", str(data)]) == 2
    (tmp_path / "link.h5").symlink_to(data)
    assert main(["sample", *words, "--out", str(tmp_path / "link.h5")]) == 2
    assert data.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.h5", "link.h5"]
