"""The iterable that hands batches of a data module to Lightning."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch_geometric.data import Data

from gensample.seeding import torch_generator

if TYPE_CHECKING:
    from gensample.data.datamodule import KADataModule


class BatchLoader:
    """Ready batches of the given rows; no worker processes, since the data are in memory already.

    The state of a training loader says how far into its epoch it is, so that a run resumed in the middle of
    an epoch goes on with the next batch. Under several processes each takes every world-th batch; the last
    round is filled up from the first batches, so that all take the same number of steps.
    """

    def __init__(self, data: "KADataModule", rows: np.ndarray, training: bool = False) -> None:
        self._data, self._rows, self._training = data, rows, training
        self._served = self._start = 0
        self._epoch = 0

    def __len__(self) -> int:
        passes = self._data.passes if self._training else 1
        batches = -(-len(self._rows) * passes // self._data.batch_size)
        return -(-batches // self._world()[1])

    def __iter__(self) -> Iterator[Data]:
        start, self._start = self._start % self._steps(), 0
        epoch = self._current_epoch()
        rank, world = self._world()
        batches = self._batches(epoch)
        for step in range(start, len(self)):
            number = step * world + rank
            self._served = step + 1
            yield self._batch(batches[number % len(batches)], epoch, number)

    def _batch(self, rows: np.ndarray, epoch: int, number: int) -> Data:
        if not self._training:
            return self._data.batch(rows)
        return self._data.batch(rows, self._data.fields, torch_generator(self._data.seed, 1, epoch, number))

    def _batches(self, epoch: int) -> list[np.ndarray]:
        rows = self._rows
        if self._training:
            generator = torch_generator(self._data.seed, 0, epoch)
            orders = [torch.randperm(len(rows), generator=generator) for _ in range(self._data.passes)]
            rows = rows[torch.cat(orders).numpy()]
        size = self._data.batch_size
        return [rows[i : i + size] for i in range(0, len(rows), size)]

    def _current_epoch(self) -> int:
        if self._data.trainer is not None:
            return self._data.trainer.current_epoch
        self._epoch += 1
        return self._epoch - 1

    def _steps(self) -> int:
        """Steps of an epoch: fewer than the batches under ``limit_train_batches``."""
        trainer = self._data.trainer
        limit = len(self) if trainer is None else trainer.num_training_batches
        return max(1, int(min(limit, len(self))))

    def _world(self) -> tuple[int, int]:
        trainer = self._data.trainer
        return (0, 1) if trainer is None else (trainer.global_rank, trainer.world_size)

    def state_dict(self) -> dict[str, int]:
        """Batches served in this epoch."""
        return {"served": self._served}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Start the next pass after the batches already served."""
        self._start = state_dict["served"]
