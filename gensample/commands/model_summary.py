"""What a model is: `gensample info` of a released one, a folder or a checkpoint."""

from __future__ import annotations

import textwrap
from typing import Any

from gensample import zoo
from gensample.commands.predict_propensity import reads_of, stated_lag_times
from gensample.generators.base import Generator
from gensample.text import printable

WIDTH = 100
INPUTS = {"thermal": "thermal positions", "inherent": "inherent structures", "cage": "cage positions"}


def inspect_model(name: str) -> dict[str, Any]:
    """Class, number of parameters, what is read, domain, lag times and the head of the card, as plain values.

    Raises:
        ConfigError, DataError: as `zoo.load_model`.
    """
    model: Any = zoo.load_model(name)
    trained = not isinstance(model, Generator)
    return {
        "path": str(zoo.resolve(name)),
        "class": f"{type(model).__module__}.{type(model).__name__}",
        "network": type(model.network).__name__ if hasattr(model, "network") else None,
        "parameters": sum(p.numel() for p in model.parameters()) if trained else 0,
        "reads": _reads(name, model),
        "domain": {key: value for key, value in model.domain.items() if key != "lag_times"},
        "lag_times": _lag_times(name, model),
        "card": zoo.purpose(name),
    }


def _reads(name: str, model: Any) -> dict[str, Any]:
    """Positions, cut-off and descriptors, with the defaults of what a config leaves out."""
    if isinstance(model, Generator):
        return {"input": "inherent" if model.needs_inherent else "thermal"}
    return {"input": "thermal", **reads_of(name, model)}


def _lag_times(name: str, model: Any) -> list[float] | None:
    if isinstance(model, Generator):
        return list(model.lag_time)
    return stated_lag_times(name, model)


def describe_model(summary: dict[str, Any]) -> list[str]:
    """Lines of the summary, as printed."""
    s = summary
    network = f", network {s['network']}" if s["network"] else ""
    times = ", ".join(f"{time:g}" for time in s["lag_times"] or ()) or "none stated"
    lines = [
        s["path"],
        _line("class", s["class"] + network),
        _line("parameters", f"{s['parameters']:,}" if s["parameters"] else "none: no training"),
        _line("reads", _what_is_read(s["reads"])),
        _line("domain", _within(s["domain"])),
        _line("lag times", times),
        "",
        *textwrap.wrap(s["card"], WIDTH),
    ]
    return [printable(line) for line in lines]


def _line(name: str, text: str) -> str:
    return f"  {name:<13}{text}"


def _what_is_read(reads: dict[str, Any]) -> str:
    words = [INPUTS.get(reads["input"], str(reads["input"]))]
    words += [f"graph at cut-off {reads['cutoff']}"] if "cutoff" in reads else []
    described = reads.get("descriptors")
    if described:
        words.append("descriptors " + ", ".join(map(str, described if isinstance(described, list) else [])))
    return ", ".join(words).strip()


def _within(domain: dict[str, Any]) -> str:
    """The data that a model is good for."""
    parts = [str(domain["mixture"])] if "mixture" in domain else []
    parts += [f"truncation {domain['truncation']}"] if "truncation" in domain else []
    parts += [f"density {domain['density']:g}"] if "density" in domain else []
    if "temperatures" in domain:
        parts.append("T = " + ", ".join(f"{t:g}" for t in domain["temperatures"]))
    return ", ".join(parts) or "not recorded"
