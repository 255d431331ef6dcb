"""`gensample datasets`: the datasets that have a name, and what each holds."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gensample.data.store import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """There are none."""


def run(args: argparse.Namespace) -> None:
    """Print them, one a line; where those outside the package were looked for."""
    from gensample.data.catalog import EMBEDDED, KEPT, places
    from gensample.data.store import Store
    from gensample.errors import DataError
    from gensample.text import printable

    names = sorted({*EMBEDDED, *KEPT})
    width = max(map(len, names))
    for name in names:
        try:
            with Store.open(name) as store:
                text = describe(store) + (f"  {store.path}" if name in KEPT else "")
        except DataError as error:
            looked = " and ".join(str(place) for place in places(name)) if name in KEPT else ""
            text = f"not usable{f' (looked for at {looked})' if looked else ''}: {error}"
        print(printable(f"{name:<{width}}  {text}"))
    print(f"{len(names)} datasets; `gensample info NAME` says more of one")


def describe(store: Store) -> str:
    """Size, temperatures, lag times or strains, and splits."""
    from gensample.data.shear_group import is_sheared

    temperatures = sorted({round(float(t), 10) for t in store.temperature})
    axis = "strain" if is_sheared(store) else "t"
    found = Counter(store.split.tolist())
    splits = ", ".join(f"{name} {found[name]}" for name in ("train", "val", "test") if name in found)
    parts = [
        f"{store.mixture}, N = {store.num_particles}, d = {store.dimension}",
        f"T = {_listed(temperatures)}",
        f"{axis} = {_listed(store.times.tolist())}" if len(store.times) else "no dynamics",
        splits,
    ]
    return "; ".join(parts)


def _listed(values: list[float]) -> str:
    """Numbers, of many the first and the last."""
    shown = [f"{value:g}" for value in values]
    return ", ".join(shown if len(shown) <= 6 else [*shown[:2], "...", shown[-1]])
