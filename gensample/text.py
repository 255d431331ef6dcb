"""Foreign text on its way to a terminal, a log or a file, and signs that a terminal cannot show."""

from __future__ import annotations

import codecs
import re
import unicodedata

# What has neither a Greek name nor a decomposition.
PLAIN = {
    **{"−": "-", "±": "+-", "×": "x", "·": ".", "≤": "<=", "≥": ">=", "≈": "~", "∞": "inf", "→": "->"},
    **{"–": "-", "—": "-", "…": "...", "⟨": "<", "⟩": ">", "✓": "yes", "✗": "no"},
}
PLAIN_ERRORS = "gensample-plain"
HEADER = re.compile(r"---\n(.*?\n)---\n\n?", re.DOTALL)
LINK = re.compile(r"\s*\(\[[^]]*\]\([^)]*\)\)|\[([^]]*)\]\([^)]*\)")


def printable(text: str) -> str:
    r"""``text`` on one line: line breaks, control and formatting characters become ``\n``, ``\x1b``, ..."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def without_header(card: str) -> tuple[str, str]:
    """The words of a card, and the yaml of the header that may lead it."""
    found = HEADER.match(card)
    return (card[found.end() :], found[1]) if found else (card, "")


def first_paragraph(card: str) -> str:
    """The first paragraph of the card of a model, without marks, on one line."""
    words, _ = without_header(card)
    paragraphs = [part for part in words.split("\n\n") if part.strip() and not part.startswith("#")]
    return " ".join(LINK.sub(r"\1", paragraphs[0]).replace("`", "").split()) if paragraphs else "no card"


def harmless(text: str) -> str:
    """``text`` as `printable` has it, but on its lines."""
    return text if text.isprintable() else "\n".join(map(printable, text.split("\n")))


def in_ascii(character: str) -> str:
    """A character in ASCII: chi for χ, 4 for ₄, else its escape."""
    if character in PLAIN:
        return PLAIN[character]
    kind, _, letter = unicodedata.name(character, "").rpartition(" LETTER ")
    if kind.startswith("GREEK"):
        return letter.split()[0].lower() if "SMALL" in kind else letter.split()[0].capitalize()
    parts = unicodedata.normalize("NFKD", character)
    ascii_ = "".join(PLAIN.get(c, c) for c in parts if not unicodedata.combining(c))
    return ascii_ if ascii_.isascii() else character.encode("unicode_escape").decode()


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(in_ascii, error.object[error.start : error.end])), error.end


codecs.register_error(PLAIN_ERRORS, _replace)
