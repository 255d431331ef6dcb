import pytest
from matplotlib.figure import Figure

from gensample.comparison import tables as pages
from gensample.comparison.result import Comparison
from gensample.comparison.tables import page_of
from gensample.errors import ConfigError, DataError
from gensample.report import page
from gensample.report.page import Picture

METRICS = Comparison({"meta": {"configurations": 1}, "lags": []})


@pytest.fixture
def without_figures(monkeypatch):
    monkeypatch.setattr(pages, "all_plates", lambda content: iter(()))


@pytest.mark.usefixtures("without_figures")
def test_an_earlier_report_is_replaced_and_nothing_else(tmp_path):
    folder = tmp_path / "report"
    METRICS.write(folder)
    page = Comparison({"meta": {"created": "later"}, "lags": []}).write(folder)
    assert "later" in page.read_text()
    (folder / "weights.safetensors").touch()
    with pytest.raises(ConfigError, match="not a report alone"):
        METRICS.write(folder)
    assert "later" in page.read_text()


@pytest.mark.parametrize("names", [["metrics.json"], ["thesis.tex"], ["index.html"]])
def test_a_folder_that_is_no_report_is_refused(tmp_path, names):
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(ConfigError, match="choose another --out"):
        page.check_target(tmp_path)


def test_a_file_is_refused_and_an_empty_folder_taken(tmp_path):
    page.check_target(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="is a file"):
        page.check_target(tmp_path / "file")


def test_a_failure_leaves_the_old_report_and_no_debris(tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "all_plates", lambda content: iter(()))
    folder = tmp_path / "report"
    page = METRICS.write(folder)
    before = page.read_text()

    def broken(content):
        raise RuntimeError("a figure failed")

    monkeypatch.setattr(pages, "all_plates", broken)
    with pytest.raises(RuntimeError, match="a figure failed"):
        Comparison({"meta": {"created": "later"}, "lags": []}).write(folder)
    assert [p.name for p in tmp_path.iterdir()] == ["report"]
    assert page.read_text() == before


def test_json_has_null_for_what_is_not_finite():
    assert page.json_ready({"a": [float("nan"), 1.0], "b": (float("inf"),)}) == {
        "a": [None, 1.0],
        "b": [None],
    }


@pytest.mark.parametrize("content", ["", "[1]", '{"lags": 3}'])
def test_other_files_are_no_metrics(tmp_path, content):
    path = tmp_path / "metrics.json"
    path.write_text(content)
    with pytest.raises(DataError, match=r"metrics\.json"):
        Comparison.load(path)


def test_names_and_captions_are_escaped():
    meta = {"configurations": 3, "generated": {"name": "<script>alert(1)</script>"}}
    text = page_of(
        Comparison({"meta": meta, "lags": []}),
        [Picture("p", "a < b", "x & y", b"<svg/>")],
        ["curves/a&b.csv"],
    )
    assert "<script" not in text
    assert "a &lt; b" in text
    assert "curves/a&amp;b.csv" in text


@pytest.mark.parametrize(
    ("count", "words"), [(1, "One configuration only"), (3, "indicative"), (12, "12 configurations")]
)
def test_the_page_says_how_far_intervals_reach(count, words):
    text = page_of(Comparison({"meta": {"configurations": count, "bootstrap": 5}, "lags": []}), [], [])
    assert words in text
    assert ("indicative" in text) == (count == 3)


def test_same_figure_same_bytes():
    def svg():
        figure = Figure()
        figure.subplots().plot([0, 1], [1, 0])
        with page.look():
            return page.to_svg(figure)

    assert svg() == svg()
