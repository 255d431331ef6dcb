"""docs/tutorials: executed as notebooks, and what they print and draw is what it should be.

All together 75 core-seconds.
"""

import csv
import json

import ase.io
import numpy as np
import pytest
from notebooks import TUTORIALS, execute

NAMES = ("physicist", "machine_learning", "sheared_glasses", "lightning_script")


@pytest.fixture
def shown(request, tmp_path):
    """The notebook of the test, executed: no warnings, and no empty picture."""
    found = execute(f"{request.node.name.removeprefix('test_')}.py", tmp_path)
    assert found.folder.is_relative_to(tmp_path)
    assert "Warning" not in found.text + found.errors
    assert all(picture.std() > 0.05 for picture in found.pictures)
    return found


def test_each_is_tested():
    assert {path.stem for path in TUTORIALS.iterdir() if path.is_file()} == set(NAMES)
    assert all(f"test_{name}" in globals() for name in NAMES)


def test_physicist(shown):
    ((measured, expected),) = shown.numbers(r"half against half: measured (\S+), expected (\S+)")
    assert measured == pytest.approx(expected, abs=0.06)
    ((exact, of_eight),) = shown.numbers(r"exact propensity (\S+), a perfect sampler with 8 draws (\S+)")
    assert expected < of_eight < exact < 1

    scores = shown.numbers(r"Pearson +(\S+) of at most (\S+)")
    botan, flow, distance, permuted = scores[:, 0]
    assert 0.2 < botan < distance < flow < exact
    assert abs(permuted) < 0.1
    assert (scores[:, 1] == exact).all()

    ((drawn, ceiling),) = shown.numbers(r"Propensity, Pearson: (\S+) \[.*\]; (\S+) the best possible")
    assert ceiling == of_eight
    assert 0.5 < drawn < exact
    row = next(line for line in shown.text.splitlines() if line.startswith("Propensity, Pearson  "))
    harmonic, shuffled = (float(row.split()[k].replace("−", "-")) for k in (-1, -2))
    assert abs(shuffled) < 0.1 < harmonic < drawn

    (picture,) = shown.pictures
    assert picture.shape[0] > 600
    frames = ase.io.read(shown.folder / "futures.extxyz", ":")
    assert len(frames) == 8
    assert {"disp", "propensity", "species_index"} <= frames[0].arrays.keys()
    assert shown.numbers(r"largest difference from what was drawn: (\S+)") < 1e-6


def test_machine_learning(shown):
    (text,) = (part for part in shown.text.split("## ") if "ka2d-mini, propensity\n" in part)
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    table = {tuple(line[:2]): [float(cell.split()[0]) for cell in line[2:8:2]] for line in lines[1:-1]}
    ceiling = [float(cell) for cell in lines[-1][2:8:2]]
    assert lines[-1][0] == "ceiling (exact propensity)"
    assert len(table) == 6
    assert np.abs(table["chance", "thermal"]).max() < 0.05
    thermal, inherent = table["rival", "thermal"], table["rival", "inherent"]
    for k in range(3):
        assert 0.1 < thermal[k] < inherent[k] < ceiling[k]
        assert inherent[k] > 0.5
        assert table["conditioner of the flow", "inherent"][k] < ceiling[k]
    printed = shown.numbers(r"t = +\S+ Pearson (\S+) \[.*\], ceiling (\S+)")
    np.testing.assert_array_equal(printed, np.transpose([[*thermal, *inherent], ceiling * 2]))
    assert len(shown.pictures) == 1


def test_sheared_glasses(shown):
    ((events, steps),) = shown.numbers(r"(\d+) plastic events in (\d+) steps")
    assert (events, steps) == (1494, 20000)
    assert shown.numbers(r"here and in the file: (\S+) apart") < 1e-9
    ((lost, kept),) = shown.numbers(r"median: in an event (\S+), in other steps (\S+)")
    assert lost > 1000 * abs(kept)
    # At the smallest of the strains.
    pattern = r"(?:the other direction|linear response|vibrality|ridge|permuted) +(\S+) ± "
    scores = shown.numbers(pattern)
    other, response, vibrality, ridge, permuted = scores
    assert abs(permuted) < 0.1 < ridge < vibrality < other < response < 1
    softest, linear, chance = shown.numbers(r"(?:vibrality|linear response|chance) +(0\.\d+)\n")
    assert abs(chance - 0.5) < 0.15
    assert chance < linear < softest
    assert len(shown.pictures) == 2


def test_lightning_script(shown):
    """A script as well: no magic, which only notebooks know."""
    assert "language=" not in (TUTORIALS / "lightning_script.py").read_text()
    ((score, ceiling),) = shown.numbers(r"test: (\S+), ceiling (\S+)")
    assert 0.03 < score < ceiling < 1
    lines = {name: value for name, value in (x.split(":", 1) for x in shown.text.splitlines() if ":" in x)}
    assert len(lines["Pearson of species A on the validation split"].split()) == 3
    losses = [float(x) for x in lines["loss of the flow on the validation split"].split()]
    assert losses == sorted(losses, reverse=True)
    ((drawn, possible),) = shown.numbers(r"Propensity, Pearson: (\S+) \[.*\]; (\S+) the best possible")
    assert drawn < possible
    logged = [json.loads(line) for line in (shown.folder / "botan.jsonl").read_text().splitlines()]
    assert sum("val/pearson_A_100" in line for line in logged) == 3
    with (shown.folder / "runs/botan/version_0/metrics.csv").open() as file:
        assert sum(bool(row["val/pearson_A_100"]) for row in csv.DictReader(file)) == 3
    assert {path.name for path in shown.folder.glob("*.ckpt")} == {"botan.ckpt", "generator.ckpt"}
