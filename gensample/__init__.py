"""Sampling with generative models in the physics of glasses.

A *dataset* (`open_dataset`) holds configurations and their dynamics; a *model* (`load_model`) predicts or
draws an ensemble of futures, itself a dataset; `compare` judges it. Names are imported when they are used;
`__init__.pyi` tells type checkers of them.
"""

from importlib import import_module
from typing import Any

__version__ = "0.2.0"

__all__ = [
    "Comparison",
    "Configuration",
    "Dataset",
    "Mixture",
    "Reads",
    "compare",
    "load_model",
    "open_dataset",
]
_HOMES = {
    "Comparison": "comparison.result",
    "Configuration": "data.configuration",
    "Dataset": "data.dataset",
    "Mixture": "physics.mixtures",
    "Reads": "reads",
    "compare": "comparison.compare",
    "load_model": "zoo",
    "open_dataset": "data.dataset",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'gensample' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"gensample.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
