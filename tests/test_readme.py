"""The README's code runs: its command lines parse, its Python is executed, its links lead somewhere.

So do the command lines of docs/commands.md, where the commands are that the README has no room for.
"""

import re
import shlex
from pathlib import Path

import pytest

from gensample.cli import COMMANDS, build_parser, command_of, main

ROOT = Path(__file__).resolve().parent.parent
README, MORE = ((ROOT / name).read_text() for name in ("README.md", "docs/commands.md"))


def blocks(language, text=README):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def command_lines(text):
    return [
        shlex.split(line, comments=True)
        for block in blocks("bash", text)
        for line in block.replace("\\\n", " ").splitlines()
        if line.strip() and not line.startswith("#")
    ]


COMMAND_LINES = command_lines(README)
# What a shell writes to a file, `>`, is none of our words.
GENSAMPLE = [
    words[1 : words.index(">") if ">" in words else None]
    for words in (*COMMAND_LINES, *command_lines(MORE))
    if words[0] == "gensample"
]


def test_every_command_is_shown_or_a_sibling_is():
    shown = {words[0] for words in GENSAMPLE}
    assert {COMMANDS[name].module for name in shown} == {command.module for command in COMMANDS.values()}


@pytest.mark.parametrize("words", GENSAMPLE, ids=" ".join)
def test_command_lines_parse(words, monkeypatch):
    monkeypatch.chdir(ROOT)
    if (command := command_of(words)).settings:
        build_parser(words[0], command).parse_intermixed_args(words[1:])
        return
    config = words[words.index("--config") + 1] if "--config" in words else ""
    if config.startswith("runs/"):  # written by the line above it
        pytest.skip(f"{config} exists after the fit only")
    assert main([*words, "--print_config"]) == 0


def test_make_targets_exist():
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    asked = [words[1] for words in COMMAND_LINES if words[0] == "make"]
    assert {"demo", "test"} <= set(asked) <= set(targets)


def test_nothing_else_is_shown():
    assert {words[0] for words in COMMAND_LINES} == {"make", "gensample"}


@pytest.mark.parametrize("code", blocks("python"))
def test_python_runs(code, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    found = {}
    exec(compile(code, "README.md", "exec"), found)
    assert "Propensity, Pearson" in capsys.readouterr().out
    assert (tmp_path / "report" / "index.html").is_file()
    assert found["mu"].shape == (2, 500, 3)
    assert found["u"].shape == (1, 4, 3, 500, 2)


def test_at_most_120_lines():
    assert len(README.splitlines()) <= 120


@pytest.mark.parametrize("target", re.findall(r"\]\((?!http)(.*?)\)", README))
def test_links_lead_somewhere(target):
    assert (ROOT / target).exists()
