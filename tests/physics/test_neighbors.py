import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from physics.all_pairs import all_pairs
from scipy.spatial import cKDTree
from torch import Tensor

from gensample.errors import ConfigError, DataError
from gensample.physics.neighbors import batched_neighbor_list, neighbor_list


def scattered(
    particles: int, edges: list[float], seed: int, unwrapped: bool, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    box = torch.tensor(edges, dtype=dtype)
    x = torch.rand(particles, len(edges), generator=generator, dtype=dtype) * box
    if unwrapped:
        x = x + box * torch.randint(-3, 4, x.shape, generator=generator)
    return x, box


def naive(x: Tensor, box: Tensor, cutoff: float) -> set[tuple[int, int]]:
    """Every pair over all 3^d images, in plain Python arithmetic that shares nothing with the library."""
    position, edge = np.mod(x.double().numpy(), box.double().numpy()), box.double().numpy()
    pairs = set()
    for shift in itertools.product((-1, 0, 1), repeat=len(edge)):
        distance = np.linalg.norm(position[None] + np.array(shift) * edge - position[:, None], axis=-1)
        pairs |= {(int(i), int(j)) for i, j in zip(*np.nonzero(distance < cutoff), strict=True) if i != j}
    return pairs


@settings(max_examples=80)
@given(
    st.integers(0, 90),
    st.lists(st.floats(1.0, 6.0), min_size=2, max_size=3),
    st.integers(0, 10**6),
    st.booleans(),
    st.sampled_from([torch.float32, torch.float64]),
)
def test_agrees_with_all_pairs_in_any_box(
    particles: int, relative: list[float], seed: int, unwrapped: bool, dtype: torch.dtype
) -> None:
    """Edges from twice to twelve times the cut-off: from one cell per edge (small boxes) to many."""
    cutoff = 1.3
    x, box = scattered(particles, [2 * cutoff * r for r in relative], seed, unwrapped, dtype)
    edge_index, vectors = neighbor_list(x, box, cutoff)
    reference_index, reference_vectors = all_pairs(x, box, cutoff)
    assert edge_index.dtype == torch.int64
    assert torch.equal(edge_index, reference_index)
    assert torch.equal(vectors, reference_vectors)


@pytest.mark.parametrize(
    "edges", [[2.6, 2.6, 2.6], [2.7, 4.0, 9.0], [8.0, 8.0, 8.0], [2.6, 5.0], [12.0, 3.0]]
)
@pytest.mark.parametrize("unwrapped", [False, True])
def test_complete_against_brute_force(edges: list[float], unwrapped: bool) -> None:
    x, box = scattered(150, edges, 3, unwrapped, torch.float64)
    edge_index, vectors = neighbor_list(x, box, 1.3)
    assert {tuple(pair) for pair in edge_index.T.tolist()} == naive(x, box, 1.3)
    assert edge_index.shape[1] == len(naive(x, box, 1.3))
    assert (vectors.norm(dim=-1) < 1.3).all()


def test_agrees_with_scipy_on_a_dense_liquid_with_more_than_32_neighbours() -> None:
    x, box = scattered(4096, [15.05658] * 3, 0, False, torch.float64)
    edge_index, _ = neighbor_list(x, box, 2.0)
    tree = cKDTree(x.numpy(), boxsize=box.numpy())
    assert edge_index.shape[1] == 2 * len(tree.query_pairs(2.0))
    assert torch.bincount(edge_index[0]).max() > 50


def test_is_symmetric_sorted_and_has_no_self_edges() -> None:
    x, box = scattered(400, [7.0, 8.0, 9.0], 1, True, torch.float32)
    (i, j), vectors = neighbor_list(x, box, 2.0)
    assert (i != j).all()
    key = i * len(x) + j
    assert (key.diff() > 0).all()
    back = torch.searchsorted(key, j * len(x) + i)
    assert torch.equal(vectors[back], -vectors)


def test_vector_points_from_source_to_destination_through_the_boundary() -> None:
    x = torch.tensor([[0.1, 5.0], [9.8, 5.0], [5.0, 0.2]], dtype=torch.float64)
    edge_index, vectors = neighbor_list(x, torch.tensor([10.0, 10.0]), 1.0)
    assert edge_index.tolist() == [[0, 1], [1, 0]]
    torch.testing.assert_close(vectors, torch.tensor([[-0.3, 0.0], [0.3, 0.0]], dtype=torch.float64))


@given(st.integers(0, 10**6))
@settings(max_examples=20)
def test_moving_particles_by_lattice_vectors_changes_nothing(seed: int) -> None:
    x, box = scattered(120, [6.0, 7.0, 5.5], seed, False, torch.float64)
    moved = x + box * torch.randint(-2, 3, x.shape, generator=torch.Generator().manual_seed(seed))
    before, after = neighbor_list(x, box, 1.5), neighbor_list(moved, box, 1.5)
    assert torch.equal(before[0], after[0])
    torch.testing.assert_close(before[1], after[1])


def test_batch_is_each_configuration_on_its_own() -> None:
    boxes = torch.tensor([[4.0, 9.0, 5.0], [8.0, 8.0, 8.0], [20.0, 4.5, 6.0], [4.0, 4.0, 4.0]])
    x = torch.rand(4, 60, 3, generator=torch.Generator().manual_seed(0)) * boxes[:, None]
    edge_index, vectors = batched_neighbor_list(x, boxes, 2.0)
    singles = [neighbor_list(x[c], boxes[c], 2.0) for c in range(4)]
    assert torch.equal(edge_index, torch.cat([pairs + 60 * c for c, (pairs, _) in enumerate(singles)], 1))
    assert torch.equal(vectors, torch.cat([v for _, v in singles]))


def test_one_box_serves_a_batch() -> None:
    box = torch.tensor([6.0, 6.0])
    x = torch.rand(3, 40, 2, generator=torch.Generator().manual_seed(0)) * box
    shared, repeated = batched_neighbor_list(x, box, 1.5), batched_neighbor_list(x, box.expand(3, 2), 1.5)
    assert torch.equal(shared[0], repeated[0])


def test_particles_on_cell_boundaries_and_on_the_edge_of_the_box() -> None:
    """A simple cubic lattice of spacing exactly the cut-off or a hair less, corners at 0 and at L."""
    grid = torch.cartesian_prod(*[torch.arange(8.0)] * 3)
    box = torch.full((3,), 8.0)
    assert neighbor_list(grid, box, 1.0)[0].shape[1] == 0
    for x in (grid, grid + 8.0, grid - 1e-7, grid + 1e-7):
        assert neighbor_list(x, box, 1.0 + 1e-3)[0].shape[1] == 6 * 512


def test_layout_in_memory_does_not_matter() -> None:
    x, box = scattered(300, [7.0, 7.0, 7.0], 5, False, torch.float64)
    strided = x.T.contiguous().T
    assert torch.equal(neighbor_list(x, box, 1.5)[1], neighbor_list(strided, box, 1.5)[1])


def test_vectors_carry_gradients() -> None:
    x, box = scattered(50, [5.0, 5.0, 5.0], 2, True, torch.float64)
    x.requires_grad_()
    vectors = neighbor_list(x, box, 1.5)[1]
    (gradient,) = torch.autograd.grad(vectors.square().sum(), x)
    (i, _), v = neighbor_list(x.detach(), box, 1.5)
    torch.testing.assert_close(gradient, torch.zeros_like(x).index_add(0, i, -4 * v))


def test_bad_input_is_refused() -> None:
    x, box = scattered(20, [5.0, 5.0], 0, False, torch.float32)
    with pytest.raises(ConfigError, match="half the shortest box edge"):
        neighbor_list(x, box, 2.6)
    x[3, 1] = float("nan")
    with pytest.raises(DataError, match="finite"):
        neighbor_list(x, box, 1.0)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_same_list_on_a_cuda_device() -> None:
    x, box = scattered(2000, [12.0, 12.0, 12.0], 0, True, torch.float64)
    host, device = neighbor_list(x, box, 2.0), neighbor_list(x.cuda(), box.cuda(), 2.0)
    assert torch.equal(host[0], device[0].cpu())
    torch.testing.assert_close(host[1], device[1].cpu())
