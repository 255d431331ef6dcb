import chi4
import numpy as np
import pytest
from gaussian_ensembles import jittered

from gensample.errors import DataError
from gensample.stats import pairs as fp
from gensample.stats.dynamics import overlap
from gensample.stats.pairs import wave_vectors


def binary(rng, shares, replicas):
    """Displacements (R, N, 2) of length 0 or 1; ``shares`` (N,) or (R, N) the probability to stay."""
    slow = rng.random((replicas, np.shape(shares)[-1])) < shares
    return np.stack([1.0 - slow, np.zeros_like(slow, dtype=float)], axis=-1)


def test_agrees_with_the_double_sum_over_particles():
    """S4(q) = 1/N sum_ij <dw_i dw_j> cos q.(r_i - r_j), dw = w - Q, over replicas of two configurations."""
    rng = np.random.default_rng(0)
    x, box = jittered(6, 2, rng)
    edges, starts = fp.wave_edges(box), [x, (x + rng.normal(0, 0.1, x.shape)) % box]
    fields = [binary(rng, 0.3 + 0.6 * rng.random(36), 5) for _ in starts]
    slow = [(np.linalg.norm(u, axis=-1) < 0.3).astype(float) for u in fields]
    q_mean = np.mean([s.mean() for s in slow])
    sums = [fp.four_point_sums(u, start, box, edges) for u, start in zip(fields, starts, strict=True)]
    mean = fp.FourPointSums(*np.mean(sums, axis=0))
    found = fp.four_point(mean, q_mean)
    q = wave_vectors(box, edges[-1])
    total, within = np.zeros(len(q)), np.zeros(len(q))
    for s, start in zip(slow, starts, strict=True):
        cosine = np.cos((start[:, None] - start[None]) @ q.T)
        for kind, around, count in ((total, q_mean, 5), (within, s.mean(axis=0), 4)):
            kind += np.einsum("ri,rj,ijq->q", s - around, s - around, cosine) / count / 36 / 2
    which = np.digitize(np.linalg.norm(q, axis=1), edges) - 1
    for values, expected in ((found.total, total), (found.within, within)):
        np.testing.assert_allclose(
            values, [expected[which == k].mean() for k in range(len(edges) - 1)], atol=1e-10
        )


@pytest.mark.parametrize("box", [[20.0, 9.0], [7.0, 8.0, 9.0]])
def test_fourier_sums_are_those_of_exponentials(box):
    """More wave vectors than are held at once, outside the first image too."""
    rng = np.random.default_rng(3)
    x, w, q = rng.uniform(-9, 30, (50, len(box))), rng.normal(size=(3, 50)), wave_vectors(box, 5.0)
    assert len(q) > 128
    np.testing.assert_allclose(fp.fourier_sums(w, x, np.array(box), q), w @ np.exp(-1j * x @ q.T), atol=1e-10)


def test_particles_that_do_not_know_of_each_other_have_a_flat_one():
    """Variances p (1 - p) within; all particles alike have the same in total."""
    rng = np.random.default_rng(1)
    x, box = jittered(16, 2, rng)
    sums = fp.four_point_sums(binary(rng, np.full(256, 0.7), 400), x, box, fp.wave_edges(box))
    found = fp.four_point(sums, 0.7)
    np.testing.assert_allclose(found.within, 0.21, rtol=0.15)
    np.testing.assert_allclose(found.total, 0.21, rtol=0.15)


def test_particles_that_stay_in_blocks_have_the_size_and_the_length_of_the_blocks():
    """Blocks of b x b cells decide together: S4(q -> 0) = chi4 = b^2 p (1 - p), and the length grows."""
    rng, found = np.random.default_rng(2), {}
    box = np.full(2, 24.0)
    grid = np.stack(np.meshgrid(np.arange(24), np.arange(24), indexing="ij"), -1).reshape(-1, 2)
    for b in (1, 2, 4):
        block = (grid // b) @ [24 // b, 1]
        u = binary(rng, np.full(576, 0.7), 400)[:, block]
        sums = fp.four_point_sums(u, grid, box, fp.wave_edges(box))
        mean = fp.four_point(sums, overlap(u).mean())
        assert mean.within[0] == pytest.approx(0.21 * b**2, rel=0.2)
        assert chi4.within(overlap(u), 576) == pytest.approx(0.21 * b**2, rel=0.2)
        found[b] = float(fp.ornstein_zernike(sums.square / sums.vectors, mean.within, sums.vectors))
    assert found[1] < 0.4 < found[2] < 1.0 < found[4]


def test_the_length_of_an_exact_curve():
    q2 = np.linspace(0.1, 2.0, 12)
    lengths = np.array([0.0, 0.8, 2.5])
    s4 = 3.0 / (1 + q2 * lengths[:, None] ** 2)
    s4[:, q2 > fp.FIT_REACH**2] = 77.0  # beyond the fit
    s4[0, 2] = np.nan
    found = fp.ornstein_zernike(q2, s4, np.arange(12.0))
    np.testing.assert_allclose(found, lengths, atol=1e-6)


def test_a_curve_that_rises_has_length_zero_and_two_bins_have_none():
    q2, n = np.array([0.1, 0.4, 0.9]), np.ones(3)
    assert fp.ornstein_zernike(q2, 1 + q2, n) == 0.0
    assert np.isnan(fp.ornstein_zernike(q2[:2], np.array([1.0, 0.8]), n[:2]))


def test_a_single_replica_is_refused():
    x, box = jittered(6, 2, np.random.default_rng(0))
    with pytest.raises(DataError, match="at least 2 replicas"):
        fp.four_point_sums(np.zeros((1, 36, 2)), x, box, fp.wave_edges(box))


def test_bins_are_centred_on_multiples_of_the_least_wave_number():
    least = 2 * np.pi / 20.4
    np.testing.assert_allclose(fp.wave_edges([20.4, 10.0]) / least, np.arange(7) + 0.5)
    assert len(fp.wave_edges([6.0, 6.0])) == 4
