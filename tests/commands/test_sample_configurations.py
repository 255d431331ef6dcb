"""`gensample sample --temperature`: a valid store, the same bits however the work is cut, refusals."""

import json
import shutil

import h5py
import lightning
import numpy as np
import pytest
import torch
import yaml
from equilibrium import COLD, HOT, SIZE, write_equilibrium
from synthetic import write_dataset

from gensample import zoo
from gensample.cli import main
from gensample.data.datamodule import KADataModule
from gensample.data.store import Store
from gensample.generators import configuration
from gensample.reads import Reads
from gensample.release import release
from gensample.sampling.solver import Solver
from gensample.training.configuration import ConfigurationTask
from gensample.training.displacement import DisplacementTask

SMALL = {"width": 8, "vectors": 2, "radial": 6, "lr": 1e-2}


def save(task, data, path):
    """A checkpoint as `gensample fit` leaves it, after one epoch."""
    kind = type(task)
    task.hparams["_class_path"] = f"{kind.__module__}.{kind.__name__}"
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    trainer = lightning.Trainer(max_epochs=1, accelerator="cpu", logger=False, **quiet)
    trainer.fit(task, data)
    trainer.save_checkpoint(path)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A dataset of two temperatures; generators from uniform particles and from its hot liquid."""
    folder = tmp_path_factory.mktemp("configurations")
    data = str(write_equilibrium(folder / "data.h5"))
    for name, base in (("uniform", {}), ("liquid", {"base": data, "base_temperature": HOT})):
        module = KADataModule(
            data, target="configuration", temperatures=[COLD], cutoff=1.5, batch_size=2, **base
        )
        torch.manual_seed(0)
        save(
            ConfigurationTask(reads=Reads.of(module), system=module.system, **SMALL),
            module,
            folder / f"{name}.ckpt",
        )
    fields = KADataModule(str(write_dataset(folder / "fields.h5")), target="displacement", cutoff=1.6)
    tiny = {"width": 8, "vectors": 4, "layers": 1, "conditioner": "none"}
    save(DisplacementTask(reads=Reads.of(fields), **tiny), fields, folder / "displacement.ckpt")
    return folder


@pytest.fixture(autouse=True)
def four_at_a_time(monkeypatch):
    monkeypatch.setattr(configuration, "PARTICLES_PER_CALL", 4 * SIZE)


def sample(folder, model, out, *words, num=6, code=0):
    start = ["--base", str(folder / "data.h5"), "--base-split", "all"] if model == "liquid" else []
    arguments = [str(folder / f"{model}.ckpt"), "--temperature", str(COLD), "--out", str(out), "--steps", "2"]
    assert main(["sample", *arguments, "--num", str(num), *start, *words]) == code


def arrays(path):
    with Store.open(path) as store:
        return {"positions": store.positions, "log_density": store.log_density}


def one_line(capsys):
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.parametrize("model", ["uniform", "liquid"])
def test_writes_a_valid_store(workplace, tmp_path, capsys, model):
    out = tmp_path / "gen.h5"
    sample(workplace, model, out, "--likelihood", "exact", "--seed", "3")
    assert "6 configurations of 40 particles at T = 0.5, 4 function evaluations" in capsys.readouterr().out
    with Store.open(out) as store, Store.open(workplace / "data.h5") as source:
        assert store.positions.shape == (6, SIZE, 2)
        assert np.array_equal(store.species, source.species)
        assert np.allclose(store.box, source.box[0])
        assert (store.positions >= 0).all()
        assert (store.positions < store.box[:, None]).all()
        assert store.temperature.tolist() == [COLD] * 6
        assert np.isfinite(store.log_density).all()
        assert store.log_density.std() > 0
        assert (store.log_density_variance == 0).all()
        assert store.attrs["seed"] == 3
        assert store.attrs["log_density_constant_unknown"] == (model == "liquid")
        assert len(np.unique(store.positions[:, 0, 0])) == 6
    assert main(["info", str(out)]) == 0
    assert "valid" in capsys.readouterr().out.splitlines()[-1]
    assert not list(tmp_path.glob("*.parts"))


def test_in_memory_the_bits_are_those_of_the_command(workplace, tmp_path):
    sample(workplace, "uniform", tmp_path / "gen.h5", "--likelihood", "exact")
    model = zoo.load_model(workplace / "uniform.ckpt")
    drawn = model.sample(COLD, 6, solver=Solver(steps=2), likelihood="exact")
    found = arrays(tmp_path / "gen.h5")
    assert np.array_equal(drawn.positions, found["positions"])
    assert np.array_equal(drawn.store.log_density, found["log_density"])
    assert drawn[0].mixture is not None


def test_liquid_configurations_are_those_of_the_base(workplace, tmp_path):
    """One euler step that the network does not move far: each sample is near one base configuration."""
    sample(workplace, "liquid", tmp_path / "gen.h5", "--method", "euler", "--steps", "1")
    with Store.open(workplace / "data.h5") as source:
        hot = source.positions[source.temperature == HOT]
    edge = (SIZE / 1.2) ** 0.5
    apart = arrays(tmp_path / "gen.h5")["positions"][:, None] - hot
    apart = np.abs(apart - edge * np.round(apart / edge)).mean((2, 3))
    nearest = apart.argmin(1)
    assert len(set(nearest.tolist())) == 6, "drawn without replacement"
    assert (np.sort(apart, 1)[:, 0] < 0.5 * np.sort(apart, 1)[:, 1]).all()


def test_same_seed_same_bits_and_other_seed_others(workplace, tmp_path):
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        sample(workplace, "uniform", tmp_path / f"{name}.h5", "--seed", seed)
    a, b, c = (arrays(tmp_path / f"{name}.h5")["positions"] for name in "abc")
    assert np.array_equal(a, b)
    assert not np.isclose(a, c).any(axis=(1, 2)).all()


@pytest.mark.parametrize("model", ["uniform", "liquid"])
def test_a_sample_does_not_depend_on_how_many_there_are(workplace, tmp_path, model):
    found = {}
    for num in (1, 5, 9):
        sample(workplace, model, tmp_path / f"{num}.h5", "--likelihood", "exact", num=num)
        found[num] = arrays(tmp_path / f"{num}.h5")
    for num in (1, 5):
        for name, array in found[num].items():
            assert np.array_equal(array, found[9][name][:num]), name


def test_a_released_folder_gives_the_bits_of_its_checkpoint(workplace, tmp_path):
    settings = {"model": {"class_path": "gensample.training.configuration.ConfigurationTask"}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
    (tmp_path / "metrics.json").write_text(json.dumps({}))
    files = (tmp_path / "config.yaml", tmp_path / "metrics.json")
    folder = release(workplace / "uniform.ckpt", tmp_path / "released", *files)
    words = ["--temperature", str(COLD), "--num", "2", "--steps", "2", "--out", str(tmp_path / "a.h5")]
    assert main(["sample", str(folder), *words]) == 0
    sample(workplace, "uniform", tmp_path / "b.h5", num=2)
    assert np.array_equal(*(arrays(tmp_path / f"{name}.h5")["positions"] for name in "ab"))


@pytest.mark.parametrize(
    "words", [["--likelihood", "hutchinson"], ["--sweeps", "1"]], ids=["probes", "sweeps"]
)
def test_an_interrupted_sample_goes_on(workplace, tmp_path, monkeypatch, words):
    sample(workplace, "uniform", tmp_path / "whole.h5", *words, num=9)
    draw, chunks = configuration.ConfigurationDrawing.draw, []

    def stop_at_third(self, part, scratch):
        chunks.append(self.parts.index(part))
        if len(chunks) == 3:
            raise KeyboardInterrupt
        return draw(self, part, scratch)

    monkeypatch.setattr(configuration.ConfigurationDrawing, "draw", stop_at_third)
    out = tmp_path / "gen.h5"
    sample(workplace, "uniform", out, *words, num=9, code=130)
    assert not out.exists()
    sample(workplace, "uniform", out, *words, num=9)
    assert chunks == [0, 1, 2, 2]
    found, expected = arrays(out), arrays(tmp_path / "whole.h5")
    assert np.array_equal(found["positions"], expected["positions"])
    if "--sweeps" not in words:
        assert np.array_equal(found["log_density"], expected["log_density"])


def test_parts_and_samples_of_another_request_stay(workplace, tmp_path, monkeypatch, capsys):
    draw = configuration.ConfigurationDrawing.draw

    def stop(self, part, scratch):
        if part != self.parts[0]:
            raise KeyboardInterrupt
        return draw(self, part, scratch)

    out = tmp_path / "gen.h5"
    with monkeypatch.context() as patched:
        patched.setattr(configuration.ConfigurationDrawing, "draw", stop)
        sample(workplace, "uniform", out, code=130)
    capsys.readouterr()
    sample(workplace, "uniform", out, "--seed", "1", code=2)
    assert "other settings" in one_line(capsys)
    sample(workplace, "uniform", out)
    sample(workplace, "uniform", out)
    assert "nothing to do" in capsys.readouterr().out
    sample(workplace, "uniform", out, "--seed", "1", code=2)
    assert "another sample" in one_line(capsys)
    shutil.copy(workplace / "data.h5", out)
    sample(workplace, "uniform", out, code=2)
    assert "remove it" in one_line(capsys)


def test_hutchinson_and_exact_agree_within_the_stated_variance(workplace, tmp_path):
    stores = {}
    for kind in ("exact", "hutchinson"):
        words = ["--likelihood", kind, "--probes", "16", "--steps", "1"]
        sample(workplace, "uniform", tmp_path / f"{kind}.h5", *words, num=40)
        stores[kind] = Store.open(tmp_path / f"{kind}.h5")
    exact, estimate = stores["exact"], stores["hutchinson"]
    np.testing.assert_allclose(exact.positions, estimate.positions, atol=1e-4)
    variance = estimate.log_density_variance
    assert (variance > 1e-4).all()
    z = (estimate.log_density - exact.log_density) / np.sqrt(variance)
    assert abs(z.mean()) < 4 / np.sqrt(40)
    assert 0.7 < z.std() < 1.5
    # Far less than the change of density along the flow: the agreement says something.
    change = exact.log_density + SIZE * np.log(SIZE / 1.2)
    assert np.square(change).mean() > 25 * variance.mean()


@pytest.mark.parametrize(("correction", "sweeps"), [("metropolis", 3), ("langevin", 200)])
def test_sweeps_lower_the_energy_and_leave_no_density(workplace, tmp_path, correction, sweeps):
    words = ["--sweeps", str(sweeps), "--correction", correction]
    sample(workplace, "uniform", tmp_path / "gen.h5", num=2)
    sample(workplace, "uniform", tmp_path / "corrected.h5", *words, num=2)
    found = {}
    for name in ("gen", "corrected"):
        assert main(["info", str(tmp_path / f"{name}.h5"), "--json"]) == 0
        with Store.open(tmp_path / f"{name}.h5") as store:
            found[name] = sample_energy(store)
            assert store.log_density is None
    assert (found["corrected"] < found["gen"]).all()
    with Store.open(tmp_path / "corrected.h5") as store:
        assert 0 < store.attrs["acceptance"] < 1
        assert json.loads(store.attrs["request"])["correction"] == correction


def test_shards_give_the_same_bits_and_the_last_writes(workplace, tmp_path, capsys):
    """A job array: more of them than parts, in any order."""
    sample(workplace, "liquid", tmp_path / "whole.h5", "--sweeps", "2", num=9)
    for k in (3, 0, 2, 1):
        assert not (tmp_path / "array.h5").exists()
        sample(workplace, "liquid", tmp_path / "array.h5", "--sweeps", "2", "--shard", f"{k}/4", num=9)
    assert "shard 2/4 done; 1 units of others are missing" in capsys.readouterr().out
    assert np.array_equal(*(arrays(tmp_path / f"{name}.h5")["positions"] for name in ("whole", "array")))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["array.h5", "whole.h5"]


@pytest.mark.parametrize("words", [["--likelihood", "hutchinson"], ["--sweeps", "3"]], ids=" ".join)
def test_every_call_has_noise_of_its_own(workplace, tmp_path, monkeypatch, words):
    begin = configuration.ConfigurationDrawing.start
    monkeypatch.setattr(configuration.ConfigurationDrawing, "start", lambda self, chunk: begin(self, 0))
    sample(workplace, "uniform", tmp_path / "a.h5", *words, num=8)
    drawn = arrays(tmp_path / "a.h5")
    name = "positions" if "--sweeps" in words else "log_density"
    assert not np.isclose(drawn[name][:4], drawn[name][4:]).all()
    if "--sweeps" not in words:  # the same starts go to the same places
        assert np.allclose(drawn["positions"][:4], drawn["positions"][4:])


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--temperature", "0.45", "--replicas", "4"], "--replicas"),
        (["--data", "ka2d-mini", "--sweeps", "5"], "--sweeps"),
        (["--data", "ka2d-mini", "--base-split", "val"], "--base-split"),
    ],
)
def test_options_of_the_other_kind_of_sample_are_refused(workplace, tmp_path, capsys, words, named):
    out = tmp_path / "a.h5"
    assert main(["sample", str(workplace / "uniform.ckpt"), "--out", str(out), *words]) == 2
    assert f"{named} is of samples of" in one_line(capsys)
    assert list(tmp_path.iterdir()) == []


def sample_energy(store):
    from gensample.physics.mixtures import get_mixture
    from gensample.physics.potentials import energy

    x, species, box = (torch.from_numpy(a) for a in (store.positions, store.species.astype(int), store.box))
    return energy(x, species, box, get_mixture("ka2d")).mean(1).numpy()


def test_temperatures_that_were_not_trained_are_refused_unless_forced(workplace, tmp_path, capsys, caplog):
    cold = ["--temperature", str(0.5 * COLD)]
    sample(workplace, "uniform", tmp_path / "cold.h5", *cold, code=2)
    assert "outside the domain" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert not caplog.records
    sample(workplace, "uniform", tmp_path / "cold.h5", *cold, "--force")
    assert "outside the domain" in caplog.text
    with Store.open(tmp_path / "cold.h5") as store:
        assert f"temperature {0.5 * COLD:g}" in store.attrs["outside_domain"]
    sample(workplace, "uniform", tmp_path / "gen.h5")
    with Store.open(tmp_path / "gen.h5") as store:
        assert "outside_domain" not in store.attrs


def test_another_number_of_particles(workplace, tmp_path, capsys):
    sample(workplace, "uniform", tmp_path / "gen.h5", "--particles", "60", num=3)
    with Store.open(tmp_path / "gen.h5") as store:
        assert store.num_particles == 60
        assert np.allclose(store.box, (60 / 1.2) ** 0.5)
        assert np.bincount(store.species).tolist() == [39, 21]
    sample(workplace, "uniform", tmp_path / "small.h5", "--particles", "10", code=2)
    assert "half the shortest box edge" in capsys.readouterr().err


REFUSED = [
    ("uniform", ["--data", "data.h5"], "or --temperature T"),
    ("uniform", ["--base", "data.h5"], "drop --base"),
    ("uniform", ["--sweeps", "1", "--likelihood", "exact"], "drop --sweeps or --likelihood"),
    ("uniform", ["--likelihood", "magic"], "none, exact, hutchinson"),
    ("uniform", ["--method", "magic"], "midpoint"),
    ("uniform", ["--grid", "magic"], "cosine"),
    ("uniform", ["--steps", "0"], "--steps must be a whole number from 1"),
    ("uniform", ["--num", "0"], "--num must be a whole number from 1"),
    ("uniform", ["--temperature", "-1"], "--temperature must be positive"),
    ("uniform", ["--temperature", "nan"], "--temperature must be positive"),
    ("uniform", ["--correction", "magic"], "metropolis, langevin"),
    ("uniform", ["--sweeps", "-1"], "--sweeps must be a whole number from 0"),
    ("liquid", ["--num", "19"], "has 9 configurations at T = 1 in all; 19 were asked for"),
    ("liquid", ["--base-split", "nothing"], "no split 'nothing'"),
    ("liquid", ["--base", "fields.h5"], "no temperature 1"),
    ("liquid", ["--particles", "60"], "40 particles"),
    ("displacement", [], "draws no configurations: give --data"),
]


@pytest.mark.parametrize(("model", "words", "text"), REFUSED, ids=lambda x: " ".join(x) if x else None)
def test_bad_requests_are_one_line_and_leave_nothing(
    workplace, tmp_path, monkeypatch, capsys, model, words, text
):
    monkeypatch.chdir(workplace)
    sample(workplace, model, tmp_path / "gen.h5", *words, code=2)
    assert text in one_line(capsys)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("model", "words", "text"),
    [
        ("liquid", ["--temperature", "0.5"], "give --base DATA.h5 with configurations at T = 1.0"),
        ("uniform", ["--data", "fields.h5"], "draws no displacement fields"),
        ("uniform", [], "give --data DATA.h5"),
    ],
)
def test_what_to_draw_is_said_once(workplace, tmp_path, monkeypatch, capsys, model, words, text):
    monkeypatch.chdir(workplace)
    assert main(["sample", f"{model}.ckpt", *words, "--out", str(tmp_path / "gen.h5")]) == 2
    assert text in one_line(capsys)
    assert list(tmp_path.iterdir()) == []


def test_a_model_trained_again_is_another_model(workplace, tmp_path, capsys):
    model, out = tmp_path / "uniform.ckpt", tmp_path / "gen.h5"
    shutil.copy(workplace / "uniform.ckpt", model)
    shutil.copy(workplace / "data.h5", tmp_path / "data.h5")
    sample(tmp_path, "uniform", out)
    checkpoint = torch.load(model, weights_only=True)
    name = next(name for name, x in checkpoint["state_dict"].items() if x.is_floating_point())
    checkpoint["state_dict"][name] += 1
    torch.save(checkpoint, model)
    capsys.readouterr()
    sample(tmp_path, "uniform", out, code=2)
    assert "other weights" in one_line(capsys)
    with h5py.File(out, "r+") as file:  # as files were written before weights were recorded
        request = json.loads(file.attrs["request"])
        del request["weights"]
        file.attrs["request"] = json.dumps(request)
    sample(tmp_path, "uniform", out)
    assert "nothing to do" in capsys.readouterr().out
