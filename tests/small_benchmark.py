"""A benchmark of one row on two configurations of ``ka2d-mini``."""

import yaml

RIDGE = "gensample.predictors.ridge.Ridge"


def small(tmp_path, **changes):
    """Path of its yaml file, with changes."""
    settings = {
        "title": "small",
        "datasets": {"mini": {"dataset": "ka2d-mini", "train_limit": 2, "lags": [10.0]}},
        "rows": [
            {
                "name": "ridge",
                "inputs": ["thermal"],
                "estimator": {"class_path": RIDGE},
                "data": {"descriptors": ["cage"]},
            }
        ],
    }
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(settings | changes))
    return path
