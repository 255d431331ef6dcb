import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gensample.errors import ConfigError, DataError
from gensample.physics.mixtures import MIXTURES, TRUNCATIONS, Mixture, get_mixture
from gensample.physics.potentials import energy


def test_table_begins_with_the_four_mixtures_of_the_design() -> None:
    assert list(MIXTURES)[:4] == ["ka3d", "ka3d-fs", "ka2d", "ka2d-ternary"]


@pytest.mark.parametrize("name", MIXTURES)
def test_tables_are_symmetric_and_in_units_of_species_a(name: str) -> None:
    mixture = get_mixture(name)
    assert mixture.name == name
    for table in (mixture.sigma, mixture.epsilon):
        assert table == tuple(zip(*table, strict=True))
        assert len(table) == mixture.num_species
        assert table[0][0] == 1.0
    assert mixture.truncation in TRUNCATIONS
    assert mixture.cutoff == mixture.cutoff_factor * mixture.largest_diameter
    assert sum(mixture.fractions) == pytest.approx(1)
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
    assert all(abs(n - f * particles) < 1 for n, f in zip(counts, mixture.fractions, strict=True))


def test_edges_of_the_public_boxes() -> None:
    assert get_mixture("ka3d-fs").edge_length(4096) == pytest.approx(15.05658, abs=5e-5)
    assert get_mixture("ka2d-ternary").edge_length(1290) == pytest.approx(32.8962, abs=1e-4)


def test_an_unknown_mixture_names_the_known_ones() -> None:
    with pytest.raises(
        ConfigError, match=r"mixture must be one of ka3d, ka3d-fs, ka2d, ka2d-ternary.*got 'ka4d'"
    ):
        get_mixture("ka4d")


def written(folder, text: str):
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


def test_a_mixture_is_a_file(tmp_path) -> None:
    """The published ternary system of 44 particles has 20:12:12; the nearest to 600:330:360 is 21:11:12."""
    path = written(tmp_path, "like: ka2d-ternary\ncomposition: [20, 12, 12]\n")
    mixture = get_mixture(str(path))
    assert mixture.name == "mine"
    assert mixture.sigma == MIXTURES["ka2d-ternary"].sigma
    assert mixture.counts(44) == (20, 12, 12)
    assert MIXTURES["ka2d-ternary"].counts(44) == (21, 11, 12)
    assert mixture.counts(88) == (40, 24, 24)


def test_diameters_and_energies_mix(tmp_path) -> None:
    path = written(
        tmp_path,
        "name: four\ndimension: 2\ndensity: 0.7\ncomposition: [4, 3, 2, 1]\n"
        "sigma: [1.0, 1.2, 1.4, 1.6]\nepsilon: [1.0, 4.0, 1.0, 1.0]\nmasses: [1, 2, 3, 4]\n"
        "potential: inverse-power\nexponent: 18\ntruncation: smooth\n",
    )
    mixture = get_mixture(path)
    assert mixture.sigma[0] == pytest.approx((1.0, 1.1, 1.2, 1.3))
    assert mixture.epsilon[1] == pytest.approx((2.0, 4.0, 2.0, 2.0))
    assert mixture.masses == (1, 2, 3, 4)
    assert mixture.counts(10) == (4, 3, 2, 1)
    assert get_mixture(json.loads(mixture.to_json())) == mixture


@pytest.mark.parametrize("name", MIXTURES)
def test_values_lead_back_to_the_mixture(name: str) -> None:
    assert Mixture.from_values(json.loads(MIXTURES[name].to_json())) == MIXTURES[name]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dimension: 2\n", "mine says no composition"),
        ("like: ka2d\ndiameters: [1, 2]\n", "a key of mixture mine must be one of name, dimension"),
        ("like: ka2d\nsigma: [[1, 2], [3, 4]]\n", "sigma must be a symmetric table of 2 x 2"),
        ("like: ka2d\ncomposition: [0.5, 0.3, 0.2]\n", "must be a symmetric"),
        ("like: ka2d\ncomposition: [0.5, -0.5]\n", "composition must be positive"),
        ("like: ka2d\ncomposition: 3\n", "mine: "),
        ("like: ka2d\npotential: yukawa\n", "potential of mine must be one of lennard-jones"),
        ("like: ka2d\ntruncation: cut\n", "truncation of mine must be one of shift"),
        ("like: ka2d\ndensity: .nan\n", "density"),
        ("like: ka2d\nmasses: [1]\n", "2 masses must be positive"),
        ("like: ka2d\npotential: harmonic\n", "cutoff_factor of harmonic must be 1"),
        ("like: nothing\n", "mixture must be one of"),
        ("name: ka2d\nlike: ka3d\n", "there is another mixture ka2d"),
    ],
)
def test_a_file_that_cannot_be_a_mixture_is_refused(tmp_path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        get_mixture(written(tmp_path, text))


def test_of_an_unknown_liquid_there_are_no_energies() -> None:
    mixture = Mixture.unknown([3, 1], 2, 1.0)
    assert (mixture.cutoff, mixture.counts(4), mixture.has_potential) == (0.0, (3, 1), False)
    with pytest.raises(DataError, match="the potential of unknown is not known"):
        energy(torch.rand(4, 2), mixture.species(4), torch.tensor([2.0, 2.0]), mixture)
