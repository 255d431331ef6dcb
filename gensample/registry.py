"""The classes that a model folder, a checkpoint or a config may name, and the one function that builds them.

Naming a class starts its constructor, and importing its module runs that: a name from outside is looked up in
this list first. A new task or network is entered here; predictors register themselves.
"""

import importlib
from collections.abc import Collection
from typing import Any

from gensample.errors import ConfigError
from gensample.ranges import shown

PARTS = "GENSAMPLE_IMPORT"
"""Environment variable: modules with parts of one's own, docs/extending.md."""

TASKS = {
    "gensample.training.configuration.ConfigurationTask",
    "gensample.training.displacement.DisplacementTask",
    "gensample.training.dynamics.DynamicsTask",
}
# What is left of a model when it is not trained: a module without Lightning, and the settings it drops.
TRAINED = {
    f"gensample.training.{module}.{kind}Task": f"gensample.generators.{module}.{kind}Flow"
    for module, kind in (("configuration", "Configuration"), ("displacement", "Displacement"))
}
OF_TRAINING = {
    *("assignment", "compile", "late", "lr", "regression_epochs", "regression_lr", "regression_weight"),
    *("seed", "steps", "train_conditioner", "validation_every", "validation_replicas", "validation_samples"),
    "weight_decay",
}
NETWORKS = {
    "gensample.nn.bapst.Bapst",
    "gensample.nn.botan.Botan",
    "gensample.nn.glassmlp.GlassMLP",
    "gensample.nn.se3.EquivariantPredictor",
}
# Of a known potential, as a rule without weights.
GENERATORS = {
    "gensample.generators.guided.Guided",
    "gensample.generators.harmonic.Harmonic",
    "gensample.generators.heated.Heated",
}
DATA = {"gensample.data.datamodule.KADataModule"}
CLASS_KEYS = ("class_path", "_class_path")
# Where classes lived that have moved since: paths in checkpoints and configs are a file format.
MOVED: dict[str, str] = {
    "gensample.estimators.ridge.Ridge": "gensample.predictors.ridge.Ridge",
    "gensample.estimators.softness.Softness": "gensample.predictors.softness.Softness",
    "gensample.tasks.callbacks.EMA": "gensample.training.callbacks.EMA",
    "gensample.tasks.configuration.ConfigurationTask": "gensample.training.configuration.ConfigurationTask",
    "gensample.tasks.displacement.DisplacementTask": "gensample.training.displacement.DisplacementTask",
    "gensample.tasks.dynamics.DynamicsTask": "gensample.training.dynamics.DynamicsTask",
}
# What a config of `gensample fit` may add to the trainer.
TRAINER = {
    "gensample.training.callbacks.EMA",
    "lightning.pytorch.callbacks.EarlyStopping",
    "lightning.pytorch.callbacks.EMAWeightAveraging",
    "lightning.pytorch.callbacks.LearningRateMonitor",
    "lightning.pytorch.callbacks.ModelCheckpoint",
    "lightning.pytorch.callbacks.ModelSummary",
    "lightning.pytorch.callbacks.RichProgressBar",
    "lightning.pytorch.callbacks.Timer",
    "lightning.pytorch.callbacks.TQDMProgressBar",
    "lightning.pytorch.loggers.CSVLogger",
    "lightning.pytorch.loggers.TensorBoardLogger",
}


def of_configs() -> set[str]:
    """What a config of `gensample fit` may name anywhere."""
    return TASKS | NETWORKS | DATA | TRAINER


def canonical(name: str) -> str:
    """Path of the class that a name means: an older path of it, or its name alone, will do."""
    return MOVED.get(name) or _short().get(name, name)


def renewed(settings: Any) -> Any:
    """A tree of plain values, its class paths as they are today."""
    if isinstance(settings, list | tuple):
        return type(settings)(map(renewed, settings))
    if not isinstance(settings, dict):
        return settings
    return {
        key: canonical(value) if key in CLASS_KEYS and isinstance(value, str) else renewed(value)
        for key, value in settings.items()
    }


def _short() -> dict[str, str]:
    return {path.rpartition(".")[2]: path for path in of_configs() | GENERATORS}


def build(spec: Any, among: Collection[str]) -> Any:
    """The object of a tree of ``{class_path, init_args}``; what holds no class path comes back as it is.

    ``among`` are the classes that the outermost may be of; those within it are networks. All names are
    checked before anything is imported or made.

    Raises:
        ConfigError: a class that is not registered, or settings that it cannot be made of.
    """
    spec = renewed(spec)
    _check(spec, among)
    return _make(spec)


def check_named(settings: Any, among: Collection[str]) -> None:
    """Refuse a tree of plain values that names a class outside ``among`` anywhere.

    Raises:
        ConfigError: names the class.
    """
    for name in _named(renewed(settings)):
        if not isinstance(name, str) or name not in among:
            known = ", ".join(sorted(among))
            raise ConfigError(f"{name!r} is not among the classes that may be named here: {known}")


def _check(spec: Any, among: Collection[str]) -> None:
    if isinstance(spec, dict) and "class_path" in spec:
        check_named({"class_path": spec["class_path"]}, among)
        spec = [value for key, value in spec.items() if key != "class_path"]
    check_named(spec, NETWORKS)


def _named(settings: Any) -> list[Any]:
    if isinstance(settings, list | tuple):
        return [name for each in settings for name in _named(each)]
    if not isinstance(settings, dict):
        return []
    own = [settings["class_path"]] if "class_path" in settings else []
    return own + [name for each in settings.values() for name in _named(each)]


def _make(spec: Any) -> Any:
    if isinstance(spec, list | tuple):
        return [_make(each) for each in spec]
    if not isinstance(spec, dict):
        return spec
    if "class_path" not in spec:
        return {key: _make(value) for key, value in spec.items()}
    module, _, name = spec["class_path"].rpartition(".")
    cls = getattr(importlib.import_module(module), name)
    given = spec.get("init_args") or {}
    if not isinstance(given, dict):
        raise ConfigError(f"{spec['class_path']}: init_args must be a mapping, got {type(given).__name__}")
    arguments = {key: _make(value) for key, value in given.items()}
    try:
        return cls(**arguments)
    except ConfigError:
        raise
    except Exception as error:  # whatever a constructor makes of settings of the wrong kind
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ConfigError(f"{spec['class_path']} cannot be made of its settings ({reason})") from error


def import_parts(names: str) -> None:
    """Import the modules that a user names, with commas between, which enter parts of their own.

    Raises:
        ConfigError: one cannot be imported.
    """
    for name in filter(None, names.split(",")):
        try:
            importlib.import_module(name.strip())
        except ImportError as error:
            raise ConfigError(f"{PARTS} names {shown(name)}, which cannot be imported: {error}") from error
