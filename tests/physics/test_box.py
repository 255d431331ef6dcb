import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gensample.errors import ConfigError
from gensample.physics.box import check_cutoff, minimum_image, wrap

edges = st.floats(0.5, 50.0)
coordinates = st.floats(-500.0, 500.0)


@given(coordinates, edges, st.sampled_from([torch.float32, torch.float64]))
def test_wrap_stays_strictly_inside_and_moves_by_lattice_vectors(
    x: float, edge: float, dtype: torch.dtype
) -> None:
    position, box = torch.tensor([x], dtype=dtype), torch.tensor([edge], dtype=dtype)
    wrapped = wrap(position, box)
    assert 0 <= float(wrapped) < float(box)
    images = ((position - wrapped) / box).double()
    assert abs(images - images.round()) < 1e-6 * (1 + abs(images)) * (1 if dtype == torch.float64 else 10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_wrap_never_returns_the_edge(dtype: torch.dtype) -> None:
    box = torch.tensor([15.05658, 3.0, 1.0], dtype=dtype)
    tiny = torch.finfo(dtype).smallest_normal
    x = torch.tensor([[-tiny] * 3, [-1e-30] * 3, [-1e-9] * 3], dtype=dtype)
    assert (torch.remainder(x, box) == box).any(), "the trap this test is about"
    assert (wrap(x, box) < box).all()
    assert (wrap(x, box) >= 0).all()
    assert torch.equal(wrap(box, box), torch.zeros_like(box))


def brute_minimum_image(dx: Tensor, box: Tensor, images: int) -> Tensor:
    shifts = torch.cartesian_prod(*[torch.arange(-images, images + 1)] * len(box)).to(dx)
    candidates = dx + shifts * box
    return candidates[candidates.norm(dim=-1).argmin()]


@given(
    st.lists(coordinates.map(lambda x: x / 50), min_size=2, max_size=2),
    st.lists(edges, min_size=2, max_size=2),
)
def test_minimum_image_is_the_shortest_of_all_images(dx: list[float], edge: list[float]) -> None:
    vector, box = torch.tensor(dx, dtype=torch.float64), torch.tensor(edge, dtype=torch.float64)
    best = brute_minimum_image(vector, box, images=int(10 / min(edge)) + 2)
    torch.testing.assert_close(minimum_image(vector, box).norm(), best.norm())


@given(st.lists(coordinates, min_size=3, max_size=3), edges)
def test_minimum_image_is_odd_to_the_last_bit(dx: list[float], edge: float) -> None:
    vector, box = torch.tensor(dx), torch.full((3,), edge)
    assert torch.equal(minimum_image(-vector, box), -minimum_image(vector, box))
    assert (minimum_image(vector, box).abs() <= edge / 2 * (1 + 1e-5) + 1e-4).all()


def test_a_batch_of_boxes_broadcasts() -> None:
    generator = torch.Generator().manual_seed(0)
    x = 40 * torch.rand(3, 5, 2, generator=generator, dtype=torch.float64) - 20
    box = torch.tensor([[4.0, 5.0], [6.0, 7.0], [8.0, 9.0]], dtype=torch.float64)
    for function in (wrap, minimum_image):
        one_by_one = torch.stack([function(x[c], box[c]) for c in range(3)])
        assert torch.equal(function(x, box.unsqueeze(1)), one_by_one)


def test_cutoff_beyond_half_an_edge_is_refused_with_the_limit() -> None:
    box = torch.tensor([[10.0, 10.0], [10.0, 4.0]])
    check_cutoff(2.0, box)
    with pytest.raises(ConfigError, match=r"2\.1 exceeds half the shortest box edge, 2:"):
        check_cutoff(2.1, box)
    for bad in (0.0, -1.0, float("nan")):
        with pytest.raises(ConfigError, match="positive"):
            check_cutoff(bad, box)
