"""`gensample models`, `datasets`, `config` and `info MODEL`: what is there, and what it is."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gensample import configs, registry, zoo
from gensample.cli import main
from gensample.data import catalog

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def printed(capsys, *words):
    assert main(list(words)) == 0
    return capsys.readouterr().out


def test_models_are_listed_without_torch():
    code = "import sys; from gensample.cli import main; main(['models']); print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *lines, count, torch = out.stdout.splitlines()
    assert [line.split()[0] for line in lines] == zoo.names()
    assert "predicts propensity" in lines[zoo.names().index("ka2d-mini-botan")]
    assert count.startswith(f"{len(lines)} released models")
    assert torch == "False"


@pytest.mark.parametrize("command", ["predict", "models", "datasets", "config", "info", "sample", "fit"])
def test_help_imports_nothing_heavy(command):
    heavy = "[m for m in ('torch', 'numpy', 'h5py', 'lightning') if m in sys.modules]"
    code = f"import sys; from gensample.cli import main; main(['{command}', '--help']); print({heavy})"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.splitlines()[-1] == "[]"


def test_datasets_are_listed_with_what_they_hold(capsys):
    lines = printed(capsys, "datasets").splitlines()
    assert [line.split()[0] for line in lines[:-1]] == sorted({*catalog.EMBEDDED, *catalog.KEPT})
    (mini,) = [line for line in lines if line.startswith("ka2d-mini ")]
    for part in ("ka2d", "N = 500", "d = 2", "T = 0.45", "t = 1, 10, 100", "train 80, val 8, test 12"):
        assert part in mini
    assert "strain = 0.01" in next(line for line in lines if line.startswith("ka2d-shear-mini"))


def test_a_dataset_outside_the_package_says_where_it_was_looked_for(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(catalog.KEPT, "large", "0" * 64)
    (line,) = [line for line in printed(capsys, "datasets").splitlines() if line.startswith("large")]
    assert f"looked for at {catalog.CHECKOUT / 'datasets' / 'large.h5'} and datasets/large.h5" in line


@pytest.mark.parametrize("name", zoo.names())
def test_info_of_a_model(capsys, name):
    text = printed(capsys, "info", name)
    found = json.loads(printed(capsys, "info", str(zoo.resolve(name)), "--json"))
    (temperature,) = found["domain"]["temperatures"]
    assert (found["domain"]["mixture"], temperature) in {("ka2d", 0.45), ("ka3d-fs", 0.44)}
    parts = (found["class"], found["domain"]["mixture"], f"T = {temperature}", found["card"].split()[0])
    assert all(part in text for part in parts)


def test_info_says_what_a_predictor_reads(capsys):
    text = printed(capsys, "info", "ka2d-mini-botan")
    for part in ("54,275", "thermal positions, graph at cut-off 2.0", "lag times    1, 10, 100", "Shiba"):
        assert part in text
    assert "inherent structures, graph at cut-off 1.6, descriptors" in printed(
        capsys, "info", "ka2d-mini-flow"
    )


@pytest.mark.parametrize("command", ["fit", "validate", "test"])
def test_help_of_training_is_a_page_that_names_our_classes(capsys, command):
    text = printed(capsys, command, "--help")
    assert len(text.splitlines()) < 40
    for path in registry.of_configs():
        assert path.rpartition(".")[2] in text


def test_info_of_neither(capsys, tmp_path):
    assert main(["info", "ka2d-mini-botn"]) == 2
    assert "no dataset and no model at ka2d-mini-botn" in capsys.readouterr().err
    assert main(["info", str(tmp_path)]) == 2
    assert "not the folder of a released model" in capsys.readouterr().err


def test_configs_are_listed(capsys):
    lines = printed(capsys, "config").splitlines()
    found = [line.split()[0] for line in lines]
    assert found == sorted(str(p.relative_to(CONFIGS).with_suffix("")) for p in CONFIGS.glob("*/*.yaml"))
    assert "BOTAN on the embedded dataset" in next(
        x for x in lines if x.startswith("dynamics/ka2d-mini-botan ")
    )


@pytest.mark.parametrize(
    "word", ["dynamics/ka2d-mini-botan", "ka2d-mini-botan", "configs/dynamics/ka2d-mini-botan.yaml"]
)
def test_a_config_is_printed_as_it_stands(capsys, word):
    assert printed(capsys, "config", word) == (CONFIGS / "dynamics/ka2d-mini-botan.yaml").read_text()


def test_a_printed_config_runs(capsys, tmp_path):
    (tmp_path / "my.yaml").write_text(printed(capsys, "config", "ka2d-mini-flow"))
    assert main(["fit", "--config", str(tmp_path / "my.yaml"), "--print_config"]) == 0


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("ka2d-mini-botn", "did you mean ka2d-mini-botan?"),
        ("tiny", "may be benchmark/tiny or shear/tiny or simulate/tiny"),
        ("", "no config called ''"),
    ],
)
def test_unknown_configs(capsys, word, said):
    assert main(["config", word]) == 2
    assert said in capsys.readouterr().err


def test_an_installed_package_brings_its_configs(monkeypatch, tmp_path, capsys):
    """Where a wheel has them, see `pyproject.toml`."""
    (tmp_path / "_configs" / "dynamics").mkdir(parents=True)
    (tmp_path / "_configs" / "dynamics" / "a.yaml").write_text("# About a.\nmodel: {}\n")
    monkeypatch.setattr(configs, "ROOTS", (tmp_path / "_configs", tmp_path / "configs"))
    assert printed(capsys, "config") == "dynamics/a  About a.\n"
    assert yaml.safe_load(printed(capsys, "config", "a")) == {"model": {}}


def test_a_wheel_has_models_configs_and_types():
    import tomllib

    root = CONFIGS.parent
    build = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert build["force-include"] == {"models": "gensample/_models", "configs": "gensample/_configs"}
    assert (root / "gensample" / "py.typed").is_file()
