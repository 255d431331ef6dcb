"""Official BOTAN weights on official data.

github.com/h3-Open-BDEC/pyg_botan, ``small_data``: initial_model/model{1,2}.pth (pre-trained on bonds only) on
test configurations 401 and 402 at T = 0.44, lag 4120; Shiba, Hanai, Suzumura, Shimokawabe, J. Chem. Phys.
158, 084503 (2023). Pearson over A-A bonds shorter than 1.35.
"""

import numpy as np
import pytest
import torch

from gensample.data.official import load_official
from gensample.data.records import averages, collate, structure_record
from gensample.nn.botan import Botan
from gensample.stats.predictions import pearson_of_bonds

BOX = torch.full((3,), (4096 / 1.2) ** (1 / 3), dtype=torch.float64)
PUBLISHED = {(1, 401): 0.5405, (1, 402): 0.4275, (2, 401): 0.5292, (2, 402): 0.4204}


@pytest.fixture(scope="module", params=[401, 402])
def configuration(request, shared_data):
    file = shared_data / "botan" / "T0.44" / "test" / f"isoconfig_N4096T0.44_{request.param}_tc07.npz"
    with np.load(file) as arrays:
        species = torch.from_numpy(arrays["types"].astype(np.int64))
        initial = torch.from_numpy(arrays["initial_positions"])
        displacements = (
            torch.from_numpy(arrays["positions"] - arrays["initial_positions"]).float().unsqueeze(1)
        )
    record = structure_record(initial, None, BOX, 2.0, False)
    record |= averages(displacements, initial, BOX, record)
    return request.param, collate([record], species, torch.tensor([4120.0]))


@pytest.mark.parametrize("model", [1, 2])
def test_edge_pearson(configuration, shared_data, model):
    number, batch = configuration
    network = Botan()
    network.load_state_dict(load_official(shared_data / "botan" / "initial_model" / f"model{model}.pth"))
    with torch.no_grad():
        _, edges = network(batch)
    found = pearson_of_bonds(batch, edges)[0, 0]
    assert found == pytest.approx(PUBLISHED[model, number], abs=1e-3)
