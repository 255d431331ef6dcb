"""What a report says about the two files it compares: where they come from and how they were made."""

import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import gensample
from gensample.comparison.pairing import composition
from gensample.data.dataset import Dataset
from gensample.data.store import Store

# Attributes that the layout itself or other entries already tell.
_TOLD = {"format", "version", "mixture", "mixture_values", "temperature", "density", "units", "truncation"}
_TOLD |= {"data", "split"}
_LONGEST = 160  # characters of an attribute that still reads as a fact; `gensample info` shows the rest


def describe(sim: Dataset, gen: Dataset, further: Mapping[str, Dataset] | None = None) -> dict[str, Any]:
    """Entries of ``meta`` about the paired configurations, both files, and ``further`` ones by name."""
    others = further or {}
    meta = _both(sim, gen)
    meta["simulated"]["temperature"] = float(sim.temperature[0])
    sources = {"simulated": sim, "generated": gen, **others}
    meta["core_seconds"] = {name: core_seconds(data.store) for name, data in sources.items()}
    meta["further"] = {name: facts(data) for name, data in others.items()}
    return {"configurations": len(sim), **meta}


def core_seconds(store: Store) -> float | None:
    """Core-seconds of one replica or draw, all its lags together; None where the file does not say."""
    each, everything = (store.attrs.get(name) for name in ("core_seconds_per_replica", "core_seconds"))
    if each is None and everything is not None:
        each = everything / max(int(store.done.sum()), 1)
    return None if each is None else float(each)


def describe_sets(sim: Dataset, gen: Dataset) -> dict[str, Any]:
    """Entries of ``meta`` about two sets of configurations: nothing is paired, and N may differ."""
    meta = _both(sim, gen)
    meta["generated"]["particles"] = f"{gen.store.num_particles} ({composition(gen.store)})"
    for side in (meta["simulated"], meta["generated"]):
        side.pop("replicas")
    return meta


def _both(sim: Dataset, gen: Dataset) -> dict[str, Any]:
    made, store = facts(gen), sim.store
    return {
        "split": ", ".join(sorted(sim.splits)),
        "gensample": gensample.__version__,
        "created": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "simulated": {
            **facts(sim),
            "name": store.path.stem,
            "mixture": sim.mixture,
            "particles": f"{store.num_particles} ({composition(store)})",
            "density": store.density,
            "truncation": store.truncation,
        },
        "generated": {"name": _model_name(made.get("model"), gen.store.path), **made},
    }


def _model_name(model: str | None, path: Path) -> str:
    """The model as it was named, or the end of its path."""
    return path.stem if model is None else "/".join(Path(model).parts[-3:])


def facts(data: Dataset) -> dict[str, Any]:
    """File, complete replicas, and every short attribute: seeds, solver, function evaluations, versions."""
    store, counts = data.store, data.replicas
    low, high = int(counts.min()), int(counts.max())
    found: dict[str, Any] = {"file": str(store.path), "replicas": low if low == high else f"{low} to {high}"}
    for name, value in store.attrs.items():
        if name in _TOLD:
            continue
        decoded = _decoded(value)
        entries = decoded if isinstance(decoded, dict) and name != "software" else {name: decoded}
        for key, entry in entries.items():
            if key not in _TOLD and _is_fact(entry):
                found.setdefault(key, entry)
    return found


def _decoded(value: Any) -> Any:
    """Attributes that are JSON objects, such as the request of a sample, as dictionaries."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _is_fact(value: Any) -> bool:
    return not isinstance(value, np.ndarray) and value not in ("", -1, None) and len(str(value)) <= _LONGEST
