"""What a model is: `gensample info` of a released one, a folder or a checkpoint."""

from __future__ import annotations

import textwrap
from typing import Any

from gensample import zoo
from gensample.generators.base import PhysicsGenerator
from gensample.text import printable

WIDTH = 100
INPUTS = {"thermal": "thermal positions", "inherent": "inherent structures", "cage": "cage positions"}


def inspect_model(name: str) -> dict[str, Any]:
    """Class, number of parameters, what is read, domain, lag times and the head of the card, as plain values.

    Raises:
        ConfigError, DataError: as `zoo.load_model`.
    """
    model: Any = zoo.load_model(name)
    trained = not isinstance(model, PhysicsGenerator)
    return {
        "path": str(zoo.resolve(name)),
        "class": f"{type(model).__module__}.{type(model).__name__}",
        "network": type(model.network).__name__ if hasattr(model, "network") else None,
        "parameters": sum(p.numel() for p in model.parameters()) if trained else 0,
        "reads": {key: value for key, value in model.reads.plain().items() if key not in ("domain", "lags")},
        "lag_times": list(model.reads.lags or ()) or None,
        "domain": {key: value for key, value in model.reads.domain.items() if key != "lag_times"},
        "card": zoo.purpose(name),
    }


def describe_model(summary: dict[str, Any]) -> list[str]:
    """Lines of the summary, as printed."""
    s = summary
    network = f", network {s['network']}" if s["network"] else ""
    times = ", ".join(f"{time:g}" for time in s["lag_times"] or ()) or "none stated"
    lines = [
        s["path"],
        _line("class", s["class"] + network),
        _line("parameters", f"{s['parameters']:,}" if s["parameters"] else "none: no training"),
        _line("reads", _what_is_read(s["reads"], s["parameters"] > 0)),
        _line("domain", _within(s["domain"])),
        _line("lag times", times),
        "",
        *textwrap.wrap(s["card"], WIDTH),
    ]
    return [printable(line) for line in lines]


def _line(name: str, text: str) -> str:
    return f"  {name:<13}{text}"


def _what_is_read(reads: dict[str, Any], trained: bool) -> str:
    words = [INPUTS[reads["input"]]]
    words += [f"graph at cut-off {reads['cutoff']}"] if trained else []
    words += ["descriptors " + ", ".join(reads["descriptors"])] if reads["descriptors"] else []
    return ", ".join(words)


def _within(domain: dict[str, Any]) -> str:
    """The data that a model is good for."""
    mixture = domain.get("mixture")
    parts = [] if mixture is None else [mixture if isinstance(mixture, str) else str(mixture["name"])]
    parts += [f"truncation {domain['truncation']}"] if "truncation" in domain else []
    parts += [f"density {domain['density']:g}"] if "density" in domain else []
    if "temperatures" in domain:
        parts.append("T = " + ", ".join(f"{t:g}" for t in domain["temperatures"]))
    return ", ".join(parts) or "not recorded"
