"""The console script ``gensample``: the first word decides, only then is anything heavy imported."""

import argparse
import difflib
import importlib
import os
import sys
import traceback
from typing import NamedTuple, NoReturn

from gensample import __version__
from gensample.errors import GensampleError

# Tensors beyond 2 MB on huge pages: a network on a CPU spends up to two thirds of its time on faults of small
# ones (benchmarks/huge_pages.py). Torch reads it when it is imported; whoever sets it to 0 keeps that.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

INTERRUPTED = 130  # 128 + SIGINT, as shells report it


class Command(NamedTuple):
    """Where a command lives (``gensample.commands.MODULE``) and its line of help."""

    module: str
    help: str


COMMANDS = {
    "simulate": Command("simulate", "run isoconfigurational ensembles with LAMMPS from a yaml config"),
    "quench": Command("quench", "add inherent structures to a dataset"),
    "cage": Command("cage", "add cage positions, averages over short runs, to a dataset"),
    "probe": Command("probe", "add short, heated runs from the inherent structures to a dataset"),
    "shear": Command("shear", "shear inherent structures quasistatically with LAMMPS from a yaml config"),
    "import": Command("import_", "convert BOTAN, GlassBench, DeepMind, LAMMPS or extxyz files to a dataset"),
    "export": Command("export", "convert a dataset to extxyz or LAMMPS files"),
    "info": Command("info", "validate a dataset and print its physics"),
    "fit": Command("train", "train a model from a config"),
    "validate": Command("train", "validation losses of a checkpoint"),
    "test": Command("train", "test metrics of a checkpoint"),
    "predict": Command("train", "predictions of a checkpoint"),
    "sample": Command("sample", "draw displacement fields or configurations from a generator"),
    "benchmark": Command("benchmark", "train, load and judge many predictors of the dynamics as one table"),
    "compare": Command("compare", "judge generated against simulated dynamics or configurations"),
}


class UsageError(GensampleError):
    """The command line itself is wrong."""


class Parser(argparse.ArgumentParser):
    """An argument parser without abbreviations that raises instead of printing its usage."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(prog=prog, description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Raise :class:`UsageError`; it names the help that lists what is accepted."""
        raise UsageError(f"{message} (see `{self.prog} --help`)")


def main(args: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 2 for bad input, 130 on Ctrl-C, 1 for a bug.

    ``args`` are the words after ``gensample``; without them those of the process are taken.
    """
    words = list(sys.argv[1:] if args is None else args)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    try:
        return _dispatch(words)
    except SystemExit as stop:  # argparse and jsonargparse end --help and --print_config this way
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except KeyboardInterrupt:
        return _report("interrupted", INTERRUPTED, debug)
    except BrokenPipeError:  # the reader of our output (`| head`) left: nothing to say, nobody to say it to
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (GensampleError, OSError) as error:
        return _report(f"error: {error}", 2, debug)
    except Exception as error:
        hint = "" if debug else " (a bug? `--debug` shows where)"
        return _report(f"unexpected {type(error).__name__}: {error}{hint}", 1, debug)


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0 if words else 2
    if words[0] in ("-V", "--version"):
        print(f"gensample {__version__}")
        return 0
    name, rest = words[0], words[1:]
    command = COMMANDS.get(name)
    if command is None:
        raise UsageError(_unknown(name))
    module = importlib.import_module(f"gensample.commands.{command.module}")
    if command.module == "train":
        module.main(name, rest)
        return 0
    parser = build_parser(name)
    # Intermixed: `simulate CONFIG --out X key=value` has positional words on both sides of an option.
    module.run(parser.parse_intermixed_args(rest))
    return 0


def build_parser(name: str) -> Parser:
    """The parser of any command outside the LightningCLI; tests parse the README's lines with it."""
    command = COMMANDS[name]
    parser = Parser(prog=f"gensample {name}", description=command.help)
    importlib.import_module(f"gensample.commands.{command.module}").add_arguments(parser)
    return parser


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, COMMANDS, n=1)
    cure = f"did you mean `{near[0]}`?" if near else f"choose one of {', '.join(COMMANDS)}"
    return f"unknown command `{name}`: {cure}"


def _overview() -> str:
    lines = [f"  {name:<10}{command.help}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: gensample COMMAND [OPTIONS]",
            "",
            "Sample the isoconfigurational ensemble of a glass-forming liquid with generative models.",
            "",
            *lines,
            "",
            "`gensample COMMAND --help` lists the options of a command; `--debug` shows tracebacks;",
            "`gensample --version` prints the version.",
        ]
    )


def _report(message: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(f"gensample: {' '.join(message.split())}", file=sys.stderr)
    return code
