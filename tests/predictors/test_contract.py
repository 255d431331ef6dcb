"""What every predictor must keep to; one from outside the package is in tests/test_extensions.py."""

import numpy as np
import pytest
import torch
from synthetic import write_dataset

from gensample.data.datamodule import KADataModule
from gensample.data.store import Store, StoreWriter
from gensample.errors import ConfigError
from gensample.predictors import make, of_model
from gensample.predictors.base import registered
from gensample.zoo import load_model, load_predictor

OF_DATA = {
    "Ridge": {"within": True},
    "Softness": {"fraction": 0.2},
    "StructuralIndicator": {"name": "energy"},
    "StoredPrediction": {"name": "theirs"},
}
OF_MODELS = {"Network": "ka2d-mini-botan", "Conditioner": "ka2d-mini-flow"}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    path = write_dataset(tmp_path_factory.mktemp("data") / "wide.h5", box=10.5)
    with Store.open(path) as store:
        shape = (store.num_configurations, len(store.times), store.num_particles)
    with StoreWriter.resume(path) as writer:
        writer.write_group("predictions", {"theirs": np.random.default_rng(0).random(shape, np.float32)})
    return path


def test_these_are_all():
    assert set(registered()) == OF_DATA.keys() | OF_MODELS.keys()


def served(name, dataset):
    """A predictor, fitted where it needs that, the data as it reads them, and rows."""
    if name in OF_MODELS:
        predictor = load_predictor(OF_MODELS[name])
        assert type(predictor).__name__ == name
        return predictor, predictor.open("ka2d-mini", "test", target="propensity"), np.array([88, 90, 95])
    data = KADataModule(str(dataset), descriptors=["invariants"])
    data.setup()
    predictor = make({"class_path": name, "init_args": OF_DATA[name]})
    predictor.fit([data])
    return predictor, data, np.array([1, 3, 5])


@pytest.mark.parametrize("name", [*OF_DATA, *OF_MODELS])
def test_predictions_are_of_the_rows_asked_for(name, dataset):
    predictor, data, rows = served(name, dataset)
    found = predictor.predict(data, rows)
    assert found.shape == (3, data.store.num_particles, len(data.lag_times))
    assert found.isfinite().all()
    turned = predictor.predict(data, rows[::-1].copy())
    torch.testing.assert_close(turned, found.flip(0), rtol=1e-5, atol=1e-6)
    assert not torch.equal(found[0], found[1])


@pytest.mark.parametrize("name", OF_DATA)
def test_what_a_fit_has_found_is_its_state(name, dataset):
    predictor, data, rows = served(name, dataset)
    again = make({"class_path": name, "init_args": OF_DATA[name]})
    again.restore({key: value.clone() for key, value in predictor.state().items()})
    assert torch.equal(again.predict(data, rows), predictor.predict(data, rows))


def test_an_indicator_chooses_before_it_predicts(dataset):
    data = KADataModule(str(dataset))
    with pytest.raises(ConfigError, match="fit the indicator energy first"):
        make({"class_path": "StructuralIndicator", "init_args": {"name": "energy"}}).predict(data, [1])


@pytest.mark.parametrize(
    "spec", [{"class_path": "os.system"}, {"class_path": ["Ridge"]}, {"class_path": "Ridge", "init_args": 3}]
)
def test_what_is_no_predictor_is_refused(spec):
    with pytest.raises(ConfigError):
        make(spec)


def test_an_older_path_names_the_same():
    found = make({"class_path": "gensample.estimators.ridge.Ridge", "init_args": {"within": True}})
    assert type(found).__name__ == "Ridge"


def test_models_without_a_propensity_are_refused():
    with pytest.raises(ConfigError, match=r"ka2d-mini-conf is a .*, which predicts no propensity"):
        of_model(load_model("ka2d-mini-conf"), "ka2d-mini-conf")
