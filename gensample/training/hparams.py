"""Hyper-parameters that a checkpoint can hold: plain values only, networks as class path and arguments."""

import copy
import inspect
import warnings
from typing import Any

import lightning
from torch import nn

from gensample.errors import ConfigError
from gensample.registry import NETWORKS, build


def save_plain_hyperparameters(task: lightning.LightningModule) -> None:
    """``task.save_hyperparameters()`` for the caller's constructor, with every network as a plain dictionary.

    LightningCLI records networks as ``{class_path, init_args}`` by itself. The same is done here for a task
    made in Python, so that its checkpoint also loads with ``weights_only=True`` and by name.
    """
    frame = inspect.currentframe()
    assert frame is not None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*is an instance of `nn.Module`.*")
        task.save_hyperparameters(frame=frame.f_back)
    networks = {name: value for name, value in task.hparams.items() if isinstance(value, nn.Module)}
    if networks:
        task.hparams.update({name: specification(value) for name, value in networks.items()})
        task.hparams["_class_path"] = _class_path(type(task))
        object.__setattr__(task, "_hparams_initial", copy.copy(task.hparams))


def specification(module: nn.Module) -> dict[str, Any]:
    """``{class_path, init_args}`` of a module that keeps its arguments as attributes of the same name.

    Raises:
        ConfigError: when an argument of the constructor is not kept.
    """
    names = [name for name in inspect.signature(type(module)).parameters]
    absent = [name for name in names if not hasattr(module, name)]
    if absent:
        raise ConfigError(f"{type(module).__name__} must keep its arguments as attributes; absent: {absent}")
    values = {name: getattr(module, name) for name in names}
    plain = {n: specification(v) if isinstance(v, nn.Module) else v for n, v in values.items()}
    return {"class_path": _class_path(type(module)), "init_args": plain}


def as_module(network: nn.Module | dict[str, Any]) -> nn.Module:
    """The network itself, or a new one from its :func:`specification`."""
    built = build(network, NETWORKS)
    if not isinstance(built, nn.Module):
        raise ConfigError(f"model.network must be a class_path with init_args, got {type(built).__name__}")
    return built


def _class_path(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
