"""Hooks of mkdocs.yml: pages from all over the repository, links between them, tables of options.

Pages in docs/ are plain Markdown whose links hold in the repository; the site is made of the same files.
"""

import dataclasses
import importlib
import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import MISSING
from pathlib import Path
from typing import Any

import jupytext
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from gensample.cli import COMMANDS
from gensample.commands.train import FitGenerator
from gensample.training.page import help_page

ROOT = Path(__file__).resolve().parent.parent
DOCS = "docs/"
BROUGHT = (
    *("CHANGELOG.md", "CONTRIBUTING.md"),
    *("benchmarks/README.md", "configs/README.md", "datasets/README.md", "gensample/data/embedded/README.md"),
    *("models/README.md", "models/*/README.md", "experiments/README.md", "experiments/*/*.md"),
    *("experiments/*/*.png", "experiments/*/*.svg"),
)
"""What the site shows beside docs/, in a folder of its own."""
BESIDE = "repository/"
INDEX = ("", "/README.md")
HOMES = {"README.md": "index.md"}
"""Files of the repository in whose place the site has another page."""
FENCED = re.compile(r"(^ *```.*?^ *```$)", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[([^][]*)\]\((?![a-z]+:|#)([^)#\s]+)(#[^)\s]*)?\)")
OPTIONS = re.compile(r"<!-- options: (\w+) -->")


def on_config(config: MkDocsConfig) -> None:
    """Put the files in the place of patterns in the navigation."""
    config.nav = list(_expanded(config.nav or []))


def _expanded(nav: Iterable[Any]) -> Iterator[Any]:
    for each in nav:
        if isinstance(each, dict):
            yield {title: list(_expanded(of)) if isinstance(of, list) else of for title, of in each.items()}
        elif "*" in each:
            yield from (BESIDE + path for path in _found(each.removeprefix(BESIDE)))
        else:
            yield each


def _found(pattern: str) -> list[str]:
    return sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob(pattern))


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Bring in what is kept beside docs/, and a page of each tutorial."""
    for pattern in BROUGHT:
        for path in _found(pattern):
            files.append(File.generated(config, BESIDE + path, abs_src_path=str(ROOT / path)))
    for path in _found("docs/tutorials/*.py"):
        page = path.removeprefix(DOCS).removesuffix(".py") + ".md"
        files.append(File.generated(config, page, content=_tutorial(path)))


def _tutorial(path: str) -> str:
    """A notebook that is kept as a script, as Markdown; without what it prints."""
    text = jupytext.writes(jupytext.read(ROOT / path), fmt="md")
    page = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL).strip()
    title, _, rest = page.partition("\n")
    name = posixpath.basename(path)
    # As html: a link of ours to a tutorial leads to its page.
    script = f"<a href='../{name}'>{name}</a>"
    told = f"The script {script}; `jupytext --to ipynb {name}` makes a notebook of it. A test runs it."
    return f"{title}\n\n{told}\n{rest}\n"


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links as the site has them, and tables of options where a page asks for them."""
    uri = page.file.src_uri
    here = posixpath.dirname(uri)
    folder = posixpath.dirname(uri.removeprefix(BESIDE) if uri.startswith(BESIDE) else DOCS + uri)

    def link(match: re.Match[str]) -> str:
        text, target, anchor = match.groups()
        path = posixpath.normpath(posixpath.join(folder, target))
        found = _on_site(path, files)
        if found is not None:
            return f"[{text}]({posixpath.relpath(found, here or '.')}{anchor or ''})"
        if not (ROOT / path).exists():
            return match[0]  # mkdocs says what is wrong with it
        return f"[{text}]({config.repo_url}/blob/main/{path})" if config.repo_url else text

    parts = FENCED.split(markdown)
    parts[::2] = [LINK.sub(link, part) for part in parts[::2]]
    return OPTIONS.sub(lambda match: options(match[1]), "".join(parts))


def _on_site(path: str, files: Files) -> str | None:
    """Where the site has a file or a folder of the repository."""
    for name in (re.sub(r"^(docs/tutorials/\w+)\.py$", r"\1.md", path) + index for index in INDEX):
        uri = HOMES.get(name) or (name.removeprefix(DOCS) if name.startswith(DOCS) else BESIDE + name)
        if files.get_file_from_path(uri) is not None:
            return uri
    return None


def options(command: str) -> str:
    """Tables of the words and options of a command, made from its settings; what `fit` says of itself."""
    at = COMMANDS[command]
    if at.settings:
        home = importlib.import_module(f"gensample.commands.{at.module}")
        return "\n\n".join(_tables(getattr(home, at.settings)))
    shown = f"```text\n{help_page(command)}\n```"
    if command != "fit":
        return shown
    return "\n\n".join(
        [shown, "`gensample fit heated` and `gensample fit harmonic`:", *_tables(FitGenerator)]
    )


def _tables(settings: Any) -> Iterator[str]:
    """A table of each group of options."""
    fields = dataclasses.fields(settings)
    for group in dict.fromkeys(each.metadata.get("group") for each in fields):
        rows = [_row(each) for each in fields if each.metadata.get("group") == group]
        head = [*([f"Of {group}:", ""] if group else []), "| option | default | meaning |", "|---|---|---|"]
        yield "\n".join([*head, *rows])


def _row(field: "dataclasses.Field[Any]") -> str:
    cells = (f"`{_name(field)}`", _default(field), field.metadata["help"])
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _name(field: "dataclasses.Field[Any]") -> str:
    """The option as it is typed, with what follows it."""
    about, flag = field.metadata, "--" + field.name.replace("_", "-")
    if about.get("switch"):
        return flag
    value = about.get("metavar") or "|".join(about.get("choices") or ()) or field.name.upper()
    many = " ..." if about.get("nargs") else ""
    return f"{value if about.get('word') else f'{flag} {value}'}{many}"


def _default(field: "dataclasses.Field[Any]") -> str:
    if field.default is MISSING:
        return "required"
    return "" if field.default in (None, False, ()) else f"`{field.default}`"
