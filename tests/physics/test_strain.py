"""D2min against closed forms and a fit for each particle; maps, boxes and unwrapping of a shear."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gensample.errors import ConfigError
from gensample.physics.box import minimum_image, wrap
from gensample.physics.neighbors import neighbor_list
from gensample.physics.strain import (
    d2min,
    local_shear_strain,
    non_affine,
    shear_direction,
    shear_gradient,
    sheared_box,
    von_mises_strain,
)

TILTED = {2: [8.0, 9.0, 2.5], 3: [6.0, 6.5, 7.0, 1.5, -2.0, 0.9]}
DIRECTIONS = [(2, "xy+"), (2, "xy-"), (3, "xy+"), (3, "xz-"), (3, "yz+"), (3, "yz-")]


def fluid(dimension, count=120, seed=0):
    """Random positions, a random periodic displacement, and a tilted box."""
    generator = torch.Generator().manual_seed(seed)
    box = torch.tensor(TILTED[dimension], dtype=torch.float64)
    x = torch.rand(count, dimension, generator=generator, dtype=torch.float64) * box[:dimension]
    u = 0.1 * torch.randn(count, dimension, generator=generator, dtype=torch.float64)
    return wrap(x, box), u, box


def cluster(dimension, count=60, seed=0):
    """Random positions in the middle of a box so large that none has a neighbour through the boundary."""
    generator = torch.Generator().manual_seed(seed)
    x = 20.5 + 3.0 * torch.rand(count, dimension, generator=generator, dtype=torch.float64)
    u = 0.1 * torch.randn(count, dimension, generator=generator, dtype=torch.float64)
    return x, u, torch.full((dimension,), 44.0, dtype=torch.float64)


def fitted(x, u, box, cutoff):
    """The same by numpy.linalg.lstsq, one particle after the other, over all images of a 3^d supercell."""
    dimension = x.shape[1]
    rows = torch.diag(box[:dimension])
    rows[tuple(torch.tril_indices(dimension, dimension, -1))] = box[dimension:]
    shifts = torch.cartesian_prod(*[torch.arange(-2, 3)] * dimension).double() @ rows
    values, gradients = [], []
    for k in range(len(x)):
        r = (x[:, None] + shifts[None] - x[k]).reshape(-1, dimension)
        moved = (u - u[k])[:, None].expand(-1, len(shifts), -1).reshape(-1, dimension)
        near = (r.norm(dim=1) < cutoff) & (r.norm(dim=1) > 0)
        a, b = r[near].numpy(), moved[near].numpy()
        solution = np.linalg.lstsq(a, b, rcond=None)[0]
        values.append(((b - a @ solution) ** 2).sum(1).mean())
        gradients.append(solution.T)
    return np.array(values), np.array(gradients)


@pytest.mark.parametrize("dimension", [2, 3])
def test_agrees_with_a_fit_for_each_particle(dimension):
    x, u, box = fluid(dimension)
    found = d2min(x, u, box, 2.0)
    values, gradients = fitted(x, u, box, 2.0)
    np.testing.assert_allclose(found.d2min, values, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.gradient, gradients, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("dimension", [2, 3])
def test_zero_for_an_affine_field_whose_gradient_it_finds(dimension):
    x, _, box = cluster(dimension)
    gradient = torch.randn(dimension, dimension, generator=torch.Generator().manual_seed(1)).double()
    found = d2min(x, x @ gradient.T, box, 2.0)
    assert float(found.d2min.max()) < 1e-24
    np.testing.assert_allclose(found.gradient, gradient.expand_as(found.gradient), atol=1e-11)


def test_one_displaced_particle_of_a_square_lattice():
    """Neighbours on opposite sides cancel: H = 0 at the centre, where D2min is u^2; at a neighbour of
    separations r_j, sum r_j r_j = 2 gives H r = u (r . r_0) / 2 and D2min = u^2 (1/4 + 1/4) / 4."""
    grid = torch.cartesian_prod(torch.arange(8.0), torch.arange(8.0)).double()
    u = torch.zeros_like(grid)
    u[27] = torch.tensor([0.3, 0.4])
    found = d2min(grid, u, torch.tensor([8.0, 8.0], dtype=torch.float64), 1.2)
    expected = torch.zeros(64, dtype=torch.float64)
    expected[27], expected[[26, 28, 19, 35]] = 0.25, 0.25 / 8
    torch.testing.assert_close(found.d2min, expected)
    assert float(found.gradient[27].abs().max()) < 1e-15


@given(seed=st.integers(0, 100), dimension=st.sampled_from([2, 3]))
def test_a_common_affine_map_changes_the_gradient_alone(seed, dimension):
    x, u, box = cluster(dimension, seed=seed)
    gradient = torch.randn(dimension, dimension, generator=torch.Generator().manual_seed(seed)).double()
    total, relative = d2min(x, x @ gradient.T + u, box, 2.0), d2min(x, u, box, 2.0, affine=gradient)
    torch.testing.assert_close(total.d2min, relative.d2min, rtol=1e-8, atol=1e-13)
    torch.testing.assert_close(total.gradient, relative.gradient, rtol=1e-7, atol=1e-9)


@given(seed=st.integers(0, 100), dimension=st.sampled_from([2, 3]))
def test_turning_everything_turns_the_gradient(seed, dimension):
    x, u, box = cluster(dimension, seed=seed)
    turn = torch.linalg.qr(torch.randn(dimension, dimension, generator=torch.Generator().manual_seed(seed)))
    turn = turn.Q.double()
    turn = torch.linalg.svd(turn).U @ torch.linalg.svd(turn).Vh  # orthogonal to double precision
    before, after = d2min(x, u, box, 2.0), d2min(22.0 + (x - 22.0) @ turn.T, u @ turn.T, box, 2.0)
    torch.testing.assert_close(after.d2min, before.d2min, rtol=1e-8, atol=1e-13)
    torch.testing.assert_close(after.gradient, turn @ before.gradient @ turn.T, rtol=1e-7, atol=1e-9)


def test_many_fields_of_one_reference_at_once():
    x, u, box = fluid(2)
    fields = torch.stack([torch.stack([u, 2 * u]), torch.stack([0 * u, u.flip(0)])])
    together = d2min(x, fields, box, 2.0)
    assert together.d2min.shape == (2, 2, 120)
    for a in range(2):
        for b in range(2):
            alone = d2min(x, fields[a, b], box, 2.0)
            torch.testing.assert_close(together.d2min[a, b], alone.d2min)
            torch.testing.assert_close(together.gradient[a, b], alone.gradient)


def test_a_particle_without_neighbours_and_one_with_too_few():
    x = torch.tensor([[1.0, 1.0], [5.0, 5.0], [5.5, 5.0]], dtype=torch.float64)
    u = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.1, 0.2]], dtype=torch.float64)
    found = d2min(x, u, torch.full((2,), 9.0, dtype=torch.float64), 2.0)
    assert found.d2min.abs().max() < 1e-28  # one neighbour: some affine map fits
    assert found.gradient.isfinite().all()


@pytest.mark.parametrize(("dimension", "name"), DIRECTIONS)
def test_strain_of_a_simple_shear(dimension, name):
    direction = shear_direction(name, dimension)
    gradient = shear_gradient(direction, 0.02, dimension)
    assert float(local_shear_strain(gradient, direction)) == pytest.approx(0.02)
    # dev E of a simple shear by g: off-diagonal g/2 twice, diagonal g^2/2 once, less a d-th of its trace.
    rest = (0.02**2 / 2) ** 2 * (1 - 1 / dimension)
    assert float(von_mises_strain(gradient)) == pytest.approx(np.sqrt(0.01**2 + rest / 2), rel=1e-12)


def test_strains_do_not_feel_rotations():
    angle = 0.7
    turn = torch.tensor([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    stretch = torch.tensor([[1.1, 0.03], [0.0, 0.95]], dtype=torch.float64)
    identity, direction = torch.eye(2, dtype=torch.float64), shear_direction("xy+", 2)
    for measure in (von_mises_strain, lambda g: local_shear_strain(g, direction)):
        torch.testing.assert_close(measure(turn @ stretch - identity), measure(stretch - identity))


def test_von_mises_is_that_of_ovito():
    """Shimizu, Ogata and Li: sqrt(yz^2 + xz^2 + xy^2 + ((yy-zz)^2 + (xx-zz)^2 + (xx-yy)^2) / 6)."""
    gradient = 0.1 * torch.randn(3, 3, generator=torch.Generator().manual_seed(0)).double()
    f = gradient.numpy() + np.eye(3)
    e = (f.T @ f - np.eye(3)) / 2
    off = e[1, 2] ** 2 + e[0, 2] ** 2 + e[0, 1] ** 2
    on = (e[1, 1] - e[2, 2]) ** 2 + (e[0, 0] - e[2, 2]) ** 2 + (e[0, 0] - e[1, 1]) ** 2
    assert float(von_mises_strain(gradient)) == pytest.approx(np.sqrt(off + on / 6))


@pytest.mark.parametrize(("dimension", "name"), DIRECTIONS)
@pytest.mark.parametrize("strain", [0.0, 0.2, 0.49, 0.51, 1.3])
def test_the_sheared_box_holds_the_sheared_lattice(dimension, name, strain):
    edges = torch.tensor([6.0, 7.0, 8.0][:dimension], dtype=torch.float64)
    direction = shear_direction(name, dimension)
    box = sheared_box(edges, direction, strain)
    tilts = box[dimension:]
    assert float(tilts.abs().max()) <= edges[direction.along] / 2
    moved = torch.diag(edges) @ (torch.eye(dimension) + shear_gradient(direction, strain, dimension)).T
    # Lattice vectors of the deformed crystal are none at all in the box.
    assert float(minimum_image(moved, box).abs().max()) < 1e-12


@pytest.mark.parametrize(("dimension", "name"), DIRECTIONS)
def test_displacements_are_followed_through_every_boundary(dimension, name):
    """Particles that drift by boxes in all, wrapped into boxes that flip, are recovered."""
    generator = torch.Generator().manual_seed(2)
    edges = torch.tensor([6.0, 7.0, 8.0][:dimension], dtype=torch.float64)
    direction, strains = shear_direction(name, dimension), 0.1 * torch.arange(16).double()
    start = torch.rand(30, dimension, generator=generator, dtype=torch.float64) * edges
    steps = 0.8 * torch.randn(15, 30, dimension, generator=generator, dtype=torch.float64)
    moved = torch.cat([torch.zeros(1, 30, dimension), steps.clamp(-2, 2).cumsum(0)])
    frames = []
    for u, strain in zip(moved, strains.tolist(), strict=True):
        mapped = start + start @ shear_gradient(direction, strain, dimension).T + u
        frames.append(wrap(mapped, sheared_box(edges, direction, strain)))
    found = non_affine(torch.stack(frames), edges, direction, strains)
    assert float(moved.abs().max()) > edges.max() / 2
    torch.testing.assert_close(found, moved - moved.mean(1, keepdim=True), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("name", "dimension"), [("xz+", 2), ("yx+", 3), ("xy", 2), ("", 3)])
def test_unknown_directions_are_refused(name, dimension):
    with pytest.raises(ConfigError, match=r"unknown shear direction.*xy\+"):
        shear_direction(name, dimension)


def test_neighbours_are_those_of_the_reference():
    x, u, box = fluid(2)
    (i, _), _ = neighbor_list(x, box, 1.0)
    lonely = torch.bincount(i, minlength=len(x)) == 0
    assert bool(lonely.any())
    assert float(d2min(x, u, box, 1.0).d2min[lonely].abs().max()) == 0.0
