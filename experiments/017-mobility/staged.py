"""`ka2d-mini-flow` as released, and with drawn mobility fields in the place of its first stage.

    python experiments/017-mobility/staged.py

Validation split of ka2d-mini, species A, 16 draws; staged.json. The field is fitted to u on the
training split.
"""

import json
from pathlib import Path

import numpy as np
import torch
from judge import of_lengths
from run import show

import gensample
from gensample.data.dataset import open_dataset
from gensample.generators.base import starts
from gensample.generators.mobility_field import LEAST, MobilityField, fit_mobility_field
from gensample.meter import Meter
from gensample.stats.dynamics import magnitudes

HERE = Path(__file__).parent
DRAWS = 16


def with_field(model, field: MobilityField, known: dict, noise: float) -> None:
    """Let drawn fields take the place of the mobility flow of a model."""

    def draw(data, field_lag, condition, white, solver):
        of, lag = known[int(data.snapshot_id)], field_lag[data.batch]
        spread = noise * (1 - field.explained[of.species]).sqrt().gather(1, lag)
        latent = of.latent.gather(1, lag) + spread * field.prior.colour(of.matrix, lag, white)
        found = np.empty(latent.shape, np.float32)
        for k in range(field.gain.shape[1]):
            at = (lag[0] == k).numpy()
            for s in range(len(field.gain)):
                cell = np.ix_((of.species == s).numpy(), at)
                found[cell] = np.interp(
                    latent.numpy()[cell], np.linspace(-4, 4, 129), field.quantiles[s, k].numpy()
                )
        return torch.from_numpy(np.log(np.maximum(np.exp(found) - LEAST**2, 1e-4))), 0

    model.mobility.draw = draw


def main() -> None:
    torch.set_num_threads(1)
    data = open_dataset("ka2d-mini")
    store, train, val = data.store, data["train"], data["val"]
    field = fit_mobility_field(starts(store, train.rows, train.inherent), store.displacements)
    known = {x.row: field.read(x) for x in starts(store, val.rows, val.inherent)}
    within, found = float(field.within.mean()) ** 0.5, {}
    for title, noise in {"released": None, "field": 1.0, "field, noise of replicas": within}.items():
        model, meter = gensample.load_model("ka2d-mini-flow"), Meter()
        if noise is not None:
            with_field(model, field, known, noise)
        drawn = model.sample(val, DRAWS, 1)
        cost = meter.lap() / (len(val) * DRAWS * 3)
        for lag, t in enumerate(data.lag_time):
            made = [magnitudes(drawn.fields(i)[:, lag]) for i in range(len(val))]
            seen = [magnitudes(val.fields(i)[:, lag]) for i in range(len(val))]
            row = of_lengths(made, seen, data.species) | {"core_seconds": cost}
            found[f"{t:g} {title}"] = row
            show(f"t={t:g} {title} ({cost:.3f} core-s)", row)
    (HERE / "staged.json").write_text(json.dumps(found, indent=1, default=float))


if __name__ == "__main__":
    main()
