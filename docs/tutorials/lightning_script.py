# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lightning as its users know it
#
# `gensample fit` is LightningCLI with our classes: what `lightning fit` would be. Nothing in the classes
# needs it. This page trains BOTAN and a displacement generator from a plain script, with `lightning.Trainer`,
# `KADataModule`, the two tasks, a callback and a logger of our own; `python lightning_script.py` runs it as
# well. Budgets are tiny: it is about how, not about how well.

# %%
import os
import tempfile
import warnings

warnings.filterwarnings("ignore", ".*ipywidgets")  # progress bars do without
warnings.filterwarnings("ignore", ".*LeafSpec")  # of torch, about Lightning
os.chdir(tempfile.mkdtemp(prefix="lightning-"))
print("files go to", os.getcwd())

# %%
import json
import logging

import lightning
from lightning.pytorch.loggers import CSVLogger, Logger

import gensample as gs
from gensample.data.datamodule import KADataModule
from gensample.nn.botan import Botan
from gensample.reads import Reads
from gensample.training.callbacks import EMA
from gensample.training.displacement import DisplacementTask
from gensample.training.dynamics import DynamicsTask

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)  # its remarks on devices and extras
lightning.seed_everything(0, verbose=False)
QUIET = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False}

# %% [markdown]
# ## A callback and a logger
#
# The tasks log by name, as any module does: `train/loss`, `val/pearson_A_100`, `test/ceiling_A_100`. A
# callback sees them in `trainer.callback_metrics`, a logger in `log_metrics`.


# %%
class History(lightning.Callback):
    """Keeps one logged metric of every validation.

    Tasks log correlations as the epoch of validation ends; callbacks have that hook before them.
    """

    def __init__(self, name):
        self.name, self.values = name, []

    def on_validation_end(self, trainer, task):
        if not trainer.sanity_checking and self.name in trainer.callback_metrics:
            self.values.append(float(trainer.callback_metrics[self.name]))


class JsonLines(Logger):
    """Appends what is logged to a file, a line each time."""

    name, version = "json", 0

    def __init__(self, path):
        super().__init__()
        self.path = path

    def log_metrics(self, metrics, step=None):
        line = {"step": step, **{name: float(value) for name, value in metrics.items()}}
        with open(self.path, "a") as file:
            print(json.dumps(line), file=file)

    def log_hyperparams(self, params, *args, **kwargs):
        pass


# %% [markdown]
# ## BOTAN
#
# `reads` is what the model has to know of its data: cut-off, input, lag times, species, mixture. The command
# fills it in by itself, a script says `Reads.of(data)`; it is kept in the checkpoint and checked whenever the
# model meets other data. The first epoch is for bonds alone (`edge_epochs`): without it the loss of the
# particles does not fall in so few steps.

# %%
data = KADataModule("ka2d-mini", lags=[100.0], train_limit=40, augment=True)
network = Botan(dimension=data.dimension, outputs=len(data.lag_times), width=32, steps=3)
task = DynamicsTask(network, reads=Reads.of(data), normalise=True, edge_epochs=1, lr=3e-3, schedule="cosine")
history = History("val/pearson_A_100")
trainer = lightning.Trainer(
    max_epochs=7,
    check_val_every_n_epoch=2,
    gradient_clip_val=1.0,
    log_every_n_steps=10,
    callbacks=[EMA(0.95), history],
    logger=[CSVLogger("runs", "botan"), JsonLines("botan.jsonl")],
    **QUIET,
)
trainer.fit(task, data)
(score,) = trainer.test(task, data, verbose=False)
print("Pearson of species A on the validation split:", *(f"{value:.3f}" for value in history.values))
print(f"test: {score['test/pearson_A_100']:.3f}, ceiling {score['test/ceiling_A_100']:.3f}")

# %% [markdown]
# The released `ka2d-mini-botan` has 0.38 after half an hour. The checkpoint holds plain values and tensors,
# and loads like a released model, here, or as `gensample predict botan.ckpt`:

# %%
trainer.save_checkpoint("botan.ckpt")
test = gs.open_dataset("ka2d-mini")["test"][:2]
model = gs.load_model("botan.ckpt")
print(model)
print("propensity", model.propensity(test).shape)

# %% [markdown]
# ## A generator
#
# The same module with `target="displacement"` serves whole fields. Two epochs train the conditioner by
# regression, three the flow on top of it. The scales of the prior, and what else comes from the training
# split, are taken in `setup`, as Lightning has it.

# %%
fields = KADataModule("ka2d-mini", target="displacement", lags=[100.0], train_limit=20, cutoff=1.6, fields=3)
generator = DisplacementTask(
    reads=Reads.of(fields),
    conditioner="equivariant",
    prior="elastic-particle",
    regression_epochs=2,
    width=16,
    vectors=4,
    layers=2,
    regression_lr=3e-3,
    lr=3e-3,
)
flow = History("val/flow")
trainer = lightning.Trainer(
    max_epochs=5,
    limit_val_batches=4,
    gradient_clip_val=1.0,
    log_every_n_steps=10,
    callbacks=[EMA(0.95), flow],
    logger=JsonLines("generator.jsonl"),
    **QUIET,
)
trainer.fit(generator, fields)
trainer.save_checkpoint("generator.ckpt")
print("loss of the flow on the validation split:", *(f"{value:.3f}" for value in flow.values))

# %% [markdown]
# It draws, and is judged, like any other. Four draws of a network after 60 steps are no ensemble to show;
# what is to be seen is that the numbers say so, each with the best possible beside it.

# %%
from gensample.sampling.solver import Solver

drawn = gs.load_model("generator.ckpt").sample(test, replicas=4, seed=1, solver=Solver(steps=4))
result = gs.compare(test, drawn, lags=100.0, quench=0, follow=0, bootstrap=100)
for name in ("pearson", "mean_propensity", "c2st"):
    print(result["A", 100.0][name])

# %% [markdown]
# ## The same by the command
#
# A config names the classes and their arguments; `gensample config dynamics/tutorial` prints one with a line
# on every setting. The callback and logger above have no place there: a config may only name classes that
# come with gensample, torch or Lightning, because what comes from outside runs no code. For classes of your
# own there is the script.
#
# ```yaml
# model:
#   class_path: DynamicsTask
#   init_args:
#     network: {class_path: Botan, init_args: {dimension: 2, outputs: 1, width: 32, steps: 3}}
#     normalise: true
#     edge_epochs: 1
#     lr: 3.0e-3
#     schedule: cosine
# data:
#   class_path: KADataModule
#   init_args: {dataset: ka2d-mini, lags: [100.0], train_limit: 40, augment: true}
# trainer:
#   max_epochs: 7
#   check_val_every_n_epoch: 2
#   gradient_clip_val: 1.0
#   callbacks: [{class_path: EMA, init_args: {decay: 0.95}}]
# ```
