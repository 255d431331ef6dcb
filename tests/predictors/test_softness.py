"""Softness: planted hyperplanes, the ends it is trained on, what is stored."""

import numpy as np
import pytest
import torch
from planted import COLUMNS, LAGS, SPECIES, Planted, linear, weights
from synthetic import write_dataset

from gensample.data.datamodule import KADataModule
from gensample.errors import ConfigError
from gensample.predictors import softness as module
from gensample.predictors.softness import Softness


def fitted(*data, **settings):
    estimator = Softness(**settings)
    estimator.fit(list(data), torch.Generator())
    return estimator


def correlation(estimator, data):
    """Of each species and lag (S, K) on the test split."""
    rows = data.rows("test")
    found, target = estimator.predict(data, rows), data.per_particle("propensity", rows)
    return np.array(
        [
            [
                np.corrcoef(found[:, s == SPECIES, k].flatten(), target[:, s == SPECIES, k].flatten())[0, 1]
                for k in range(target.shape[-1])
            ]
            for s in range(2)
        ]
    )


def test_the_normal_of_a_planted_law_is_found():
    """A law that is linear, and a monotonic function of it, which has the same ends."""
    for law in (linear, lambda *of: torch.sinh(0.2 * linear(*of))):
        data = Planted(law, configurations=40)
        estimator = fitted(data)
        assert correlation(estimator, Planted(linear, configurations=8, seed=3)).min() > 0.98
        expected = weights() / weights().norm(dim=1, keepdim=True)
        cosine = (estimator.state()["weights"] * expected).sum(1)
        assert cosine.min() > 0.98
        torch.testing.assert_close(estimator.state()["weights"].norm(dim=1), torch.ones(2, LAGS).double())


def test_the_hyperplane_lies_between_the_ends():
    data = Planted(linear, configurations=40)
    softness = fitted(data).predict(data, data.rows("train"))
    target = data.per_particle("propensity", data.rows("train"))
    for s in range(2):
        for k in range(LAGS):
            own, y = softness[:, s == SPECIES, k].flatten(), target[:, s == SPECIES, k].flatten()
            order = y.argsort()
            tenth = len(order) // 10
            assert (own[order[:tenth]] < 0).all()
            assert (own[order[-tenth:]] > 0).all()


def test_softness_is_the_signed_distance_to_the_hyperplane():
    """Of a skewed law, whose hyperplane does not pass through the mean."""
    data = Planted(linear, configurations=4)
    x = data.values["descriptors"].mul(0.5).exp()
    data.values |= {"descriptors": x, "propensity": x[..., :1] * torch.tensor([1.0, -1.0])}
    estimator = fitted(data)
    state = estimator.state()
    assert state["offset"].abs().min() > 0.1
    found = estimator.predict(data, [3])[0].double()
    for s in range(2):
        z = (x[3, s == SPECIES].double() - state["mean"][s]) / state["scale"][s]
        for k in range(LAGS):
            foot = -state["offset"][s, k] * state["weights"][s, :, k]  # the plane's point nearest the mean
            expected = (z - foot) @ state["weights"][s, :, k]
            torch.testing.assert_close(found[s == SPECIES, k], expected, rtol=1e-5, atol=1e-5)


def test_only_the_ends_are_learnt_from():
    """Whatever the particles between are replaced by, as long as they stay between."""
    data = Planted(linear, configurations=4)
    other = Planted(linear, configurations=4)
    y = other.values["propensity"]
    for s in range(2):
        train = y[:2, s == SPECIES]
        low, high = train.flatten(0, 1).quantile(0.1, dim=0), train.flatten(0, 1).quantile(0.9, dim=0)
        between = (train > low) & (train < high)
        y[:2, s == SPECIES] = torch.where(between, (low + high) / 2, train)
    first, second = Softness(), Softness()
    for estimator, of in ((first, data), (second, other)):
        estimator._best_penalty = lambda x, y, generator: 1
        estimator.fit([of], torch.Generator())
    torch.testing.assert_close(first.state(), second.state())


def test_ends_are_taken_within_each_data_set():
    """A warm and a cold set, the cold one slower by far: temperature must not be what is learnt."""
    shifted = lambda by: lambda *of: linear(*of) + by  # noqa: E731
    both = [Planted(shifted(by), configurations=20, seed=k) for k, by in enumerate((0.0, 1000.0))]
    x = [data.per_particle("descriptors", data.rows("train"))[:, SPECIES == 0] for data in both]
    y = [data.per_particle("propensity", data.rows("train"))[:, SPECIES == 0, 0] for data in both]
    examples, labels = Softness(fraction=0.1)._ends(x, y, torch.Generator())
    assert len(examples) == 2 * 2 * 60
    assert float(labels.sum()) == 0
    for k, own in enumerate((slice(0, 120), slice(120, 240))):
        assert float(labels[own].sum()) == 0
        expected = x[k].flatten(0, 1)[y[k].flatten().argsort()]
        assert torch.equal(examples[own], torch.cat([expected[:60], expected[-60:]]))
    assert correlation(fitted(*both), both[0]).min() > 0.98


def test_equal_propensities_make_up_an_end_at_random():
    """Half of the particles have lost no neighbour: those at the beginning of the file are no less mobile."""
    generator = torch.Generator().manual_seed(1)
    y = torch.rand(2, 500, generator=generator).double().sub(0.5).clamp(min=0)
    number = torch.arange(1000.0).reshape(2, 500, 1)
    examples, labels = Softness(fraction=0.1)._ends([number], [y], generator)
    low = examples[labels < 0].flatten()
    assert len(low) == 100
    assert (y.flatten()[low.long()] == 0).all()
    assert float(low.mean()) == pytest.approx(500, abs=100)  # 29 is the standard error
    other, _ = Softness(fraction=0.1)._ends([number], [y], generator)
    assert not torch.equal(other, examples)


def test_no_particle_is_taken_for_mobile_that_is_like_the_least_mobile():
    """Three of a hundred have moved: three at each end, not ten; and none moved is refused."""
    y = torch.zeros(1, 100).double()
    y[0, [5, 50, 93]] = torch.tensor([0.1, 0.2, 0.3]).double()
    number = torch.arange(100.0).reshape(1, 100, 1)
    examples, labels = Softness(fraction=0.1)._ends([number], [y], torch.Generator())
    assert sorted(examples[labels > 0].flatten().tolist()) == [5, 50, 93]
    assert len(labels) == 6
    examples, labels = Softness(fraction=0.1)._ends([number], [1 - y], torch.Generator())
    assert sorted(examples[labels < 0].flatten().tolist()) == [5, 50, 93]
    assert len(labels) == 6
    with pytest.raises(ConfigError, match="all of a species are alike at a lag time"):
        Softness()._ends([number], [torch.zeros_like(y)], torch.Generator())


def test_a_data_set_with_nothing_kept_for_the_penalty():
    """One training configuration in each of two: the second is left out when the penalty is chosen."""
    estimator = fitted(*(Planted(linear, configurations=2, seed=k) for k in range(2)))
    assert correlation(estimator, Planted(linear, configurations=8, seed=3)).min() > 0.8


def test_penalty_by_configurations_left_out():
    """The number that correlates best with them, each penalty tried one by one."""
    data = Planted(linear, configurations=40)
    x = [data.per_particle("descriptors", data.rows("train"))[:, SPECIES == 0].double()]
    y = [data.per_particle("propensity", data.rows("train"))[:, SPECIES == 0, 0].double()]
    x = [(x[0] - x[0].mean((0, 1))) / x[0].std()]
    chosen = Softness()._best_penalty(x, y, torch.Generator())
    kept, held = torch.arange(20) % 4 != 1, torch.arange(20) % 4 == 1
    scores = []
    for number in range(len(module.PENALTIES)):
        normals, _ = module.support_vector_machines(
            *Softness()._ends([x[0][kept]], [y[0][kept]], torch.Generator()), module.PENALTIES[: number + 1]
        )
        pairs = zip(x[0][held] @ normals[-1], y[0][held], strict=True)
        scores.append(np.mean([np.corrcoef(a, b)[0, 1] for a, b in pairs]))
    assert chosen == int(np.argmax(scores))
    assert Softness()._best_penalty([x[0][:1]], [y[0][:1]], torch.Generator()) == 0


def test_restored_it_predicts_the_same_bits():
    data = Planted(linear, noise=0.5)
    first, second = fitted(data), Softness()
    second.restore({name: value.clone() for name, value in first.state().items()})
    rows = data.rows("test")
    assert torch.equal(first.predict(data, rows), second.predict(data, rows))
    again = fitted(data)
    assert all(torch.equal(value, again.state()[name]) for name, value in first.state().items())
    assert first.parameters == 2 * (COLUMNS + 1) * LAGS


def test_what_it_refuses():
    other = Planted(lambda x, *_: x[..., :3], lags=3)
    with pytest.raises(ConfigError, match="as many lag times"):
        fitted(Planted(linear), other)
    for fraction in (0.0, 0.6):
        with pytest.raises(ConfigError, match="fraction"):
            Softness(fraction=fraction)


def test_on_a_data_module(tmp_path):
    data = KADataModule(str(write_dataset(tmp_path / "wide.h5", box=10.5)), descriptors=["symmetry"])
    data.setup()
    found = fitted(data).predict(data, data.rows("test"))
    assert found.shape == (1, 40, 3)
    assert found.std() > 0
