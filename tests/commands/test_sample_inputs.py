"""Models that read inherent structures or cage positions, on datasets that have them and that do not."""

import lightning
import numpy as np
import pytest
import yaml
from lattices import WIDE, write_lattices

from gensample.cli import main
from gensample.data import positions as inputs
from gensample.data.datamodule import KADataModule
from gensample.data.dataset import open_dataset
from gensample.data.store import Store, StoreWriter
from gensample.reads import Reads
from gensample.simulate.quench import quench
from gensample.training.displacement import DisplacementTask
from gensample.zoo import load_model, load_predictor

TINY = {"width": 8, "vectors": 4, "layers": 1, "conditioner_layers": 1, "conditioner": "equivariant"}


# Reached in a fraction of the steps that the default takes.
TOLERANCE = 1e-3


@pytest.fixture(autouse=True)
def coarse(monkeypatch):
    monkeypatch.setattr(inputs, "TOLERANCE", TOLERANCE)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """Raw data, the same quenched by torch, and a generator for each input."""
    folder = tmp_path_factory.mktemp("inputs")
    write_lattices(folder / "raw.h5", cage=True)
    quench(folder / "raw.h5", folder / "quenched.h5", engine="torch", tolerance=TOLERANCE)
    for source in ("inherent", "cage"):
        module = KADataModule(
            str(folder / "quenched.h5"), target="displacement", input=source, cutoff=1.6, fields=2
        )
        task = DisplacementTask(reads=Reads.of(module), lr=1e-2, **TINY)
        task.hparams["_class_path"] = "gensample.training.displacement.DisplacementTask"
        quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        trainer = lightning.Trainer(max_epochs=1, accelerator="cpu", enable_model_summary=False, **quiet)
        trainer.fit(task, module)
        trainer.save_checkpoint(folder / f"{source}.ckpt")
    return folder


def sample(workplace, source, data, out, *words, code=0):
    arguments = [str(workplace / f"{source}.ckpt"), "--data", str(workplace / data), "--out", str(out)]
    options = ["--steps", "1", "--replicas", "2", "--split", "all", *words]
    assert main(["sample", *arguments, *options]) == code


def fields(path):
    with Store.open(path) as store:
        return np.stack([store.displacements(c) for c in range(store.num_configurations)])


def test_a_raw_dataset_gives_the_sample_of_a_quenched_one(workplace, tmp_path, caplog):
    """The same bits, whole or in shards; what made the input is in the output; the data stay as they are."""
    before = (workplace / "raw.h5").read_bytes()
    sample(workplace, "inherent", "quenched.h5", tmp_path / "quenched.h5")
    assert not caplog.records
    sample(workplace, "inherent", "raw.h5", tmp_path / "raw.h5")
    assert [record.message for record in caplog.records if "found in memory" in record.message]
    for shard in ("0/2", "1/2"):
        sample(workplace, "inherent", "raw.h5", tmp_path / "parts.h5", "--shard", shard)
    reference = fields(tmp_path / "quenched.h5")
    assert np.array_equal(fields(tmp_path / "raw.h5"), reference)
    assert np.array_equal(fields(tmp_path / "parts.h5"), reference)
    assert (workplace / "raw.h5").read_bytes() == before
    for name in ("raw.h5", "parts.h5"):
        with Store.open(tmp_path / name) as store, Store.open(workplace / "quenched.h5") as source:
            assert np.array_equal(store.inherent, source.inherent)
            attrs = store.inherent_attrs
            assert attrs["minimiser"] == "gensample FIRE 2.0"
            assert attrs["tolerance"] == TOLERANCE
            assert attrs["residual"].shape == (4,)
            assert store.attrs["input"] == "inherent"


def test_what_the_dataset_has_is_carried_along(workplace, tmp_path):
    sample(workplace, "cage", "quenched.h5", tmp_path / "gen.h5", "--split", "train")
    with Store.open(tmp_path / "gen.h5") as store, Store.open(workplace / "quenched.h5") as source:
        assert np.array_equal(store.cage, source.cage[:2])
        assert np.array_equal(store.inherent, source.inherent[:2])
        assert np.array_equal(store.inherent_energy, source.inherent_energy[:2])
        assert store.cage_attrs["standard_error"].tolist() == [0.0, 0.01]
        assert store.cage_attrs["time"] == 5.0
        assert store.attrs["input"] == "cage"
    assert main(["info", str(tmp_path / "gen.h5")]) == 0


def test_cage_input_depends_on_cage_positions(workplace, tmp_path):
    sample(workplace, "cage", "raw.h5", tmp_path / "gen.h5")
    other = write_lattices(tmp_path / "other.h5", cage=True)
    with Store.open(other) as store:
        moved = (store.cage + np.linspace(0, 0.4, store.num_particles)[:, None]) % store.box[:, None]
    with StoreWriter.resume(other) as writer:
        writer.write_cage(moved, {})
    sample(workplace, "cage", other, tmp_path / "moved.h5")
    assert not np.allclose(fields(tmp_path / "gen.h5"), fields(tmp_path / "moved.h5"))


def test_absent_cage_positions_are_one_line(workplace, tmp_path, capsys):
    bare = write_lattices(tmp_path / "bare.h5", count=1, split=["test"])
    sample(workplace, "cage", bare, tmp_path / "gen.h5", code=2)
    (line,) = capsys.readouterr().err.splitlines()
    assert f"gensample cage {bare}" in line
    assert [path.name for path in tmp_path.iterdir()] == ["bare.h5"]


def test_predicted_propensities_are_those_of_the_quenched_data(workplace):
    predictor = load_predictor(workplace / "inherent.ckpt")
    raw, quenched = (
        predictor.propensity(open_dataset(workplace / name)[[3, 1]]) for name in ("raw.h5", "quenched.h5")
    )
    assert np.array_equal(raw, quenched)


def test_training_and_evaluation_quench_on_the_way(workplace, tmp_path, caplog):
    config = tmp_path / "config.yaml"
    config.write_text(
        f"""
model:
  class_path: gensample.training.displacement.DisplacementTask
  init_args: {{width: 8, vectors: 4, layers: 1, conditioner_layers: 1}}
data:
  class_path: gensample.data.datamodule.KADataModule
  init_args: {{dataset: {workplace}/raw.h5, target: displacement, input: inherent, cutoff: 1.6}}
trainer: {{max_epochs: 1, accelerator: cpu, enable_progress_bar: false, enable_model_summary: false}}
"""
    )
    run = ["--config", str(config), "--out", str(tmp_path / "run")]
    assert main(["fit", *run]) == 0
    checkpoint = str(tmp_path / "run" / "checkpoints" / "last.ckpt")
    assert main(["validate", *run, "--ckpt_path", checkpoint]) == 0
    assert sum("found in memory" in record.message for record in caplog.records) == 2


def test_a_generator_reads_the_descriptors_it_was_fitted_with(tmp_path):
    """The sets named under data go to the model, its checkpoint, and what samples from it."""
    data, sets = tmp_path / "wide.h5", ["mechanics", "glassmlp"]
    write_lattices(data, particles=WIDE)
    settings = {
        "seed_everything": 0,
        "model": {"class_path": "gensample.training.displacement.DisplacementTask"},
        "data": {"class_path": "gensample.data.datamodule.KADataModule"},
        "trainer": {"max_epochs": 1, "accelerator": "cpu", "enable_progress_bar": False},
    }
    settings["model"]["init_args"] = TINY | {"linear": "within"}
    served = {"dataset": str(data), "target": "displacement", "input": "inherent", "cutoff": 1.6}
    settings["data"]["init_args"] = served | {"descriptors": sets}
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(settings))
    assert main(["fit", "--config", str(config), "--out", str(tmp_path / "run")]) == 0
    checkpoint = str(tmp_path / "run/checkpoints/last.ckpt")
    model = load_model(checkpoint)
    assert model.reads.descriptors == tuple(sets)
    assert model.conditioner.linear.abs().max() > 0
    out = tmp_path / "out.h5"
    words = ["--data", str(data), "--out", str(out), "--steps", "1", "--replicas", "1", "--split", "test"]
    assert main(["sample", checkpoint, *words]) == 0
    assert load_predictor(checkpoint).propensity(open_dataset(data)[[3]]).shape == (1, WIDE, 2)
    assert load_model("ka2d-mini-flow").reads.descriptors == ("invariants",)
