"""``gensample fit | validate | test``: the LightningCLI, with the project's rules.

Rules added to LightningCLI's own behaviour: only a fitted model is evaluated; a config can name
the classes of ``gensample.registry`` only; values that model and data share are written once;
every run leaves ``config.yaml``, ``metrics.csv``, ``curve.png`` and ``checkpoints/last.ckpt`` in its folder;
flags that a checkpoint overrules are reported; ``--from`` begins with the weights of a model.
"""

import argparse
import importlib
import logging
import os
import re
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Literal

import yaml
from jsonargparse import ArgumentError, Namespace, set_loader, set_parsing_settings
from jsonargparse._optionals import get_omegaconf_loader
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint, WeightAveraging
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger
from lightning.pytorch.utilities import rank_zero_info, rank_zero_only, rank_zero_warn
from torch import Tensor

from gensample import registry, zoo
from gensample.errors import ConfigError, DataError, GensampleError, MissingDependencyError
from gensample.plain import check_yaml
from gensample.ranges import COUNT, NOT_NEGATIVE, check_choice, check_table, shown, whole
from gensample.reads import Reads, with_reads
from gensample.report.course import draw_course, reached, read_course
from gensample.training.run_folder import CHECKPOINTS, WholeCheckpoints, check_run_folder, run_folder
from gensample.weights import check_fit, read_checkpoint

# What holds for data and model alike is written once, under `data`: what a model gets of the data module.
# Where the model's class has no such argument, jsonargparse skips the link.
SHARED: dict[str, Callable[[Any], Any]] = {
    "reads": lambda module: Reads.of(module).plain(),
    "system": lambda module: module.system,
}

TRAINER_LIMITS = {
    **{"gradient_clip_val": NOT_NEGATIVE, "max_epochs": whole(-1), "max_steps": whole(-1)},
    **dict.fromkeys(("accumulate_grad_batches", "check_val_every_n_epoch"), COUNT),
}
# Data are served in single precision: networks of another one do not take them.
PRECISIONS = ("32", "32-true", "16", "16-mixed", "bf16", "bf16-mixed")

START = "from"
"""Name of the option that says whose weights a training begins with."""
EVALUATE = "test --config {config} --ckpt_path {checkpoint}"
READ_ALIKE = ("input", "cutoff", "descriptors", "quantity")

MODE = "omegaconf+"
PARSER = {"allow_abbrev": False, "exit_on_error": False, "parser_mode": MODE}


def train(command: str, args: list[str]) -> LightningCLI:
    """Run one LightningCLI command on ``args``; mistakes of the user come back as ConfigError."""
    set_parsing_settings(
        omegaconf_absolute_to_relative_paths=True,
        import_path_denylist=["*"],
        import_path_allowlist=_import_paths(),
    )
    set_loader(MODE, _load_yaml, (yaml.YAMLError,))
    try:
        with warnings.catch_warnings(), ExitStack() as held:
            _quiet()
            return GensampleCLI(command, _with_settings(args, held), held)
    except (ArgumentError, MisconfigurationException) as error:
        raise _cause(error) or ConfigError(_readable(str(error))) from error
    except Exception as error:
        if isinstance(error, RuntimeError) and _came_through(error, "early_stopping.py"):
            raise ConfigError(str(error)) from error
        # Lightning takes apart a checkpoint without checking its values.
        restores = _came_through(error, "checkpoint_connector.py", ("restore", "resume"))
        if isinstance(error, GensampleError) or not restores:
            raise
        raise DataError(f"the checkpoint does not fit the model: {type(error).__name__}: {error}") from error
    except SystemExit as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):  # Lightning turns Ctrl-C into exit code 1
            signal.signal(signal.SIGINT, signal.default_int_handler)
            raise stop.__context__ from None
        raise


def _with_settings(args: list[str], held: ExitStack) -> list[str]:
    """The words, led by the settings of the model that a training begins with where no config is given."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument(f"--{START}")
    parser.add_argument("--config", "-c")
    given, _ = parser.parse_known_args(args)
    start = getattr(given, START)
    if start is None or given.config is not None:
        return args
    folder = Path(held.enter_context(tempfile.TemporaryDirectory()))
    return ["--config", str(zoo.write_settings(start, folder)), *args]


def _came_through(error: Exception, file: str, functions: tuple[str, ...] = ("",)) -> bool:
    """Whether an error came through a source file, in a function whose name begins in one of these ways."""
    frames = (frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__))
    return any(
        code.co_filename.endswith(file) and code.co_name.lstrip("_").startswith(functions) for code in frames
    )


def _import_paths() -> list[str]:
    """Every path to a class that a config may name: a short one is followed to where the class is defined."""
    short = [path.rpartition(".") for path in registry.TRAINER]
    classes = [getattr(importlib.import_module(module), name) for module, _, name in short]
    return [*registry.of_configs(), *(f"{cls.__module__}.{cls.__name__}" for cls in classes)]


def _load_yaml(text: str) -> Any:
    """What jsonargparse makes of a value or a whole file, once its size is known."""
    try:
        check_yaml(text)
    except ValueError as error:
        raise ConfigError(f"a setting is no plain yaml: {error}") from error
    found = get_omegaconf_loader(MODE)(text)  # type: ignore[no-untyped-call]
    if isinstance(found, str) and "\n" in text:  # a file that is none of settings: no line of it is shown
        raise ConfigError("a config must hold settings by name; a file was given that holds text")
    return registry.renewed(found)


class GensampleCLI(LightningCLI):
    """LightningCLI for one command; building the parsers of the others would only cost time."""

    def __init__(self, command: str, args: list[str], held: ExitStack) -> None:
        self._command, self._held = command, held
        self._weights: dict[str, Tensor] | None = None
        self._data: dict[str, Any] = {}  # data modules made while parsing, by their settings
        super().__init__(
            LightningModule,
            LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            save_config_kwargs={"overwrite": True},
            seed_everything_default=0,
            auto_configure_optimizers=False,
            parser_kwargs={**PARSER, "prog": "gensample"},
            args=[command, *args],
        )

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]
        """Only the command that was asked for."""
        return {self._command: LightningCLI.subcommands()[self._command]}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Options of the run itself, and the links between model and data."""
        parser.add_argument(
            "--out", type=str | None, default=None, help="Folder of the run; default runs/CONFIG/version_N."
        )
        parser.add_argument(
            "--wandb",
            type=Literal["off", "offline", "online"],
            default="off",
            help="Log to Weights & Biases beside metrics.csv; offline sends nothing.",
        )
        parser.add_argument(
            "--tensorboard",
            type=bool,
            default=False,
            help="Log to TensorBoard beside metrics.csv, in the folder tensorboard of the run.",
        )
        parser.add_argument(
            f"--{START}",
            type=str | None,
            default=None,
            help="Begin with the weights of a released model, its folder or a checkpoint; without --config "
            "with its settings too.",
        )
        parser.add_argument(
            "--force",
            type=bool,
            default=False,
            help="Go on with data outside the domain of the checkpoint, the data it was trained on.",
        )
        for name, fact in SHARED.items():
            # Applied when parsing: links applied on instantiation enter the hyper-parameters of classes
            # without the argument too, and such a checkpoint does not load.
            parser.link_arguments("data", f"model.init_args.{name}", partial(self._fact, fact))

    def _fact(self, fact: Callable[[Any], Any], data: Namespace | None) -> Any:
        if data is None:
            return {}
        key = repr(data)
        if key not in self._data:
            self._data[key] = registry.build(data.as_dict(), registry.DATA)
        return fact(self._data[key])

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse; LightningCLI's own method warns whenever it is called by a console script."""
        assert isinstance(args, list)
        self.config = parser.parse_args(args)
        self._check_named()
        self._check_settings()

    def _check_named(self) -> None:
        """The import policy of jsonargparse also allows what is below a class, such as its methods."""
        registry.check_named(self.config.as_dict(), registry.of_configs())

    def _parse_ckpt_path(self) -> None:
        """Let the checkpoint's hyper-parameters win, as LightningCLI does, but say which."""
        self._trained_with = self._checkpoint_settings()
        if not self._trained_with:
            return
        before = self._model_settings()
        settings = {key: value for key, value in self._trained_with.items() if key != "_instantiator"}
        if "_class_path" in settings:
            settings = {"class_path": settings.pop("_class_path"), "dict_kwargs": settings}
        self.config = self.parser.parse_object({self._command: {"model": settings}}, self.config)
        self._check_named()
        after = self._model_settings()
        changed = [key for key in after if key in before and before[key] != after[key]]
        for key in changed:
            rank_zero_warn(f"the checkpoint overrules {key}: {after[key]!r}, not {before[key]!r}")

    def _model_settings(self) -> dict[str, Any]:
        settings = self.config[self._command]["model"].items(branches=False)
        return {key.removeprefix("init_args."): value for key, value in settings}

    def _checkpoint_settings(self) -> dict[str, Any]:
        path = self.config[self._command].get("ckpt_path")
        if path is None and self._command != "fit":
            raise ConfigError(
                f"`gensample {self._command}` needs --ckpt_path FILE.ckpt: it never runs on random weights"
            )
        if path == "last" and self._command == "fit":
            last = Path(self.config[self._command].get("out") or "") / CHECKPOINTS / "last.ckpt"
            path = last if last.is_file() else None
        if path is None:
            return {}
        checkpoint = read_checkpoint(path)
        self._weights = checkpoint["state_dict"]
        settings = with_reads(checkpoint["hyper_parameters"], checkpoint["datamodule_hyper_parameters"])
        return dict(registry.renewed(settings))

    def before_instantiate_classes(self) -> None:
        """Refuse a training that could not begin."""
        if self._command == "fit" and self._model_settings().get("compile"):
            _check_compiler()

    def instantiate_classes(self) -> None:
        """As LightningCLI, but what a constructor refuses is a mistake in the config."""
        try:
            super().instantiate_classes()
        except (ValueError, TypeError) as error:
            raise _cause(error) or ConfigError(_readable(str(error))) from error
        except ImportError as error:  # Lightning's own message names the package
            raise MissingDependencyError(str(error)) from error

    def after_instantiate_classes(self) -> None:
        """Refuse data unlike those that the checkpoint was trained on: the links let the data win."""
        if self._trained_with:
            self._check_data()
        if self._weights is not None:
            check_fit(self.model.state_dict(), self._weights, self._get(self.config, "ckpt_path"))
            self._weights = None
        elif self._command == "fit" and (start := self._get(self.config, START)) is not None:
            self._start_from(start)

    def _start_from(self, name: str) -> None:
        """Take the weights of a model that have the name and the shape of ours; the others begin anew.

        Means and scales are not kept: they are those of the new data, see `setup` of the models.
        """
        trained, weights = zoo.start_of(name)
        own = {key for key, _ in self.model.named_parameters()}
        shapes = {key: value.shape for key, value in self.model.state_dict().items()}
        fitting = {key: value for key, value in weights.items() if shapes.get(key) == value.shape}
        if not own & fitting.keys():
            raise ConfigError(f"no weight of {name} fits this model: leave out --config to train one like it")
        self.model.load_state_dict(fitting, strict=False)
        new = sorted(own - fitting.keys())
        told = f"; new are {', '.join(new)}" if new else ""
        rank_zero_info(f"from {name}: {len(own) - len(new)} of {len(own)} weights{told}")
        served = Reads.read(self.model.hparams["reads"])
        unlike = [key for key in READ_ALIKE if getattr(trained, key) != getattr(served, key)]
        for key in unlike:
            rank_zero_warn(f"{name} was trained on {key} {getattr(trained, key)}, not {getattr(served, key)}")

    def _check_data(self) -> None:
        """The links let the data win; here the checkpoint does."""
        model, data = (
            str(self._get(self.config, "ckpt_path")),
            getattr(self.datamodule, "dataset", "the data"),
        )
        old, new = self._trained_with, self.model.hparams
        if new.get("reads") is not None:
            trained, served = Reads.read(old["reads"]), Reads.read(new["reads"])
            trained.check(served, model, data, force=self._get(self.config, "force"))
        before, after = old.get("system"), new.get("system")
        if before != after:
            raise ConfigError(f"the checkpoint was trained with system {before}, these data have {after}")

    def _check_settings(self) -> None:
        """Refuse what Lightning or torch would stumble over later."""
        settings = self.config[self._command]
        if not isinstance(settings["trainer"], Namespace):
            raise ConfigError(f"trainer must hold settings as key: value, got {shown(settings['trainer'])}")
        if settings.get("weights_only") is False:
            raise ConfigError("weights_only: false would let a checkpoint run code; leave it out")
        settings["weights_only"] = True
        seed = settings.get("seed_everything")
        if not isinstance(seed, bool) and seed is not None:
            whole(0, 2**32 - 1).check("seed_everything", seed)
        check_table(settings["trainer"], TRAINER_LIMITS, "trainer.")
        precision = settings["trainer"].get("precision")
        if precision is not None:
            check_choice("trainer.precision", str(precision), PRECISIONS)

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Trainer with the CSV log and the last checkpoint in the run's folder."""
        settings, training = self._get(self.config_init, "trainer"), self._command == "fit"
        callbacks = list(settings.get("callbacks") or [])
        if not training:
            callbacks = [each for each in callbacks if not isinstance(each, (Checkpoint, WeightAveraging))]
            kwargs["enable_checkpointing"] = False
        elif settings.get("fast_dev_run"):  # a ModelCheckpoint would write into the working directory
            callbacks = [each for each in callbacks if not isinstance(each, ModelCheckpoint)]
        elif settings.get("enable_checkpointing") is not False and not any(
            isinstance(each, ModelCheckpoint) for each in callbacks
        ):
            # After every epoch: left to itself it waits for a validation, which a dataset may not have.
            last: dict[str, Any] = {"save_last": True, "save_on_train_epoch_end": True}
            callbacks.append(ModelCheckpoint(filename="epoch={epoch}", auto_insert_metric_name=False, **last))
        for callback in callbacks:
            if isinstance(callback, ModelCheckpoint):
                # One run writes here: what a killed one wrote after last.ckpt is written again.
                callback._enable_version_counter = False
        given = {"logger": self._loggers(settings.get("logger")), "callbacks": callbacks}
        given["plugins"] = [*_as_list(settings.get("plugins")), WholeCheckpoints(training)]
        return super().instantiate_trainer(**given, **kwargs)

    def _loggers(self, asked: Logger | list[Logger] | bool | None) -> list[Logger] | bool:
        if asked is False:
            return False
        csv = self._csv_logger()
        if self._command == "fit" and not self._get(self.config_init, "trainer").get("fast_dev_run"):
            self._hold(Path(csv.log_dir))
        asked = _as_list(asked) if asked is not True else []
        return [csv, *asked, *self._tensorboard_logger(csv.log_dir), *self._wandb_logger(csv.log_dir)]

    @rank_zero_only
    def _hold(self, folder: Path) -> None:
        """The folder of the run is ours until the command ends."""
        self._held.enter_context(run_folder(folder, self._get(self.config, "ckpt_path")))
        _keep_previous_metrics(folder)

    def _csv_logger(self) -> CSVLogger:
        out = self._get(self.config, "out")
        if out is None:
            root = self._get(self.config_init, "trainer").get("default_root_dir") or "runs"
            files = self._get(self.config, "config") or []
            return CSVLogger(root, name=Path(str(files[-1])).stem if files and files[-1] else self._command)
        check_run_folder(Path(out))
        folder = Path(out) if self._command == "fit" else Path(out) / self._command
        if self._command != "fit":
            _keep_previous_metrics(folder)
        return CSVLogger(folder.parent, name=folder.name, version="")

    def _tensorboard_logger(self, folder: str) -> list[Logger]:
        if not self._get(self.config, "tensorboard"):
            return []
        try:
            return [TensorBoardLogger(folder, name="tensorboard", version="")]
        except ModuleNotFoundError as error:
            raise MissingDependencyError(
                "--tensorboard needs the tensorboard package: pip install 'gensample[tensorboard]'"
            ) from error

    def _wandb_logger(self, folder: str) -> list[Logger]:
        mode = self._get(self.config, "wandb")
        if mode == "off":
            return []
        try:
            return [WandbLogger(project="gensample", save_dir=folder, offline=mode == "offline")]
        except ModuleNotFoundError as error:
            raise MissingDependencyError(
                f"--wandb {mode} needs the wandb package: pip install 'gensample[wandb]'"
            ) from error

    def after_fit(self) -> None:
        """Say where the result is: the next command needs the path.

        Raises:
            ConfigError: nothing was trained.
        """
        if not self.trainer.global_step:
            raise ConfigError(
                "not one step was trained: no training configurations are left (data.validation, "
                "data.train_limit), or the limits of trainer allow none (max_epochs, max_steps, max_time, "
                "limit_train_batches)"
            )
        log_dir = self.trainer.log_dir  # asked for by all processes together: it is a broadcast
        checkpoint = self.trainer.checkpoint_callback
        path = getattr(checkpoint, "last_model_path", "") or getattr(checkpoint, "best_model_path", "")
        if self.trainer.is_global_zero and Path(path).is_file():
            self._tell(os.path.normpath(path), log_dir)

    def _tell(self, checkpoint: str, log_dir: str | None) -> None:
        """What was reached, where it is, and the command that goes on."""
        folder = Path(os.path.normpath(log_dir or Path(checkpoint).parent.parent))
        course = read_course(folder)
        if course:
            print(f"reached: {reached(course)}; curve: {draw_course(folder, course)}")
        print(f"checkpoint: {checkpoint}")
        words = {"config": folder / "config.yaml", "checkpoint": checkpoint}
        words |= {"data": getattr(self.datamodule, "dataset", "DATA.h5")}
        print("next: gensample " + getattr(self.model, "following", EVALUATE).format(**words))


def _quiet() -> None:
    """Leave out what a user of gensample cannot act on."""
    warnings.filterwarnings("ignore", "Experiment logs directory")  # the previous log is kept, see below
    warnings.filterwarnings("ignore", ".*LeafSpec")  # Lightning's own use of torch
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(_no_advertising)


def _no_advertising(record: logging.LogRecord) -> bool:
    return "litlogger" not in str(record.msg) and "litmodels" not in str(record.msg)


def _check_compiler() -> None:
    """Torch compiles for the CPU, and the kernels' launchers for other devices, with a C++ compiler."""
    name = os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")
    if shutil.which(name.split()[0]) is None:
        raise MissingDependencyError(
            f"model.compile needs a C++ compiler and {name} is not on PATH: install it, "
            "or set model.compile to false"
        )


def _as_list(given: Any) -> list[Any]:
    return [] if given is None else list(given) if isinstance(given, list) else [given]


@rank_zero_only
def _keep_previous_metrics(folder: Path) -> None:
    """Rename an earlier ``metrics.csv``: CSVLogger would delete it when a run is resumed in its folder."""
    current = folder / "metrics.csv"
    if current.exists():
        taken = len(list(folder.glob("metrics-*.csv")))
        current.rename(folder / f"metrics-{taken + 1}.csv")


def _cause(error: BaseException | None) -> GensampleError | None:
    """The error of ours that jsonargparse wrapped, if any."""
    while error is not None and not isinstance(error, GensampleError):
        error = error.__cause__ or error.__context__
    return error


_NOISE = (
    "Does not validate against",
    "Subtypes:",
    "Errors:",
    "Given value type:",
    "Given value: NestedArg",
    "Expected a <class 'NoneType'>",
    "Expected <class 'NoneType'>",
    "Expected a path but",
)


def _readable(message: str) -> str:
    """One line from jsonargparse's indented tree of attempts."""
    denied = re.search(r"Importing '(.*?)' is not allowed", message)
    if denied is not None:
        return f"{denied[1]!r} is not among the classes that a config may name (gensample.registry)"
    lines = [line.strip(" -") for line in message.splitlines()]
    kept = [line for line in lines if line and not line.startswith(_NOISE)]
    text = "; ".join(kept).replace(":; ", ": ")
    return text.replace("Parser key ", "setting ", 1).replace("; Given value: ", "; given: ")
