"""`gensample models`: the released models, without loading any."""

from __future__ import annotations

import argparse
import textwrap

WIDTH = 100  # of what a model is for


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """There are none."""


def run(args: argparse.Namespace) -> None:
    """Print name, kind and purpose of each, one a line."""
    from gensample import zoo
    from gensample.text import printable

    names = zoo.names()
    width = max(map(len, names), default=0)
    for name in names:
        kind = zoo.class_of(name).rpartition(".")[2]
        purpose = textwrap.shorten(zoo.purpose(name), WIDTH, placeholder=" ...")
        print(printable(f"{name:<{width}}  {kind:<17}  {purpose}"))
    print(f"{len(names)} released models; `gensample info NAME` says more of one")
