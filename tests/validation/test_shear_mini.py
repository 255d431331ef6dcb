"""The embedded `ka2d-shear-mini` against our own potential: what LAMMPS wrote is what we compute."""

import numpy as np
import pytest
import torch

from gensample.data.store import Store
from gensample.physics.mixtures import get_mixture
from gensample.physics.potentials import energy_forces_virial, stress
from gensample.physics.strain import shear_direction, shear_gradient, sheared_box

DATASET, ROWS = "ka2d-shear-mini", (0, 83, 99)


@pytest.fixture(scope="module")
def store():
    with Store.open(DATASET) as opened:
        yield opened


def of_direction(store, row, r, k=None):
    """Positions, species and box of a glass at strain k of those stored, None for zero."""
    direction = shear_direction(store.group("shear")["direction"][r].decode(), 2)
    x, edges = torch.from_numpy(store.inherent[row]), torch.from_numpy(store.box[row])
    strain = 0.0 if k is None else float(store.times[k])
    moved = x + x @ shear_gradient(direction, strain, 2).T
    if k is not None:
        moved = moved + torch.from_numpy(store.displacements(row)[r, k].astype(np.float64))
    box = sheared_box(edges, direction, strain)
    return direction, moved, torch.from_numpy(store.species).long(), box


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("r", [0, 1])
def test_minima_have_the_stored_stress_energy_and_force(store, row, r):
    direction, x, species, box = of_direction(store, row, r)
    mixture, group = get_mixture("ka2d"), store.group("shear")
    own = direction.sign * float(stress(x, species, box, mixture)[0, 1])
    assert own == pytest.approx(group["stress"][row, r, 0], abs=1e-6)
    found = energy_forces_virial(x, species, box, mixture)
    assert float(found.energy.mean()) == pytest.approx(group["energy"][row, r, 0], abs=1e-6)
    assert float(found.forces.norm(dim=-1).max()) < 1e-7


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("k", [0, 3])
def test_stored_fields_lead_to_the_stored_stress(store, row, k):
    """Fields are rounded to 2^-12: stresses from them to 0.02, where the branches differ by tenths."""
    mixture, group = get_mixture("ka2d"), store.group("shear")
    at = int(np.argmin(np.abs(group["strain"] - store.times[k])))
    for r in (0, 1):
        direction, x, species, box = of_direction(store, row, r, k)
        own = direction.sign * float(stress(x, species, box, mixture)[0, 1])
        assert own == pytest.approx(group["stress"][row, r, at], abs=0.02)
        energy = float(energy_forces_virial(x, species, box, mixture).energy.mean())
        assert energy == pytest.approx(group["energy"][row, r, at], abs=1e-4)


def test_it_is_what_its_card_says(store):
    group = store.group("shear")
    assert store.done.all()
    assert np.bincount([("train", "val", "test").index(s) for s in store.split]).tolist() == [80, 8, 12]
    assert len(group["event_step"]) == 1494
    assert float(group["residual"].max()) < 1e-9
    assert np.isfinite(group["first_event"]).all()
    # First events are where the table of events says; largest D2min at the centre.
    first = np.full((100, 2), -1)
    order = np.lexsort((group["event_step"], group["event_direction"], group["event_configuration"]))
    for e in order[::-1]:
        first[group["event_configuration"][e], group["event_direction"][e]] = group["event_center"][e]
    np.testing.assert_array_equal(first, group["first_event"].argmax(-1))
