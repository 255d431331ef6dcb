"""Released models: find them by name, load them, and make one from a checkpoint.

A released model is a folder of four files: ``card.md``, ``config.yaml`` (whose ``model:`` block holds
``class_path`` and ``init_args``), ``weights.safetensors`` and ``metrics.json``; generators that need no
training (`registry.GENERATORS`) have no weights. Nothing in it can run code: the weights are plain tensors
and the config can name classes of ``gensample.registry`` only. Torch is imported where a model is loaded:
what there is, is listed without it.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import json
import re
import sys
import tempfile
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import yaml

from gensample import __version__, registry
from gensample.errors import ConfigError, DataError, GensampleError
from gensample.plain import read_json, read_yaml
from gensample.text import first_paragraph, printable
from gensample.work import atomic_folder, check_folder

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from gensample.generators.base import PhysicsGenerator
    from gensample.generators.fitting import FitData, GeneratorFit
    from gensample.predictors.network import Network

WEIGHTS = "weights.safetensors"
CONFIG = "config.yaml"
METRICS = "metrics.json"
CARD = "card.md"

BARE = {
    "harmonic": "gensample.generators.harmonic.Harmonic",
    "heated": "gensample.generators.heated.Heated",
}
"""Names that stand for the generator without training that belongs to the data."""
DOMAIN = re.compile(rb"^    domain:\n(?:      .*\n)+", re.MULTILINE)

_PACKAGE = Path(__file__).parent
# An installed wheel carries the models inside the package; a checkout has them beside it.
ROOTS = (_PACKAGE / "_models", _PACKAGE.parent / "models")


def names() -> list[str]:
    """Names of the released models at hand."""
    found = {config.parent for root in ROOTS for config in root.glob(f"*/{CONFIG}")}
    return sorted(folder.name for folder in found if not _missing(folder))


def resolve(name_or_path: str | Path) -> Path:
    """Folder of a released model, by name or path, or the file of a checkpoint.

    Raises:
        ConfigError: nothing is found, or the folder is not a released model.
    """
    for root in ROOTS:
        if (root / name_or_path / CONFIG).is_file() and not _missing(root / name_or_path):
            return root / name_or_path
    path = Path(name_or_path)
    if path.is_file() and path.suffix == ".ckpt":
        return path
    if not path.is_dir():
        raise ConfigError(f"no model called {name_or_path}: {_cure(str(name_or_path))}")
    missing = _missing(path)
    if missing:
        last = path / "checkpoints" / "last.ckpt"
        cure = f"its checkpoint is {last}" if last.is_file() else f"it lacks {' and '.join(missing)}"
        raise ConfigError(f"{path} is not the folder of a released model: {cure}")
    return path


def _missing(folder: Path) -> list[str]:
    """What the folder of a released model must hold and this one lacks."""
    missing = [file for file in (CONFIG, WEIGHTS) if not (folder / file).is_file()]
    return [] if missing == [WEIGHTS] and _class_in(folder) in registry.GENERATORS else missing


def _class_in(folder: Path) -> Any:
    """What the config of a folder names as the class of its model; None where it names none."""
    block = read_yaml(folder / CONFIG).get("model")
    name = block.get("class_path") if isinstance(block, dict) else None
    return registry.canonical(name) if isinstance(name, str) else None


def generators(class_path: str) -> list[str]:
    """Names of the released generators without training of one class."""
    return [name for name in names() if _class_in(resolve(name)) == class_path]


def _cure(name: str) -> str:
    near = difflib.get_close_matches(name, names(), n=1)
    known = f"did you mean {near[0]}?" if near else f"released are {', '.join(names()) or 'none'}"
    return f"{known}; a folder of a released model or a .ckpt file will do as well"


def load_model(name_or_path: str | Path, device: torch.device | str = "cpu", *, data: Any = None) -> Any:
    """A model from a name, a released folder or a checkpoint, on ``device``, ready for use.

    It knows its ``name``, its ``card``, a ``digest`` of what decides its outputs, what it ``reads``, and the
    folder or checkpoint it has come from, ``place``. data: whose liquid the names in `BARE` stand for.

    Example:
        >>> print(repr(load_model("ka2d-mini-heated"))[:50])
        <ka2d-mini-heated: Heated; reads thermal positions

    Raises:
        ConfigError: nothing is found, or the config names a class that is not registered.
        DataError: the weights or the config are unreadable or do not fit each other.
    """
    name = str(name_or_path)
    if name in BARE and not Path(name).exists():
        if data is None:
            raise ConfigError(f"{name} stands for a model of the liquid of some data: say which, data=...")
        return _of_liquid(name, data).to(device)
    path = resolve(name_or_path)
    if path.is_dir() and _class_in(path) in registry.GENERATORS:
        model: Any = load_physics(path).to(device)
    else:
        model = _from_checkpoint(path) if path.is_file() else _from_folder(path)
        model = model.to(device).eval().requires_grad_(False)
    model.name, model.digest, model.place, model.card = name, model_digest(path), path, _card_of(path)
    return model


def load_predictor(
    name_or_path: str | Path, device: torch.device | str = "cpu", force: bool = False
) -> Network:
    """What a model predicts of each particle; a generator by its conditioner. ``force``: also elsewhere.

    Raises:
        ConfigError: nothing is found, or it predicts no propensity.
    """
    from gensample.predictors import of_model

    return of_model(load_model(name_or_path, device), str(name_or_path), force)


def _of_liquid(name: str, data: Any) -> PhysicsGenerator:
    """Harmonic without a fit, at the lag times of the data; the released heated model of their liquid.

    Raises:
        ConfigError: no released one is of this liquid.
    """
    import numpy as np

    from gensample.data.dataset import as_dataset
    from gensample.data.store import Store, domain_of
    from gensample.reads import differences

    with Store.open(as_dataset(data).store) as store:
        if name == "harmonic":
            if not len(store.times):
                raise ConfigError(
                    f"{store.path} has no lag times, which the name harmonic takes from its data; "
                    "gensample.generators.harmonic.Harmonic([1.0, 10.0]) has some of its own"
                )
            settings = {"lag_time": store.times.tolist(), "domain": domain_of(store, lags=store.times)}
            block = {"class_path": BARE[name], "init_args": settings}
            bare: PhysicsGenerator = registry.build(block, registry.GENERATORS)
            bare.name, bare.digest = name, hashlib.sha256(repr(bare.lag_time).encode()).hexdigest()
            return bare
        served = domain_of(store)
        known = {each: load_physics(each) for each in generators(BARE[name])}
        fits = [each for each, model in known.items() if not differences(model.domain, served)]
        if not fits:
            raise ConfigError(
                f"no released heated model is of the liquid of {store.path} ({store.mixture}, T = "
                f"{', '.join(f'{t:g}' for t in served['temperatures'])}); "
                "`gensample fit heated --data SIMULATED.h5 --out FOLDER` makes one of displacements of it, "
                "for `gensample sample FOLDER`"
            )
        # Of several, the one whose lags are most of the data's, and fewest of others.
        shared = {each: np.isin(np.round(known[each].lag_time, 6), store.times).sum() for each in fits}
    best = max(fits, key=lambda each: (shared[each], -len(known[each].lag_time)))
    found: PhysicsGenerator = load_model(best)
    return found


def load_physics(name_or_path: str | Path) -> PhysicsGenerator:
    """A generator without training, from a name or its folder.

    Raises:
        ConfigError: nothing is found, or the config names another class.
        DataError: the config is unreadable.
    """
    folder = resolve(name_or_path)
    if folder.is_file():
        raise ConfigError(f"{folder} is a checkpoint, not the folder of a generator without training")
    block = _model_block(folder / CONFIG, read_yaml(folder / CONFIG))
    try:
        found: PhysicsGenerator = registry.build(block, registry.GENERATORS)
    except ConfigError as error:
        raise ConfigError(f"{folder}: {error}") from error
    if found.has_weights:
        from gensample.weights import read_tensors

        found.load_state_dict(read_tensors(folder / WEIGHTS))
    return found


def purpose(name: str) -> str:
    """What a released model is for: the first paragraph of its card."""
    return first_paragraph(_card_of(resolve(name)))


def _card_of(folder: Path) -> str:
    card = folder / CARD
    return card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""


def list_models() -> list[str]:
    """A line on each released model: name, kind and purpose; none is loaded."""
    found, lines = names(), []
    width = max(map(len, found), default=0)
    for name in found:
        kind = class_of(name).rpartition(".")[2]
        lines.append(
            printable(f"{name:<{width}}  {kind:<17}  {shorten(purpose(name), 100, placeholder=' ...')}")
        )
    return [*lines, f"{len(found)} released models; `gensample info NAME` says more of one"]


def is_model(word: str) -> bool:
    """Whether a word names no dataset and what it names may be a model.

    Raises:
        DataError: it names neither.
    """
    from gensample.data.catalog import EMBEDDED, KEPT

    path = Path(word)
    if word in {*EMBEDDED, *KEPT} or (path.is_file() and path.suffix != ".ckpt"):
        return False
    if word in names() or path.is_dir() or path.is_file():
        return True
    raise DataError(
        f"no dataset and no model at {word}; give a file, the folder of a model, or one of the names that "
        "`gensample datasets` and `gensample models` list"
    )


def class_of(name: str) -> str:
    """Path of the class that the config of a released model names."""
    return _class_in(resolve(name)) or "unknown"


def run_name(name_or_path: str | Path) -> str:
    """What to call a model by: the name of its folder, or of the run that a checkpoint is of."""
    path = resolve(name_or_path).resolve()
    if not path.is_file():
        return path.name
    return path.parent.parent.name if path.parent.name == "checkpoints" else path.stem


def model_digest(name_or_path: str | Path) -> str:
    """SHA-256 of the weights and config of a model, or of its checkpoint: what a sample was drawn with.

    Without the domain, which decides no bits: samples of before it was recorded are of the same model.
    """
    path = resolve(name_or_path)
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    config = DOMAIN.sub(b"", (path / CONFIG).read_bytes())
    weights = (path / WEIGHTS).read_bytes() if (path / WEIGHTS).is_file() else b""
    return hashlib.sha256(config + weights).hexdigest()


def load_metrics(name_or_path: str | Path) -> dict[str, Any]:
    """The ``metrics.json`` of a released model."""
    return read_json(resolve(name_or_path) / METRICS)


def data_settings(name_or_path: str | Path) -> dict[str, Any]:
    """Settings of the data module that a model was trained with; empty where it does not say."""
    path = resolve(name_or_path)
    if path.is_file():
        from gensample.weights import read_checkpoint

        return dict(read_checkpoint(path)["datamodule_hyper_parameters"])
    data = read_yaml(path / CONFIG).get("data") or {}
    found = data.get("init_args") or {} if isinstance(data, dict) else None
    if not isinstance(found, dict):
        raise DataError(f"{path / CONFIG}: `data:` must have `class_path` and `init_args`")
    return found


def _from_folder(folder: Path) -> Any:
    from gensample.weights import read_tensors

    content = read_yaml(folder / CONFIG)
    block = _with_reads(_model_block(folder / CONFIG, content), data_settings(folder), folder)
    return _assemble(block, read_tensors(folder / WEIGHTS), source=folder)


def _from_checkpoint(path: Path) -> Any:
    """The model of a checkpoint with its averaged weights, see :func:`release`."""
    from gensample.weights import read_checkpoint

    checkpoint = read_checkpoint(path)
    return _assemble(_checkpoint_block(path, checkpoint), checkpoint["state_dict"], source=path)


def _with_reads(block: dict[str, Any], data: dict[str, Any], path: Path) -> dict[str, Any]:
    """A model block that says what is read; older predictors may say their lag times in the metrics."""
    from gensample.reads import with_reads

    settings = block.get("init_args") or {}
    if not isinstance(settings, dict):
        raise DataError(f"{path}: init_args must be a mapping, got {type(settings).__name__}")
    found = with_reads(settings, data)
    if found["reads"]["lags"] is None and (path / METRICS).is_file():
        lags = [float(lag["time"]) for lag in load_metrics(path).get("lags", [])]
        found = with_reads(settings, data, lags)
    return block | {"init_args": found}


def _checkpoint_block(path: Path, checkpoint: dict[str, Any]) -> dict[str, Any]:
    settings = dict(checkpoint["hyper_parameters"])
    settings.pop("_instantiator", None)
    class_path = settings.pop("_class_path", None)
    if class_path is None:
        raise ConfigError(f"{path} was not written by `gensample fit`: it does not name its model class")
    block = {"class_path": class_path, "init_args": settings}
    return _with_reads(block, checkpoint["datamodule_hyper_parameters"], path)


def _assemble(block: dict[str, Any], weights: dict[str, Tensor], source: Path) -> Any:
    import torch

    from gensample.weights import check_fit

    block = _without_training(registry.renewed(block))
    among = registry.TASKS | set(registry.TRAINED.values())
    try:
        # Shapes alone first: a config may ask for more memory than there is.
        with torch.device("meta"):
            expected = registry.build(block, among).state_dict()
        check_fit(expected, weights, source)
        model = registry.build(block, among)
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from error
    model.load_state_dict(weights)
    return model


def _without_training(block: dict[str, Any]) -> dict[str, Any]:
    """The class itself in place of the one that trains it, which needs Lightning."""
    found = registry.TRAINED.get(block["class_path"]) if isinstance(block["class_path"], str) else None
    if found is None:
        return block
    kept = {name: value for name, value in block["init_args"].items() if name not in registry.OF_TRAINING}
    return {"class_path": found, "init_args": kept}


def _model_block(config: Path, content: dict[str, Any]) -> dict[str, Any]:
    block = content.get("model")
    if not isinstance(block, dict) or "class_path" not in block:
        raise ConfigError(f"{config} needs a `model:` block with `class_path` and `init_args`")
    return block


def release(source: str | Path, config: str | Path, metrics: str | Path, out: str | Path) -> Path:
    """Write the folder of a released model and return it; a card that exists already is kept.

    source: a checkpoint, whose ``state_dict`` are the weights (Lightning's ``EMAWeightAveraging`` puts the
    averaged ones there); or the folder of a generator without training, whose fit joins the metrics. The
    folder is loaded once before it takes its place. ``config`` is the ``config.yaml`` of the run; its model
    block gives way to the checkpoint's hyper-parameters.
    """
    from gensample.weights import read_checkpoint, save_tensors

    out, source = Path(out), Path(source)
    settings, found = read_yaml(config), read_json(metrics)
    card = source / CARD
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
        folder = Path(scratch)
        if source.is_dir():
            found |= {"fit": load_metrics(source)["fit"]}
            if (source / WEIGHTS).is_file():
                (folder / WEIGHTS).write_bytes((source / WEIGHTS).read_bytes())
        else:
            content = read_checkpoint(source)
            settings["model"] = _checkpoint_block(source, content)
            save_tensors(content["state_dict"], folder / WEIGHTS)
        (folder / CONFIG).write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
        (folder / METRICS).write_text(json.dumps(found) + "\n", encoding="utf-8")
        if not (out / CARD).is_file():
            text = card.read_text(encoding="utf-8") if card.is_file() else _card(out.name, settings)
            (folder / CARD).write_text(text, encoding="utf-8")
        load_model(folder)
        for file in folder.iterdir():
            file.replace(out / file.name)
    return out


def keep_generator(
    out: Path,
    block: dict[str, Any],
    metrics: dict[str, Any],
    card: str,
    tensors: dict[str, Tensor] | None = None,
) -> None:
    """Write the folder of a generator that was fitted, whole or not at all.

    block: ``class_path`` and ``init_args``; tensors: its weights, if it has any. The generator is built once
    from the folder before that takes its place.
    """
    from gensample.weights import save_tensors

    check_folder(out)
    with atomic_folder(out) as folder:
        if tensors is not None:
            save_tensors(tensors, folder / WEIGHTS)
        text = yaml.safe_dump({"model": block}, sort_keys=False)
        (folder / CONFIG).write_text(text, encoding="utf-8")
        (folder / METRICS).write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
        (folder / CARD).write_text(card, encoding="utf-8")
        load_physics(folder)


def check_new(out: Path) -> None:
    """Refuse a folder that is there.

    Raises:
        ConfigError: it exists, or cannot be made.
    """
    check_folder(out)
    if out.exists():
        raise ConfigError(f"{out} exists; remove it or choose another --out")


def keep_fit(out: Path, data: FitData, fitted: GeneratorFit) -> None:
    """Write the folder of a generator that was fitted to data, with a card that tells how."""
    count, path = len(data.data), fitted.class_path
    about = {"data": data.name, "split": data.split, "configurations": count}
    card = [
        f"# {out.name}",
        "",
        *fitted.story,
        "",
        f"* class: `{path}`, " + ("no training, no weights" if fitted.tensors is None else "weights fitted"),
        f"* data: `{data.name}`, {count} configurations of the split {data.split}, T = {data.temperature:g}; "
        "nothing else was seen",
        f"* made with gensample {__version__}; `metrics.json` has everything that was tried",
    ]
    init_args = {"lag_time": data.lag_time, **fitted.settings, "domain": data.domain}
    block = {"class_path": path, "init_args": init_args}
    metrics = {"fit": {**about, **fitted.found}}
    keep_generator(out, block, metrics, "\n".join(card) + "\n", fitted.tensors)


def _card(name: str, settings: dict[str, Any]) -> str:
    import torch

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


def release_command(args: list[str] | None = None) -> int:
    """``python -m gensample.zoo release``: a maintainer's tool, hence no command of its own."""
    parser = argparse.ArgumentParser(prog="python -m gensample.zoo", allow_abbrev=False)
    command = parser.add_subparsers(required=True).add_parser("release", allow_abbrev=False)
    command.add_argument("source", type=Path, help="last.ckpt of a run, or the folder of a generator")
    command.add_argument("--config", type=Path, required=True, help="config.yaml of the same run or folder")
    command.add_argument("--metrics", type=Path, required=True, help="metrics.json of compare or test")
    command.add_argument("--out", type=Path, required=True, help="folder to write, models/NAME")
    options = parser.parse_args(args)
    try:
        print(release(options.source, options.config, options.metrics, options.out))
    except (GensampleError, OSError) as error:
        print(f"gensample.zoo: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(release_command())
