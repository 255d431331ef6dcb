"""Checkpoints and weights, read and written: tensors and plain values, never a pickle that runs."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from gensample import __version__
from gensample.errors import DataError
from gensample.plain import check_plain
from gensample.work import atomic

ZIP = b"PK\x03\x04"
TYPES = {
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64),
    *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
}


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """Tensors by name from a file of weights, safetensors or torch, on the CPU.

    Raises:
        DataError: the file is absent, damaged, or holds anything else; a value is not finite.
    """
    path = Path(path)
    found = _read_torch(path) if _head(path) == ZIP else _read_safetensors(path)
    return check_tensors(found, path)


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """A checkpoint of Lightning: ``state_dict`` and ``hyper_parameters``, mappings, and what else it has.

    Raises:
        DataError: the file is absent, damaged or no checkpoint; a weight is not finite.
    """
    path = Path(path)
    if _head(path) != ZIP:
        raise DataError(f"{path} is not a checkpoint of torch: it is empty, damaged or another kind of file")
    found = _read_torch(path)
    if not isinstance(found, dict) or not isinstance(found.get("state_dict"), dict):
        raise DataError(f"{path} is not a checkpoint of Lightning: it holds no state_dict")
    for name in ("state_dict", "current_model_state"):
        if name in found:
            check_tensors(found[name], path)
    for name in ("hyper_parameters", "datamodule_hyper_parameters"):
        found[name] = _settings(found.get(name, {}), name, path)
    return found


def write_checkpoint(checkpoint: dict[str, Any], path: str | Path) -> None:
    """Write a checkpoint beside ``path`` and put it in its place whole."""
    with atomic(path, replace=True) as temporary, temporary.open("wb") as file:
        torch.save(checkpoint, file)


def check_tensors(found: Any, source: str | Path) -> dict[str, Tensor]:
    """The same, when it is a mapping of names to finite tensors.

    Raises:
        DataError: names the entry that is not.
    """
    if not isinstance(found, dict):
        raise DataError(f"{source} holds a {type(found).__name__}; expected tensors by name")
    for name, value in found.items():
        if not isinstance(name, str) or not isinstance(value, Tensor) or not _is_plain(value):
            raise DataError(f"{source}: {name!r} is a {type(value).__name__}; expected a plain tensor")
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise DataError(f"{source}: {name} holds values that are not finite; train again")
    return found


def _is_plain(value: Tensor) -> bool:
    """Numbers that are there: strides of zero or another device can claim more than any memory."""
    if value.dtype not in TYPES or value.layout != torch.strided or value.device.type != "cpu":
        return False
    return not value.is_nested and value.numel() * value.element_size() <= value.untyped_storage().nbytes()


def check_fit(own: dict[str, Tensor], weights: dict[str, Tensor], source: str | Path) -> None:
    """Refuse weights of other names, shapes or types than those of a module, ``own``.

    Raises:
        DataError: names the first few that differ.
    """
    wrong = [f"{name} is missing" for name in own if name not in weights]
    wrong += [f"{name} is unknown" for name in weights if name not in own]
    for name in own.keys() & weights.keys():
        ours, theirs = own[name], weights[name]
        if ours.shape != theirs.shape:
            wrong.append(f"{name} has shape {list(theirs.shape)}, not {list(ours.shape)}")
        elif ours.dtype != theirs.dtype and not (ours.is_floating_point() and theirs.is_floating_point()):
            wrong.append(f"{name} is of type {theirs.dtype}, not {ours.dtype}")
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise DataError(f"{source}: the weights do not fit the config: {'; '.join(sorted(wrong)[:3])}{more}")


def save_tensors(weights: dict[str, Tensor], path: Path) -> None:
    """Write tensors by name as safetensors, which nothing can be run from."""
    # Cloned: safetensors refuses tensors that share memory.
    plain = {key: value.detach().clone().contiguous() for key, value in weights.items()}
    save_file(plain, path, metadata={"format": "pt", "gensample": __version__})


def _head(path: Path) -> bytes:
    if path.exists() and not path.is_file():  # a pipe would be waited for, a device read without end
        raise DataError(f"no weight file at {path}: it is a folder, a pipe or a device")
    try:
        with path.open("rb") as file:
            return file.read(len(ZIP))
    except OSError as error:
        raise DataError(f"no weight file at {path}: {error.strerror}") from error


def _read_torch(path: Path) -> Any:
    try:
        _check_archive(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen types for a foreign or truncated file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path} is not a file of torch that can be read safely: {reason}") from error


def _check_archive(path: Path) -> None:
    """Refuse an archive that unpacks to more than it holds: torch stores what it saves uncompressed."""
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > path.stat().st_size:
        raise DataError(f"it unpacks to {unpacked} bytes, more than it has")


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        found: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError, ValueError, RuntimeError, KeyError) as error:
        raise DataError(f"{path} is not a safetensors file: {error or 'empty'}") from error
    return found


def _settings(found: Any, name: str, path: Path) -> dict[str, Any]:
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise DataError(f"{path}: {name} is a {type(found).__name__}; expected settings by name")
    try:
        check_plain(found)
    except ValueError as error:
        raise DataError(f"{path}: {name} holds no plain settings: {error}") from error
    return dict(found)
