"""Whose an output file and its folder of finished parts are: a request is what decides the bits.

A model is named by its path and known by the digest of its weights: what a path holds may change.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any

from gensample.data.store import Store
from gensample.errors import ConfigError


def parts_folder(out: Path) -> Path:
    """Where the finished parts of an unfinished sample lie."""
    return out.with_name(f"{out.name}.parts")


def refuse_other(request: Any, out: Path) -> None:
    """ConfigError unless the dataset was made by this request."""
    with Store.open(out) as store:
        made_with = store.attrs.get("request")
    asked = asdict(request)
    # What a field was before there was one; older files do not say which weights they were drawn with.
    before = {field.name: field.default for field in fields(request) if field.default is not MISSING}
    recorded = {} if made_with is None else before | json.loads(made_with)
    if recorded | {"weights": asked["weights"]} != asked:
        raise ConfigError(f"{out} exists and is another sample; remove it or choose another --out")
    if recorded["weights"] not in ("", asked["weights"]):
        raise ConfigError(
            f"{out} was drawn with other weights than {request.model} now has; "
            "remove it or choose another --out"
        )
