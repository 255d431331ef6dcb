import pytest

from gensample.data.domain import check_domain, check_lags, domain_of, read_domain
from gensample.data.store import Store
from gensample.errors import ConfigError
from tests.synthetic import LAGS, write_dataset

DOMAIN = {
    "mixture": "ka2d",
    "truncation": "force-shift",
    "density": 1.2,
    "temperatures": [0.5, 0.8],
    "lag_times": [1.0, 10.0],
}


def check(served, force=False):
    return check_domain("model", DOMAIN, "data.h5", served, force=force)


@pytest.mark.parametrize(
    "served",
    [
        DOMAIN,
        {"temperatures": [0.5]},
        {"temperatures": [0.65]},
        {"density": 1.19999},
        DOMAIN | {"lag_times": [3.0]},
        {},
    ],
)
def test_data_within_the_domain_pass(served):
    assert check(served) == ""


@pytest.mark.parametrize(
    ("served", "text"),
    [
        ({"temperatures": [0.5, 0.45]}, "temperature 0.45, trained on 0.5 to 0.8"),
        ({"temperatures": [1.0]}, "temperature 1, trained"),
        ({"mixture": "ka3d"}, "mixture ka3d, trained on ka2d"),
        ({"truncation": "shift"}, "truncation shift, trained on force-shift"),
        ({"density": 1.19}, "density 1.19, trained on 1.2"),
    ],
)
def test_data_outside_are_refused_or_said(served, text, caplog):
    with pytest.raises(ConfigError, match=text):
        check(served)
    assert not caplog.records
    assert text in check(served, force=True)
    assert text in caplog.text


def test_an_unknown_domain_is_said(caplog):
    assert check_domain("model", {}, "data.h5", DOMAIN, force=False) == "unknown"
    assert "model does not record its domain" in caplog.text


def test_the_domain_of_a_dataset_is_plain(tmp_path):
    with Store.open(write_dataset(tmp_path / "data.h5")) as store:
        found = domain_of(store, lags=LAGS)
    assert read_domain(found) == found
    assert (found["mixture"], found["temperatures"], found["lag_times"]) == ("ka2d", [0.45], list(LAGS))


@pytest.mark.parametrize(
    "given",
    [
        *([1], "ka2d", {"colour": 1}, {"mixture": 1}, {"density": "1.2"}, {"density": float("nan")}),
        *({"temperatures": []}, {"temperatures": "cold"}, {"lag_times": [None]}, {"lag_times": 1.0}),
    ],
)
def test_a_damaged_domain_is_refused(given):
    with pytest.raises(ConfigError, match=r"model\.domain"):
        read_domain(given)


@pytest.mark.parametrize("served", [[1.0], [1.0, 20.0], [10.0, 1.0]])
def test_columns_of_other_lag_times_are_refused(served):
    with pytest.raises(ConfigError, match="trained at lag times"):
        check_lags([1.0, 10.0], served, "model")
    check_lags([1.0, 10.0], [1.0, 10.00001], "model")
    check_lags(None, served, "model")
