"""`gensample datasets`: the datasets that have a name, and what each holds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Datasets:
    """The words of the command; there are none."""

    def run(self) -> None:
        """Print them, one a line; where those outside the package were looked for."""
        from gensample.data.catalog import EMBEDDED, KEPT, places
        from gensample.data.store import Store
        from gensample.data.summary import describe_briefly
        from gensample.errors import DataError
        from gensample.text import printable

        names = sorted({*EMBEDDED, *KEPT})
        width = max(map(len, names))
        for name in names:
            try:
                with Store.open(name) as store:
                    text = describe_briefly(store) + (f"  {store.path}" if name in KEPT else "")
            except DataError as error:
                looked = " and ".join(str(place) for place in places(name)) if name in KEPT else ""
                text = f"not usable{f' (looked for at {looked})' if looked else ''}: {error}"
            print(printable(f"{name:<{width}}  {text}"))
        print(f"{len(names)} datasets; `gensample info NAME` says more of one")
