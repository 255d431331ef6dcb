import io

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
