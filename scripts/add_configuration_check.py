"""Add to metrics.json what the default tests recompute of a configuration generator: how far particles go.

    python scripts/add_configuration_check.py MODEL METRICS.json

MODEL is a checkpoint or a released folder that starts from ka2d-liquid. Energies would not do: of drawn
configurations they hang on the last digits of the closest pairs.
"""

import json
import sys
import tempfile
from pathlib import Path

import torch

from gensample.cli import main
from gensample.data.liquid import BaseEnsemble
from gensample.data.store import Store
from gensample.generators.configuration import BASE
from gensample.physics.box import minimum_image
from gensample.seeding import torch_generator

SETTINGS = {"temperature": 0.45, "num": 4, "seed": 1, "steps": 6}


def moved(model: str, out: Path) -> list[float]:
    """Root mean square displacement of the first configurations from their starting points."""
    words = [word for name, value in SETTINGS.items() for word in (f"--{name}", str(value))]
    if code := main(["sample", model, "--base", "ka2d-liquid", "--out", str(out), *words]):
        raise SystemExit(code)
    start = BaseEnsemble("ka2d-liquid").take("test", SETTINGS["num"], torch_generator(SETTINGS["seed"], BASE))
    with Store.open(out) as store:
        found, box = torch.from_numpy(store.positions), torch.from_numpy(store.box)
    distance = minimum_image(found - start, box.unsqueeze(1)).square().sum(-1)
    return [float(value) for value in distance.mean(1).sqrt()]


if __name__ == "__main__":
    path = Path(sys.argv[2])
    metrics = json.loads(path.read_text())
    with tempfile.TemporaryDirectory() as folder:
        metrics["check"] = {"rms_displacement": moved(sys.argv[1], Path(folder) / "check.h5"), **SETTINGS}
    path.write_text(json.dumps(metrics))
