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
# # For machine learning: a rival in the benchmark
#
# The task: given the positions of 500 particles, say how far each will move. Labels are means over a finite number of simulated
# futures, so that the best possible score is known, and it is not 1. Here a small network is trained on the embedded
# dataset `ka2d-mini` (100 configurations: 80 to train on, 8 to validate, 12 to test) and entered beside what is released.

# %%
import os
import tempfile
import warnings

warnings.filterwarnings("ignore", "IProgress not found")  # of tqdm, which Lightning imports
os.chdir(tempfile.mkdtemp(prefix="machine-learning-"))
print("files go to", os.getcwd())

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from gensample.data.datamodule import KADataModule
from IPython.display import Markdown

import gensample as gs

data = gs.open_dataset("ka2d-mini")
data

# %% [markdown]
# ## What a predictor gets
#
# `KADataModule` serves whole configurations as graphs, in batches of `torch_geometric`. `input` says where the particles are: as
# they were found (*thermal*), or in the nearest minimum of the energy (*inherent*).

# %%
served = KADataModule("ka2d-mini", input="inherent")
served.setup()
batch = served.batch(served.rows("train")[:2])
for name in ("species", "edge_index", "edge_vector", "cage_vector", "propensity", "spread"):
    print(f"{name:12} {tuple(batch[name].shape)}")
print("lag times", batch.lag_time.tolist(), "replicas behind each label", batch.replicas.tolist())

# %% [markdown]
# ## The rival
#
# Shells of neighbours around each particle by species, their averages over the neighbours, how far the particle is from its minimum, and
# a perceptron on top. A predictor is a class with `fit` and `predict`; `register` makes it known, here or in a file of your
# own (`docs/extending.md`). What a fit has found is a dict of tensors.

# %%
from gensample.predictors import Predictor, register

CENTRES = torch.linspace(0.8, 2.0, 13)


def features(data, rows):
    """Of each particle, (C, N, D)."""
    batch, kinds = data.batch(rows), data.num_species
    i, j = batch.edge_index
    shells = torch.exp(-(((batch.edge_vector.norm(dim=1, keepdim=True) - CENTRES) / 0.1) ** 2))
    around = shells.new_zeros(len(batch.species) * kinds, len(CENTRES))
    around = around.index_add(0, i * kinds + batch.species[j], shells).reshape(len(batch.species), -1)
    coarse = torch.zeros_like(around).index_add(0, i, around[j]) / torch.bincount(i).unsqueeze(1)
    species = torch.nn.functional.one_hot(batch.species, kinds)
    away = batch.cage_vector.norm(dim=1, keepdim=True)  # zero where thermal positions are all there is
    return torch.cat([around, coarse, species, away], 1).reshape(len(rows), -1, 4 * len(CENTRES) + kinds + 1)


@register
class Rival(Predictor):
    """A perceptron on shells of neighbours."""

    def __init__(self, width=64, epochs=12, rate=3e-3):
        super().__init__()
        self.width, self.epochs, self.rate = width, epochs, rate

    def fit(self, data, generator=None):
        (module,) = data
        rows = module.rows("train")
        x, y = features(module, rows), module.per_particle("propensity", rows)
        scales = {"x": x.flatten(0, 1), "y": y.flatten(0, 1)}
        scales = {f"{name}_{of}": getattr(v, of)(0) for name, v in scales.items() for of in ("mean", "std")}
        x, y = (x - scales["x_mean"]) / scales["x_std"].clamp(min=1e-6), (y - scales["y_mean"]) / scales["y_std"]
        with torch.random.fork_rng():
            torch.manual_seed(int(torch.randint(2**31, (1,), generator=generator)))
            network = self.network(x.shape[-1], y.shape[-1])
        optimizer = torch.optim.AdamW(network.parameters(), lr=self.rate, weight_decay=1e-2)
        steps = self.epochs * len(rows)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.rate, total_steps=steps)
        for _ in range(self.epochs):
            for c in torch.randperm(len(rows), generator=generator):
                optimizer.zero_grad()
                torch.nn.functional.mse_loss(network(x[c]), y[c]).backward()
                optimizer.step()
                schedule.step()
        self._state = {**scales, **network.state_dict()}
        self.parameters = sum(each.numel() for each in network.parameters())

    def network(self, inputs, outputs):
        layers = [torch.nn.Linear(inputs, self.width), torch.nn.SiLU(), torch.nn.Linear(self.width, self.width)]
        return torch.nn.Sequential(*layers, torch.nn.SiLU(), torch.nn.Linear(self.width, outputs))

    @torch.no_grad()
    def predict(self, data, rows):
        found = dict(self._state)
        x_mean, x_std, y_mean, y_std = (found.pop(f"{name}_{of}") for name in "xy" for of in ("mean", "std"))
        network = self.network(len(x_mean), len(y_mean))
        network.load_state_dict(found)
        x = (features(data, rows) - x_mean) / x_std.clamp(min=1e-6)
        return (y_mean + y_std * network(x)).double()


# %% [markdown]
# And a control that knows nothing: labels of training configurations, which are those of other particles.

# %%
@register
class Chance(Predictor):
    """The labels of the training configurations, in order."""

    def fit(self, data, generator=None):
        (module,) = data
        self._state = {"labels": module.per_particle("propensity", module.rows("train"))}

    def predict(self, data, rows):
        return self._state["labels"][: len(rows)].double()


# %% [markdown]
# ## The benchmark
#
# A row is a predictor and the input it is run with. Beside the rival: the control, the potential energy of each particle, whose sign is
# chosen on the validation split, and two released models. All rows are judged by the same code on the same 12 test
# configurations. A row that would be judged on configurations it was trained on is refused.

# %%
settings = """
title: A rival on ka2d-mini
datasets: {ka2d-mini: {dataset: ka2d-mini}}
rows:
  - {name: chance, inputs: [thermal], estimator: {class_path: Chance}}
  - {name: potential energy, inputs: [inherent], indicator: energy}
  - {name: rival, inputs: [thermal, inherent], estimator: {class_path: Rival}}
  - {name: BOTAN, inputs: [thermal], model: ka2d-mini-botan}
  - {name: conditioner of the flow, inputs: [inherent], model: ka2d-mini-flow}
"""
with open("rival.yaml", "w") as file:
    file.write(settings)

# %%
from gensample.benchmark import benchmark

result = benchmark("rival.yaml")
Markdown(result.table())

# %% [markdown]
# The same from a shell, with `Rival` and `Chance` in a file `rival.py`:
# `GENSAMPLE_IMPORT=rival gensample benchmark rival.yaml --out bench`. With a folder, rows that are done are kept and not trained again. They
# are known by their settings: after a change of the code take another folder, or give the class another setting.
#
# ## Reading the table
#
# *Pearson* is taken within each configuration and averaged, so that it asks which particles move, not which configurations are
# faster. The *ceiling* is what the exact propensity would score on labels from as many replicas. The distance from the ceiling is what is
# left to learn; the distance from 1 is not.

# %%
entries = [e for e in result.entries if e["species"] == "A" and e["target"] == "propensity"]
rows = list(dict.fromkeys((e["row"], e["input"]) for e in entries))
lags = data.lag_time.tolist()
figure, axes = plt.subplots(1, len(lags), figsize=(10, 3), sharey=True, layout="constrained")
for axis, lag in zip(axes, lags, strict=True):
    shown = [next(e for e in entries if (e["row"], e["input"], e["lag"]) == (*row, lag)) for row in rows]
    score, low, high = np.array([e["pearson"] for e in shown]).T
    axis.barh(range(len(rows)), score, xerr=[score - low, high - score], color="C0", ecolor="0.3")
    axis.axvspan(*shown[0]["ceiling"][1:], color="C3", alpha=0.3, lw=0)
    axis.axvline(shown[0]["ceiling"][0], color="C3")
    axis.axvline(0, color="k", lw=0.8)
    axis.set(title=f"t = {lag:g}", xlabel="Pearson, species A", xlim=(-0.1, 1))
    axis.set_yticks(range(len(rows)), [", ".join(row) for row in rows])
axes[0].invert_yaxis()
axes[-1].text(shown[0]["ceiling"][0] - 0.03, 0, "ceiling", color="C3", ha="right", va="center")
figure.savefig("rows.png", dpi=100)

# %%
for e in entries:
    if e["row"] == "rival":
        (score, low, high), ceiling = e["pearson"], e["ceiling"][0]
        print(f"{e['input']:9} t = {e['lag']:3g}: Pearson {score:.3f} [{low:.3f}, {high:.3f}], ceiling {ceiling:.3f}")

# %% [markdown]
# Three things to see. The minimum tells far more than the thermal positions, and most of it by one number: how far the particle is from
# it. The longer the lag, the less any row knows, while the ceiling hardly falls. And a small perceptron
# trained in seconds is not far from a released network: what this benchmark asks for is hard, and cheap to try.
#
# Next: `docs/benchmark.md` for learning curves, transfer between temperatures and the public 3D data; there too is how samplers
# of whole fields are judged, by fidelity *and* by core-seconds.
