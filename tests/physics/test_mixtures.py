import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gensample.errors import ConfigError
from gensample.physics.mixtures import MIXTURES, TRUNCATIONS, get_mixture


def test_table_holds_the_four_mixtures_of_the_design() -> None:
    assert list(MIXTURES) == ["ka3d", "ka3d-fs", "ka2d", "ka2d-ternary"]


@pytest.mark.parametrize("name", MIXTURES)
def test_tables_are_symmetric_and_in_units_of_species_a(name: str) -> None:
    mixture = get_mixture(name)
    assert mixture.name == name
    for table in (mixture.sigma, mixture.epsilon):
        assert table == tuple(zip(*table, strict=True))
        assert len(table) == mixture.num_species
        assert table[0][0] == 1.0
    assert mixture.truncation in TRUNCATIONS
    assert mixture.cutoff == 2.5
    assert sum(mixture.composition) == pytest.approx(1)
    assert "(" in mixture.reference


@pytest.mark.parametrize(
    ("name", "particles", "counts"),
    [
        ("ka3d-fs", 4096, (3277, 819)),
        ("ka3d", 10000, (8000, 2000)),
        ("ka2d", 500, (325, 175)),
        ("ka2d-ternary", 1290, (600, 330, 360)),
    ],
)
def test_counts_of_the_public_data_sets(name: str, particles: int, counts: tuple[int, ...]) -> None:
    assert get_mixture(name).counts(particles) == counts
    assert torch.bincount(get_mixture(name).species(particles)).tolist() == list(counts)


@given(st.sampled_from(list(MIXTURES)), st.integers(0, 5000))
def test_counts_add_up_and_are_nearest(name: str, particles: int) -> None:
    mixture = get_mixture(name)
    counts = mixture.counts(particles)
    assert sum(counts) == particles
    assert all(abs(n - f * particles) < 1 for n, f in zip(counts, mixture.composition, strict=True))


def test_edges_of_the_public_boxes() -> None:
    assert get_mixture("ka3d-fs").edge_length(4096) == pytest.approx(15.05658, abs=5e-5)
    assert get_mixture("ka2d-ternary").edge_length(1290) == pytest.approx(32.8962, abs=1e-4)


def test_an_unknown_mixture_names_the_known_ones() -> None:
    with pytest.raises(
        ConfigError, match=r"mixture must be one of ka3d, ka3d-fs, ka2d, ka2d-ternary.*got 'ka4d'"
    ):
        get_mixture("ka4d")
