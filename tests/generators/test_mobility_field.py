"""Mobility fields from structure alone: what they are fitted to they draw, and keys decide the bits."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gensample.data.dataset import open_dataset
from gensample.errors import DataError
from gensample.generators.base import starts
from gensample.generators.mobility_field import LEAST, MobilityField, describe, fit_mobility_field
from gensample.physics.mobility import average, log_mobility


@pytest.fixture(scope="module")
def fitted():
    data = open_dataset("ka2d-mini")["train"][:8]
    origins = starts(data.store, data.rows, data.inherent)
    field = fit_mobility_field(origins, data.store.displacements)
    return field, origins, data


def simulated(data, start, lag):
    fields = torch.from_numpy(data.store.displacements(start.row)[:, lag]).transpose(0, 1)
    return log_mobility(fields, describe(start)[1], LEAST).numpy().T


def test_draws_have_the_moments_and_the_falls_of_what_they_were_fitted_to(fitted):
    field, origins, data = fitted
    drawn, seen, falls = [], [], []
    for start in origins:
        known, m = field.read(start), simulated(data, start, 2)
        drawn.append(field.draw(known, 2, range(8), 1))
        seen.append(m)
        centred = [torch.from_numpy(x - x.mean(1, keepdims=True)).T for x in (drawn[-1], m)]
        falls.append([float(average(x, known.matrix, 16).square().mean()) for x in centred])
    drawn, seen = np.stack(drawn).astype(float), np.stack(seen).astype(float)
    assert drawn.mean() == pytest.approx(seen.mean(), abs=0.1 * float(seen.std()))
    assert drawn.std() == pytest.approx(seen.std(), rel=0.1)
    assert drawn.mean(2).std() == pytest.approx(seen.mean(2).std(), rel=0.3)
    a, b = np.mean(falls, 0)
    assert a == pytest.approx(b, rel=0.3)


def test_the_expectation_is_that_of_draws_and_follows_simulation(fitted):
    field, origins, data = fitted
    known = field.read(origins[0])
    expected = field.expected(known)[:, 1]
    mean = field.draw(known, 1, range(100), 0).mean(0)
    assert np.corrcoef(expected, mean)[0, 1] > 0.9
    assert np.abs(expected - mean).mean() < 0.1 * field.draw(known, 1, range(8), 0).std()
    assert np.corrcoef(expected, simulated(data, origins[0], 1).mean(0))[0, 1] > 0.6


def test_a_draw_depends_on_its_key_alone_and_comes_back_from_tensors(fitted):
    field, origins, _ = fitted
    known = field.read(origins[3])
    together = field.draw(known, 2, range(4), 5)
    again = MobilityField(*field.gain.shape, field.mean.shape[1])
    again.load_state_dict(field.state_dict())
    np.testing.assert_array_equal(again.draw(again.read(origins[3]), 2, [2], 5)[0], together[2])
    assert (field.draw(known, 2, [2], 6)[0] != together[2]).any()
    assert (field.draw(field.read(origins[4]), 2, [2], 5)[0] != together[2]).any()
    # Without noise all replicas are alike.
    assert np.ptp(field.draw(known, 2, range(3), 5, noise=0.0), axis=0).max() == 0


def test_without_inherent_structures_there_is_no_field(fitted):
    with pytest.raises(DataError, match="inherent"):
        describe(replace(fitted[1][0], inherent=None))
