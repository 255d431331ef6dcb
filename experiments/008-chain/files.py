"""Names of the sets, of the sources of their dynamics, and of the files in between."""

from dataclasses import dataclass
from pathlib import Path

from gensample.errors import ConfigError

SETS = ("test", "generated", "control")
CHAINED = ("generated", "control")
"""Sets whose dynamics are run here; those of the test set are the reference's own."""
SOURCES = ("BOTAN", "generator", "LAMMPS")
STARTS = {"at once": "lammps", "relaxed": "relaxed"}


@dataclass(frozen=True)
class Files:
    """Where everything lies."""

    folder: Path

    def set(self, name: str) -> Path:
        """Configurations with inherent structures."""
        return self.folder / f"{name}.h5"

    def generator(self, name: str) -> Path:
        """Displacements drawn for a set."""
        return self.folder / f"{name}-generator.h5"

    def lammps(self, name: str, start: str = "at once") -> Path:
        """Displacements simulated from a set; test.h5 holds those of the test set."""
        return self.folder / f"{name}-{STARTS[start]}.h5" if name in CHAINED else self.set(name)

    def frames(self, name: str, start: str) -> Path:
        """Configurations along the runs of `lammps`."""
        return self.folder / f"{name}-{STARTS[start]}-frames.h5"

    def runs(self) -> list[tuple[str, str]]:
        """All pairs of a set and a start that are simulated."""
        return [("test", "at once"), *((name, start) for name in CHAINED for start in STARTS)]


def need(path: Path, step: str) -> Path:
    """The path, or one line that says which step makes it."""
    if not path.exists():
        raise ConfigError(f"{path} is missing: run the step `{step}` first (--only {step})")
    return path
