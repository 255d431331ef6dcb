import numpy as np
import pytest
from gaussian_ensembles import ensemble
from hypothesis import given, settings
from hypothesis import strategies as st

from gensample.comparison import sources as controls
from gensample.errors import DataError
from gensample.seeding import numpy_generator
from gensample.stats import c2st
from gensample.stats.pairs import initial_neighbors


def neighbors_of(e):
    return initial_neighbors(e.positions, e.box, e.species, np.ones((2, 2)), 1.5)


def features(e, u, seed: int, size: int = 700):
    replica, particle = c2st.draw_samples(len(u), np.arange(e.num_particles), size, numpy_generator(seed))
    return c2st.local_features(u, replica, particle, neighbors_of(e))


def scenes(count: int = 6, **kwargs):
    return [ensemble(np.random.default_rng(s), size=8, replicas=24, lags=1, **kwargs) for s in range(count)]


def test_a_perfect_sampler_is_a_coin_toss():
    found = scenes(joint=0.6)
    first = [features(e, e.displacements[:12, 0], c) for c, e in enumerate(found)]
    second = [features(e, e.displacements[12:, 0], 100 + c) for c, e in enumerate(found)]
    assert c2st.classifier_accuracy(first, second).mean() == pytest.approx(0.5, abs=0.03)


def test_the_independent_control_is_found_out():
    """Every particle has its own distribution right; only that neighbours move together is lost."""
    found = scenes(joint=0.6)
    first = [features(e, e.displacements[:, 0], c) for c, e in enumerate(found)]
    second = [
        features(e, controls.independent(e.displacements, numpy_generator(9, c))[:, 0], 100 + c)
        for c, e in enumerate(found)
    ]
    assert c2st.classifier_accuracy(first, second).mean() > 0.8


def test_too_short_displacements_are_found_out():
    found = scenes()
    first = [features(e, e.displacements[:, 0], c) for c, e in enumerate(found)]
    second = [features(e, 0.5 * e.displacements[:, 0], 100 + c) for c, e in enumerate(found)]
    assert c2st.classifier_accuracy(first, second).mean() > 0.75


def test_identical_samples_give_one_half_by_symmetry():
    same = [features(e, e.displacements[:, 0], c) for c, e in enumerate(scenes(3))]
    np.testing.assert_allclose(c2st.classifier_accuracy(same, same), 0.5)


def test_a_configuration_is_never_in_training_and_test():
    """Noise with a mark of each configuration: a classifier that saw it in training would tell them apart."""
    rng = np.random.default_rng(0)
    first, second = [], []
    for _ in range(8):
        mark = rng.normal(size=3)
        first.append(np.concatenate([rng.normal(size=(300, 3)) * 0.01 + mark], axis=1))
        second.append(np.concatenate([rng.normal(size=(300, 3)) * 0.01 - mark], axis=1))
    assert c2st.classifier_accuracy(first, second).mean() < 0.8


def test_classes_of_unequal_size_stay_balanced():
    rng = np.random.default_rng(1)
    first = [rng.normal(size=(1000, 3)) for _ in range(4)]
    second = [rng.normal(size=(50, 3)) for _ in range(4)]
    assert c2st.classifier_accuracy(first, second).mean() == pytest.approx(0.5, abs=0.08)


def test_perfectly_separated_classes_do_not_break_the_fit():
    first = [np.full((20, 2), 1.0) + 0.01 * k for k in range(3)]
    second = [np.full((20, 2), -1.0) + 0.01 * k for k in range(3)]
    np.testing.assert_allclose(c2st.classifier_accuracy(first, second), 1.0)


def test_one_configuration_has_no_accuracy():
    assert np.isnan(c2st.classifier_accuracy([np.ones((4, 2))], [np.zeros((4, 2))])).all()
    with pytest.raises(DataError, match="share their configurations"):
        c2st.classifier_accuracy([np.ones((4, 2))], [])


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), dimension=st.sampled_from([2, 3]))
def test_features_are_invariant_under_rotations_of_everything(seed, dimension):
    rng = np.random.default_rng(seed)
    e = ensemble(rng, size=4, dimension=dimension, lags=1)
    near = neighbors_of(e)
    turn, _ = np.linalg.qr(rng.normal(size=(dimension, dimension)))
    pick = c2st.draw_samples(e.num_replicas, np.arange(e.num_particles), 20, numpy_generator(seed))
    u = e.displacements[:, 0].astype(float)
    before = c2st.local_features(u, *pick, near)
    after = c2st.local_features(u @ turn, *pick, near._replace(vector=near.vector @ turn))
    np.testing.assert_allclose(after, before, atol=1e-9)
    assert before.shape == (20, len(c2st.FEATURES))


def test_features_by_hand():
    """Two neighbours at distance 1 to the right and left of a particle that moves towards one of them."""
    e = ensemble(np.random.default_rng(0), size=4)
    near = neighbors_of(e)._replace(
        center=np.array([0, 0]), other=np.array([1, 2]), start=np.array([0, 2, 2, 2]),
        vector=np.array([[1.0, 0.0], [-1.0, 0.0]]), diameter=np.ones(2),
    )  # fmt: skip
    u = np.array([[[0.3, 0.0], [0.1, 0.0], [0.0, 0.2]]])
    row = dict(zip(c2st.FEATURES, c2st.local_features(u, np.array([0]), np.array([0]), near)[0], strict=True))
    left = np.hypot(1.3, 0.2) - 1
    assert row["log |u_i|"] == pytest.approx(np.log(0.3))
    assert row["log mean |u_j|"] == pytest.approx(np.log(0.15))
    assert row["mean cosine of u_i and u_j"] == pytest.approx(0.5)
    assert row["smallest elongation"] == pytest.approx(-0.2)
    assert row["largest elongation"] == pytest.approx(left)
    assert row["mean elongation"] == pytest.approx((left - 0.2) / 2)
    assert row["log smallest new distance / sigma_ab"] == pytest.approx(np.log(0.8))


def test_samples_are_drawn_without_repetition():
    members = np.array([3, 5, 9])
    replica, particle = c2st.draw_samples(4, members, 100, numpy_generator(0))
    assert len(set(zip(replica.tolist(), particle.tolist(), strict=True))) == 12
    assert set(particle) == {3, 5, 9}
