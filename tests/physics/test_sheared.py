"""Tilted boxes: geometry and neighbour lists against brute force over lattice vectors."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from physics.all_pairs import all_pairs
from torch import Tensor

from gensample.errors import ConfigError, DataError
from gensample.physics.box import (
    boxes_of,
    check_cutoff,
    edges,
    flip,
    fractional,
    is_tilted,
    lattice,
    minimum_image,
    minimum_image_,
    perpendicular_widths,
    volume,
    wrap,
)
from gensample.physics.neighbors import batched_half_list, batched_neighbor_list, neighbor_list

CUTOFF = 1.3
dimensions = st.sampled_from([2, 3])
seeds = st.integers(0, 10**6)


def random_box(dimension: int, seed: int, tilt: float = 0.5, dtype: torch.dtype = torch.float64) -> Tensor:
    """Edges of 2 to 9 cut-offs, tilt factors uniform up to ``tilt`` of the edge that they run along."""
    rng = np.random.default_rng(seed)
    length = 2.0 * CUTOFF * rng.uniform(1.0, 4.5, dimension)
    along = [0] if dimension == 2 else [0, 0, 1]
    tilts = tilt * rng.uniform(-1.0, 1.0, len(along)) * length[along]
    return torch.from_numpy(np.concatenate([length, tilts])).to(dtype)


def vectors_of(box: Tensor, dimension: int) -> np.ndarray:
    """Lattice vectors as rows, spelled out."""
    b = box.double().numpy()
    if dimension == 2:
        return np.array([[b[0], 0.0], [b[2], b[1]]])
    return np.array([[b[0], 0.0, 0.0], [b[3], b[1], 0.0], [b[4], b[5], b[2]]])


def scattered(count: int, box: Tensor, dimension: int, seed: int, unwrapped: bool) -> Tensor:
    """Uniform positions, moved by up to three lattice vectors if so asked."""
    generator = torch.Generator().manual_seed(seed)
    s = torch.rand(count, dimension, generator=generator, dtype=torch.float64)
    if unwrapped:
        s = s + torch.randint(-3, 4, s.shape, generator=generator)
    return (s @ torch.from_numpy(vectors_of(box, dimension))).to(box)


def images(dimension: int, reach: int) -> np.ndarray:
    return np.array(list(itertools.product(range(-reach, reach + 1), repeat=dimension)))


def brute_pairs(x: Tensor, box: Tensor, dimension: int, cutoff: float) -> dict[tuple[int, int], np.ndarray]:
    """Every pair closer than the cut-off over 5^d images of the untilted box's own flip, in numpy."""
    vectors = vectors_of(flip(box, dimension), dimension)
    s = x.double().numpy() @ np.linalg.inv(vectors)
    inside = (s - np.floor(s)) @ vectors
    apart = inside[None] - inside[:, None]
    found: dict[tuple[int, int], np.ndarray] = {}
    for shift in images(dimension, 2) @ vectors:
        i, j = np.nonzero(np.linalg.norm(apart + shift, axis=-1) < cutoff)
        for a, b in zip(i.tolist(), j.tolist(), strict=True):
            if a != b:
                assert (a, b) not in found
                found[a, b] = apart[a, b] + shift
    return found


@given(dimensions, seeds, st.sampled_from([0.5, 3.0]), st.sampled_from([torch.float32, torch.float64]))
def test_wrap_lands_inside_and_moves_by_lattice_vectors(
    dimension: int, seed: int, tilt: float, dtype: torch.dtype
) -> None:
    box = random_box(dimension, seed, tilt, dtype)
    x = scattered(40, box, dimension, seed, True)
    wrapped = wrap(x, box)
    s = fractional(wrapped, box)
    assert ((s >= 0) & (s < 1)).all()
    moved = (wrapped - x).double().numpy() @ np.linalg.inv(vectors_of(box, dimension))
    assert np.abs(moved - moved.round()).max() < (1e-10 if dtype == torch.float64 else 1e-4)
    again = wrap(wrapped, box)
    assert torch.equal(again, wrapped) or (again - wrapped).abs().max() < 1e-5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_wrap_never_reaches_the_far_face(dtype: torch.dtype) -> None:
    """Just outside the near faces and on the far ones, where rounding tempts."""
    generator = torch.Generator().manual_seed(0)
    for seed in range(20):
        for dimension in (2, 3):
            box = random_box(dimension, seed, 1.5, dtype)
            rows = lattice(box, dimension)
            corners = torch.randint(-1, 2, (200, dimension), generator=generator).to(dtype)
            tiny = torch.tensor([0.0, -1e-30, -1e-12, -1e-7, 1e-7], dtype=dtype)
            tiny = tiny[torch.randint(0, 5, (200, dimension), generator=generator)]
            wrapped = wrap(corners @ rows + tiny, box)
            s = fractional(wrapped, box)
            assert ((s >= 0) & (s < 1)).all()


@settings(max_examples=60)
@given(dimensions, seeds, st.sampled_from([0.5, 0.9, 2.0]))
def test_minimum_image_finds_every_short_image(dimension: int, seed: int, tilt: float) -> None:
    """Against 5^d images of the least tilted lattice, for all that is shorter than half the shortest edge."""
    box = random_box(dimension, seed, tilt)
    dx = scattered(200, box, dimension, seed, True)
    rows = vectors_of(flip(box, dimension), dimension)
    s = dx.numpy() @ np.linalg.inv(rows)
    candidates = ((s - s.round())[:, None] + images(dimension, 2)) @ rows
    best = candidates[np.arange(len(s)), np.linalg.norm(candidates, axis=-1).argmin(1)]
    found = minimum_image(dx, box).numpy()
    short = np.linalg.norm(best, axis=-1) < 0.5 * float(edges(box, dimension).min()) - 1e-9
    assume(short.any())
    np.testing.assert_allclose(found[short], best[short], atol=1e-10)
    assert (np.linalg.norm(found, axis=-1) >= np.linalg.norm(best, axis=-1) - 1e-10).all()
    steps = (found - dx.numpy()) @ np.linalg.inv(vectors_of(box, dimension))
    np.testing.assert_allclose(steps, steps.round(), atol=1e-9)


@given(dimensions, seeds)
def test_minimum_image_is_odd_to_the_last_bit_and_alike_in_place(dimension: int, seed: int) -> None:
    box = random_box(dimension, seed, 2.0)
    dx = scattered(30, box, dimension, seed, True)
    found = minimum_image(dx, box)
    assert torch.equal(minimum_image(-dx, box), -found)
    columns = list(dx.T.clone())
    minimum_image_(columns, box)
    assert torch.equal(torch.stack(columns, -1), found)


@given(dimensions, seeds, st.booleans())
def test_no_tilt_is_orthogonal_to_the_last_bit(dimension: int, seed: int, unwrapped: bool) -> None:
    box = random_box(dimension, seed, 0.0)
    x = scattered(60, box, dimension, seed, unwrapped)
    straight = edges(box, dimension)
    assert is_tilted(box, dimension)
    assert not is_tilted(straight, dimension)
    assert torch.equal(wrap(x, box), wrap(x, straight))
    assert torch.equal(minimum_image(x, box), minimum_image(x, straight))
    for a, b in zip(neighbor_list(x, box, CUTOFF), neighbor_list(x, straight, CUTOFF), strict=True):
        assert torch.equal(a, b)


@given(dimensions, seeds)
def test_flip_keeps_the_lattice_within_the_limits_of_lammps(dimension: int, seed: int) -> None:
    box = random_box(dimension, seed, 4.0)
    flipped = flip(box, dimension)
    lx, ly = box[0], box[1]
    limits = [0.5 * lx] if dimension == 2 else [0.5 * lx, 0.5 * lx, 0.5 * ly]
    assert (flipped[dimension:].abs() <= torch.stack(limits) * (1 + 1e-12)).all()
    steps = vectors_of(flipped, dimension) @ np.linalg.inv(vectors_of(box, dimension))
    np.testing.assert_allclose(steps, steps.round(), atol=1e-9)
    assert abs(np.linalg.det(steps)) == pytest.approx(1.0)
    torch.testing.assert_close(flip(flipped, dimension), flipped)
    straight = edges(box, dimension)
    assert torch.equal(flip(straight, dimension), straight)


@given(dimensions, seeds)
def test_lattice_volume_widths_and_fractions(dimension: int, seed: int) -> None:
    box = random_box(dimension, seed, 1.0)
    rows = vectors_of(box, dimension)
    np.testing.assert_array_equal(lattice(box, dimension).numpy(), rows)
    assert float(volume(box, dimension)) == pytest.approx(abs(np.linalg.det(rows)))
    for k, width in enumerate(perpendicular_widths(box, dimension).tolist()):
        others = np.delete(rows, k, 0)
        area = np.sqrt(np.linalg.det(others @ others.T))
        assert width == pytest.approx(abs(np.linalg.det(rows)) / area)
    x = scattered(10, box, dimension, seed, True)
    np.testing.assert_allclose(fractional(x, box).numpy() @ rows, x.numpy(), atol=1e-10)


def test_geometry_of_a_batch_is_that_of_each_box() -> None:
    boxes = torch.stack([random_box(3, seed, 1.0) for seed in range(4)])
    x = torch.stack([scattered(20, box, 3, 1, True) for box in boxes])
    for function in (wrap, minimum_image, fractional):
        one_by_one = torch.stack([function(x[c], boxes[c]) for c in range(4)])
        assert torch.equal(function(x, boxes[:, None]), one_by_one)
    for function in (edges, volume, lattice, perpendicular_widths, flip):
        one_by_one = torch.stack([function(box, 3) for box in boxes])
        torch.testing.assert_close(function(boxes, 3), one_by_one, rtol=1e-14, atol=1e-14)


@settings(max_examples=60)
@given(
    st.integers(0, 90),
    dimensions,
    seeds,
    st.sampled_from([0.5, 2.0]),
    st.booleans(),
    st.sampled_from([torch.float32, torch.float64]),
)
def test_list_agrees_with_all_pairs_in_any_tilted_box(
    particles: int, dimension: int, seed: int, tilt: float, unwrapped: bool, dtype: torch.dtype
) -> None:
    box = random_box(dimension, seed, tilt, dtype)
    x = scattered(particles, box, dimension, seed, unwrapped)
    edge_index, vectors = neighbor_list(x, box, CUTOFF)
    reference_index, reference_vectors = all_pairs(x, box, CUTOFF)
    assert torch.equal(edge_index, reference_index)
    assert torch.equal(vectors, reference_vectors)


@settings(max_examples=25)
@given(dimensions, seeds, st.sampled_from([0.5, 2.0]), st.booleans())
def test_list_is_complete_against_brute_force_images(
    dimension: int, seed: int, tilt: float, unwrapped: bool
) -> None:
    box = random_box(dimension, seed, tilt)
    x = scattered(80, box, dimension, seed, unwrapped)
    edge_index, vectors = neighbor_list(x, box, CUTOFF)
    expected = brute_pairs(x, box, dimension, CUTOFF)
    assert [tuple(pair) for pair in edge_index.T.tolist()] == sorted(expected)
    if expected:
        apart = np.stack([expected[pair] for pair in sorted(expected)])
        np.testing.assert_allclose(vectors.numpy(), apart, atol=1e-10)


@settings(max_examples=25)
@given(dimensions, seeds)
def test_list_depends_on_the_lattice_alone(dimension: int, seed: int) -> None:
    """Neither the choice of lattice vectors nor whole lattice vectors in the positions matter."""
    box = random_box(dimension, seed, 0.7)
    x = scattered(80, box, dimension, seed, False)
    before = neighbor_list(x, box, CUTOFF)
    steps = torch.randint(-2, 3, x.shape, generator=torch.Generator().manual_seed(seed)).double()
    other = box.clone()
    other[dimension] += 2 * box[0]
    for moved, cell in [
        (x + steps @ lattice(box, dimension), box),
        (x, flip(box, dimension)),
        (x, other),
        (wrap(x, other), other),
    ]:
        after = neighbor_list(moved, cell, CUTOFF)
        assert torch.equal(after[0], before[0])
        torch.testing.assert_close(after[1], before[1], rtol=0, atol=1e-10)


@pytest.mark.parametrize("dimension", [2, 3])
def test_batch_with_different_tilts_is_each_configuration_on_its_own(dimension: int) -> None:
    boxes = torch.stack([random_box(dimension, seed, tilt) for seed, tilt in enumerate((0.0, 0.5, 1.0, 3.0))])
    x = torch.stack([scattered(60, box, dimension, c, True) for c, box in enumerate(boxes)])
    edge_index, vectors = batched_neighbor_list(x, boxes, CUTOFF)
    singles = [neighbor_list(x[c], boxes[c], CUTOFF) for c in range(4)]
    assert torch.equal(edge_index, torch.cat([pairs + 60 * c for c, (pairs, _) in enumerate(singles)], 1))
    assert torch.equal(vectors, torch.cat([v for _, v in singles]))
    half = torch.stack(batched_half_list(x, boxes, CUTOFF))
    assert torch.equal(half, edge_index[:, edge_index[0] < edge_index[1]])


def test_one_tilted_box_serves_a_batch() -> None:
    box = random_box(3, 3)
    x = torch.stack([scattered(50, box, 3, seed, False) for seed in range(3)])
    shared, repeated = (batched_neighbor_list(x, b, CUTOFF) for b in (box, box.expand(3, 6)))
    assert torch.equal(shared[0], repeated[0])
    assert torch.equal(shared[1], repeated[1])


def test_vector_points_from_source_to_destination_through_a_sheared_boundary() -> None:
    """Across the top of the box the images are shifted by the tilt."""
    x = torch.tensor([[4.0, 9.9], [1.0, 0.1]], dtype=torch.float64)
    box = torch.tensor([10.0, 10.0, 3.1], dtype=torch.float64)
    edge_index, vectors = neighbor_list(x, box, 1.0)
    assert edge_index.tolist() == [[0, 1], [1, 0]]
    torch.testing.assert_close(vectors, torch.tensor([[0.1, 0.2], [-0.1, -0.2]], dtype=torch.float64))
    assert neighbor_list(x, box[:2], 1.0)[0].numel() == 0


def test_vectors_carry_gradients() -> None:
    box = random_box(3, 1)
    x = scattered(60, box, 3, 0, True).requires_grad_()
    (i, _), vectors = neighbor_list(x, box, CUTOFF)
    (gradient,) = torch.autograd.grad(vectors.square().sum(), x)
    torch.testing.assert_close(
        gradient, torch.zeros_like(x).index_add(0, i, -4 * vectors).detach(), atol=1e-12, rtol=1e-12
    )


def test_the_cutoff_looks_at_edges_alone_and_bad_boxes_are_refused() -> None:
    x = torch.zeros(1, 2)
    box = torch.tensor([6.0, 6.0, -0.5])
    neighbor_list(x, box, 2.9)
    check_cutoff(2.9, edges(box, 2))
    with pytest.raises(ConfigError, match="half the shortest box edge, 3"):
        neighbor_list(x, box, 3.1)
    with pytest.raises(DataError, match="2 edge lengths, or those and 1 tilt factors, got 6"):
        neighbor_list(x, torch.full((6,), 6.0), 1.0)
    with pytest.raises(DataError, match="got 4"):
        boxes_of(torch.ones(2, 4), 2, 3)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_same_list_on_a_cuda_device() -> None:
    box = random_box(3, 5)
    x = scattered(2000, box, 3, 0, True)
    host, device = neighbor_list(x, box, CUTOFF), neighbor_list(x.cuda(), box.cuda(), CUTOFF)
    assert torch.equal(host[0], device[0].cpu())
    torch.testing.assert_close(host[1], device[1].cpu())
