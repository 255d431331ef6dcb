"""The published checkpoint of Bapst et al. on the published configuration gives the published correlation.

T = 0.44, first level (t = 0.132): Pearson 0.9346 over A, 0.567 over all particles. Weights and configuration:
github.com/google-deepmind/deepmind-research, glassy_dynamics; Nature Physics 16, 448 (2020).
"""

import pytest
import torch

from gensample.cli import main
from gensample.data.datamodule import KADataModule
from gensample.data.official import load_official
from gensample.nn.bapst import Bapst
from gensample.stats.dynamics import pearson


@torch.no_grad()
def test_parity(shared_data, tmp_path):
    out = tmp_path / "deepmind.h5"
    source = str(shared_data / "deepmind/test_large.pickle")
    assert main(["import", source, "--temperature", "0.44", "--out", str(out)]) == 0
    data = KADataModule(str(out))
    data.setup()
    batch, network = data.batch([0]), Bapst()
    network.load_state_dict(load_official(shared_data / "deepmind/t044_s09_weights.npz"))
    predicted, label = network(batch)[0][:, 0], batch.propensity[:, 0]
    a = batch.species == 0
    assert pearson(predicted[a], label[a]) == pytest.approx(0.9346, abs=2e-4)
    assert pearson(predicted, label) == pytest.approx(0.567, abs=5e-4)
