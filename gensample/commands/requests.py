"""Whose an output file and its folder of finished parts are: a request is what decides the bits.

Model and data are named by their paths and known by digests of their content: what a path holds may change.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

from gensample.data.store import Store
from gensample.errors import ConfigError
from gensample.ranges import SEED, check_choice, check_table, positive_to, whole
from gensample.sampling.solver import ADAPTIVE, FIXED
from gensample.simulate.runners import ENGINES

RANGES = {
    "replicas": whole(1, 1_000_000),
    "seed": SEED,
    "steps": whole(1, 100_000),
    "tolerance": positive_to(0.1),
}
SPLITS = ("train", "val", "test", "all")
KNOWN_BY_CONTENT = {"weights": "other weights", "content": "other data"}


@dataclass(frozen=True, kw_only=True)
class AnyRequest:
    """What decides the bits of an ensemble of any model."""

    model: str
    data: str
    split: str
    replicas: int
    seed: int
    weights: str = ""
    content: str = ""

    def check(self) -> None:
        """Refuse settings that cannot be, naming the option."""
        check_table(self, RANGES, "--")
        check_choice("--split", self.split, SPLITS)


@dataclass(frozen=True, kw_only=True)
class Request(AnyRequest):
    """And of a trained model: the solver."""

    method: str
    steps: int
    tolerance: float

    def check(self) -> None:
        """See `AnyRequest`."""
        super().check()
        check_choice("--method", self.method, (*FIXED, *ADAPTIVE, "sde"))


@dataclass(frozen=True, kw_only=True)
class PhysicsRequest(AnyRequest):
    """And of a generator without training: ``engine`` of its dynamics, "" where it runs none."""

    engine: str

    def check(self) -> None:
        """See `AnyRequest`."""
        super().check()
        check_choice("--engine", self.engine, (*ENGINES, ""))


def refuse_other(request: Any, out: Path) -> None:
    """ConfigError unless the dataset was made by this request."""
    with Store.open(out) as store:
        made_with = store.attrs.get("request")
    asked = asdict(request)
    # What a field was before there was one; older files do not know weights and data by content.
    before = {field.name: field.default for field in fields(request) if field.default is not MISSING}
    recorded = {} if made_with is None else before | json.loads(made_with)
    if recorded | {name: asked[name] for name in KNOWN_BY_CONTENT} != asked:
        raise ConfigError(f"{out} exists and is another sample; remove it or choose another --out")
    for name, what in KNOWN_BY_CONTENT.items():
        if recorded[name] not in ("", asked[name]):
            raise ConfigError(f"{out} was drawn with {what} than now; remove it or choose another --out")
