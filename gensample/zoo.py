"""Released models: find them by name, here or on the hub, and load them; `gensample.release` makes them.

A released model is a folder of four files: ``README.md``, its card, ``config.yaml`` (whose ``model:`` block
holds ``class_path`` and ``init_args``), ``weights.safetensors`` and ``metrics.json``; generators that need no
training (`registry.GENERATORS`) have no weights. ``SHA256SUMS`` lists the last three. Nothing in it can run
code: the weights are plain tensors and the config can name classes of ``gensample.registry`` only. Torch is
imported where a model is loaded: what there is, is listed without it.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import yaml

from gensample import registry
from gensample.checksums import check_sums, sums_of
from gensample.errors import ConfigError, DataError, GensampleError
from gensample.hub import CARD, fetch, is_hub_name, short_name
from gensample.plain import read_json, read_yaml
from gensample.text import first_paragraph, printable

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from gensample.generators.base import PhysicsGenerator
    from gensample.predictors.network import Network
    from gensample.reads import Reads

WEIGHTS = "weights.safetensors"
CONFIG = "config.yaml"
METRICS = "metrics.json"
FILES = (CONFIG, METRICS, WEIGHTS)
"""What decides a model; its card may be written by hand."""

BARE = {
    "harmonic": "gensample.generators.harmonic.Harmonic",
    "heated": "gensample.generators.heated.Heated",
}
"""Names that stand for the generator without training that belongs to the data."""
OF_MACHINE = {
    *("accelerator", "devices", "num_nodes", "strategy", "plugins", "logger", "default_root_dir"),
    *("enable_progress_bar", "enable_model_summary", "fast_dev_run", "profiler"),
}
"""Settings of the trainer that say where and how a model was trained, not what."""
DOMAIN = re.compile(rb"^    domain:\n(?:      .*\n)+", re.MULTILINE)

_PACKAGE = Path(__file__).parent
# An installed wheel carries the models inside the package; a checkout has them beside it.
ROOTS = (_PACKAGE / "_models", _PACKAGE.parent / "models")


def names() -> list[str]:
    """Names of the released models at hand."""
    found = {config.parent for root in ROOTS for config in root.glob(f"*/{CONFIG}")}
    return sorted(folder.name for folder in found if not _missing(folder))


def resolve(name_or_path: str | Path) -> Path:
    """Folder of a released model, by name, path or OWNER/NAME on the hub, or the file of a checkpoint.

    Raises:
        ConfigError: nothing is found, or the folder is not a released model.
        DataError, MissingDependencyError: as `hub.fetch`.
    """
    for root in ROOTS:
        if (root / name_or_path / CONFIG).is_file() and not _missing(root / name_or_path):
            return root / name_or_path
    path = Path(name_or_path)
    if path.is_file() and path.suffix == ".ckpt":
        return path
    if is_hub_name(name_or_path):
        path = fetch(str(name_or_path), "model", FILES)
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
    """A model from a name, a released folder, OWNER/NAME[@REVISION] on the hub or a checkpoint, ready to use.

    It knows its ``name``, its ``card``, a ``digest`` of what decides its outputs, what it ``reads``, and the
    folder or checkpoint it has come from, ``place``. data: whose liquid the names in `BARE` stand for.

    Examples:
        >>> print(repr(load_model("ka2d-mini-heated"))[:50])
        <ka2d-mini-heated: Heated; reads thermal positions

    Raises:
        ConfigError: nothing is found, or the config names a class that is not registered.
        DataError: the weights or the config are unreadable, do not fit each other or their checksums.
        MissingDependencyError: the hub is asked for and huggingface_hub is not installed.
    """
    name = str(name_or_path)
    if name in BARE and not Path(name).exists():
        if data is None:
            raise ConfigError(f"{name} stands for a model of the liquid of some data: say which, data=...")
        return _of_liquid(name, data).to(device)
    path = resolve(name_or_path)
    if path.is_dir() and sums_of(path):
        check_sums(path, FILES)
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
    if is_hub_name(word):
        return _is_model_on_hub(word)
    raise DataError(
        f"no dataset and no model at {word}; give a file, the folder of a model, or one of the names that "
        "`gensample datasets` and `gensample models` list"
    )


def _is_model_on_hub(word: str) -> bool:
    """Whether there is a model of that name; if not, the dataset of that name is meant."""
    from gensample.data.catalog import dataset_file

    try:
        resolve(word)
    except ConfigError as error:
        try:
            dataset_file(word)
        except GensampleError:
            raise error from None
        return False
    return True


def class_of(name: str) -> str:
    """Path of the class that the config of a released model names."""
    return _class_in(resolve(name)) or "unknown"


def run_name(name_or_path: str | Path) -> str:
    """What to call a model by: the name of its folder, on the hub, or of the run that a checkpoint is of."""
    if is_hub_name(name_or_path):
        return short_name(str(name_or_path))
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


def start_of(name_or_path: str | Path) -> tuple[Reads, dict[str, Tensor]]:
    """What a trained model reads, and its weights: what a training of another one may begin with.

    Raises:
        ConfigError: it has no weights to train on from.
    """
    model = load_model(name_or_path)
    if not _is_trained(resolve(name_or_path)):
        raise ConfigError(f"{name_or_path} needs no training: it has no weights to begin with")
    return model.reads, model.state_dict()


def write_settings(name_or_path: str | Path, folder: Path) -> Path:
    """Write the settings that a model was trained with, as a config of `gensample fit`, into ``folder``.

    Raises:
        ConfigError: the model needs no training, or is a checkpoint without the config of its run.
    """
    from gensample.reads import OLDER

    path = resolve(name_or_path)
    file = path / CONFIG if path.is_dir() else path.resolve().parent.parent / CONFIG
    if not _is_trained(path) or not file.is_file():
        raise ConfigError(f"{name_or_path} has no settings to train with ({file}); give --config")
    content = read_yaml(file)
    block = _model_block(file, content)
    # What a training has from its data.
    of_data = {*OLDER, "reads", "system"}
    own = {key: value for key, value in (block.get("init_args") or {}).items() if key not in of_data}
    settings: dict[str, Any] = {"model": {"class_path": block["class_path"], "init_args": own}}
    settings |= {key: content[key] for key in ("seed_everything", "data") if key in content}
    trainer = content.get("trainer") or {}
    settings["trainer"] = {key: value for key, value in trainer.items() if key not in OF_MACHINE}
    out = folder / f"{run_name(name_or_path)}.yaml"
    out.write_text(yaml.safe_dump(registry.renewed(settings), sort_keys=False), encoding="utf-8")
    return out


def _is_trained(path: Path) -> bool:
    return path.is_file() or _class_in(path) not in registry.GENERATORS


def _from_folder(folder: Path) -> Any:
    from gensample.weights import read_tensors

    content = read_yaml(folder / CONFIG)
    block = _with_reads(_model_block(folder / CONFIG, content), data_settings(folder), folder)
    return _assemble(block, read_tensors(folder / WEIGHTS), source=folder)


def _from_checkpoint(path: Path) -> Any:
    """The model of a checkpoint with its averaged weights, see `release.release`."""
    from gensample.weights import read_checkpoint

    checkpoint = read_checkpoint(path)
    return _assemble(checkpoint_block(path, checkpoint), checkpoint["state_dict"], source=path)


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


def checkpoint_block(path: Path, checkpoint: dict[str, Any]) -> dict[str, Any]:
    """The model block of a config, from what a checkpoint says of its model."""
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
