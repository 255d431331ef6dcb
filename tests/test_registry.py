import pytest
from torch import nn

from gensample import registry
from gensample.errors import ConfigError

BOTAN = "gensample.nn.botan.Botan"


@pytest.mark.parametrize("kind", ["TASKS", "NETWORKS", "GENERATORS", "DATA", "TRAINER"])
def test_every_registered_class_is_there(kind):
    for path in getattr(registry, kind):
        module, _, name = path.rpartition(".")
        assert isinstance(getattr(__import__(module, fromlist=[name]), name), type)


def test_trees_are_built_and_plain_values_come_back():
    spec = {"class_path": BOTAN, "init_args": {"width": 4, "steps": 1}}
    assert isinstance(registry.build(spec, registry.NETWORKS), nn.Module)
    assert registry.build(5, registry.NETWORKS) == 5


@pytest.mark.parametrize("init_args", [{"width": "wide"}, {"width": -1}, {"colour": 1}, [4], "text"])
def test_settings_of_the_wrong_kind_are_config_errors(init_args):
    with pytest.raises(ConfigError, match=r"Botan|model\.network\.width"):
        registry.build({"class_path": BOTAN, "init_args": init_args}, registry.NETWORKS)


@pytest.mark.parametrize(
    "spec",
    [
        {"class_path": "gensample.predictors.ridge.Ridge"},
        {"class_path": BOTAN, "init_args": {"width": {"class_path": "gensample.predictors.ridge.Ridge"}}},
        {"a": [{"b": {"class_path": "gensample.training.dynamics.DynamicsTask"}}]},
        {"class_path": BOTAN, "other": {"class_path": "os.system"}},
        {"class_path": [BOTAN]},
    ],
)
def test_a_class_of_another_kind_is_refused(spec):
    with pytest.raises(ConfigError, match="not among the classes"):
        registry.build(spec, registry.NETWORKS)


def test_a_class_may_be_named_alone_or_by_an_older_path(monkeypatch):
    monkeypatch.setitem(registry.MOVED, "gensample.nets.Botan", BOTAN)
    for name in ("Botan", "gensample.nets.Botan", BOTAN):
        built = registry.build({"class_path": name, "init_args": {"width": 4, "steps": 1}}, registry.NETWORKS)
        assert type(built).__name__ == "Botan"
    older = {"a": [{"class_path": "gensample.nets.Botan"}], "_class_path": "DynamicsTask", "b": "Botan"}
    assert registry.renewed(older) == {
        "a": [{"class_path": BOTAN}],
        "_class_path": registry.canonical("DynamicsTask"),
        "b": "Botan",
    }
