"""`gensample propensity DATA`: what replicas and a prediction together say of each particle's propensity."""

from dataclasses import dataclass
from pathlib import Path

from gensample.errors import ConfigError
from gensample.ranges import check_device, whole
from gensample.settings import command_line, option, switch, word


@dataclass(frozen=True)
class Propensity:
    """Combine replicas of molecular dynamics with a prediction: propensities with an interval each."""

    data: str = word("dataset with displacements, by file or name; 2 replicas or more of every configuration")
    out: Path | None = option("write a copy instead of changing DATA", None, Path)
    model: str | None = option(
        "predictor, by name, folder or checkpoint, that was not trained on these configurations (default: "
        "ridge regression on structure, each configuration predicted from the replicas of others)",
        None,
    )
    descriptors: tuple[str, ...] | None = option(
        "sets that the regression reads (mechanics, invariants, and cage and probe where DATA has them)",
        None,
        many=True,
        metavar="SET",
    )
    replicas: int | None = option(
        "take the first so many; the others judge what comes out (all)", None, whole(2)
    )
    name: str = option("the means are /predictions/NAME (posterior)", "posterior")
    device: str = option("of the model: cpu (default), cuda, cuda:1, ...", "cpu")
    force: bool = switch("the model also outside the domain of the data it was trained on")
    again: bool = switch("replace what the dataset has")

    def run(self) -> None:
        """Combine, write, and say what it is worth."""
        from gensample import zoo
        from gensample.data.catalog import dataset_file
        from gensample.data.store import Store
        from gensample.predictors.posterior import combine, place, report, write
        from gensample.predictors.written import check_name

        check_device("--device", self.device)
        name = check_name(self.name)
        if self.model is not None and self.descriptors is not None:
            raise ConfigError("--descriptors are those of the regression: leave them or --model out")
        model = None if self.model is None else zoo.load_predictor(self.model, self.device, self.force)
        source = dataset_file(self.data)
        target = place(source, self.out)
        with Store.open(source) as store:
            if name in store.predictions and not self.again:
                raise ConfigError(f"{source} has predictions {name}: choose another --name, or --again")
            found = combine(store, model or self.descriptors, self.replicas)
            letters, times = store.liquid.letters, store.times
        write(found, source, target, name, command_line("propensity", self, "out", "device"))
        print(report(found, times, letters))
        print(f"{target}: posterior means {name}, their standard deviations {name}_spread")
