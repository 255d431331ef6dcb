"""May hot phases have longer time steps? 20 tau at T = 0.6, t = 100, at steps of 0.005 to 0.02.

    python experiments/013-heated/steps.py        # 5 min

Eight draws on the validation split of ka2d-long, then 3 tau at the temperature of the data at a step of 0.005
as always, compared with simulation; the same for plain dynamics at 0.45 with long steps. Writes steps.json.
"""

import json
from pathlib import Path

import gensample as gs
from gensample.errors import GensampleError
from gensample.generators.heated import Heated

HERE = Path(__file__).parent
NAMES = (
    *("pearson", "crps_skill", "mean_propensity", "alpha2", "hops"),
    *("future_energy_median", "inherent_energy"),
)
LAG = 100.0


def row(hot: float, time: float, step: float, draws: int) -> dict:
    """[simulated, generated] of each statistic, and core-seconds of a field; or the error of the run."""
    test = gs.open_dataset("ka2d-long")["val"]
    model = Heated([LAG], [[[hot, time], [None, 3.0]]], hot_timestep=step)
    try:
        drawn = model.sample(test, draws, 1)
    except GensampleError as error:
        return {"step": step, "temperature": hot, "error": str(error)}
    result = gs.compare(test, drawn, seed=0, follow=0, bootstrap=50)
    own = {
        **{name: result["A", LAG][name] for name in NAMES[:5]},
        **{n: result["all", LAG][n] for n in NAMES[5:]},
    }
    values = {name: [each.target.value, each.generated.value] for name, each in own.items()}
    cost = float(drawn.store.attrs["core_seconds"]) / (len(test) * draws)
    return {"step": step, "temperature": hot, "time": time, "core_seconds": cost, **values}


def main() -> None:
    """Write steps.json."""
    found = [row(0.6, 20.0, step, 8) for step in (0.005, 0.01, 0.015, 0.02)]
    found.append(row(0.45, LAG, 0.015, 4))
    (HERE / "steps.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
