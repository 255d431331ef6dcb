"""Opens the weight files that the authors of BOTAN and of Bapst et al. published."""

import pickle
from pathlib import Path

import torch
from torch import Tensor

from gensample.data.formats import npz
from gensample.errors import DataError
from gensample.nn.bapst import from_published
from gensample.nn.botan import from_official


def load_official(path: str | Path) -> dict[str, Tensor]:
    """State of a network from a file of its authors, on the CPU.

    ``.pth``: of :class:`gensample.nn.botan.Botan`; ``.npz``: of :class:`gensample.nn.bapst.Bapst`.

    Raises:
        DataError: when the file is absent or is no plain file of tensors (code in a pickle is never run).
        ConfigError: when the tensors are not those of the network.
    """
    if Path(path).suffix == ".npz":
        arrays = npz.load(Path(path), npz.keys(Path(path)))
        return from_published({name: torch.from_numpy(array) for name, array in arrays.items()})
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise DataError(f"no weight file at {path}") from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise DataError(f"{path} is no torch file of tensors; expected an official BOTAN .pth") from error
    if not isinstance(state, dict):
        raise DataError(f"{path} holds a {type(state).__name__}; expected a dictionary of tensors")
    return from_official(state)
