import dataclasses
import io
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import MISSING, make_dataclass
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from fakes import fakes  # noqa: F401

import gensample.cli
from gensample.cli import COMMANDS, Command, build_parser, main
from gensample.commands.train import FitGenerator
from gensample.errors import DataError
from gensample.settings import option
from gensample.text import printable

HEAVY = ("torch", "lightning", "numpy", "h5py", "jsonargparse", "matplotlib")


def one_line(captured):
    """The only line of stderr."""
    lines = captured.err.splitlines()
    assert len(lines) == 1, captured.err
    return lines[0]


# The dispatcher


@pytest.mark.parametrize("words", [["--help"], ["--version"], [], ["smaple"]])
def test_without_a_command_nothing_heavy_is_imported(words):
    loaded = f"print([m for m in {HEAVY} if m in sys.modules])"
    code = f"import sys, gensample.cli; gensample.cli.main({words!r}); {loaded}"
    start = time.perf_counter()
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    print(f"gensample {words}: {time.perf_counter() - start:.2f} s")
    assert out.stdout.splitlines()[-1] == "[]"


def settings_of_commands():
    modules = [(import_module(f"gensample.commands.{at.module}"), at.settings) for at in COMMANDS.values()]
    return [*(getattr(module, name) for module, name in modules if name), FitGenerator]


@pytest.mark.parametrize("settings", settings_of_commands(), ids=lambda settings: settings.__name__)
def test_help_says_every_default(settings):
    """In brackets, or as the word that it is; "default" beside the one of several words."""
    for each in dataclasses.fields(settings):
        default = each.default
        if default in (MISSING, None, False, ()):
            continue
        values = default if isinstance(default, tuple) else (default,)
        shown = [f"{value:g}" if isinstance(value, float) else str(value) for value in values]
        text = each.metadata["help"]
        assert "(default" in text or all(
            re.search(rf"\(.*{re.escape(value)}.*\)", text) for value in shown
        ), f"--{each.name} does not say that it is {default!r}: {text}"


def test_help_names_every_command(capsys):
    assert main(["--help"]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert listed == list(COMMANDS)


def test_python_m_gensample():
    out = subprocess.run([sys.executable, "-m", "gensample", "--version"], capture_output=True, text=True)
    assert out.returncode == 0
    assert out.stdout.startswith("gensample ")


def test_unknown_command_suggests_the_nearest(capsys):
    assert main(["smaple"]) == 2
    assert "did you mean sample?" in one_line(capsys.readouterr())


def test_hopeless_command_lists_all(capsys):
    assert main(["xyzzy"]) == 2
    assert "compare" in one_line(capsys.readouterr())


@pytest.fixture
def command(monkeypatch):
    """Install a command `toy` whose run() is given."""

    def install(run):
        fields = [("replicas", int | None, option("a number", None, int))]
        toy = make_dataclass("Toy", fields, namespace={"run": run}, frozen=True)
        monkeypatch.setitem(COMMANDS, "toy", Command("toy", "a toy", "Toy"))
        module = SimpleNamespace(Toy=toy)
        monkeypatch.setitem(sys.modules, "gensample.commands.toy", module)

    return install


def fail(error):
    def run(args):
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (DataError("x.h5 is\n   truncated"), 2, "error: x.h5 is truncated"),
        (FileNotFoundError(2, "No such file", "x.h5"), 2, "x.h5"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (ZeroDivisionError("oh"), 1, "unexpected ZeroDivisionError: oh"),
    ],
)
def test_errors_become_one_line_and_a_code(command, capsys, error, code, text):
    command(fail(error))
    assert main(["toy"]) == code
    assert text in one_line(capsys.readouterr())


def test_a_message_that_quotes_megabytes_keeps_its_ends(command, capsys):
    command(fail(DataError(f"x.h5: units must be lj, got {'x' * 10**6}; make it again")))
    assert main(["toy"]) == 2
    line = one_line(capsys.readouterr())
    assert len(line) < 2000
    assert "x.h5: units must be lj" in line
    assert line.endswith("; make it again")


@pytest.mark.parametrize("words", [["toy", "--debug"], ["--debug", "toy"]])
def test_debug_adds_the_traceback(command, capsys, words):
    command(fail(DataError("bad")))
    assert main(words) == 2
    assert "Traceback" in capsys.readouterr().err


def test_success_is_zero_and_arguments_arrive(command):
    seen = []
    command(lambda args: seen.append(args.replicas))
    assert main(["toy", "--replicas", "3"]) == 0
    assert seen == [3]


@pytest.mark.parametrize("words", [["--repl", "3"], ["--replicas", "x"], ["--nope"], ["--replicas"]])
def test_argument_errors_are_one_line(command, capsys, words):
    command(lambda args: None)
    assert main(["toy", *words]) == 2
    assert "gensample toy --help" in one_line(capsys.readouterr())


def test_help_of_a_command_is_success(command, capsys):
    command(lambda args: None)
    assert main(["toy", "--help"]) == 0
    assert "--replicas" in capsys.readouterr().out


def test_a_reader_that_leaves_is_no_error():
    """As `gensample info X | head -1`."""
    code = "import sys; from gensample.cli import main; sys.exit(max(main(['--help']) for _ in range(10000)))"
    shell = f'{sys.executable} -c "{code}" | head -1; echo ${{PIPESTATUS[0]}}'
    out = subprocess.run(["bash", "-c", shell], capture_output=True, text=True)
    assert out.stdout.splitlines()[-1] == "0"
    assert out.stderr == ""


@pytest.mark.parametrize("name", [n for n, c in COMMANDS.items() if c.settings])
def test_every_command_of_the_table_exists(name):
    parser = build_parser(name)
    assert parser.prog == f"gensample {name}"
    module = sys.modules[f"gensample.commands.{COMMANDS[name].module}"]
    assert callable(getattr(module, COMMANDS[name].settings).run)


# fit, validate, test


@pytest.fixture
def config(fakes, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "toy.yaml"
    settings = {
        "model": {"class_path": "gensample.fakes.FakeTask"},
        "data": {"class_path": "gensample.fakes.FakeData", "init_args": {"cutoff": 1.5}},
        "trainer": {
            "accelerator": "cpu",
            "max_epochs": 1,
            "log_every_n_steps": 1,
            "enable_progress_bar": False,
            "enable_model_summary": False,
        },
    }
    path.write_text(yaml.safe_dump(settings))
    return path


def test_fit_leaves_a_run_folder(config, tmp_path, capsys):
    assert main(["fit", "--config", str(config), "--out", "runs/a"]) == 0
    run = tmp_path / "runs" / "a"
    reached, checkpoint, following = capsys.readouterr().out.splitlines()[-3:]
    assert re.fullmatch(
        r"reached: val/loss [\d.e-]+ \(best [\d.e-]+, epoch 0 of 0\); curve: runs/a/curve.png", reached
    )
    assert checkpoint == "checkpoint: runs/a/checkpoints/last.ckpt"
    assert following == (
        "next: gensample test --config runs/a/config.yaml --ckpt_path runs/a/checkpoints/last.ckpt"
    )
    assert main(following.removeprefix("next: gensample ").split()) == 0
    assert (run / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert (run / "metrics.csv").read_text().startswith("epoch,step,train/loss")
    saved = yaml.safe_load((run / "config.yaml").read_text())
    assert saved["data"]["init_args"]["cutoff"] == 1.5
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    # Both links: a setting of the data, and a fact that they know.
    assert checkpoint["hyper_parameters"]["reads"]["cutoff"] == 1.5
    assert checkpoint["hyper_parameters"]["reads"]["lags"] == [1.0, 10.0]


def test_run_folder_is_named_after_the_config(config, tmp_path):
    assert main(["fit", "--config", str(config)]) == 0
    assert (tmp_path / "runs" / "toy" / "version_0" / "metrics.csv").exists()


def test_resume_keeps_the_earlier_log_and_the_epochs(config, tmp_path):
    assert main(["fit", "--config", str(config), "--out", "a"]) == 0
    resume = ["--ckpt_path", "last", "--trainer.max_epochs", "2"]
    assert main(["fit", "--config", str(config), "--out", "a", *resume]) == 0
    assert (tmp_path / "a" / "metrics-1.csv").exists()
    epochs = [line.split(",")[0] for line in (tmp_path / "a" / "metrics.csv").read_text().splitlines()]
    assert set(epochs) == {"epoch", "1"}


def test_a_run_is_never_written_over_another(config, tmp_path, capsys):
    assert main(["fit", "--config", str(config), "--out", "a"]) == 0
    before = (tmp_path / "a" / "checkpoints" / "last.ckpt").read_bytes()
    capsys.readouterr()
    assert main(["fit", "--config", str(config), "--out", "a"]) == 2
    assert "--ckpt_path last" in one_line(capsys.readouterr())
    assert (tmp_path / "a" / "checkpoints" / "last.ckpt").read_bytes() == before
    assert list((tmp_path / "a").glob("metrics-*.csv")) == []


@pytest.mark.parametrize("command", ["validate", "test"])
def test_nothing_runs_on_random_weights(config, capsys, command):
    assert main([command, "--config", str(config)]) == 2
    assert "random weights" in one_line(capsys.readouterr())
    assert main([command, "--config", str(config), "--ckpt_path", "none.ckpt"]) == 2
    assert "no weight file at none.ckpt" in one_line(capsys.readouterr())


@pytest.mark.parametrize("command", ["validate", "test"])
def test_checkpoints_are_evaluated_with_the_saved_config(config, tmp_path, command):
    assert main(["fit", "--config", str(config), "--out", "a"]) == 0
    before = (tmp_path / "a" / "config.yaml").read_text()
    words = ["--config", "a/config.yaml", "--ckpt_path", "a/checkpoints/last.ckpt"]
    assert main([command, *words]) == 0
    assert (tmp_path / "a" / "config.yaml").read_text() == before
    assert (tmp_path / "a" / command / "metrics.csv").exists()


def test_settings_that_the_checkpoint_overrules_are_reported(config):
    assert main(["fit", "--config", str(config), "--out", "a"]) == 0
    words = ["--config", "a/config.yaml", "--ckpt_path", "a/checkpoints/last.ckpt", "--model.lr", "0.5"]
    with pytest.warns(UserWarning, match=r"overrules lr: 0.1, not 0.5"):
        assert main(["test", *words]) == 0


def test_weights_that_do_not_fit_are_one_error(config, capsys):
    assert main(["fit", "--config", str(config), "--out", "a"]) == 0
    checkpoint = torch.load("a/checkpoints/last.ckpt", weights_only=True)
    checkpoint["state_dict"]["linear.weight"] = torch.ones(7, 1)
    torch.save(checkpoint, "b.ckpt")
    capsys.readouterr()
    assert main(["test", "--config", "a/config.yaml", "--ckpt_path", "b.ckpt"]) == 2
    assert "b.ckpt: the weights do not fit" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--data.cutoff", "1.7"], ["--data.lag_times", "[1.0]"]])
def test_data_unlike_those_of_the_training_are_refused(config, capsys, words):
    assert main(["fit", "--config", str(config), "--out", "a"]) == 0
    capsys.readouterr()
    checkpoint = ["--ckpt_path", "a/checkpoints/last.ckpt"]
    assert main(["test", "--config", "a/config.yaml", *checkpoint, *words]) == 2
    assert "last.ckpt was trained" in capsys.readouterr().err


def test_a_link_to_a_class_without_the_argument_is_skipped(config):
    words = ["--config", str(config), "--model", "gensample.fakes.UnlinkedTask"]
    assert main(["fit", *words, "--trainer.fast_dev_run", "true"]) == 0


def test_fast_dev_run_leaves_nothing(config, tmp_path):
    assert main(["fit", "--config", str(config), "--trainer.fast_dev_run", "true"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["toy.yaml"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--trainer.max_epoch", "2"], "trainer.max_epoch"),
        (["--trainer.max_epochs", "x"], "max_epochs"),
        (["--model.widht", "2"], "widht"),
        (["--model", "os.system"], "not among the classes"),
        (["--model", "ase.Atoms"], "not among the classes"),
        (["--model", "gensample.simulate.lammps.engine.Engine"], "not among the classes"),
        (["--model", "gensample.__main__.x"], "not among the classes"),
        (["--model", "gensample.fakes.FakeTask.load_from_checkpoint"], "not among the classes"),
        (["--data", "lightning.pytorch.demos.boring_classes.BoringDataModule"], "not among the classes"),
        (["--trainer.callbacks", "lightning.pytorch.callbacks.LambdaCallback"], "not among the classes"),
        (["--model.width", "{class_path: gensample.simulate.lammps.engine.Engine}"], "width"),
        (["--config", "bomb.yaml"], "values"),
        (["--data.cutof", "2"], "cutof"),
        (["--config", "nope.yaml"], "nope.yaml"),
    ],
)
def test_bad_settings_are_one_line(config, capsys, words, text):
    lines = [f"b{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 11)]
    Path("bomb.yaml").write_text("\n".join(["a: &a0 {x: 1}", *lines]))
    assert main(["fit", "--config", str(config), *words]) == 2
    assert text in one_line(capsys.readouterr())


def test_interpolation_follows_the_command_line(config, tmp_path):
    settings = yaml.safe_load(config.read_text())
    settings["model"]["init_args"] = {"width": "${trainer.max_epochs}"}
    config.write_text(yaml.safe_dump(settings))
    assert main(["fit", "--config", str(config), "--out", "a", "--trainer.max_epochs", "3"]) == 0
    assert yaml.safe_load((tmp_path / "a" / "config.yaml").read_text())["model"]["init_args"]["width"] == 3


def test_ctrl_c_in_training_is_130(config, monkeypatch, capfd):
    def interrupt(self, batch, batch_idx):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["gensample.fakes"].FakeTask, "training_step", interrupt)
    assert main(["fit", "--config", str(config), "--out", "a"]) == gensample.cli.INTERRUPTED


def test_missing_wandb_says_how_to_install_it(config, monkeypatch, capsys):
    from gensample.training import cli as train

    def missing(**kwargs):
        raise ModuleNotFoundError("wandb")

    monkeypatch.setattr(train, "WandbLogger", missing)
    assert main(["fit", "--config", str(config), "--wandb", "offline"]) == 2
    assert "gensample[wandb]" in capsys.readouterr().err


# Standard streams


def in_shell(command):
    """A shell command in which `gensample` is this interpreter's; returns what bash saw."""
    function = f'gensample() {{ "{sys.executable}" -m gensample "$@"; }}'
    return subprocess.run(
        ["bash", "-c", f"{function}; {command}"], capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize(
    ("where", "reason"), [("> /dev/full", "No space left on device"), (">&-", "it is closed")]
)
def test_a_table_that_nobody_can_read_is_an_error(where, reason):
    out = in_shell(f"gensample --help {where}")
    assert out.returncode == 2
    assert (
        out.stderr == f"gensample: error: standard output cannot be written: {out.stderr.split(': ', 3)[3]}"
    )
    assert reason in out.stderr


def test_messages_that_nobody_reads_change_no_exit_code():
    assert in_shell("gensample --version 2>&-").returncode == 0
    assert in_shell("gensample smaple 2>&-").returncode == 2
    assert in_shell("gensample smaple 2> /dev/full").returncode == 2


def test_work_goes_on_when_its_reader_has_left(command, monkeypatch, tmp_path):
    read, written = os.pipe()
    os.close(read)
    done = tmp_path / "done"

    def run(args):
        for stream in (sys.stderr, sys.stdout):
            print("x" * 100_000, file=stream, flush=True)
        done.touch()

    command(run)
    with os.fdopen(written, "w") as gone:
        monkeypatch.setattr(sys, "stdout", gone)
        monkeypatch.setattr(sys, "stderr", gone)
        assert main(["toy"]) == 0
    assert done.exists()


def test_both_streams_are_given_back(command):
    before = sys.stdout, sys.stderr
    command(fail(DataError("bad")))
    main(["toy"])
    assert (sys.stdout, sys.stderr) == before


@pytest.mark.parametrize("text", ["\x1b]0;title\x07", "\x1b[31mRED", "a\x9b31m", "\u202ered", "\x00"])
def test_foreign_text_reaches_no_terminal(command, capsys, text):
    command(lambda args: print(f"from {text}\nvalid"))
    assert main(["toy"]) == 0
    assert capsys.readouterr().out == f"from {printable(text)}\nvalid\n"
    command(fail(DataError(f"the source {text} is foreign")))
    assert main(["toy"]) == 2
    assert printable(text) in one_line(capsys.readouterr())


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_signs_that_a_terminal_lacks_are_spelt(command, capsys, monkeypatch, encoding):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    command(lambda args: print("χ₄ within"))
    assert main(["toy"]) == 0
    assert raw.getvalue() == b"chi4 within\n"


def test_a_signal_to_end_runs_what_cleans_up(command, capsys):
    cleaned = []

    def run(args):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)
        except KeyboardInterrupt:
            cleaned.append(True)
            raise

    before = signal.getsignal(signal.SIGTERM)
    command(run)
    assert main(["toy"]) == 143
    assert cleaned == [True]
    assert one_line(capsys.readouterr()) == "gensample: terminated"
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize("word", ["\0", "\udcff.h5"])
def test_words_that_are_no_text_are_refused(capsys, word):
    assert main(["info", word]) == 2
    assert "is no text" in one_line(capsys.readouterr())


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")]
)
def test_a_full_memory_is_no_bug(command, capsys, error):
    command(fail(error))
    assert main(["toy"]) == 2
    assert "out of memory" in one_line(capsys.readouterr())
