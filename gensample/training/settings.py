"""Hyper-parameters that a checkpoint can hold: plain values only, networks as class path and arguments."""

from __future__ import annotations

import copy
import inspect
import warnings
from typing import Any

import lightning
from torch import nn

from gensample.errors import ConfigError
from gensample.reads import Reads
from gensample.registry import NETWORKS, build


def save_settings(module: lightning.LightningModule) -> None:
    """Record the arguments of the caller's constructor and of those above it, so that they load by name.

    LightningCLI records networks as ``{class_path, init_args}`` and the class by itself. The same is done
    here for a module made in Python, with the defaults of what was left to a constructor above.
    """
    frame = inspect.currentframe()
    assert frame is not None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*is an instance of `nn.Module`.*")
        module.save_hyperparameters(frame=frame.f_back)
    above = {
        name: each.default
        for cls in reversed(type(module).__mro__)
        if cls.__module__.startswith("gensample.") and "__init__" in vars(cls)
        for name, each in inspect.signature(cls).parameters.items()
        if each.default is not inspect.Parameter.empty
    }
    found = {"_class_path": _class_path(type(module)), **above, **module.hparams}
    module.hparams.update({name: _plain(value) for name, value in found.items()})
    object.__setattr__(module, "_hparams_initial", copy.copy(module.hparams))


def _plain(value: Any) -> Any:
    if isinstance(value, Reads):
        return value.plain()
    return specification(value) if isinstance(value, nn.Module) else value


def specification(module: nn.Module) -> dict[str, Any]:
    """``{class_path, init_args}`` of a module that keeps its arguments as attributes of the same name.

    Raises:
        ConfigError: when an argument of the constructor is not kept.
    """
    names = [name for name in inspect.signature(type(module)).parameters]
    absent = [name for name in names if not hasattr(module, name)]
    if absent:
        raise ConfigError(f"{type(module).__name__} must keep its arguments as attributes; absent: {absent}")
    values = {name: _plain(getattr(module, name)) for name in names}
    return {"class_path": _class_path(type(module)), "init_args": values}


def as_module(network: nn.Module | dict[str, Any]) -> nn.Module:
    """The network itself, or a new one from its :func:`specification`."""
    built = build(network, NETWORKS)
    if not isinstance(built, nn.Module):
        raise ConfigError(f"model.network must be a class_path with init_args, got {type(built).__name__}")
    return built


def _class_path(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
