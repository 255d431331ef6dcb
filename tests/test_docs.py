"""docs/: pages that lead a newcomer are run as they stand, commands of all parse, options are listed."""

import dataclasses
import re
from pathlib import Path

import matplotlib
import pytest
from pages import blocks, command_lines, run

import gensample as gs
from gensample.cli import COMMANDS, build_parser, command_of
from gensample.commands.sample import SampleSettings

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
RUN = ("index.md", "nouns.md", "your-data.md")
COMMAND_LINES = [
    (page.name, words[1:])
    for page in sorted(DOCS.glob("*.md"))
    for block in blocks(page.read_text(), "bash")
    for words in command_lines(block.text)
    if words[0] == "gensample" and page.name not in RUN
    if not any(word.startswith("$") for word in words)  # variables that a shell fills
]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Where a page runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(matplotlib.rcParams, "backend", "agg")
    return tmp_path


def page_runs(name):
    return run((DOCS / name).read_text(), name)


def test_start_here(place, capsys):
    found = page_runs("index.md")
    assert "χ₄ within a configuration" in capsys.readouterr().out
    assert (place / "first.png").stat().st_size > 10_000
    assert (place / "report" / "index.html").is_file()
    assert found["drawn"].displacements.shape == (12, 4, 1, 500, 2)
    assert found["result"]["A", 100.0]["pearson"].generated.value > 0.5


def test_the_four_nouns(place):
    found = page_runs("nouns.md")
    assert found["mu"].shape == found["few"].propensity.shape == (2, 500, 3)
    assert found["drawn"].displacements.shape == (2, 4, 1, 500, 2)


def test_your_own_data(place, capsys):
    found = page_runs("your-data.md")
    assert (place / "propensity.png").stat().st_size > 10_000
    names = {name: gs.open_dataset(f"{name}.h5").mixture for name in ("mine", "named", "unknown")}
    assert names == {"mine": "ka2d", "named": "liquid", "unknown": "unknown"}
    assert found["simulated"].replicas.tolist() == [4, 4]
    assert found["mu"].shape == (1, 500, 3)


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_a_block_says_what_it_is_and_why_it_is_not_run(page):
    text = page.read_text()
    assert len(blocks(text)) == text.count("```") / 2
    for block in blocks(text):
        assert block.language in ("bash", "python", "yaml", "text", "")
        assert block.reason is None or len(block.reason) > 5


@pytest.mark.parametrize(
    ("page", "words"), COMMAND_LINES, ids=lambda part: part if isinstance(part, str) else " ".join(part)
)
def test_command_lines_parse(page, words):
    if (command := command_of(words)).settings:
        build_parser(words[0], command).parse_intermixed_args(words[1:])


class TestCommands:
    """docs/commands.md, where the site has the options of every command."""

    text = (DOCS / "commands.md").read_text()

    def test_every_command_is_there(self):
        table = set(re.findall(r"\[`(\w+)`\]\(#(\w+)\)", self.text))
        asked = re.findall(
            r"^### (\w+)$(?:(?!^#).)*?^<!-- options: (\w+) -->$", self.text, re.MULTILINE | re.DOTALL
        )
        assert table == {(name, name) for name in COMMANDS}
        assert sorted(asked) == sorted(table)

    def test_every_option_is_listed(self):
        pytest.importorskip("mkdocs", reason="pip install 'gensample[docs]'")
        pytest.importorskip("jupytext", reason="pip install 'gensample[docs]'")
        found = load_site().options("sample")
        for field in dataclasses.fields(SampleSettings):
            assert f"`--{field.name.replace('_', '-')} " in found or field.name in ("model", "force")
        assert "| `MODEL` | required | name of a released model" in found
        assert "| `--replicas REPLICAS` | `32` | fields per configuration and lag (32) |" in found
        assert "Of displacement fields:" in found


def load_site():
    import importlib.util

    spec = importlib.util.spec_from_file_location("docs_site", ROOT / "scripts" / "docs_site.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pictures_are_small():
    sizes = {path: path.stat().st_size for path in DOCS.glob("images/**/*.png") if path.name != "front.png"}
    assert [path.name for path, size in sizes.items() if size > 80_000] == []
