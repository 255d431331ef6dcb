"""The smallest model and data that ``gensample fit`` runs: y = w x, with a cut-off both know."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import lightning
import pytest
import torch

from gensample import registry
from gensample.data.settings import DataSettings


class FakeTask(lightning.LightningModule):
    def __init__(
        self,
        reads: dict[str, Any],
        width: int = 1,
        lr: float = 0.1,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.width, self.lr = width, lr
        self.linear = torch.nn.Linear(1, width)

    def loss(self, batch):
        return self.linear(batch).square().mean()

    def training_step(self, batch, batch_idx):
        loss = self.loss(batch)
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", self.loss(batch))

    def test_step(self, batch, batch_idx):
        self.log("test/loss", self.loss(batch))

    def predict_step(self, batch, batch_idx):
        return self.linear(batch)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), self.lr)


class UnlinkedTask(FakeTask):
    """Declares no reads: the link must be skipped."""

    def __init__(self, width: int = 1) -> None:
        super().__init__({}, width)


class FakeData(lightning.LightningDataModule):
    dimension, num_species, num_descriptors = 2, 2, 0
    described, domain, system = SimpleNamespace(levels=[]), {}, {}

    def __init__(self, cutoff: float = 2.0, lag_times: list[float] | None = None) -> None:
        super().__init__()
        self.settings = DataSettings("fake", target="structure", cutoff=cutoff)
        self.lag_times = lag_times or [1.0, 10.0]

    def train_dataloader(self):
        return torch.utils.data.DataLoader(torch.ones(4, 1), batch_size=2)

    val_dataloader = test_dataloader = predict_dataloader = train_dataloader


NAME = "gensample.fakes"


@pytest.fixture
def fakes(monkeypatch):
    """Make the classes above importable, and registered among what a config may name."""
    module = ModuleType(NAME)
    for cls in (FakeTask, UnlinkedTask, FakeData):
        monkeypatch.setattr(cls, "__module__", NAME)
        setattr(module, cls.__name__, cls)
    monkeypatch.setitem(sys.modules, NAME, module)
    monkeypatch.setattr("gensample.fakes", module, raising=False)
    for kind, classes in (("TASKS", (FakeTask, UnlinkedTask)), ("DATA", (FakeData,))):
        names = {f"{NAME}.{cls.__name__}" for cls in classes}
        monkeypatch.setattr(registry, kind, getattr(registry, kind) | names)
    return module
