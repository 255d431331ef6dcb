"""The registry: every name computes what its module does, where it is defined, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from gensample.errors import ConfigError, DataError
from gensample.physics.minimize import minimize
from gensample.physics.mixtures import MIXTURES, Mixture, get_mixture
from gensample.physics.neighbors import neighbor_list
from gensample.physics.potentials import energy
from gensample.structure import modes as normal
from gensample.structure import particles as module
from gensample.structure.coarse import coarse_grain_each
from gensample.structure.delaunay import triangulate
from gensample.structure.indicators import INDICATORS, indicator_names, indicators
from gensample.structure.indicators.order import (
    coordination,
    hexatic_order,
    local_density,
    steinhardt_order,
    steric_order,
    two_body_entropy,
)

System = tuple[Tensor, Tensor, Tensor, Mixture]


def relaxed(name: str, side: int) -> System:
    """An inherent structure of a disturbed lattice: in 2D a glass, in 3D a crystal of A with some B in it."""
    mixture, generator = get_mixture(name), torch.Generator().manual_seed(0)
    grid = torch.cartesian_prod(*[torch.arange(side, dtype=torch.float64)] * mixture.dimension)
    if mixture.dimension == 3:  # face-centred cubic: a glass in 3D takes too long to come to rest
        base = torch.tensor([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]], dtype=torch.float64)
        grid = (grid[:, None] + base).reshape(-1, 3)
    edge = mixture.edge_length(len(grid))
    x = (grid + 0.05 * torch.randn(grid.shape, generator=generator, dtype=torch.float64)) * edge / side
    species = mixture.species(len(x))[torch.randperm(len(x), generator=generator)]
    if mixture.dimension == 3:
        species[torch.randperm(len(x), generator=generator)[:200]] = 0
    box = torch.full((mixture.dimension,), edge, dtype=torch.float64)
    # Close enough for every mode to be stable; the rest of the way takes longer.
    minimum = minimize(x[None], species, box, mixture, tolerance=1e-2)
    assert minimum.converged.all()
    return minimum.positions[0], species, box, mixture


@pytest.fixture(scope="module", params=[("ka2d", 7), ("ka2d-ternary", 7), ("ka3d-fs", 4)], ids=lambda p: p[0])
def system(request: pytest.FixtureRequest) -> System:
    return relaxed(*request.param)


@pytest.fixture(scope="module")
def computed(system: System) -> dict[str, Tensor]:
    return indicators(*system, lengths=(0.0, 1.0), at_minimum=True, temperature=0.4)


def test_names_of_each_mixture() -> None:
    plane = ["density", "coordination", "coordination_A", "coordination_B", "energy", "psi6", "s2", "theta"]
    space = [*plane[:5], "q4", "q6", "q4_mean", "q6_mean", "s2", "theta"]
    ternary = [*plane[:4], "coordination_C", *plane[4:]]
    of_minima = ["vibrality", "debye_waller", "soft_modes"]
    assert indicator_names(get_mixture("ka2d")) == plane
    assert indicator_names(get_mixture("ka2d-ternary")) == ternary
    assert indicator_names(get_mixture("ka3d")) == indicator_names(get_mixture("ka3d-fs")) == space
    for mixture in MIXTURES.values():
        assert indicator_names(mixture, at_minimum=True) == indicator_names(mixture) + of_minima
    assert [name for name in INDICATORS if INDICATORS[name].needs_minimum] == of_minima


def test_every_name_varies_and_is_finite(system: System, computed: dict[str, Tensor]) -> None:
    names = indicator_names(system[3], at_minimum=True)
    assert list(computed) == names + [f"{name}@1" for name in names]
    for name, values in computed.items():
        assert values.shape == (len(system[0]),)
        assert values.dtype == torch.float64
        assert torch.isfinite(values).all(), name
        assert values.std() > 1e-3 * values.abs().mean(), name


def test_each_is_the_function_of_its_module(system: System, computed: dict[str, Tensor]) -> None:
    x, species, box, mixture = system
    particles, near, voronoi = len(x), neighbor_list(x, box, 1.4), triangulate(x, box)
    numbers = coordination(near[0], species, mixture.num_species).double()
    expected = {
        "density": local_density(x, box),
        "coordination": numbers.sum(1),
        "energy": energy(x, species, box, mixture),
        "s2": two_body_entropy(x, species, box, mixture.num_species),
        "theta": steric_order(x, species, box, mixture),
    }
    expected |= {f"coordination_{'ABC'[kind]}": numbers[:, kind] for kind in range(mixture.num_species)}
    if mixture.dimension == 2:
        expected["psi6"] = hexatic_order(voronoi.edge_index, voronoi.vectors, particles)
    else:
        expected |= {f"q{degree}": steinhardt_order(*near, particles, degree) for degree in (4, 6)}
        expected |= {f"q{degree}_mean": steinhardt_order(*near, particles, degree, True) for degree in (4, 6)}
    assert sorted(expected) == sorted(indicator_names(mixture))
    for name, values in expected.items():
        torch.testing.assert_close(computed[name], values)


def test_neighbours_are_counted_in_diameters_of_the_mixture() -> None:
    mixture, box = get_mixture("ka2d"), torch.full((2,), 8.0)
    x = box * torch.rand(64, 2, generator=torch.Generator().manual_seed(0))
    wide = replace(mixture, sigma=((1.0, 1.5), (1.5, 2.0)))
    species = mixture.species(64)
    found = indicators(x, species, box, wide, ["coordination_B"])["coordination_B"]
    expected = coordination(neighbor_list(x, box, 2.8)[0], species, 2)[:, 1]
    assert torch.equal(found, expected.float())


def test_those_of_minima_from_all_modes(system: System, computed: dict[str, Tensor]) -> None:
    x, species, box, mixture = system
    every = normal.modes(normal.hessian(x, species, box, mixture), mixture.dimension)
    softness = normal.vibrality(every)
    number = round(0.015 * x.numel())
    share = normal.soft_mode_participation(every, number)
    np.testing.assert_allclose(computed["vibrality"].numpy(), softness, rtol=1e-7)
    np.testing.assert_allclose(computed["debye_waller"].numpy(), 0.4 * softness, rtol=1e-7)
    np.testing.assert_allclose(computed["soft_modes"].numpy(), share, rtol=1e-5, atol=1e-8)


def test_coarse_grained_ones_are_averages(system: System, computed: dict[str, Tensor]) -> None:
    x, _, box, mixture = system
    for name in indicator_names(mixture, at_minimum=True):
        (expected,) = coarse_grain_each(computed[name], x, box, [1.0])
        torch.testing.assert_close(computed[f"{name}@1"], expected)


def test_chosen_names_alone_are_computed(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Tensor:
        raise AssertionError("not asked for")

    monkeypatch.setattr(module, "triangulate", refuse)
    monkeypatch.setattr(module, "hessian", refuse)
    result = indicators(*system, names=["s2", "energy"], lengths=(0.5, 2.0), at_minimum=True)
    assert list(result) == ["s2@0.5", "energy@0.5", "s2@2", "energy@2"]
    assert indicators(*system, names=[]) == {}


def test_what_does_not_suit_is_refused(system: System) -> None:
    x, species, box, mixture = system
    with pytest.raises(ConfigError, match="unknown indicator 'psi5'"):
        indicators(*system, names=["psi5"])
    other = "q6" if mixture.dimension == 2 else "psi6"
    with pytest.raises(ConfigError, match=f"unknown indicator '{other}' of {mixture.name}"):
        indicators(*system, names=[other])
    with pytest.raises(ConfigError, match="inherent structures alone"):
        indicators(*system, names=["vibrality"])
    disturbed = x + 0.1 * torch.randn(
        x.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    with pytest.raises(DataError, match="minimum"):
        indicators(disturbed, species, box, mixture, names=["vibrality"], at_minimum=True)
