"""``gensample benchmark CONFIG``: train or load every predictor, judge all of them alike, write the table."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("config", help="yaml file, see configs/benchmark")
    parser.add_argument("overrides", nargs="*", help="settings as key=value, such as seed=2")
    parser.add_argument("--out", required=True, type=Path, help="folder of rows and report")
    parser.add_argument("--rows", nargs="+", metavar="NAME", help="only rows whose names contain these words")
    parser.add_argument(
        "--report-only", action="store_true", help="train nothing: report on the rows that are done"
    )


def run(args: argparse.Namespace) -> None:
    """Do what is not done yet, then write the report.

    Raises:
        ConfigError: the settings cannot work.
        DataError: a dataset is missing or damaged.
    """
    from gensample.benchmark.evaluation import report
    from gensample.benchmark.run import run_units
    from gensample.benchmark.settings import load_settings
    from gensample.work import check_folder

    settings = load_settings(args.config, args.overrides)
    check_folder(args.out)
    finished = run_units(settings, args.out, only=args.rows, train=not args.report_only)
    print(report(settings, args.out, finished, command=f"gensample benchmark {args.config} --out {args.out}"))
