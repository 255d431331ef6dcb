"""Partial g(r) of one Kob-Andersen configuration against the average that gamdpy publishes.

Reference data: github.com/ThomasBechSchroeder/gamdpy, science_tests/ReferenceData, the system of PRL 129,
245501 (2022): N = 10000, density 1.2, T = 0.45. Columns of the table: r, g_AA, g_AB, g_BA, g_BB.
"""

import gzip
import re

import numpy as np
import pytest
from whole_structure import pair_distribution

BINS_TOGETHER = 4
"""Bins of 0.00676 of the table taken together, so that one configuration has enough pairs in each."""


@pytest.fixture(scope="module")
def measured_and_published(shared_data):
    folder = shared_data / "gamdpy"
    with gzip.open(folder / "kablj_prl_2022_end.xyz.gz", "rt") as file:
        lines = file.read().splitlines()
    box = np.array(re.search(r"SimulationBox,([\d.]+),([\d.]+),([\d.]+)", lines[1]).groups(), float)
    rows = np.array([line.split()[:4] for line in lines[2:]], float)
    table = np.loadtxt(folder / "kablj_prl_2022_rdf.dat")
    width = table[1, 0] - table[0, 0]
    groups = int(3.0 / (width * BINS_TOGETHER))
    edges = width * BINS_TOGETHER * np.arange(groups + 1)
    g = pair_distribution(rows[:, 1:], box, rows[:, 0].astype(int), edges)
    return g, table[: groups * BINS_TOGETHER], edges


@pytest.mark.parametrize(("pair", "column", "height"), [((0, 0), 1, 4.226), ((0, 1), 2, 5.410)])
def test_partial_g_of_r(measured_and_published, pair, column, height):
    g, table, edges = measured_and_published
    grouped = table[:, [0, column]].reshape(-1, BINS_TOGETHER, 2)
    weight = grouped[..., 0] ** 2
    published = (grouped[..., 1] * weight).sum(axis=1) / weight.sum(axis=1)
    middle = (edges[1:] + edges[:-1]) / 2
    compared = (middle > 0.8) & (published > 0.3)
    # One configuration has 2000 pairs and more in these bins: 2 % noise.
    np.testing.assert_allclose(g[pair][compared], published[compared], rtol=0.12)
    assert np.mean(g[pair][compared] / published[compared]) == pytest.approx(1, abs=0.01)
    assert g[pair].max() == pytest.approx(height, rel=0.05)
