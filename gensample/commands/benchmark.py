"""``gensample benchmark CONFIG``: train or load every predictor, judge all of them alike, write the table."""

from dataclasses import dataclass

from gensample.settings import option, switch, word, words


@dataclass(frozen=True)
class Benchmark:
    """Train, load and judge many predictors of the dynamics as one table."""

    config: str = word("yaml file, see configs/benchmark")
    overrides: tuple[str, ...] = words("settings as key=value, such as seed=2")
    out: str = option("folder of rows and report")
    rows: tuple[str, ...] | None = option(
        "only rows whose names contain these words", None, many=True, metavar="NAME"
    )
    report_only: bool = switch("train nothing: report on the rows that are done")

    def run(self) -> None:
        """Do what is not done yet, then write the report and print its tables."""
        from gensample.benchmark import benchmark

        result = benchmark(
            self.config, self.out, overrides=self.overrides, only=self.rows, train=not self.report_only
        )
        print(f"{result.table()}\nreport: {result.write(f'{self.out}/report')}")
