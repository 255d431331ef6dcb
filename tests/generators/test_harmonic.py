from dataclasses import replace

import numpy as np
import pytest
import torch

import gensample as gs
import gensample.generators.harmonic as fitting
from gensample.errors import ConfigError, DataError
from gensample.generators.base import FieldStart
from gensample.generators.harmonic import Harmonic, fit, vibrations_of
from gensample.physics.minimize import minimize
from gensample.physics.mixtures import get_mixture
from gensample.structure.modes import hessian, modes

LAGS = (1.0, 10.0)


@pytest.fixture(scope="module")
def starts():
    """Three configurations of 60 particles with vibrations about their inherent structures."""
    mixture, species = get_mixture("ka2d"), get_mixture("ka2d").species(60)
    box, found = torch.full((2,), mixture.edge_length(60)).double(), []
    for row in range(3):
        rng = torch.Generator().manual_seed(row)
        melt = torch.rand(1, 60, 2, generator=rng, dtype=torch.float64) * box
        inherent = minimize(melt, species, box, mixture, tolerance=1e-8).positions[0]
        normal = modes(hessian(inherent, species, box, mixture), 2)
        inner = normal.frequencies > 0
        white = torch.randn(int(inner.sum()), generator=rng, dtype=torch.float64).numpy()
        vibration = normal.eigenvectors[:, inner] @ (white / normal.frequencies[inner]) * 0.45**0.5
        positions = (inherent.numpy() + vibration.reshape(60, 2)) % box.numpy()
        found.append(
            FieldStart(row, positions, species.numpy(), box.numpy(), mixture, 0.45, inherent.numpy())
        )
    return found


def test_one_lag_alone_has_its_own_numbers(starts):
    both = Harmonic(LAGS, amplitude=[1.3, 1.5], damping=[3.0, 8.0], rest=[0.1, 0.0])
    both.draw(starts[0], [0], 3)  # what it keeps of a configuration is of both lags
    expected = Harmonic(LAGS[1:], amplitude=[1.5], damping=[8.0], rest=[0.0]).draw(starts[0], [0, 1], 3)
    np.testing.assert_array_equal(both.at(10.0).draw(starts[0], [0, 1], 3), expected)


def test_a_field_does_not_depend_on_which_others_are_drawn(starts):
    generator = Harmonic(LAGS, amplitude=[1.3, 1.5], damping=[3.0, 8.0], rest=[0.1, 0.0])
    every = generator.draw(starts[0], range(20), seed=3)
    assert every.shape == (20, 2, 60, 2)
    assert every.dtype == np.float32
    assert np.abs(every.mean(2)).max() < 1e-6
    assert np.array_equal(Harmonic(**settings(generator)).draw(starts[0], [17, 3], 3), every[[17, 3]])
    # Another configuration in between, and another seed.
    other = generator.draw(starts[1], range(8), seed=3)
    assert not np.array_equal(other, every[:8])
    assert np.array_equal(generator.draw(starts[0], range(8, 16), 3), every[8:16])
    assert not np.array_equal(generator.draw(starts[0], range(8), 4), every[:8])


def settings(generator):
    names = ("lag_time", "amplitude", "damping", "rest")
    return {name: list(getattr(generator, name)) for name in names}


@pytest.mark.parametrize("rest", [0.0, 0.3])
def test_moments_are_the_closed_form(starts, rest):
    start, draws, amplitude = starts[0], 4096, 1.4
    generator = Harmonic((0.2,), amplitude=[amplitude], damping=[2.0], rest=[rest])
    u = generator.draw(start, range(draws), seed=0)[:, 0].reshape(draws, -1).astype(float)
    matrix = hessian(
        *(torch.from_numpy(x) for x in (start.inherent, start.species, start.box)), start.mixture
    )
    normal = modes(matrix, 2)
    inner = normal.frequencies > 0
    value, vectors = normal.eigenvalues[inner], normal.eigenvectors[:, inner]
    w = np.sqrt(value - 1.0 + 0j)
    c = (np.exp(-0.2) * (np.cos(0.2 * w) + np.sin(0.2 * w) / w)).real
    c = rest + (1 - rest) * c
    mean = vectors @ ((c - 1) * (vectors.T @ vibrations_of(start).displacement.numpy().ravel()))
    variance = amplitude * start.temperature * (1 - c**2) / value
    assert np.abs(u.mean(0) - mean).max() < 5 * np.sqrt(variance.max() / draws)
    # In modes: variances as they should be, and no correlations.
    amplitudes = (u - mean) @ vectors / np.sqrt(variance)
    covariance = amplitudes.T @ amplitudes / draws
    assert np.abs(covariance - np.eye(len(value))).max() < 6 * np.sqrt(2 / draws)
    assert covariance.diagonal().mean() == pytest.approx(1, abs=4 * np.sqrt(2 / draws / len(value)))


def test_the_longest_lag_forgets_and_the_shortest_stands_still(starts):
    fields = Harmonic((1e-3, 1e3)).draw(starts[0], range(8), seed=0)
    assert np.abs(fields[:, 0]).max() < 0.01
    v0 = vibrations_of(starts[0]).displacement.numpy()
    assert np.corrcoef(fields[:, 1].mean(0).ravel(), -v0.ravel())[0, 1] > 0.8


def test_the_fit_finds_what_was_planted(starts, monkeypatch):
    monkeypatch.setattr(fitting, "DAMPINGS", (1.0, 3.0, 9.0))
    monkeypatch.setattr(fitting, "DRAWS", 64)
    # Of what a model of this kind has drawn itself, with another seed.
    planted = Harmonic((0.5,), amplitude=[1.5], damping=[3.0], rest=[0.15])
    fields = {start.row: planted.draw(start, range(64), seed=5) for start in starts}
    found, candidates = fit(starts, fields.__getitem__, [0.5], seed=1)
    assert found["damping"] == [3.0]
    assert found["amplitude"][0] == pytest.approx(1.5, abs=0.15)
    assert found["rest"][0] == pytest.approx(0.15, abs=0.1)
    drawn = {start.row: Harmonic((0.5,), **found).draw(start, range(8), seed=1) for start in starts}
    means = [np.mean([np.linalg.norm(u, axis=-1) for u in each.values()]) for each in (drawn, fields)]
    assert means[0] == pytest.approx(means[1], rel=0.03)
    assert [candidate.damping for candidate in candidates] == [1.0, 3.0, 9.0]
    assert min(candidates, key=lambda c: c.crps).damping == 3.0
    Harmonic((0.5,), **found)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"amplitude": [1.0]}, "model.amplitude must be one number for each of 2 lag times"),
        ({"damping": [1.0, -1.0]}, r"model.damping\[1\] must be at least 0 and at most 1000, got -1.0"),
        ({"rest": [0.5, 2]}, r"model.rest\[1\] must be at least 0 and at most 1"),
        ({"amplitude": "ab"}, "model.amplitude must be one number"),
        ({"lag_time": [1e-300, 1.0]}, r"model.lag_time\[0\] must be at least 1e-06"),
    ],
)
def test_settings_that_cannot_be(changes, message):
    with pytest.raises(ConfigError, match=message):
        Harmonic(**{"lag_time": LAGS, **changes})


def test_without_inherent_structures_or_at_a_saddle(starts):
    with pytest.raises(DataError, match="add them with `gensample quench`"):
        Harmonic(LAGS).draw(replace(starts[0], inherent=None), range(2), 0)
    with pytest.raises(DataError, match="a saddle, not a minimum"):
        Harmonic(LAGS).draw(replace(starts[0], inherent=starts[0].inherent + 0.1 * noise()), range(2), 0)
    with pytest.raises(DataError, match="no configuration to fit to"):
        fit([], lambda row: None, [1.0])


def noise():
    return np.random.default_rng(0).normal(size=(60, 2))


def test_a_sample_of_arrays_resumes_and_takes_each_configuration_once(tmp_path):
    data = gs.open_dataset("ka2d-mini")
    model = gs.load_model("harmonic", data=data["val"])
    for _ in range(2):  # another object each time, of another name in memory
        drawn = model.sample(data[0], replicas=2, seed=1, out=tmp_path / "one.h5")
    assert drawn.displacements.shape[:2] == (1, 2)
    with pytest.raises(ConfigError, match="twice"):
        model.sample(data[[0, 0]], replicas=2)
