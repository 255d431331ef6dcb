"""``KADataModule``: one dataset with its neighbour graphs, kept on the training device, served as batches."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import Any

import lightning
import numpy as np
import torch
from rich.progress import track
from torch import Tensor
from torch_geometric.data import Data

from gensample.data.descriptors import Descriptors
from gensample.data.liquid import BaseEnsemble, Partners
from gensample.data.positions import Inputs
from gensample.data.records import (
    SYMMETRIES,
    Record,
    averages,
    collate,
    collate_positions,
    displacement_scales,
    draw_fields,
    estimate_bytes,
    free_memory,
    signed_permutation,
    structure_record,
)
from gensample.data.settings import DataSettings
from gensample.data.store import Store, domain_of, lag_rows
from gensample.data.views import open_view
from gensample.errors import ConfigError, DataError
from gensample.seeding import torch_generator

log = logging.getLogger(__name__)

# Share of the free memory that a resident dataset may take; the rest is for the network.
RESIDENT_SHARE = 0.5


class KADataModule(lightning.LightningDataModule):
    """Serves whole configurations with their graphs, as described in :mod:`gensample.fields`.

    Every configuration's graph and averages are computed once and stay on the training device, with the
    displacement fields where they fit; otherwise fields are read from the file at each step. What a step sees
    depends on (seed, epoch, step) alone.

    Args:
        dataset: file, or name of an embedded dataset.
        settings: of ``data.settings.DataSettings``, which says what each is.

    Raises:
        ConfigError: a setting that this dataset cannot serve.
        DataError: the dataset cannot be read.
    """

    def __init__(self, dataset: str, **settings: Any) -> None:
        super().__init__()
        self.settings = DataSettings(dataset, **settings)
        self.save_hyperparameters(asdict(self.settings), logger=False)
        self.dataset = dataset
        self._place: str | Store = dataset
        base, temperature = self.settings.base, self.settings.base_temperature
        self.base = BaseEnsemble(base, temperature) if base is not None else None
        self.device = torch.device("cpu")
        self.outside = ""
        self._records: dict[int, Record] = {}

    @classmethod
    def of(cls, store: Store, **settings: Any) -> KADataModule:
        """Serve a store that is open already, such as one in memory; ``settings`` as above."""
        module = cls(str(store.path), **settings)
        module._place = store
        return module

    # What the dataset is; readable before setup.

    @cached_property
    def store(self) -> Store:
        """The dataset, opened at first use and checked against the settings."""
        store = open_view(self._place, self.settings.quantity)
        self.settings.check(store)
        if self.base is not None:
            self.base.check_liquid(store.mixture, store.truncation)
        return store

    @property
    def dimension(self) -> int:
        """d."""
        return self.store.dimension

    @property
    def num_species(self) -> int:
        """Number of species."""
        return int(self.store.species.max()) + 1

    @cached_property
    def described(self) -> Descriptors:
        """The descriptors served, and what they are standardised by."""
        return Descriptors(self.store, self.settings.sets)

    @property
    def num_descriptors(self) -> int:
        """D, zero when no descriptors are served."""
        return sum(self.described.widths)

    @property
    def lag_rows(self) -> np.ndarray:
        """Rows of the dataset's lag times that are served, ascending."""
        return lag_rows(self.store.times, self.settings.lags)

    @property
    def lag_times(self) -> list[float]:
        """Lag times served, ascending."""
        return [float(t) for t in self.store.times[self.lag_rows]]

    @property
    def system(self) -> dict[str, Any]:
        """What a generator of configurations is made for: mixture, particles, density, temperatures, base."""
        asked = self.settings.temperatures
        served = self.store.temperature if asked is None else np.asarray(asked)
        return {
            "mixture": self.store.liquid.plain,
            "particles": self.store.num_particles,
            "density": self.store.density,
            "temperatures": [float(t) for t in np.unique(served)],
            "base_temperature": None if self.base is None else self.base.temperature,
        }

    @property
    def domain(self) -> dict[str, Any]:
        """What a model that is trained on these data is good for (``data.store.domain_of``)."""
        return domain_of(self.store, self.settings.temperatures, self.lag_times)

    def rows(self, split: str) -> np.ndarray:
        """Configurations of "train", "val", "test" or "all" that are served."""
        asked, validation = self.settings.temperatures, self.settings.validation
        if validation is None or split not in ("train", "val"):
            rows = self.store.indices(split)
        elif split == "val":
            rows = np.asarray(validation)
        else:
            rows = np.setdiff1d(self.store.indices("train"), validation)
        if asked is not None:
            near = np.isclose(self.store.temperature[rows, None], np.asarray(asked), rtol=1e-6)
            rows = rows[near.any(1)]
            if not len(rows):
                raise ConfigError(f"{self.dataset} has no temperature of {asked} in split {split!r}")
        return rows[: self.settings.train_limit] if split == "train" else rows

    # Lightning

    def setup(self, stage: str | None = None) -> None:
        """Choose the device and whether the displacement fields stay on it."""
        if self.trainer is not None:
            self.device = self.trainer.strategy.root_device
        self._species = torch.from_numpy(self.store.species.astype(np.int64)).to(self.device)
        self._lag_time = torch.tensor(self.lag_times, dtype=torch.float32, device=self.device)
        self.inputs = Inputs(self.store, self.settings.input, self.device)
        self._boxes, self._temperatures = self.store.box, self.store.temperature
        settings, base = self.settings, self.base
        if settings.heating and base is not None:
            self._served = [self.rows(split) for split in ("train", "val") if split in self.store.split]
            self._partners = Partners(self.store, base.temperature, settings.heating, settings.seed)
        self._keep_fields = settings.target == "displacement" and self._fits()

    def train_dataloader(self) -> BatchLoader:
        """Training configurations in random order, with random fields and axes."""
        return BatchLoader(self, self._prepare("train"), training=True)

    def val_dataloader(self) -> BatchLoader | list[Any]:
        """Validation configurations, the same batches each time; nothing where the dataset has none."""
        has_any = self.settings.validation is not None or "val" in self.store.split
        return BatchLoader(self, self._prepare("val")) if has_any else []

    def test_dataloader(self) -> BatchLoader:
        """Test configurations."""
        return BatchLoader(self, self._prepare("test"))

    def predict_dataloader(self) -> BatchLoader:
        """Configurations of ``predict_split``."""
        return BatchLoader(self, self._prepare(self.settings.predict_split))

    def state_dict(self) -> dict[str, Any]:
        """Statistics of the descriptors, so that a resumed run standardises alike."""
        found = self.described.statistics if self.settings.descriptors else None
        return {} if found is None else {"descriptor_mean": found[0], "descriptor_scale": found[1]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the statistics of the descriptors."""
        if state_dict:
            mean, scale = state_dict["descriptor_mean"], state_dict["descriptor_scale"]
            self.described.use(mean, scale, self.described.levels)

    # Batches

    def batch(
        self,
        rows: Sequence[int] | np.ndarray,
        fields: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Data:
        """The configurations ``rows`` as one batch on the device; random fields and axes with a generator.

        Without a generator the fields are the first ones: lags ascending within replica 0, then replica 1.
        """
        settings = self.settings
        if settings.target == "configuration":
            return self._positions_of(np.asarray(rows), generator)
        self._without_record(rows)
        records = []
        for row in rows:
            record = dict(self._record(int(row)))
            if settings.target == "displacement":
                self._draw(record, int(row), fields or self._validation_fields(), generator)
            if settings.descriptors:
                self.descriptor_statistics()
                record["descriptors"] = self.described.standardise(record["descriptors"])
            if settings.augment and generator is not None:
                record = signed_permutation(record, *SYMMETRIES[self.store.axes](self.dimension, generator))
            records.append(record)
        return collate(records, self._species, self._lag_time)

    def _positions_of(self, rows: np.ndarray, generator: torch.Generator | None) -> Data:
        """The configurations without graphs, and draws of a base beside them."""
        held = (self.inputs.thermal, self._boxes, self._temperatures)
        batch = collate_positions(rows, self._species, *(values[rows] for values in held))
        if self.base is not None:
            count = len(rows)
            split = "val" if generator is None else "train"
            generator = generator or torch_generator(self.settings.seed, 2, int(rows[0]))
            if self.settings.heating:
                drawn = self._partners.of(rows, self._served)
            else:
                drawn = self.base.draw(split, count, batch.box.cpu(), self.store.species, generator)
            batch.base = drawn.flatten(0, 1).to(self.device)
        return batch

    def _validation_fields(self) -> int:
        """Fields per validation configuration: at least ``fields``, every lag equally often."""
        lags = len(self._lag_time)
        return -(-self.settings.fields // lags) * lags

    def _draw(self, record: Record, row: int, count: int, generator: torch.Generator | None) -> None:
        replica, lag = draw_fields(int(record["replicas"]), len(self._lag_time), count, generator)
        if "displacement" in record:
            drawn = record["displacement"][replica.to(self.device), lag.to(self.device)]
        else:
            drawn = torch.from_numpy(self.store.displacements(row)[replica, self.lag_rows[lag]]).to(
                self.device
            )
        record["displacement"] = drawn.transpose(0, 1).contiguous()
        record["field_lag"] = lag.to(self.device).unsqueeze(0)

    # Records

    def _fits(self) -> bool:
        if self.settings.resident != "auto":
            return bool(self.settings.resident)
        rows, lags = np.arange(self.store.num_configurations), len(self.lag_rows)
        need = estimate_bytes(self.store, rows, self.settings.cutoff, lags, self.num_descriptors)
        free = free_memory(self.device)
        fits = need < RESIDENT_SHARE * free
        if not fits:
            log.warning(
                "%s: %.1f GB of fields and graphs, %.1f GB free on %s; each step reads fields from the file",
                *(self.dataset, need / 1e9, free / 1e9, self.device),
            )
        return fits

    def _prepare(self, split: str) -> np.ndarray:
        """Rows of a split, with all their records built."""
        rows = self.rows(split)
        if self.settings.target == "configuration":
            return rows
        missing = self._without_record(rows)
        quiet = len(missing) < 2 or not sys.stderr.isatty()
        for row in track(missing, f"Preparing {split}", disable=quiet):
            self._record(row)
        return rows

    def _without_record(self, rows: Sequence[int] | np.ndarray) -> list[int]:
        """Those of the rows whose records are still to be built, their input positions at hand."""
        missing = [int(row) for row in rows if int(row) not in self._records]
        self.inputs.prepare(missing)
        return missing

    def _record(self, row: int) -> Record:
        if row not in self._records:
            built = self._build(row)
            self._records[row] = {name: value.to(self.device) for name, value in built.items()}
        return self._records[row]

    def forget(self) -> None:
        """Let go of the graphs and fields at hand; they are made again when they are asked for."""
        self._records.clear()

    def _build(self, row: int) -> Record:
        store, settings, box = self.store, self.settings, torch.from_numpy(self._boxes[row])
        thermal, centre = self.inputs.of(row)
        if settings.input == "thermal" and not settings.cage_vectors:
            centre = None
        record = structure_record(thermal, centre, box, settings.cutoff, settings.input != "thermal")
        record["temperature"] = torch.tensor([self._temperatures[row]], dtype=torch.float32)
        record["snapshot_id"] = torch.tensor([row])
        record["replicas"] = torch.zeros(1, dtype=torch.int64)
        if store.has_displacements and settings.target != "structure":
            displacements = torch.from_numpy(store.displacements(row)[:, self.lag_rows])
            record["replicas"] = torch.tensor([len(displacements)])
            record |= averages(displacements, torch.from_numpy(store.origin(row)), box, record)
            found = {"propensity": store.node_target(row), "spread": store.node_spread(row)}
            if self._keep_fields:
                record["displacement"] = displacements
        else:
            found = {"propensity": store.row("propensity", row)}
        for name, values in found.items():
            if values is not None:
                record[name] = torch.from_numpy(values[self.lag_rows].T).float().contiguous()
        if settings.descriptors:
            positions = thermal if settings.input == "thermal" or centre is None else centre
            record |= self.described.compute(self.inputs, row, positions, box, record["cage_vector"])
        return record

    # Statistics of the training split

    def statistics(self) -> dict[str, Tensor]:
        """Scales of the training split (``data.scales``) and ``lag_time`` (K,), on the CPU.

        Raises:
            DataError: the dataset has averages only.
        """
        if not self.store.has_displacements:
            raise DataError(
                f"{self.dataset} has averages only; the scale of displacements needs displacements"
            )
        records = [self._record(int(row)) for row in self._prepare("train")]
        found = displacement_scales(records, self._species, self.num_species)
        return {name: value.cpu() for name, value in {"lag_time": self._lag_time, **found}.items()}

    def descriptor_statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and scale of the descriptors, each (S, D): those given, else those of the training split.

        Raises:
            ConfigError: when none were given and the dataset has no training split.
        """
        if self.described.statistics is None:
            if "train" not in self.store.split:
                raise ConfigError(
                    f"{self.dataset} has no training split to standardise descriptors by; "
                    "give the model's own with described.use"
                )
            self.described.fit([self._record(int(row))["descriptors"] for row in self._prepare("train")])
        assert self.described.statistics is not None
        return self.described.statistics

    def per_particle(self, name: str, rows: Sequence[int] | np.ndarray) -> Tensor:
        """A field of the particles (C', N, ...) of the configurations ``rows``; descriptors as they are.

        Raises:
            ConfigError: it is not served with these settings.
        """
        return torch.stack(self.per_configuration(name, rows))

    def per_configuration(self, name: str, rows: Sequence[int] | np.ndarray) -> list[Tensor]:
        """As `per_particle`, one tensor for each configuration, none of them copied."""
        self._without_record(rows)
        records = [self._record(int(row)) for row in rows]
        if name not in records[0]:
            raise ConfigError(
                f"{self.dataset} serves no {name} with these settings (data.target, descriptors)"
            )
        return [record[name] for record in records]


class BatchLoader:
    """Ready batches of the given rows; no worker processes, since the data are in memory already.

    The state of a training loader says how far into its epoch it is, so that a run resumed in the middle of
    an epoch goes on with the next batch. Of several processes each trains on every world-th batch; the last
    round is filled up from the first batches, so that all take the same number of steps. Each evaluates all
    batches: correlations over a split are no means of those over its shares.
    """

    def __init__(self, data: KADataModule, rows: np.ndarray, training: bool = False) -> None:
        self._data, self._rows, self._training = data, rows, training
        self._served = self._start = 0
        self._epoch = 0

    def __len__(self) -> int:
        passes = self._data.settings.passes if self._training else 1
        batches = -(-len(self._rows) * passes // self._data.settings.batch_size)
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
        settings = self._data.settings
        return self._data.batch(rows, settings.fields, torch_generator(settings.seed, 1, epoch, number))

    def _batches(self, epoch: int) -> list[np.ndarray]:
        rows, settings = self._rows, self._data.settings
        if self._training:
            generator = torch_generator(settings.seed, 0, epoch)
            orders = [torch.randperm(len(rows), generator=generator) for _ in range(settings.passes)]
            rows = rows[torch.cat(orders).numpy()]
        size = settings.batch_size
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
        if trainer is None or not self._training:
            return 0, 1
        return trainer.global_rank, trainer.world_size

    def state_dict(self) -> dict[str, int]:
        """Batches served in this epoch."""
        return {"served": self._served}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Start the next pass after the batches already served."""
        self._start = state_dict["served"]
