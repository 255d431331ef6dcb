"""Energies and minima of ten futures of `ka2d-mini`, ours against LAMMPS on its own.

LAMMPS reads the futures from a data file written here, with a script written here; nothing of `simulate` but
the program itself is used. Simulated futures, and ones so perturbed that particles overlap.
"""

import subprocess

import numpy as np
import pytest
import torch

from gensample.data.positions import mixture_of, potential
from gensample.data.store import Store
from gensample.errors import MissingDependencyError
from gensample.physics.minimize import minimize
from gensample.simulate.lammps.engine import find_engine
from gensample.simulate.quench import choose_for_futures, quench_fields
from gensample.stats.dynamics import HOP_LENGTH

SCRIPT = """
units lj
dimension 2
atom_style atomic
boundary p p p
atom_modify map array
read_data future-{k}.data
pair_style lj/smooth/linear 2.5
pair_coeff 1 1 1.0 1.0 2.5
pair_coeff 1 2 1.5 0.8 2.0
pair_coeff 2 2 0.5 0.88 2.2
neighbor 0.3 bin
neigh_modify delay 0 every 1 check yes
thermo_modify norm no
fix plane all enforce2d
run 0
variable u equal pe/atoms
print "${{u}}" append energies.txt
min_style cg
min_modify dmax 0.05
minimize 0 1e-9 50000 500000
print "${{u}}" append energies.txt
write_dump all custom minimum-{k}.dump id xu yu modify sort id format float %.15g
clear
"""


@pytest.fixture(scope="module")
def futures(tmp_path_factory):
    """Ten futures x + u of one test configuration: six simulated, four with overlaps; what LAMMPS says."""
    try:
        engine = find_engine()
    except MissingDependencyError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("lammps")
    with Store.open("ka2d-mini") as store:
        c, mixture = int(store.indices("test")[0]), mixture_of(store)
        origin = (store.positions[c], store.inherent[c], store.species, store.box[c], mixture)
        simulated = store.displacements(c)[:2].reshape(-1, *store.positions.shape[1:])
    noise = np.random.default_rng(0).normal(scale=0.1, size=(4, *simulated.shape[1:]))
    overlapping = simulated[:4] + noise - noise.mean(1, keepdims=True)
    fields = np.concatenate([simulated, overlapping.astype(np.float32)])
    for k, u in enumerate(fields):
        _write(folder / f"future-{k}.data", origin[0] + u, origin[2], origin[3])
    (folder / "in.lammps").write_text("".join(SCRIPT.format(k=k) for k in range(10)))
    command = [engine.executable, "-in", "in.lammps", "-log", "none"]
    subprocess.run(command, cwd=folder, env=engine._environment(), check=True, capture_output=True)
    thermal, inherent = np.loadtxt(folder / "energies.txt").reshape(10, 2).T
    minima = [np.loadtxt(folder / f"minimum-{k}.dump", skiprows=9)[:, 1:] for k in range(10)]
    return origin, fields, thermal, inherent, np.stack(minima)


def _write(path, x, species, box):
    lines = ["", "", f"{len(x)} atoms", "2 atom types", f"0 {box[0]} xlo xhi", f"0 {box[1]} ylo yhi"]
    lines += ["-0.5 0.5 zlo zhi", "", "Masses", "", "1 1.0", "2 1.0", "", "Atoms", ""]
    lines += [
        f"{i + 1} {kind + 1} {a:.16g} {b:.16g} 0"
        for i, (kind, (a, b)) in enumerate(zip(species, x, strict=True))
    ]
    path.write_text("\n".join(lines) + "\n")


def test_energies_of_futures(futures):
    (x, _, species, box, mixture), fields, thermal, _, _ = futures
    own = potential(x + fields.astype(np.float64), species, np.tile(box, (10, 1)), mixture)[0]
    assert own == pytest.approx(thermal, rel=1e-9)
    assert thermal[:6] == pytest.approx(-2.96, abs=0.1)
    assert thermal[6:].min() > 0


def test_minima_of_futures(futures):
    """The same basins by the same method; another method may roll into another basin where fields overlap."""
    origin, fields, _, inherent, minima = futures
    h, energies = quench_fields(*origin, fields, choose_for_futures("lammps"))
    expected = minima - minima.mean(1, keepdims=True)
    start = origin[1] + origin[3] * np.round((origin[0] - origin[1]) / origin[3])
    expected = expected - (start - start.mean(0))
    found = np.abs(h - expected).max((1, 2)) < 1e-3
    assert found.sum() >= 9
    assert energies[found] == pytest.approx(inherent[found], abs=1e-4)
    x, box = torch.from_numpy(minima), torch.from_numpy(origin[3])
    ours = minimize(x, torch.from_numpy(origin[2]).long(), box, origin[4], tolerance=1e-6)
    assert ours.energy.numpy() == pytest.approx(inherent, abs=1e-9)
    assert int(ours.steps.max()) == 0
    torch_h, torch_energies = quench_fields(*origin, fields, choose_for_futures("torch"))
    near = np.abs(torch_h - h).max((1, 2)) < 2e-3
    assert near[:6].sum() >= 5
    assert torch_energies[near] == pytest.approx(energies[near], abs=1e-4)
    hops = [(np.linalg.norm(each, axis=-1) > 0.3).mean() for each in (h, torch_h)]
    assert hops[1] == pytest.approx(hops[0], abs=0.02)


@pytest.mark.slow
def test_hops_of_ka2d_mini(futures):
    """Species A of the test split, 16 replicas: as measured outside the project (DESIGN section 10)."""
    shares = []
    minimiser = choose_for_futures("lammps", processes=2)
    with Store.open("ka2d-mini") as store:
        mixture, kind = mixture_of(store), store.species == 0
        for c in store.indices("test"):
            origin = (store.positions[c], store.inherent[c], store.species, store.box[c], mixture)
            u = store.displacements(c)[:16, 1:]
            h, _ = quench_fields(*origin, u.reshape(-1, *u.shape[2:]), minimiser)
            hops = np.linalg.norm(h[:, kind], axis=-1) > HOP_LENGTH
            shares.append(hops.mean(1).reshape(16, 2))
    found = np.array(shares)
    assert found.mean((0, 1)) == pytest.approx([0.031, 0.167], rel=0.03)
    assert kind.sum() * found.var(1, ddof=1).mean(0) == pytest.approx([0.35, 4.0], rel=0.1)
