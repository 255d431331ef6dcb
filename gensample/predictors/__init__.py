"""What predicts each particle's propensity at each lag time: one file each, one interface.

A new predictor is one file here: a subclass of `Predictor` with ``@register`` before it, which a benchmark
then knows by the name of its class. `tests/predictors/test_contract.py` says what every one must keep to.

Examples:
    >>> from gensample.data.datamodule import KADataModule
    >>> from gensample.predictors import make
    >>> data = KADataModule("ka2d-mini", input="inherent", descriptors=["invariants"])
    >>> data.setup()
    >>> ridge = make({"class_path": "Ridge", "init_args": {"within": True}})
    >>> ridge.fit([data])
    >>> tuple(ridge.predict(data, data.rows("test")).shape)
    (12, 500, 3)
"""

from gensample.predictors.base import Predictor, make, of_model, register

__all__ = ["Predictor", "make", "of_model", "register"]
