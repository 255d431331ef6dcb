"""Code blocks of Markdown pages, and a place to run those of a page in, in their order."""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

from gensample.cli import main

BLOCK = re.compile(r"(?:^<!-- not run: ([^\n]+) -->\n)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"# (\S+\.\w+)\n")


class Block(NamedTuple):
    """``reason``: why it is not run, None where it is."""

    reason: str | None
    language: str
    text: str


def blocks(text, *languages):
    """All of a page, or those of some languages."""
    found = [Block(reason or None, language, code) for reason, language, code in BLOCK.findall(text)]
    return [each for each in found if not languages or each.language in languages]


def command_lines(text):
    """The words of each line of a bash block; what a shell writes to a file is left out."""
    lines = [shlex.split(line, comments=True) for line in text.replace("\\\n", " ").splitlines()]
    return [line[: line.index(">")] if ">" in line else line for line in lines if line]


def run(text, name):
    """Run a page in the working directory: yaml with a name is written, commands and Python are run.

    Python blocks see what those before them have made; that is returned.
    """
    found = {}
    for block in blocks(text, "bash", "python", "yaml"):
        if block.reason is not None:
            continue
        if block.language == "python":
            exec(compile(block.text, name, "exec"), found)
        elif block.language == "bash":
            for words in command_lines(block.text):
                assert words[0] == "gensample", f"{name}: mark it as not run: {shlex.join(words)}"
                assert main(words[1:]) == 0, shlex.join(words)
        elif file := NAMED.match(block.text):
            Path(file[1]).write_text(block.text)
    return found
