"""What the Lightning modules share: settings that a checkpoint can hold, learning rates, scores of draws.

Hyper-parameters are plain values only, networks as class path and arguments.
"""

from __future__ import annotations

import copy
import inspect
import math
import warnings
from collections.abc import Callable
from typing import Any

import lightning
import torch
from torch import Tensor, nn

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


def warm_cosine(step: int, total: int, warmup: int = 100) -> float:
    """Factor at ``step`` of ``total``: half a cosine down to a hundredth, times a linear warm-up.

    Runs not much longer than the warm-up stay well below 1: the cosine falls while the warm-up rises.
    """
    decay = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(step / max(total, 1), 1.0)))
    return decay * min((step + 1) / warmup, 1.0)


def adamw(
    task: Any, rate: Callable[[int, int], float], weight_decay: float, lr: float = 1.0
) -> dict[str, Any]:
    """What ``configure_optimizers`` returns: AdamW at the rate lr rate(step, steps of the run)."""
    optimizer = torch.optim.AdamW(task.parameters(), lr=lr, weight_decay=weight_decay)
    total = max(int(task.trainer.estimated_stepping_batches), 1)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, total))
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def place_in_step(task: lightning.LightningModule, index: int) -> int:
    """Which batch of its optimiser step the batch ``index`` of this process is, of all processes.

    Whether n batches are those of n processes or accumulated by one: each has random numbers of its own.
    """
    trainer = task.trainer
    return index % trainer.accumulate_grad_batches * trainer.world_size + trainer.global_rank


def fixed_times(number: int, device: torch.device | str | None = None) -> Tensor:
    """Centres (k + 1/2) / number of equal intervals: path times that never change, (number,)."""
    return (torch.arange(number, device=device) + 0.5) / number


def ensemble_scores(fields: Tensor, propensity: Tensor) -> dict[str, Tensor]:
    """Scores of fields (n, R, d) of one species and lag against simulated propensities (n,).

    ``pearson_draws`` of the mean length over draws, ``mean_ratio`` of the mean lengths, ``overlap`` (a = 0.3)
    and ``chi4``, n times its variance over draws.
    """
    length = fields.norm(dim=-1)
    mean, overlap = length.mean(1), (length < 0.3).float()
    return {
        "pearson_draws": correlation_or_zero(mean, propensity),
        "mean_ratio": mean.mean() / propensity.mean(),
        "overlap": overlap.mean(),
        "chi4": len(length) * overlap.mean(0).var(),
    }


def correlation_or_zero(x: Tensor, y: Tensor) -> Tensor:
    """Pearson correlation of x and y (n,); zero where one is constant."""
    x, y = x - x.mean(), y - y.mean()
    product: Tensor = (x * y).sum() / (x.norm() * y.norm()).clamp(min=torch.finfo(x.dtype).tiny)
    return product
