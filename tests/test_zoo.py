import json
import pickle

import pytest
import torch
import yaml
from fakes import fakes  # noqa: F401
from safetensors.torch import load_file, save_file

from gensample import zoo
from gensample.checksums import SUMS, write_sums
from gensample.cli import main
from gensample.errors import ConfigError, DataError
from gensample.release import keep_generator, release, with_header

EMA = {
    "class_path": "lightning.pytorch.callbacks.EMAWeightAveraging",
    "init_args": {"decay": 0.5, "use_buffers": False},
}


@pytest.fixture
def run(fakes, tmp_path, monkeypatch):  # noqa: F811
    """A fitted toy model with averaged weights: the folder of its run."""
    monkeypatch.chdir(tmp_path)
    settings = {
        "model": {"class_path": "gensample.fakes.FakeTask", "init_args": {"width": 3}},
        "data": {"class_path": "gensample.fakes.FakeData"},
        "trainer": {
            "accelerator": "cpu",
            "max_epochs": 2,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "callbacks": [EMA],
        },
    }
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(settings))
    assert main(["fit", "--config", "toy.yaml", "--out", "run"]) == 0
    (tmp_path / "metrics.json").write_text('{"meta": {}}')
    return tmp_path / "run"


@pytest.fixture
def released(run, tmp_path, monkeypatch):
    """The same model released under the name `toy` in a root of its own."""
    monkeypatch.setattr(zoo, "ROOTS", (tmp_path / "models",))
    checkpoint = run / "checkpoints" / "last.ckpt"
    return release(checkpoint, tmp_path / "models" / "toy", metrics=tmp_path / "metrics.json")


def test_release_writes_the_four_files_and_their_checksums(released):
    assert sorted(file.name for file in released.iterdir()) == [
        "README.md",
        "SHA256SUMS",
        "config.yaml",
        "metrics.json",
        "weights.safetensors",
    ]
    assert [folder.name for folder in released.parent.iterdir()] == ["toy"]
    assert zoo.load_metrics("toy") == {"meta": {}}
    assert zoo.names() == ["toy"]


def test_released_weights_are_the_averaged_ones(run, released):
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    current, averaged = checkpoint["current_model_state"], checkpoint["state_dict"]
    assert not torch.equal(current["linear.weight"], averaged["linear.weight"])
    assert torch.equal(
        load_file(released / "weights.safetensors")["linear.weight"], averaged["linear.weight"]
    )


def test_name_folder_and_checkpoint_give_the_same_model(run, released, fakes):  # noqa: F811
    checkpoint = run / "checkpoints" / "last.ckpt"
    x = torch.ones(2, 1)
    outputs = [zoo.load_model(source).linear(x) for source in ("toy", str(released), released, checkpoint)]
    outputs.append(fakes.FakeTask.load_from_checkpoint(checkpoint, weights_only=True).eval().linear(x))
    assert all(torch.equal(outputs[0], other) for other in outputs[1:])


def test_models_come_ready_for_evaluation(released):
    model = zoo.load_model("toy")
    assert model.width == 3
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_a_second_release_keeps_the_words_of_the_card_and_renews_its_numbers(run, released, tmp_path):
    (released / "README.md").write_text("---\nlicense: mit\nmodel-index: []\n---\n\nby hand\n")
    lag = {"time": 1.0, "species": {"A": {"pearson": {"value": 0.5}}}}
    found = {"lags": [lag], "fit": {"data": "mini"}}
    (tmp_path / "metrics.json").write_text(json.dumps(found))
    release(run / "checkpoints" / "last.ckpt", released, metrics=tmp_path / "metrics.json")
    _, header, words = (released / "README.md").read_text().split("---\n")
    header = yaml.safe_load(header)
    assert words == "\nby hand\n"
    assert header["license"] == "mit"
    (score,) = header["model-index"][0]["results"][0]["metrics"]
    assert score == {"type": "pearsonr", "name": "Pearson, species A, t = 1", "value": 0.5}


@pytest.mark.parametrize("name", ["config.yaml", "metrics.json", "weights.safetensors"])
def test_a_tampered_file_is_refused(released, name):
    zoo.load_model("toy")
    content = (released / name).read_bytes()
    (released / name).write_bytes(content.replace(b"e", b"E", 1))
    with pytest.raises(DataError, match=f"{name} is not the file that SHA256SUMS"):
        zoo.load_model("toy")
    (released / name).unlink()
    with pytest.raises((DataError, ConfigError), match=name):
        zoo.load_model(released)


def test_a_file_that_the_checksums_leave_out_is_refused(released):
    lines = (released / SUMS).read_text().splitlines(keepends=True)
    (released / SUMS).write_text("".join(line for line in lines if "weights" not in line))
    with pytest.raises(DataError, match=r"weights\.safetensors is not the file"):
        zoo.load_model("toy")
    (released / SUMS).write_text("sums of another kind\n")
    with pytest.raises(DataError, match="SHA256SUMS is damaged"):
        zoo.load_model("toy")


def test_a_generator_is_released_with_its_fit_and_what_compare_gave(run, tmp_path):
    block = {"class_path": "gensample.generators.heated.Heated", "init_args": {"lag_time": [1.0]}}
    block["init_args"] |= {"stages": [[[0.6, 2.0], [None, 3.0]]]}
    keep_generator(tmp_path / "found", block, {"fit": {"lags": {}}}, "a card\n")
    assert main(["release", "found", "--metrics", "metrics.json", "--out", "models/h"]) == 0
    assert zoo.load_metrics("models/h") == {"meta": {}, "fit": {"lags": {}}}
    assert zoo.load_model("models/h").recipes[0][0].temperature == 0.6
    assert (tmp_path / "models" / "h" / "README.md").read_text().endswith("---\n\na card\n")


def test_release_from_the_shell(run, tmp_path, capsys):
    words = ["release", "run/checkpoints/last.ckpt"]
    assert main([*words, "--metrics", "metrics.json", "--license", "mit", "--out", "models/b"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[-2].startswith("models/b: fill in models/b/README.md (")
    assert told[-1] == "next: hf upload OWNER/b models/b, and load it as OWNER/b"
    assert "license: mit\n" in (tmp_path / "models" / "b" / "README.md").read_text()
    for bad, text in ((["--metrics", "nope.json"], "nope.json"), ([], "say which by --metrics")):
        assert main([*words, *bad, "--out", "models/c"]) == 2
        assert text in capsys.readouterr().err
        assert not (tmp_path / "models" / "c").exists()


def test_a_tested_run_needs_no_more_words(run, tmp_path):
    words = ["--config", "run/config.yaml", "--ckpt_path", "run/checkpoints/last.ckpt"]
    assert main(["test", *words]) == 0
    assert main(["release", "run/checkpoints/last.ckpt", "--out", "models/tested"]) == 0
    assert list(zoo.load_metrics("models/tested")["test"]) == ["epoch", "step", "test/loss"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tot", "did you mean toy"),
        ("ka9d", "released are toy"),
        ("run", "its checkpoint is"),
        ("models", "lacks"),
    ],
)
def test_what_is_no_model_is_explained(released, name, text):
    with pytest.raises(ConfigError, match=text):
        zoo.resolve(name)


def edit(folder, **init_args):
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["model"]["init_args"].update(init_args)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    write_sums(folder, zoo.FILES)


def test_unknown_arguments_are_explained(released):
    edit(released, colour="red")
    with pytest.raises(ConfigError, match="colour"):
        zoo.load_model("toy")


def test_weights_of_another_shape_are_refused(released):
    edit(released, width=4)
    with pytest.raises(DataError, match="do not fit"):
        zoo.load_model("toy")


def test_missing_weights_are_refused(released):
    weights = load_file(released / "weights.safetensors")
    save_file({"linear.weight": weights["linear.weight"]}, released / "weights.safetensors")
    write_sums(released, zoo.FILES)
    with pytest.raises(DataError, match=r"linear\.bias"):
        zoo.load_model("toy")


def test_truncated_weights_are_refused(released):
    content = (released / "weights.safetensors").read_bytes()
    (released / "weights.safetensors").write_bytes(content[:-4])
    write_sums(released, zoo.FILES)
    with pytest.raises(DataError, match=r"weights.safetensors is not a safetensors file"):
        zoo.load_model("toy")


OUTSIDE = [
    *("os.system", "torch.nn.Linear", "gensampleX.Y", "system", "gensample.zoo.load_model", 3),
    # Of ours, but they start programs, read files, or are not what a model is made of.
    *(
        "gensample.simulate.lammps.engine.Engine",
        "gensample.training.cli.GensampleCLI",
        "gensample.__main__.x",
    ),
    *("gensample.data.store.Store", "gensample.training.dynamics.DynamicsTask.load_from_checkpoint"),
]


@pytest.fixture
def no_imports(monkeypatch):
    """Nothing is imported by name."""

    def refuse(name, *rest):
        raise AssertionError(f"imports {name}")

    monkeypatch.setattr("importlib.import_module", refuse)


@pytest.mark.parametrize("class_path", OUTSIDE)
@pytest.mark.parametrize("nested", [False, True])
def test_configs_name_registered_classes_alone(released, no_imports, class_path, nested):
    config = yaml.safe_load((released / "config.yaml").read_text())
    bad = {"class_path": class_path, "init_args": {"command": "touch owned"}}
    if nested:
        config["model"]["init_args"]["width"] = [bad]
    else:
        config["model"] = bad
    (released / "config.yaml").write_text(yaml.safe_dump(config))
    write_sums(released, zoo.FILES)
    with pytest.raises(ConfigError, match="not among the classes"):
        zoo.load_model("toy")


@pytest.mark.parametrize("nested", [False, True])
def test_checkpoints_name_registered_classes_alone(run, no_imports, nested):
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    bad = {"class_path": OUTSIDE[6], "init_args": {"executable": "./program.sh"}}
    if nested:
        checkpoint["hyper_parameters"]["width"] = {"a": [bad]}
    else:
        checkpoint["hyper_parameters"] = {"_class_path": OUTSIDE[6], "executable": "./program.sh"}
    torch.save(checkpoint, run / "bad.ckpt")
    with pytest.raises(ConfigError, match="not among the classes"):
        zoo.load_model(run / "bad.ckpt")


class Evil:
    def __reduce__(self):
        return (open, ("owned", "w"))


def test_malicious_checkpoints_do_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": Evil(), "hyper_parameters": {}}, tmp_path / "evil.ckpt")
    (tmp_path / "raw.ckpt").write_bytes(pickle.dumps(Evil()))
    for name in ("evil.ckpt", "raw.ckpt"):
        with pytest.raises(DataError, match=r"that can be read safely|is not a checkpoint"):
            zoo.load_model(tmp_path / name)
    assert not (tmp_path / "owned").exists()


def test_checkpoints_of_other_programs_are_explained(tmp_path):
    torch.save({"state_dict": {}}, tmp_path / "other.ckpt")
    with pytest.raises(ConfigError, match="not written by `gensample fit`"):
        zoo.load_model(tmp_path / "other.ckpt")


@pytest.mark.parametrize("name", zoo.names())
def test_every_released_model_is_complete(name):
    folder = zoo.resolve(name)
    zoo.load_model(name)
    assert json.loads((folder / "metrics.json").read_text())
    card = (folder / "README.md").read_text()
    assert "TODO" not in card
    assert (folder / SUMS).is_file()
    assert not list(folder.glob("*.ckpt")) + list(folder.glob("*.p*"))


@pytest.mark.parametrize("name", zoo.names())
def test_every_card_has_the_header_of_its_config_and_numbers(name):
    folder = zoo.resolve(name)
    card = (folder / "README.md").read_text()
    settings = yaml.safe_load((folder / "config.yaml").read_text())
    assert card == with_header(card, name, settings, zoo.load_metrics(name), "apache-2.0")


@pytest.mark.parametrize("name", zoo.names())
def test_every_card_is_one_that_the_hub_reads(name):
    """Parsed by huggingface_hub; its own validation asks a server."""
    hub = pytest.importorskip("huggingface_hub", reason="pip install 'gensample[hub]'")
    card = hub.ModelCard.load(zoo.resolve(name) / "README.md")
    assert card.data.license == "apache-2.0"
    assert card.data.library_name == "gensample"
    assert card.text.strip().startswith(f"# {name}\n")
    found = zoo.load_metrics(name)
    scores = [result.metric_value for result in card.data.eval_results or []]
    assert len(scores) == len(found.get("lags", []))
    for lag, score in zip(found.get("lags", []), scores, strict=True):
        of_a = lag["species"]["A"]
        assert of_a.get("generated", of_a)["pearson"]["value"] == pytest.approx(score, abs=1e-4)


def test_a_header_that_the_hub_cannot_read_is_seen(tmp_path):
    hub = pytest.importorskip("huggingface_hub", reason="pip install 'gensample[hub]'")
    (tmp_path / "README.md").write_text(
        "---\nmodel-index:\n- name: a\n  results:\n  - task: {}\n---\n\n# a\n"
    )
    with pytest.raises((KeyError, ValueError)):
        hub.ModelCard.load(tmp_path / "README.md")
