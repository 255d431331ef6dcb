"""`gensample predict MODEL --data DATA --out PRED.h5`: propensities of configurations, kept with them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gensample.errors import ConfigError
from gensample.ranges import TEMPERATURE, check_device
from gensample.settings import option, switch, word
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
    device: str = option("cpu, cuda, cuda:1, ...", "cpu")
    force: bool = switch("also outside the domain of the model, the data it was trained on; the file says so")

    def run(self) -> None:
        """Predict and write; say what was left out."""
        from gensample import zoo
        from gensample.data.store import Store
        from gensample.predictors.written import check_name, write_predictions
        from gensample.work import check_output

        check_device("--device", self.device)
        check_output(self.out, [self.data])
        predictor = zoo.load_predictor(self.model, self.device, self.force)
        name = check_name(zoo.run_name(self.model) if self.name is None else self.name)
        request = {"model": self.model, "split": self.split, "name": name}
        request |= {"weights": zoo.model_digest(self.model)}
        attributes = {"command": self.command_line, "request": json.dumps(request)}
        with self._dataset() as path:
            for note in write_predictions(predictor, path, Path(self.out), self.split, name, attributes):
                print(f"- {printable(note)}")
        with Store.open(self.out) as store:
            count = store.num_configurations
        times = ", ".join(f"{time:g}" for time in predictor.times)
        of = f"{count} configuration{'s' if count > 1 else ''}"
        print(f"{self.out}: predictions {name} of {of} at t = {times}")

    @contextmanager
    def _dataset(self) -> Iterator[Path]:
        """The file of the dataset; that of sources to import is there for as long as it is read."""
        import tempfile

        from gensample.data.catalog import dataset_file, is_source
        from gensample.data.importing.convert import import_dataset
        from gensample.data.importing.source import Options

        if not is_source(self.data):
            if self.mixture is not None or self.temperature is not None:
                raise ConfigError(
                    "a dataset says its own mixture and temperature: drop --mixture and --temperature"
                )
            yield dataset_file(self.data)
            return
        with tempfile.TemporaryDirectory(prefix="gensample-") as folder:
            out = Path(folder) / f"{Path(self.data).name}.h5"
            options = Options(mixture=self.mixture, temperature=self.temperature)
            imported = import_dataset([self.data], out, options, command=self.command_line)
            print("\n".join(f"- {printable(note)}" for note in imported.notes))
            yield out

    @property
    def command_line(self) -> str:
        """The command line of these settings, as the file records it."""
        words = ["gensample", "predict", self.model, "--data", self.data, "--split", self.split]
        for name in ("name", "mixture", "temperature"):
            if getattr(self, name) is not None:
                words += [f"--{name}", str(getattr(self, name))]
        return shlex.join([*words, *(["--force"] if self.force else [])])
