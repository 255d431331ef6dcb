"""Opens the weight files that the authors of BOTAN and of Bapst et al. published."""

from pathlib import Path

import torch
from torch import Tensor

from gensample.data.importing import npz
from gensample.nn.bapst import from_published
from gensample.nn.botan import from_official
from gensample.weights import check_tensors, read_tensors


def load_official(path: str | Path) -> dict[str, Tensor]:
    """State of a network from a file of its authors, on the CPU.

    ``.pth``: of :class:`gensample.nn.botan.Botan`; ``.npz``: of :class:`gensample.nn.bapst.Bapst`.

    Raises:
        DataError: when the file is absent or is no plain file of finite tensors (no pickle is run).
        ConfigError: when the tensors are not those of the network.
    """
    if Path(path).suffix == ".npz":
        arrays = npz.arrays(Path(path), npz.keys(Path(path)))
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        return from_published(check_tensors(tensors, path))
    return from_official(read_tensors(path))
