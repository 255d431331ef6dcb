"""`gensample predict MODEL --data DATA --out PRED.h5`: propensities of configurations, kept with them."""

import json
from dataclasses import dataclass
from pathlib import Path

from gensample.ranges import TEMPERATURE, check_device
from gensample.settings import command_line, option, switch, word
from gensample.text import printable


@dataclass(frozen=True)
class Predict:
    """Write the propensities that a model predicts for configurations."""

    model: str = word(
        "name of a released predictor or of a displacement generator, whose conditioner is then used alone; "
        "its folder; or a checkpoint"
    )
    data: str = option("dataset, with or without dynamics, by file or name, or what `gensample import` reads")
    out: str = option("dataset to write: the configurations and /predictions/NAME")
    split: str = option("configurations: train, val, test or all (default)", "all")
    name: str | None = option("NAME of the prediction (default: that of the model)", None)
    mixture: str | None = option("of files to import", None)
    temperature: float | None = option("of files to import", None, TEMPERATURE)
    device: str = option("cpu (default), cuda, cuda:1, ...", "cpu")
    force: bool = switch("also outside the domain of the model, the data it was trained on; the file says so")

    def run(self) -> None:
        """Predict and write; say what was left out."""
        from gensample import zoo
        from gensample.data.importing.convert import opened_or_imported
        from gensample.data.store import Store
        from gensample.predictors.written import check_name, write_predictions
        from gensample.work import check_output

        check_device("--device", self.device)
        check_output(self.out, [self.data])
        predictor = zoo.load_predictor(self.model, self.device, self.force)
        name = check_name(zoo.run_name(self.model) if self.name is None else self.name)
        request = {"model": self.model, "split": self.split, "name": name}
        request |= {"weights": zoo.model_digest(self.model)}
        command = command_line("predict", self, "out", "device")
        attributes = {"command": command, "request": json.dumps(request)}
        with opened_or_imported(self.data, self.mixture, self.temperature, command) as (path, notes):
            notes += write_predictions(predictor, path, Path(self.out), self.split, name, attributes)
        print("".join(f"- {printable(note)}\n" for note in notes), end="")
        with Store.open(self.out) as store:
            count = store.num_configurations
        times = ", ".join(f"{time:g}" for time in predictor.times)
        of = f"{count} configuration{'s' if count > 1 else ''}"
        print(f"{self.out}: predictions {name} of {of} at t = {times}")
