"""The console script ``gensample``: the first word decides, only then is anything heavy imported."""

import argparse
import importlib
import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, NoReturn, TextIO

from gensample import __version__
from gensample.errors import GensampleError
from gensample.ranges import check_choice, shown
from gensample.registry import PARTS, import_parts
from gensample.settings import add_options, read_settings
from gensample.text import PLAIN_ERRORS, harmless, printable

# Tensors beyond 2 MB on huge pages: a network on a CPU spends up to two thirds of its time on faults of small
# ones (benchmarks/huge_pages.py). Torch reads it when it is imported; whoever sets it to 0 keeps that.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

INTERRUPTED, TERMINATED = 130, 143  # 128 + SIGINT or SIGTERM, as shells report them

LONGEST_MESSAGE = 1500  # characters


class Command(NamedTuple):
    """Where a command lives (``gensample.commands.MODULE``), its line of help, its settings there.

    The commands of the LightningCLI have no settings of their own.
    """

    module: str
    help: str
    settings: str = ""


PHYSICS = Command(
    "train", "find the numbers of a generator without training: heated or harmonic", "FitGenerator"
)

COMMANDS = {
    "simulate": Command(
        "simulate", "run isoconfigurational ensembles with LAMMPS from a yaml config", "Simulate"
    ),
    "quench": Command(
        "simulate", "add inherent structures, or inherent displacements of futures, to a dataset", "Quench"
    ),
    "cage": Command("simulate", "add cage positions, averages over short runs, to a dataset", "Cage"),
    "probe": Command("simulate", "add short, heated runs from inherent structures to a dataset", "Probe"),
    "shear": Command(
        "simulate", "shear inherent structures quasistatically with LAMMPS from a yaml config", "Shear"
    ),
    "import": Command(
        "files", "convert BOTAN, GlassBench, DeepMind, LAMMPS or extxyz files to a dataset", "Import"
    ),
    "export": Command("files", "convert a dataset to extxyz or LAMMPS files", "Export"),
    "models": Command("listing", "list the released models", "Models"),
    "datasets": Command("listing", "list the datasets that have a name", "Datasets"),
    "config": Command("listing", "list the configs that come with gensample, or print one", "Config"),
    "info": Command("listing", "validate a dataset and print its physics, or say what a model is", "Info"),
    "fit": Command("train", "train a model from a config, or find the numbers of heated or harmonic"),
    "validate": Command("train", "validation losses of a checkpoint"),
    "test": Command("train", "test metrics of a checkpoint"),
    "release": Command("release", "write the folder of a model that can be handed on", "Release"),
    "predict": Command(
        "predict", "write the propensities that a model predicts for configurations", "Predict"
    ),
    "propensity": Command(
        "propensity", "propensities with intervals from a few replicas and a prediction", "Propensity"
    ),
    "sample": Command(
        "sample", "draw displacement fields or configurations from a generator", "SampleSettings"
    ),
    "benchmark": Command(
        "benchmark", "train, load and judge many predictors of the dynamics as one table", "Benchmark"
    ),
    "compare": Command("compare", "judge generated against simulated dynamics or configurations", "Compare"),
}


class UsageError(GensampleError):
    """The command line itself is wrong."""


class Parser(argparse.ArgumentParser):
    """An argument parser without abbreviations that raises instead of printing its usage."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(prog=prog, description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Raise :class:`UsageError`; it names the help that lists what is accepted."""
        words = message.removeprefix("argument ").replace(": must be", " must be", 1)
        raise UsageError(f"{words} (see `{self.prog} --help`)")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse what is not among the choices of an option; argparse would not say which is near."""
        if action.choices is not None:
            check_choice("/".join(action.option_strings) or action.dest, value, action.choices)


def main(args: list[str] | None = None) -> int:
    """Run one command and return its exit code.

    0: the result is there; 2: bad input, or output that cannot be written; 130: Ctrl-C; 143: SIGTERM; 1: a
    bug. ``args`` are the words after ``gensample``; without them those of the process are taken. A reader of
    our output that leaves (`| head`) does not end the work.
    """
    words = list(sys.argv[1:] if args is None else args)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    # Lightning's progress bar has control characters of its own.
    foreign = not words or words[0] not in COMMANDS or bool(command_of(words).settings)
    with guarded(escape=foreign) as out, _terminable():
        code = _run(words, debug)
        out.flush()
        if out.error is None or isinstance(out.error, BrokenPipeError) or code:
            return code
        return _report(f"error: standard output cannot be written: {out.error}", 2, debug)


def _run(words: list[str], debug: bool) -> int:
    try:
        return _dispatch(words)
    except SystemExit as stop:  # argparse and jsonargparse end --help and --print_config this way
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except Terminated:
        return _report("terminated", TERMINATED, debug)
    except KeyboardInterrupt:
        return _report("interrupted", INTERRUPTED, debug)
    except (GensampleError, OSError) as error:
        return _report(f"error: {error}", 2, debug)
    except Exception as error:
        if _is_out_of_memory(error):
            return _report(f"error: out of memory: {error}", 2, debug)
        hint = "" if debug else " (a bug? `--debug` shows where)"
        return _report(f"unexpected {type(error).__name__}: {error}{hint}", 1, debug)


def _is_out_of_memory(error: Exception) -> bool:
    """Also of torch, which is not imported here."""
    text = str(error)
    return isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text


class Terminated(KeyboardInterrupt):
    """SIGTERM came: what cleans up after Ctrl-C does so here."""


@contextmanager
def _terminable() -> Iterator[None]:
    """Turn SIGTERM into `Terminated`; a second one ends the process at once."""

    def terminate(number: int, frame: object) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _dispatch(words: list[str]) -> int:
    for word in words:
        if "\0" in word or any("\ud800" <= letter <= "\udfff" for letter in word):
            raise UsageError(f"{shown(word)} is no text in this terminal's encoding; rename the file")
    if not words or words[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0 if words else 2
    if words[0] in ("-V", "--version"):
        print(f"gensample {__version__}")
        return 0
    name, rest = words[0], words[1:]
    check_choice("the command", name, COMMANDS)
    import_parts(os.environ.get(PARTS, ""))
    command = command_of(words)
    if not command.settings:
        from gensample.commands.train import run_training

        run_training(name, rest)
        return 0
    # Intermixed: `simulate CONFIG --out X key=value` has positional words on both sides of an option.
    found = build_parser(name, command).parse_intermixed_args(rest)
    read_settings(_settings_of(command), found).run()
    return 0


def _settings_of(command: Command) -> Any:
    return getattr(importlib.import_module(f"gensample.commands.{command.module}"), command.settings)


def command_of(words: list[str]) -> Command:
    """The command of a command line; `fit` followed by a name finds the numbers of a generator."""
    physics = words[0] == "fit" and len(words) > 1 and not words[1].startswith("-")
    return PHYSICS if physics else COMMANDS[words[0]]


def build_parser(name: str, command: Command | None = None) -> Parser:
    """The parser of any command outside the LightningCLI; tests parse the README's lines with it."""
    command = command or COMMANDS[name]
    parser = Parser(prog=f"gensample {name}", description=command.help)
    add_options(parser, _settings_of(command))
    return parser


def _overview() -> str:
    lines = [f"  {name:<12}{command.help}" for name, command in COMMANDS.items()]
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
    line = printable(" ".join(message.split()))
    if len(line) > LONGEST_MESSAGE:  # it quotes what came from outside, whatever its length
        line = f"{line[: LONGEST_MESSAGE // 2]} ... {line[-LONGEST_MESSAGE // 2 :]}"
    print(f"gensample: {line}", file=sys.stderr)
    return code


# Standard output and error never end the work: a reader that leaves, a full disk, a poor terminal.


class Output:
    """A text stream whose first failure is kept in ``error``; what follows it is lost.

    ``escape``: control characters do not reach it, line breaks do.
    """

    def __init__(self, stream: TextIO | None, escape: bool = False) -> None:
        self.error: OSError | None = None
        self._closed = stream is None
        self._stream: TextIO = open(os.devnull, "w", encoding="utf-8") if stream is None else stream  # noqa: SIM115
        self._escape = escape
        if isinstance(self._stream, io.TextIOWrapper):
            self._stream.reconfigure(errors=PLAIN_ERRORS)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, unless that has failed before."""
        if self._closed and text:
            self._fail(OSError("it is closed"))
        try:
            return self._stream.write(harmless(text) if self._escape else text)
        except OSError as error:
            self._fail(error)
            return len(text)

    def writelines(self, lines: Any) -> None:
        """Write one after the other."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Hand on what is buffered."""
        try:
            self._stream.flush()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        self.error = self.error or error
        if self._closed:
            return
        # What is still buffered, and what others write to the descriptor, goes nowhere.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self._stream.fileno())
        os.close(null)


@contextmanager
def guarded(escape: bool = True) -> Iterator[Output]:
    """Put `Output` in the place of both standard streams, and yield that of standard output."""
    _occupy_standard_descriptors()
    before = sys.stdout, sys.stderr
    out, err = Output(sys.stdout, escape), Output(sys.stderr)
    sys.stdout, sys.stderr = out, err
    try:
        yield out
    finally:
        out.flush()
        err.flush()
        sys.stdout, sys.stderr = before


def _occupy_standard_descriptors() -> None:
    """A file opened while one of them is closed would take its number, and get what libraries print."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
