"""Plain values from outside, as yaml, json or the settings of a checkpoint: nothing runs, nothing grows."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from gensample.errors import DataError

# Far beyond our configs and metrics; a page of aliases can stand for more than any memory holds.
MOST_BYTES = 32_000_000
MOST_VALUES = 1_000_000
MOST_DEPTH = 50

_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Safe):  # type: ignore[misc]
    """As omegaconf and jsonargparse read: 1e-3 is a number, and no key stands twice in a mapping."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        names = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        for name, count in names.items():
            if count > 1 and name != "<<":
                raise yaml.constructor.ConstructorError(None, None, f"{name} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+\.?\d*[eE][-+]?\d+$"), list("-+0123456789.")
)


def read_yaml(
    path: str | Path, most_bytes: int = MOST_BYTES, most_values: int = MOST_VALUES
) -> dict[str, Any]:
    """The mapping in a yaml file.

    Raises:
        DataError: it cannot be read, is no mapping of plain values, or stands for too many of them.
    """
    text = _text(Path(path), most_bytes)
    try:
        check_yaml(text, most_values)
        found = yaml.load(text, Loader=_Loader)
        check_plain(found)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DataError(f"{path} is not plain yaml: {_reason(error)}") from error
    return _mapping(path, found)


def read_json(path: str | Path) -> dict[str, Any]:
    """The mapping in a json file.

    Raises:
        DataError: it cannot be read, or is no mapping.
    """
    try:
        found = json.loads(_text(Path(path), MOST_BYTES))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not json: {_reason(error)}") from error
    return _mapping(path, found)


def check_yaml(text: str, most: int = MOST_VALUES) -> None:
    """Refuse yaml that is nested too deep, or whose aliases and merges stand for more than ``most`` values.

    Raises:
        ValueError: it is; yaml.YAMLError: it is not yaml.
    """
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_DEPTH:
            raise ValueError(f"nested deeper than {MOST_DEPTH}")
    if _count(yaml.compose(text, Loader=_Loader), {}) > most:
        raise ValueError(f"it stands for more than {most} values")


def check_plain(found: Any) -> None:
    """Refuse a tree that holds anything but plain values, or stands for too many of them.

    Raises:
        ValueError: it does.
    """
    _count(found, {})


def _count(found: Any, known: dict[int, int], depth: int = 0) -> int:
    """Number of values of a tree, shared parts as often as they occur."""
    if id(found) in known:
        return known[id(found)]
    parts = _parts(found)
    known[id(found)] = MOST_VALUES  # of a tree that holds itself
    if depth > MOST_DEPTH:
        raise ValueError(f"nested deeper than {MOST_DEPTH}")
    total = 1
    for part in parts:
        total += _count(part, known, depth + 1)
        if total > MOST_VALUES:
            raise ValueError(f"it stands for more than {MOST_VALUES} values")
    known[id(found)] = total
    return total


def _parts(found: Any) -> list[Any]:
    if isinstance(found, yaml.MappingNode):
        return [each for pair in found.value for each in pair]
    if isinstance(found, yaml.SequenceNode):
        return list(found.value)
    if isinstance(found, dict):
        return [*found, *found.values()]
    if isinstance(found, list | tuple):
        return list(found)
    if found is None or isinstance(found, str | int | float | yaml.ScalarNode):
        return []
    raise ValueError(f"a {type(found).__name__} is no plain value")


def _text(path: Path, most: int) -> str:
    try:
        # A pipe would be waited for, a device read without end.
        if path.exists() and not (path.is_file() and path.stat().st_size <= most):
            raise DataError(f"{path} must be a file of settings or numbers, of at most {most} bytes")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text: {error}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


def _mapping(path: str | Path, found: Any) -> dict[str, Any]:
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise DataError(f"{path} must hold settings by name, got {type(found).__name__}")
    return found


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
