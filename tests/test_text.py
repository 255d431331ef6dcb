import ast
import io
from pathlib import Path

import pytest

from gensample import text


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("ka2d, T = 0.45 (χ₄)", "ka2d, T = 0.45 (χ₄)"),
        ("\x1b[31mRED\nvalid\r\t", r"\x1b[31mRED\nvalid\r\t"),
        ("\x9b31m \x07 \x7f \0", r"\x9b31m \x07 \x7f \x00"),
        ("a\u202eb\u2028c\u200bd\udc80", r"a\u202eb\u2028c\u200bd\udc80"),
    ],
)
def test_printable_text_stays_on_its_line(given: str, shown: str) -> None:
    assert text.printable(given) == shown


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "utf-8"])
def test_a_terminal_shows_what_it_can(encoding: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors=text.PLAIN_ERRORS)
    stream.write("χ₄ 10⁻⁴ σ_AB ± Δ ✓ ▲")
    stream.flush()
    shown = raw.getvalue().decode(encoding)
    if encoding == "ascii":
        assert shown == r"chi4 10-4 sigma_AB +- Delta yes \u25b2"
    elif encoding == "latin-1":
        assert shown == r"chi4 10-4 sigma_AB ± Delta yes \u25b2"
    else:
        assert "AB ± Δ" in shown.replace("Delta", "Δ")


def test_only_encoding_has_a_fallback() -> None:
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("utf-8", errors=text.PLAIN_ERRORS)


def calls_without_encoding(path: Path) -> list[ast.Call]:
    """Calls that open a file of text as the locale has it."""
    calls = [
        node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)
    ]
    return [call for call in calls if opens_text(call) and "encoding" not in {k.arg for k in call.keywords}]


def opens_text(call: ast.Call) -> bool:
    """Of pathlib and the built-in: with a mode that is text."""
    if isinstance(call.func, ast.Attribute):
        modes, text_only = call.args[:1], call.func.attr in ("read_text", "write_text")
    else:
        modes, text_only = call.args[1:2], False
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    is_mode = [isinstance(m, ast.Constant) and str(m.value).strip("+") in ("r", "w", "a", "x") for m in modes]
    return text_only or (name == "open" and any(is_mode))


def test_files_of_text_do_not_depend_on_the_locale() -> None:
    paths = sorted(Path(text.__file__).parent.rglob("*.py"))
    found = [(str(path), call.lineno) for path in paths for call in calls_without_encoding(path)]
    assert found == []
