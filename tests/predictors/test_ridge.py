"""Ridge regression on descriptors: closed form, planted laws, temperature, what is stored."""

import numpy as np
import pytest
import torch
from planted import COLUMNS, LAGS, SPECIES, Planted, linear, weights
from synthetic import write_dataset

from gensample.data.datamodule import KADataModule
from gensample.errors import ConfigError, DataError
from gensample.predictors.ridge import Ridge
from gensample.stats import regression as module


def fitted(*data, **settings):
    estimator = Ridge(**settings)
    estimator.fit(list(data), torch.Generator())
    return estimator


def error(estimator, data):
    rows = data.rows("test")
    return (estimator.predict(data, rows) - data.per_particle("propensity", rows)).abs().max()


@pytest.mark.parametrize("penalty", [1e-3, 1.0])
def test_closed_form_for_each_species(penalty, monkeypatch):
    """(X'X + n p) w = X'y in standardised columns, about the means of this species."""
    monkeypatch.setattr(module, "PENALTIES", (penalty,))
    data = Planted(linear, noise=1.0)
    found = fitted(data).predict(data, data.rows("test"))
    for s in range(2):
        x, new, y = (
            data.values[name][rows][:, s == SPECIES].double().flatten(0, 1)
            for name, rows in (
                ("descriptors", data.rows("train")),
                ("descriptors", data.rows("test")),
                ("propensity", data.rows("train")),
            )
        )
        mean, scale = x.mean(0), x.std(0, unbiased=False)
        z, t = (x - mean) / scale, y - y.mean(0)
        w = torch.linalg.solve(z.T @ z + penalty * len(z) * torch.eye(COLUMNS).double(), z.T @ t)
        expected = (new - mean) / scale @ w + y.mean(0)
        got = found[:, s == SPECIES].flatten(0, 1).double()
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


def test_a_planted_law_is_recovered():
    data = Planted(linear)
    estimator = fitted(data)
    assert error(estimator, data) < 5e-3
    state = estimator.state()
    torch.testing.assert_close(
        (state["weights"] / state["scale"][..., None]).float(), weights(), rtol=1e-3, atol=1e-3
    )


def test_penalty_by_configurations_left_out():
    """None to speak of where there is no noise, the strongest where there is nothing else."""
    clean, pure = Planted(linear), Planted(lambda x, *_: 0.0 * x[..., :LAGS], noise=1.0)
    free = (fitted(clean).state()["weights"] / clean.values["descriptors"].std()).abs().mean()
    assert float(free) == pytest.approx(float(weights().abs().mean()), rel=0.05)
    strongest = [fitted(pure).state()["weights"]]
    original = module.PENALTIES
    module.PENALTIES = (max(original),)
    try:
        strongest.append(fitted(pure).state()["weights"])
    finally:
        module.PENALTIES = original
    torch.testing.assert_close(*strongest)


def interaction(x, species, temperature):
    """The weight of the first column goes with 1/T, and so does the mean."""
    return (x[..., :LAGS] / temperature + 2 / temperature).double()


def test_several_temperatures_need_the_interaction():
    temperatures = [0.4, 0.6, 0.5, 0.7] * 2
    data = Planted(interaction, temperature=temperatures)
    assert error(fitted(data, temperature=True), data) < 0.01
    assert error(fitted(data), data) > 1.0


def test_temperatures_of_several_data_sets_and_one_between():
    data = [Planted(interaction, temperature=t, seed=k) for k, t in enumerate((0.4, 0.6))]
    between = Planted(interaction, temperature=0.5, seed=7)
    assert error(fitted(*data, temperature=True), between) < 0.01


def test_a_column_that_never_varies_is_harmless():
    data = Planted(linear)
    data.values["descriptors"] = torch.cat([data.values["descriptors"], torch.full((8, 120, 1), 7.0)], -1)
    estimator = fitted(data)
    assert error(estimator, data) < 5e-3
    assert estimator.state()["weights"][:, -1].abs().max() == 0


@pytest.mark.parametrize("temperature", [False, True])
def test_restored_it_predicts_the_same_bits(temperature):
    data = Planted(linear, noise=0.3, temperature=[0.4, 0.6] * 4)
    first = fitted(data, temperature=temperature)
    second = Ridge(temperature=temperature)
    second.restore({name: value.clone() for name, value in first.state().items()})
    rows = data.rows("test")
    assert torch.equal(first.predict(data, rows), second.predict(data, rows))
    again = fitted(data, temperature=temperature)
    assert all(torch.equal(value, again.state()[name]) for name, value in first.state().items())
    columns = 2 * COLUMNS + 1 if temperature else COLUMNS
    assert first.parameters == 2 * (columns + 1) * LAGS


def test_what_it_refuses():
    other = Planted(lambda x, *_: x[..., :3], lags=3)
    with pytest.raises(ConfigError, match="as many lag times"):
        fitted(Planted(linear), other)
    without = Planted(linear)
    without.settings.descriptors = []
    with pytest.raises(ConfigError, match=r"data\.descriptors"):
        fitted(without)


def test_other_columns_or_species_are_refused_when_predicting():
    data = Planted(linear)
    for settings in ({}, {"temperature": True}):
        estimator = fitted(data, **settings)
        fewer, more = Planted(linear), Planted(linear)
        fewer.values["descriptors"] = fewer.values["descriptors"][..., :-1]
        with pytest.raises(ConfigError, match=r"fitted on \d+ columns of descriptors, planted data serves"):
            estimator.predict(fewer, [0])
        more.store.species = np.where(np.arange(len(SPECIES)) < 3, 2, SPECIES)
        with pytest.raises(ConfigError, match="fitted on 2 species, planted data has 3"):
            estimator.predict(more, [0])
        more.store.species = np.zeros_like(SPECIES)
        assert estimator.predict(more, [0]).abs().min() > 0
    with pytest.raises(ConfigError, match="as many descriptors each"):
        fitted(data, fewer)


def test_what_an_earlier_version_kept_is_refused():
    state = fitted(Planted(linear)).state()
    with pytest.raises(DataError, match=r"without \['probe_levels'\]; fit it again"):
        Ridge().restore({name: value for name, value in state.items() if name != "probe_levels"})


def test_what_is_not_finite_is_refused():
    data = Planted(linear)
    data.values["propensity"][1, 7, 0] = np.nan
    with pytest.raises(DataError, match=r"planted data: propensities of configurations \[1\] are not finite"):
        fitted(data)


def test_on_a_data_module(tmp_path):
    data = KADataModule(str(write_dataset(tmp_path / "wide.h5", box=10.5)), descriptors=["recursive"])
    data.setup()
    found = fitted(data).predict(data, data.rows("test"))
    assert found.shape == (1, 40, 3)
    assert np.isfinite(found.numpy()).all()


def test_deviations_do_not_see_what_configurations_share():
    """Means of configurations that nothing explains spoil the weights, unless fitted within."""

    def shifted(x, species, temperature):
        chance = torch.randn(len(x), 1, 1, generator=torch.Generator().manual_seed(5))
        return linear(x, species, temperature) + 30.0 * chance

    data = Planted(shifted, configurations=8)
    errors = {}
    for within in (False, True):
        estimator = Ridge(within=within)
        estimator.fit([data], torch.Generator())
        rows = data.rows("test")
        off = estimator.predict(data, rows).double() - data.per_particle("propensity", rows)
        errors[within] = float((off - off.mean(1, keepdim=True)).std())
    assert errors[True] < 0.3 * errors[False]


def test_a_law_without_chance_has_a_gain_of_one():
    data = Planted(linear)
    estimator = Ridge(within=True)
    estimator.fit([data], torch.Generator())
    rows = data.rows("test")
    torch.testing.assert_close(
        estimator.predict(data, rows), data.per_particle("propensity", rows), atol=0.02, rtol=0
    )
    assert ((estimator.state()["gain"] - 1).abs() < 0.01).all()


def test_means_of_configurations_follow_their_energy():
    """What all particles of a configuration share is a line in its energy, descriptors give the rest."""
    data = Planted(linear, configurations=12)
    slopes = torch.tensor([[5.0, -3.0], [2.0, 1.0]])[torch.from_numpy(SPECIES)]
    x = data.values["descriptors"]
    mean = torch.stack([x[:, s == SPECIES].mean(1) for s in range(2)], dim=1)[:, SPECIES]
    within = torch.einsum("cnd,ndk->cnk", x - mean, weights()[SPECIES])
    data.values["propensity"] = within + slopes * data.values["energy"][:, None] + 1.5
    errors = {levels: error(fitted(data, within=True, levels=levels), data) for levels in (False, True)}
    assert errors[True] < 0.02
    assert errors[False] > 1.0
    with pytest.raises(ConfigError, match="within, not temperature"):
        Ridge(levels=True)
