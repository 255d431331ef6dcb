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
# # Sheared glasses: where will it yield?
#
# `ka2d-shear-mini` holds 100 inherent structures of a two-dimensional Kob-Andersen mixture, each sheared at T
# = 0 in steps of 0.001 up to a strain of 0.1, in both directions. Strains stand where other datasets have lag
# times, and directions where they have replicas. This notebook checks the curves, looks at the plastic
# events, and asks what the undeformed structure says about where they happen. A dataset of your own comes
# from `gensample shear` (`docs/shear.md`).

# %%
import os
import tempfile
import warnings

warnings.filterwarnings("ignore", ".*ipywidgets")  # progress bars do without
os.chdir(tempfile.mkdtemp(prefix="sheared-glasses-"))
print("files go to", os.getcwd())

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

import gensample as gs

data = gs.open_dataset("ka2d-shear-mini")
shear = data.store.group("shear")
print(data)
print("directions", shear["direction"].tolist(), "strains of the stored fields", data.lag_time.tolist())

# %% [markdown]
# ## Stress and energy
#
# Curves do not begin at zero stress: an inherent structure in a box of fixed shape has a stress frozen in, of
# opposite sign for the two directions, so that their mean does. An elastic step costs dE = V s dg. What a
# step loses beyond that, Q, has been dissipated: the glass has fallen into another minimum. By hand, for all
# 20,000 steps:

# %%
strain, stress = shear["strain"], shear["stress"]  # (steps,), (glasses, directions, steps)
energy = shear["energy"] * len(data.species)  # of all particles
volume = data.box.prod(1)[:, None, None]
dissipated = volume * (stress[..., 1:] + stress[..., :-1]) / 2 * np.diff(strain) - np.diff(energy)

event = np.zeros(dissipated.shape, bool)
where = (shear["event_configuration"], shear["event_direction"], shear["event_step"] - 1)
event[where] = True
print(f"{event.sum()} plastic events in {event.size} steps, {event.sum() / 200:.1f} in a curve")
apart = np.abs(dissipated[where] - shear["event_energy_drop"]).max()
print(f"energy lost in an event, here and in the file: {apart:.1e} apart")
medians = np.median(dissipated[event]), np.median(dissipated[~event])
print("energy lost, median: in an event {:.3f}, in other steps {:.0e}".format(*medians))
print(f"other steps that lose more than 0.01: {(dissipated[~event] > 0.01).sum()}")

# %% [markdown]
# Those few steps have lost energy while the stress stayed on its elastic branch. An event, as `docs/shear.md`
# defines it, has both, so that they are not counted. Steps that gain up to 0.01 are on branches that bend
# before an instability, where the trapezium under the curve is too coarse.

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
glass, forward = 88, 0  # the first of the test split, along xy+
left.plot(strain, stress[glass].T, lw=1, label=[name.decode() for name in shear["direction"]])
steps = np.flatnonzero(event[glass, forward]) + 1
left.plot(strain[steps], stress[glass, forward, steps], "k.", label="events of xy+")
left.plot(strain, stress.mean((0, 1)), "k", lw=2, label="mean of all 200")
left.set(xlabel="strain", ylabel="stress")
left.legend()
bins = np.geomspace(1e-7, 30, 60)
right.hist(np.abs(dissipated[~event]), bins, label="other steps, |Q|")
right.hist(dissipated[event], bins, label="plastic events, Q", alpha=0.8)
right.set(xscale="log", yscale="log", xlabel="energy lost in a step, Q", ylabel="steps")
right.legend()
figure.savefig("curves.png", dpi=100)

# %% [markdown]
# ## What is to be predicted
#
# D2min: how far the neighbourhood of a particle is from having been deformed as a whole, after Falk and
# Langer. `KADataModule` serves its log10 at each strain as the target, which it calls `propensity` whatever
# the quantity. A row is a glass *and* a direction, turned so that every shear looks alike.

# %%
from gensample.data.datamodule import KADataModule

module = KADataModule(
    "ka2d-shear-mini", quantity="d2min", input="inherent", descriptors=["invariants"], train_limit=40
)
module.setup()
rows = module.rows("test")  # 12 glasses, two directions each
glasses, a = rows[::2] // 2, data.species == 0
target = module.per_particle("propensity", rows).numpy()  # (rows, particles, strains)

# %% [markdown]
# ## Predictors
#
# * **the other direction**: D2min of the same glass, sheared the other way. No prediction, but a yardstick:
#   what both directions share.
# * **linear response**: D2min of the non-affine displacement H^-1 Xi of the undeformed minimum (Maloney and
#   Lemaitre). No parameters.
# * **vibrality**: how soft a particle's place is, from all normal modes. No parameters, and no direction.
# * **ridge**: a regression on 520 invariants of the minimum, trained here on 20 glasses. No direction either.
# * **permuted**: the target dealt out anew among the particles of a species: what nothing scores.
#
# There is no ceiling from noise here: at T = 0 the shear is deterministic, and the best possible is 1.

# %%
from gensample.physics.strain import d2min
from gensample.predictors.ridge import Ridge
from gensample.structure.indicators import indicators
from gensample.structure.modes import nonaffine_response

species = torch.from_numpy(data.species.astype(int))
response, vibrality = [], []
for c in glasses:
    at = (torch.from_numpy(data.inherent[c]), species, torch.from_numpy(data.box[c]), data.store.liquid)
    response.append(d2min(at[0], nonaffine_response(*at), at[2], cutoff=2.0).d2min.log10().numpy())
    vibrality.append(indicators(*at, ["vibrality"], at_minimum=True)["vibrality"].numpy())

ridge = Ridge(within=True)
ridge.fit([module])


def at_all_strains(values):
    """One field of each glass as a prediction of both its directions at every strain."""
    return np.repeat(np.stack(values), 2, axis=0)[..., None].repeat(len(data.lag_time), -1)


shuffled = target.copy()
shuffled[:, a] = np.random.default_rng(0).permuted(target[:, a], axis=1)
predicted = {
    "the other direction": target.reshape(-1, 2, *target.shape[1:])[:, ::-1].reshape(target.shape),
    "linear response": at_all_strains(response),
    "vibrality": at_all_strains(vibrality),
    "ridge": ridge.predict(module, rows).numpy(),
    "permuted": shuffled,
}


def score(prediction):
    """Pearson over species A within each row: mean, and its standard error over glasses; (strains,) each."""
    each = np.array(
        [
            [np.corrcoef(p[a, k], y[a, k])[0, 1] for k in range(y.shape[1])]
            for p, y in zip(prediction, target, strict=True)
        ]
    )
    of_glass = each.reshape(len(glasses), 2, -1).mean(1)  # the two directions of a glass are not independent
    return of_glass.mean(0), of_glass.std(0, ddof=1) / np.sqrt(len(glasses))


scores = {name: score(values) for name, values in predicted.items()}
print("Pearson with log10 D2min, species A, at strain", *data.lag_time)
for name, (mean, error) in scores.items():
    print(f"{name:20}", *(f"{m:6.2f} ± {e:.2f}" for m, e in zip(mean, error, strict=True)))

# %% [markdown]
# At a strain of 0.01 the linear response, a formula of 2006 without a parameter, is ahead of the regression
# by far. By 0.1, after seven events in the mean, the regression has overtaken it, and the two directions of a
# glass share little. A network for this problem (`configs/dynamics/ka2d-shear-botan.yaml`, which does know
# the direction) has to beat these lines, not zero; `experiments/010-indicators` has the ones that were tried.

# %%
figure, axes = plt.subplots(2, 2, figsize=(9, 8), layout="constrained")
*pictures, curves = axes.flat
maps = {
    "D2min, xy+, strain 0.02": target[0, :, 1],
    "D2min, xy-, strain 0.02": target[1, :, 1],
    "linear response": response[0],
}
for axis, (name, values) in zip(pictures, maps.items(), strict=True):
    rank = values.argsort().argsort() / len(values)
    shown = axis.scatter(*data.inherent[glasses[0]].T, c=rank, s=28, cmap="magma_r", vmin=0, vmax=1)
    axis.set(title=name, aspect="equal", xticks=[], yticks=[])
figure.colorbar(shown, ax=axes[:, 0], location="left", label="rank of the particle", shrink=0.6)
for name, (mean, error) in scores.items():
    curves.errorbar(data.lag_time, mean, error, marker="o", capsize=3, label=name)
curves.axhline(0, color="k", lw=0.8)
curves.set(xscale="log", xlabel="strain", ylabel="Pearson with log10 D2min, A", ylim=(-0.1, 1.05))
curves.set_xticks(data.lag_time, [f"{g:g}" for g in data.lag_time])
curves.set_xticks([], minor=True)
curves.legend(fontsize=8)
figure.savefig("d2min.png", dpi=100)

# %% [markdown]
# ## The first event
#
# Where does each glass yield first? The particle with the largest D2min across the first event is its centre.
# On which percentile of its species does it lie? Chance is 0.5, give or take 0.06 for 24 shears.

# %%
centre = shear["first_event"][glasses].argmax(-1)  # (glasses, directions)


def percentile(fields):
    """Share of the particles of the centre's species that lie below it, mean over glasses and directions."""
    kinds, below = data.species, []
    for field, both in zip(fields, centre, strict=True):
        below += [(field[kinds == kinds[i]] < field[i]).mean() for i in both]
    return float(np.mean(below))


noise = np.random.default_rng(0).normal(size=(len(glasses), len(data.species)))
percentiles = {
    "vibrality": percentile(vibrality),
    "linear response": percentile(response),
    "chance": percentile(noise),
}
for name, value in percentiles.items():
    print(f"{name:16} {value:.2f}")
