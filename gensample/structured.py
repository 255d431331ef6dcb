"""Settings of a simulation or a benchmark: a yaml file, written by hand, as a dataclass."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gensample.errors import ConfigError, DataError
from gensample.plain import check_yaml, read_yaml
from gensample.ranges import shown

MOST_BYTES, MOST_VALUES = 1_000_000, 10_000


def read_structured(path: str | Path, overrides: list[str] | None, schema: Callable[[Any], Any]) -> Any:
    """Settings of a yaml file as the dataclass that ``schema`` makes a structure of, from what is given.

    Raises:
        ConfigError: the file is unreadable, a key is unknown, or a value has the wrong type.
    """
    overrides = list(overrides or [])
    try:
        given = read_yaml(path, MOST_BYTES, MOST_VALUES)
        for override in overrides:
            check_yaml(override.partition("=")[2], MOST_VALUES)
        merged = OmegaConf.merge(given, OmegaConf.from_dotlist(overrides))
        _refuse_references(OmegaConf.to_container(merged))
        return OmegaConf.to_object(OmegaConf.merge(schema(merged), merged))
    except DataError as error:
        raise ConfigError(str(error)) from error
    # OmegaConf: a list for a mapping is a TypeError, a whole number that no float can be an OverflowError.
    except (OmegaConfBaseException, yaml.YAMLError, ValueError, TypeError, OverflowError) as error:
        lines = str(error).splitlines() or [type(error).__name__]
        # The first line, and the setting that omegaconf names in a later one.
        names = [line.split(":", 1)[1].strip() for line in lines[1:] if "full_key:" in line]
        said = [lines[0], *(f"(setting {name})" for name in names if name not in lines[0])]
        raise ConfigError(f"{path}: {' '.join(said)}") from None


def _refuse_references(value: Any) -> None:
    """Refuse ``${...}``: OmegaConf would read the user's environment, and the dataset records settings."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        for each in value:
            _refuse_references(each)
    elif isinstance(value, str) and "${" in value:
        raise ConfigError(f"{shown(value)} refers to another value; write the value itself")
