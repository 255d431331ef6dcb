"""`gensample predict MODEL --data DATA --out PRED.h5`: propensities of configurations, kept with them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gensample.errors import ConfigError
from gensample.ranges import TEMPERATURE, check_device, shown
from gensample.text import printable

if TYPE_CHECKING:
    from gensample.commands.predict_propensity import Predictor

LONGEST_NAME = 100  # characters


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add(
        "model",
        help="name of a released predictor or of a displacement generator, whose conditioner is then used "
        "alone; its folder; or a checkpoint",
    )
    add(
        "--data",
        required=True,
        help="dataset, with or without dynamics, by file or name, or a file or folder that `gensample "
        "import` reads",
    )
    add("--out", required=True, type=Path, help="dataset to write: the configurations and /predictions/NAME")
    add("--split", default="all", help="configurations: train, val, test or all (default)")
    add("--name", help="NAME of the prediction (default: that of the model)")
    add("--mixture", help="of files to import")
    add("--temperature", type=TEMPERATURE, help="of files to import")
    add("--device", default="cpu", help="cpu, cuda, cuda:1, ...")
    add(
        "--force",
        action="store_true",
        help="also outside the domain of the model, the data it was trained on; the file says so",
    )


def run(args: argparse.Namespace) -> None:
    """Predict and write; say what was left out."""
    from gensample.commands.predict_propensity import Predictor
    from gensample.commands.predictions import write_predictions
    from gensample.work import check_output

    check_device("--device", args.device)
    check_output(args.out, [args.data])
    predictor = Predictor(args.model, args.force, args.device)
    name = _name(args)
    with _dataset(args) as path:
        for note in write_predictions(predictor, path, args.out, args.split, name, command_line(args)):
            print(f"- {printable(note)}")
    print(_summary(args.out, name, predictor))


def _summary(out: Path, name: str, predictor: Predictor) -> str:
    from gensample.data.store import Store

    with Store.open(out) as store:
        count = store.num_configurations
    of = f"{count} configuration{'s' if count > 1 else ''}"
    at = ", ".join(f"{time:g}" for time in predictor.times)
    return f"{out}: predictions {name} of {of} at t = {at}"


def _name(args: argparse.Namespace) -> str:
    """Of the prediction: what is asked for, else that of the model's folder or of the run of a checkpoint."""
    from gensample import zoo

    if args.name is None:
        path = zoo.resolve(args.model).resolve()
        run = path.parent.parent if path.parent.name == "checkpoints" else path.with_suffix("")
        name = run.name if path.is_file() else path.name
    else:
        name = args.name
    if not name.isprintable() or not 0 < len(name) <= LONGEST_NAME or "/" in name or set(name) <= {"."}:
        raise ConfigError(
            f"--name must be printable, without / and of at most {LONGEST_NAME} characters, got {shown(name)}"
        )
    return name


@contextmanager
def _dataset(args: argparse.Namespace) -> Iterator[Path]:
    """The file of the dataset; that of sources to import is there for as long as it is read.

    Raises:
        DataError: there is none, or it cannot be imported.
        ConfigError: options of sources for a dataset, which says its own mixture and temperature.
    """
    import tempfile

    from gensample.data.catalog import resolve
    from gensample.data.importing.convert import import_dataset
    from gensample.data.importing.source import Options

    if not _is_source(args.data):
        if args.mixture is not None or args.temperature is not None:
            raise ConfigError(
                "a dataset says its own mixture and temperature: drop --mixture and --temperature"
            )
        yield resolve(args.data)
        return
    with tempfile.TemporaryDirectory(prefix="gensample-") as folder:
        out = Path(folder) / f"{Path(args.data).name}.h5"
        options = Options(mixture=args.mixture, temperature=args.temperature)
        imported = import_dataset([args.data], out, options, command=command_line(args))
        print("\n".join(f"- {printable(note)}" for note in imported.notes))
        yield out


def _is_source(data: str) -> bool:
    """Whether a word names files of other programs, and no dataset."""
    import h5py

    from gensample.data.catalog import EMBEDDED, KEPT

    path = Path(data)
    if data in {*EMBEDDED, *KEPT}:
        return False
    return path.is_dir() or (path.is_file() and path.suffix != ".h5" and not h5py.is_hdf5(path))


def command_line(args: argparse.Namespace) -> str:
    """The command line of these arguments, as the file records it."""
    import shlex

    words = ["gensample", "predict", args.model, "--data", args.data, "--split", args.split]
    for name in ("name", "mixture", "temperature"):
        if getattr(args, name) is not None:
            words += [f"--{name}", str(getattr(args, name))]
    return shlex.join([*words, *(["--force"] if args.force else [])])
