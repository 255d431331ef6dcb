"""The layers of DESIGN section 3; import-linter checks every import, these check what it cannot."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import gensample

PACKAGE = Path(gensample.__file__).parent
ROOT = PACKAGE.parent
OPENERS = {
    "cli",
    "commands",
    "benchmark",
    "data",
    "simulate",
    "comparison",
    "report",
    "release",
    "checksums",
    "zoo",
    "work",
    "plain",
    "structured",
    "weights",
}
PURE = ("physics", "structure", "flow", "priors", "nn", "stats", "sampling")


def test_import_linter_contracts_hold():
    lint = Path(sys.executable).with_name("lint-imports")
    if not lint.exists():
        pytest.skip("import-linter is not installed")
    out = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert out.returncode == 0, out.stdout


def modules(*packages):
    return [path for package in packages for path in sorted((PACKAGE / package).rglob("*.py"))]


def layer(path):
    """`zoo` for gensample/zoo.py, `data` for gensample/data/store.py."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


LAYERS = {layer(path) for path in PACKAGE.rglob("*.py")} - {"__init__", "__main__"}


def test_every_package_has_its_layer():
    settings = (ROOT / "pyproject.toml").read_text()
    assert [name for name in LAYERS if f"gensample.{name}" not in settings] == []


def calls(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


OPENING = ("open", "torch.load", "torch.save", "np.load", "np.savez", "np.save", "h5py.File", "load_file")
METHODS = (".read_text", ".write_text", ".read_bytes", ".write_bytes")


def test_files_are_opened_in_their_layers_only():
    found = [
        f"{path.relative_to(ROOT)}:{call.lineno} {name}"
        for path in PACKAGE.rglob("*.py")
        if layer(path) in LAYERS - OPENERS
        for name, call in calls(path)
        if name in OPENING or name.endswith(METHODS)
    ]
    assert found == []


DRAWING = {"torch.rand", "torch.randn", "torch.randint", "torch.randperm", "torch.normal", "torch.bernoulli"}
GLOBAL = {"torch.manual_seed", "torch.randn_like", "torch.rand_like"}
EXPLICIT = ("default_rng", "SeedSequence", "Generator")


@pytest.mark.parametrize("path", modules(*PURE), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_pure_layers_draw_from_explicit_generators(path):
    """No call of the global generators: torch.randn without generator=, np.random.normal and the like."""
    for name, call in calls(path):
        where = f"{path}:{call.lineno} {name}"
        if name in DRAWING:
            assert any(keyword.arg == "generator" for keyword in call.keywords), where
        legacy = name.startswith(("np.random.", "numpy.random.")) and not name.endswith(EXPLICIT)
        assert not legacy, where
        assert name not in GLOBAL, where


def test_pure_layers_load_without_a_framework():
    """The pure layers load without lightning, h5py, omegaconf, jsonargparse, wandb."""
    names = [f"gensample.{package}" for package in PURE]
    code = (
        f"import sys, importlib, pkgutil\n"
        f"for name in {names!r}:\n"
        f"    package = importlib.import_module(name)\n"
        f"    for info in pkgutil.walk_packages(package.__path__, name + '.'):\n"
        f"        importlib.import_module(info.name)\n"
        f"print([m for m in ('lightning', 'wandb', 'h5py', 'omegaconf', 'jsonargparse') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
