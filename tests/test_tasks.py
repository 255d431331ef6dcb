"""What users come with, each by one page, with tiny budgets.

Here: BOTAN's files to a model and its predictions, and a box of 2,000. Elsewhere: LAMMPS dumps to
propensities, and futures that OVITO and ase open (tests/tutorials, physicist); arrays in, arrays out
(tests/test_readme.py); a mixture of one's own (tests/test_extensions.py, tests/simulate/test_own_mixture.py);
two nodes (docs/scale.md).
"""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from liquid import make_liquid, write_botan

import gensample as gs
from gensample.cli import main

ROOT = Path(__file__).resolve().parent.parent


def block(page, heading, language):
    """The code below a heading of a page of docs/."""
    section = (ROOT / "docs" / page).read_text().split(f"# {heading}\n")[1]
    return re.search(rf"```{language}\n(.*?)```", section, re.DOTALL)[1]


def test_botan_is_trained_on_its_files_and_used(tmp_path, monkeypatch):
    """Ten files to train on and two to test, of 216 particles, where the public ones are."""
    folder = tmp_path / "shared" / "data" / "botan" / "T0.44"
    for number in range(12):
        liquid = make_liquid(seed=number)
        liquid.species.sort()
        write_botan(folder / ("test" if number < 2 else "train"), liquid, number)
    place = tmp_path / "checkout"
    place.mkdir()
    (place / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(place)
    tiny = ["--trainer.max_epochs", "2", "--model.edge_epochs", "1"]
    tiny += ["--model.network.width", "8", "--model.network.steps", "2"]
    for line in block("data-format.md", "From BOTAN's files to a model", "bash").splitlines():
        words = shlex.split(line)[1:]
        assert main([*words, *(tiny if words[0] == "fit" else [])]) == 0
    predicted = gs.open_dataset("predicted.h5")
    assert predicted.lag_time.tolist() == [4120]
    (values,) = predicted.store.predictions.values()
    model = gs.load_model("runs/botan/checkpoints/best.ckpt")
    np.testing.assert_allclose(values.swapaxes(1, 2), model.propensity(predicted), rtol=1e-5)
    assert np.ptp(values) > 1e-4


def test_a_box_of_2000():
    """Predictions repeat the small box; draws do not, but are alike, and go as far as simulated particles."""
    found = {}
    exec(compile(block("physics-generators.md", "Larger boxes", "python"), "page", "exec"), found)
    assert found["mu"].shape == (1, 2000, 3)
    small = gs.load_model("ka2d-mini-botan").propensity(found["one"])
    np.testing.assert_allclose(found["mu"].reshape(4, 500, 3), np.tile(small, (4, 1, 1)), atol=1e-4)
    u = found["u"][:, :, 0]
    assert u.shape == (1, 2, 2000, 2)
    simulated = gs.open_dataset("ka2d-mini")["test"].fields(0)[:, 0]
    assert np.square(u).sum(-1).mean() == pytest.approx(np.square(simulated).sum(-1).mean(), rel=0.1)
    alike = np.corrcoef(u[0, 0].reshape(4, -1))[
        np.triu_indices(4, 1)
    ]  # what the structure decides, and no more
    assert (alike > 0.3).all()
    assert (alike < 0.8).all()
