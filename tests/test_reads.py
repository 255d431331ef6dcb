import json
from dataclasses import replace

import pytest

from gensample.data.store import Store, domain_of
from gensample.errors import ConfigError
from gensample.physics.mixtures import Mixture
from gensample.reads import Reads, check_domain, check_lags, differences, read_domain, reads_from
from gensample.zoo import load_model
from tests.synthetic import LAGS, write_dataset

DOMAIN = {
    "mixture": "ka2d",
    "truncation": "force-shift",
    "density": 1.2,
    "temperatures": [0.5, 0.8],
    "lag_times": [1.0, 10.0],
}

OWN = Mixture.from_values({"like": "ka2d"}, "mine").plain
"""The same liquid by another name."""


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
        {"mixture": OWN},
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
        ({"mixture": OWN | {"sigma": 1.0}}, "mixture mine, trained on ka2d"),
        ({"mixture": Mixture.unknown([65, 35], 2, 1.2).plain}, "mixture unknown, trained on ka2d"),
    ],
)
def test_data_outside_are_refused_or_said(served, text, caplog):
    with pytest.raises(ConfigError, match=text):
        check(served)
    assert not caplog.records
    assert text in check(served, force=True)
    assert text in caplog.text


def test_mixtures_of_one_name_are_told_apart_by_their_values():
    soft = {"name": "mine", "dimension": 2, "composition": [1, 1], "density": 1.0, "sigma": [1.0, 1.4]}
    mine, other = (Mixture.from_values(soft | more).plain for more in ({}, {"masses": [1, 2]}))
    assert differences({"mixture": mine}, {"mixture": other}) == [
        "mixture mine, trained on mine of other masses"
    ]
    assert differences({"mixture": mine}, {"mixture": "mine"}) == []  # models that kept the name alone
    unknown = [Mixture.unknown(counts, 2, 1.0).plain for counts in ([50, 50], [101, 100], [80, 20])]
    assert differences({"mixture": unknown[0]}, {"mixture": unknown[1]}) == []
    assert "composition" in differences({"mixture": unknown[0]}, {"mixture": unknown[2]})[0]


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
        *([1], "ka2d", {"colour": 1}, {"mixture": 1}, {"mixture": {"name": "x"}}, {"density": "1.2"}),
        *({"density": float("nan")}, {"temperatures": []}, {"temperatures": "cold"}),
        *({"lag_times": [None]}, {"lag_times": 1.0}),
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


def test_reads_come_back_from_plain_values():
    reads = Reads("inherent", 1.6, ("invariants", "probe"), 20, ((0.6, 2.0),), (1.0, 10.0), domain=DOMAIN)
    assert Reads.read(json.loads(json.dumps(reads.plain()))) == reads


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("input", "hot"), ("cutoff", -1), ("descriptors", "invariants"), ("descriptors", [1])),
        *(("columns", "many"), ("levels", [0.6, 2.0]), ("levels", [[0.6, -2.0]]), ("lags", 1.0)),
        *(("quantity", "speed"), ("species", 0), ("dimension", 4), ("domain", [1]), ("colour", 1)),
    ],
)
def test_reads_that_cannot_be_are_refused(name, value):
    with pytest.raises(ConfigError, match=r"model\.(reads|domain)"):
        Reads.read({name: value})


def test_older_settings_say_what_a_model_reads():
    model = {"lag_times": [1.0], "num_species": 2, "dimension": 2, "cutoff": 1.6, "input": "inherent"}
    assert reads_from(model | {"descriptors": 520}, {}) == Reads(
        "inherent", 1.6, ("invariants",), 520, lags=(1.0,), species=2, dimension=2
    )
    network = {"network": {"class_path": "gensample.nn.botan.Botan", "init_args": {"dimension": 2}}}
    data = {"input": "cage", "cutoff": 2.0, "lags": [10.0, 1.0], "cage_vectors": False}
    found = reads_from(network, data)
    assert (found.dimension, found.lags, found.cage_vectors) == (2, (1.0, 10.0), False)
    assert reads_from(network, data, lags=[3.0]).lags == (3.0,)


def test_data_are_served_as_they_were_read_or_refused(tmp_path):
    path = write_dataset(tmp_path / "data.h5")
    reads = Reads(cutoff=1.5, species=2, dimension=2, domain={"mixture": "ka2d", "temperatures": [0.45]})
    module = reads.open(path, "test")
    assert (module.settings.cutoff, module.settings.target, module.outside) == (1.5, "structure", "")
    assert module.batch(module.rows("test")).num_graphs == len(module.rows("test"))
    with pytest.raises(ConfigError, match="species 3, not 2"):
        replace(reads, species=3).open(path)
    with pytest.raises(ConfigError, match=r"temperature 0\.45, trained on"):
        replace(reads, domain=DOMAIN).open(path)
    assert "temperature" in replace(reads, domain=DOMAIN).open(path, force=True).outside


def test_a_predictor_says_that_it_draws_nothing():
    with pytest.raises(ConfigError, match="predicts propensities"):
        load_model("ka2d-mini-botan").sample("ka2d-mini", replicas=2)
