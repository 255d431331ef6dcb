"""Released models: find them by name, load them, and make one from a checkpoint.

A released model is a folder of four files: ``card.md``, ``config.yaml`` (whose ``model:`` block holds
``class_path`` and ``init_args``), ``weights.safetensors`` and ``metrics.json``. Nothing in it can run
code: the weights are plain tensors and the config can name classes of gensample only.
"""

import argparse
import difflib
import hashlib
import importlib
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
import yaml
from lightning.pytorch import LightningModule
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from gensample import __version__
from gensample.errors import ConfigError, DataError, GensampleError

WEIGHTS = "weights.safetensors"
CONFIG = "config.yaml"
METRICS = "metrics.json"
CARD = "card.md"

_PACKAGE = Path(__file__).parent
# An installed wheel carries the models inside the package; a checkout has them beside it.
ROOTS = (_PACKAGE / "_models", _PACKAGE.parent / "models")


def names() -> list[str]:
    """Names of the released models at hand."""
    found = {weights.parent.name for root in ROOTS for weights in root.glob(f"*/{WEIGHTS}")}
    return sorted(found)


def resolve(name_or_path: str | Path) -> Path:
    """Folder of a released model, by name or path, or the file of a checkpoint.

    Raises:
        ConfigError: nothing is found, or the folder is not a released model.
    """
    for root in ROOTS:
        if (root / name_or_path / WEIGHTS).is_file():
            return root / name_or_path
    path = Path(name_or_path)
    if path.is_file() and path.suffix == ".ckpt":
        return path
    if not path.is_dir():
        raise ConfigError(f"no model called {name_or_path}: {_cure(str(name_or_path))}")
    missing = [file for file in (CONFIG, WEIGHTS) if not (path / file).is_file()]
    if missing:
        last = path / "checkpoints" / "last.ckpt"
        cure = f"its checkpoint is {last}" if last.is_file() else f"it lacks {' and '.join(missing)}"
        raise ConfigError(f"{path} is not the folder of a released model: {cure}")
    return path


def _cure(name: str) -> str:
    near = difflib.get_close_matches(name, names(), n=1)
    known = f"did you mean {near[0]}?" if near else f"released are {', '.join(names()) or 'none'}"
    return f"{known}; a folder of a released model or a .ckpt file will do as well"


def load_model(name_or_path: str | Path, device: torch.device | str = "cpu") -> LightningModule:
    """Model in evaluation mode, from a name, a released folder or a checkpoint, on ``device``.

    Raises:
        ConfigError: nothing is found, or the config names a class outside gensample.
        DataError: the weights are unreadable or do not fit the config.
    """
    path = resolve(name_or_path)
    model = _from_checkpoint(path) if path.is_file() else _from_folder(path)
    return model.to(device).eval().requires_grad_(False)


def digest(name_or_path: str | Path) -> str:
    """SHA-256 of the weights and config of a model, or of its checkpoint: what a sample was drawn with."""
    path = resolve(name_or_path)
    files = [path] if path.is_file() else [path / CONFIG, path / WEIGHTS]
    found = hashlib.sha256()
    for file in files:
        found.update(file.read_bytes())
    return found.hexdigest()


def load_metrics(name_or_path: str | Path) -> dict[str, Any]:
    """The ``metrics.json`` of a released model."""
    metrics: dict[str, Any] = json.loads((resolve(name_or_path) / METRICS).read_text())
    return metrics


def _from_folder(folder: Path) -> LightningModule:
    return _assemble(_model_block(folder / CONFIG), load_tensors(folder / WEIGHTS), source=folder)


def _from_checkpoint(path: Path) -> LightningModule:
    """The model of a checkpoint with its averaged weights, see :func:`release`.

    ``load_from_checkpoint`` would do the same through jsonargparse, whose import policy is one global
    of the process; :func:`build` can name gensample's classes only, whatever the caller has set.
    """
    checkpoint = _read_checkpoint(path)
    return _assemble(_checkpoint_block(path, checkpoint), checkpoint["state_dict"], source=path)


def _checkpoint_block(path: Path, checkpoint: dict[str, Any]) -> dict[str, Any]:
    settings = dict(checkpoint.get("hyper_parameters", {}))
    settings.pop("_instantiator", None)
    class_path = settings.pop("_class_path", None)
    if class_path is None:
        raise ConfigError(f"{path} was not written by `gensample fit`: it does not name its model class")
    return {"class_path": class_path, "init_args": settings}


def _assemble(block: dict[str, Any], weights: dict[str, Tensor], source: Path) -> LightningModule:
    model = build(block)
    if not isinstance(model, LightningModule):
        raise ConfigError(f"{source}: {block['class_path']} is not a LightningModule")
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise DataError(f"{source}: the weights do not fit the config: {error}") from error
    return model


def _read_checkpoint(path: Path) -> dict[str, Any]:
    try:
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen types for a foreign or truncated file
        raise DataError(f"{path} is not a checkpoint that can be read safely: {error}") from error
    return checkpoint


def _model_block(config: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(config.read_text())
    except yaml.YAMLError as error:
        raise ConfigError(f"{config} is not yaml: {error}") from error
    block = content.get("model") if isinstance(content, dict) else None
    if not isinstance(block, dict) or "class_path" not in block:
        raise ConfigError(f"{config} needs a `model:` block with `class_path` and `init_args`")
    return block


def build(spec: Any) -> Any:
    """Object of a tree of ``{class_path, init_args}``; other values are returned as they are."""
    if isinstance(spec, list):
        return [build(item) for item in spec]
    if not isinstance(spec, dict):
        return spec
    if "class_path" not in spec:
        return {key: build(value) for key, value in spec.items()}
    cls = _import(spec["class_path"])
    arguments = {key: build(value) for key, value in (spec.get("init_args") or {}).items()}
    try:
        return cls(**arguments)
    except TypeError as error:
        raise ConfigError(
            f"{spec['class_path']} of this version does not take the config: {error}"
        ) from error


def _import(class_path: str) -> Any:
    module, _, name = class_path.rpartition(".")
    if module.split(".")[0] != "gensample":
        raise ConfigError(f"a model's config can name classes of gensample only, not {class_path}")
    try:
        cls = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"this version of gensample ({__version__}) has no {class_path}") from error
    if not isinstance(cls, type):
        raise ConfigError(f"{class_path} is not a class")
    return cls


def release(checkpoint: str | Path, config: str | Path, metrics: str | Path, out: str | Path) -> Path:
    """Write the folder of a released model and return it; a card that exists already is kept.

    The weights are the checkpoint's ``state_dict``: Lightning's ``EMAWeightAveraging`` puts the
    averaged ones there. The folder is loaded once before it takes its place. ``config`` is the
    ``config.yaml`` of the run; its model block gives way to the checkpoint's hyper-parameters.
    """
    out, checkpoint = Path(out), Path(checkpoint)
    content = _read_checkpoint(checkpoint)
    _model_block(Path(config))
    settings = yaml.safe_load(Path(config).read_text())
    settings["model"] = _checkpoint_block(checkpoint, content)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
        folder = Path(scratch)
        save_tensors(content["state_dict"], folder / WEIGHTS)
        (folder / CONFIG).write_text(yaml.safe_dump(settings, sort_keys=False))
        shutil.copyfile(metrics, folder / METRICS)
        if not (out / CARD).is_file():
            (folder / CARD).write_text(_card(out.name, settings))
        load_model(folder)
        for file in folder.iterdir():
            file.replace(out / file.name)
    return out


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors by name from a safetensors file.

    Raises:
        DataError: it is not one.
    """
    try:
        found: dict[str, Tensor] = load_file(path)
    except SafetensorError as error:
        raise DataError(f"{path} is not a safetensors file: {error}") from error
    return found


def save_tensors(weights: dict[str, Tensor], path: Path) -> None:
    """Write tensors by name as safetensors, which nothing can be run from."""
    # Cloned: safetensors refuses tensors that share memory.
    plain = {key: value.detach().clone().contiguous() for key, value in weights.items()}
    save_file(plain, path, metadata={"format": "pt", "gensample": __version__})


def _card(name: str, settings: dict[str, Any]) -> str:
    data = (settings.get("data") or {}).get("init_args", {})
    rows = [
        f"# {name}",
        "",
        "What it is for, in one sentence. TODO",
        "",
        f"* class: `{settings['model']['class_path']}`",
        f"* data: `{data.get('dataset', 'TODO')}`, training split only",
        f"* made with gensample {__version__}, torch {torch.__version__}; `config.yaml` has every setting",
        "* time and hardware of the training: TODO",
        "* results (`metrics.json`): TODO",
        "* limits: TODO",
    ]
    return "\n".join(rows) + "\n"


def main(args: list[str] | None = None) -> int:
    """``python -m gensample.zoo release``: a maintainer's tool, hence no command of its own."""
    parser = argparse.ArgumentParser(prog="python -m gensample.zoo", allow_abbrev=False)
    command = parser.add_subparsers(required=True).add_parser("release", allow_abbrev=False)
    command.add_argument("checkpoint", type=Path, help="last.ckpt of a run")
    command.add_argument("--config", type=Path, required=True, help="config.yaml of the same run")
    command.add_argument("--metrics", type=Path, required=True, help="metrics.json of compare or test")
    command.add_argument("--out", type=Path, required=True, help="folder to write, models/NAME")
    options = parser.parse_args(args)
    try:
        print(release(options.checkpoint, options.config, options.metrics, options.out))
    except (GensampleError, OSError) as error:
        print(f"gensample.zoo: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
