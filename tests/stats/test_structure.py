import numpy as np
import pytest
import whole_structure as whole
from gaussian_ensembles import jittered, lattice

from gensample.errors import ConfigError
from gensample.stats import pairs
from gensample.stats import structure as s

DIMENSIONS = pytest.mark.parametrize("dimension", [2, 3])


@DIMENSIONS
def test_an_ideal_gas_has_g_of_one_even_with_few_particles(dimension):
    """Six A particles: dividing by N^2 instead of N (N - 1) would give 5/6."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 5, (200, 10, dimension))
    species = np.array([0] * 6 + [1] * 4)
    g = whole.pair_distribution(x, np.full(dimension, 5.0), species, np.linspace(0, 2.5, 4))
    for pair in ((0, 0), (0, 1)):
        np.testing.assert_allclose(g[pair][1:], 1, atol=0.1)
    assert set(g) == {(0, 0), (0, 1), (1, 1)}


def test_agrees_with_freud():
    freud = pytest.importorskip("freud")
    rng = np.random.default_rng(1)
    x, box = jittered(8, 3, rng)
    species = (rng.uniform(size=len(x)) < 0.3).astype(int)
    edges = np.linspace(0, 3.9, 40)
    found = whole.pair_distribution(x, box, species, edges)
    rdf = freud.density.RDF(bins=39, r_max=3.9)
    cube, a, b = freud.box.Box.cube(8.0), x[species == 0], x[species == 1]
    rdf.compute((cube, b), query_points=a)
    np.testing.assert_allclose(found[0, 1], rdf.rdf, atol=2e-3)
    # freud divides like pairs by N^2 unless told otherwise.
    rdf.compute((cube, a))
    np.testing.assert_allclose(found[0, 0] * (len(a) - 1) / len(a), rdf.rdf, atol=2e-3)


def test_reach_beyond_half_the_box_is_refused():
    x, box = lattice(4, 2)
    with pytest.raises(ConfigError, match="half"):
        whole.pair_distribution(x, box, np.zeros(16, int), [0, 3.0])


@DIMENSIONS
def test_wave_vectors_are_all_allowed_ones_once(dimension):
    box = np.array([5.0, 6.0, 7.0])[:dimension]
    q = pairs.wave_vectors(box, 4.0)
    n = q * box / (2 * np.pi)
    np.testing.assert_allclose(n, np.round(n), atol=1e-9)
    grid = np.stack(np.meshgrid(*[np.arange(-6, 7)] * dimension, indexing="ij"), -1).reshape(-1, dimension)
    modulus = np.linalg.norm(2 * np.pi * grid / box, axis=1)
    assert 2 * len(q) == ((modulus > 0) & (modulus <= 4.0)).sum()
    assert len({tuple(v) for v in np.round(np.concatenate([n, -n])).astype(int).tolist()}) == 2 * len(q)


def test_a_lattice_scatters_at_its_reciprocal_vectors_only():
    x, box = lattice(6, 2)
    _, partial, _ = whole.structure_factor(x, box, np.zeros(36, int), q_max=7.0, bins=70)
    peak = int(2 * np.pi / 0.1)
    # Two of the vectors in that bin are Bragg vectors with S = N.
    n = np.linalg.norm(pairs.wave_vectors(box, 7.0), axis=1)
    in_bin = ((n >= 0.1 * peak) & (n < 0.1 * (peak + 1))).sum()
    assert partial[0, 0][peak] == pytest.approx(2 * 36 / in_bin)
    rest = np.delete(partial[0, 0], peak)
    np.testing.assert_allclose(rest[np.isfinite(rest)], 0, atol=1e-9)


def test_an_ideal_gas_has_partial_factors_of_one_and_zero():
    rng = np.random.default_rng(2)
    x = rng.uniform(0, 6, (200, 50, 2))
    species = np.array([0] * 30 + [1] * 20)
    q, partial, total = whole.structure_factor(x, np.full(2, 6.0), species, q_max=5.0, bins=5)
    filled = np.isfinite(q)
    np.testing.assert_allclose(partial[0, 0][filled], 1, atol=0.1)
    np.testing.assert_allclose(partial[0, 1][filled], 0, atol=0.1)
    np.testing.assert_allclose(total[filled], 1, atol=0.1)


def test_total_is_the_factor_without_regard_to_species():
    rng = np.random.default_rng(3)
    x, box = jittered(6, 2, rng)
    both = whole.structure_factor(x, box, np.arange(36) % 2, q_max=8.0, bins=8)
    one = whole.structure_factor(x, box, np.zeros(36, int), q_max=8.0, bins=8)
    np.testing.assert_allclose(both[2], one[1][0, 0])


def test_no_wave_vector_is_an_error_with_the_least_q_max():
    with pytest.raises(ConfigError, match=r"raise q_max above 1\.25"):
        pairs.wave_vectors([5.0, 5.0], 1.0)


def test_closest_pairs_of_each_kind():
    x = np.array([[0.1, 1.0], [4.9, 1.0], [2.0, 1.0], [2.0, 1.7]])
    found = whole.closest_pairs(x, np.full(2, 5.0), np.array([0, 0, 0, 1]))
    assert found[0, 0][0] == pytest.approx(0.2)
    assert found[0, 1][0] == pytest.approx(0.7)
    assert found[1, 1][0] == np.inf


@DIMENSIONS
def test_structure_factors_are_the_sums_of_the_definition_in_every_box(dimension):
    rng = np.random.default_rng(4)
    boxes = np.array([[5.0, 6.0, 7.0], [5.5, 6.5, 5.0]])[:, :dimension]
    x, species = rng.uniform(0, 5, (2, 9, dimension)), np.arange(9) % 2
    table = s.structure_table(x, boxes, species, 4.0, 8)
    for c in range(2):
        q = pairs.wave_vectors(boxes[c], 4.0)
        which = np.minimum((np.linalg.norm(q, axis=1) / 0.5).astype(int), 7)
        rho = [np.exp(-1j * q @ x[c, species == a].T).sum(axis=1) for a in range(2)]
        products = [(rho[a] * rho[b].conj()).real for a, b in ((0, 0), (0, 1), (1, 1))]
        for k, norm in enumerate((5, np.sqrt(20), 4)):
            expected = np.bincount(which, products[k] / norm, 8)
            np.testing.assert_allclose(table.partial[c, k], expected, atol=1e-9)
        np.testing.assert_array_equal(table.vectors[c], np.bincount(which, minlength=8))


def test_weights_of_configurations():
    rng = np.random.default_rng(5)
    x, species, edges = rng.uniform(0, 5, (3, 20, 2)), np.arange(20) % 2, np.linspace(0, 2.5, 4)
    g = [whole.pair_distribution(frame, np.full(2, 5.0), species, edges)[0, 1] for frame in x]
    found = whole.pair_distribution(x, np.full(2, 5.0), species, edges, weights=[3.0, 0.0, 1.0])[0, 1]
    np.testing.assert_allclose(found, 0.75 * g[0] + 0.25 * g[2])
