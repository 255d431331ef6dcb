"""The folders of models that are handed on: the files of one, its card, and their checksums.

`huggingface_hub.upload_folder` can upload such a folder as it is; `gensample.zoo` loads it.
"""

from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from gensample import __version__
from gensample.checksums import SUMS, write_sums
from gensample.errors import ConfigError, DataError
from gensample.hub import CARD
from gensample.plain import read_json, read_yaml
from gensample.text import without_header
from gensample.work import atomic_folder, check_folder
from gensample.zoo import (
    CONFIG,
    FILES,
    METRICS,
    WEIGHTS,
    checkpoint_block,
    load_metrics,
    load_model,
    load_physics,
)

if TYPE_CHECKING:
    from torch import Tensor

    from gensample.generators.fitting import FitData, GeneratorFit

OF_TRAINING = ("seed_everything", "model", "data", "trainer")
"""What the config of a model keeps of that of its run."""
TESTED = "test/metrics.csv"
"""Where `gensample test` leaves its numbers, in the folder of a run."""
TAGS = ["glass", "molecular-dynamics", "physics"]


def release(
    source: str | Path,
    out: str | Path,
    config: str | Path | None = None,
    metrics: str | Path | None = None,
    license: str | None = None,
) -> Path:
    """Write the folder of a released model and return it; the words of a card that exists already are kept.

    source: a checkpoint, whose ``state_dict`` are the weights (Lightning's ``EMAWeightAveraging`` puts the
    averaged ones there); or the folder of a model, whose fit joins the metrics. config: its ``config.yaml``,
    by default that of the run or folder; its model block gives way to the checkpoint's hyper-parameters.
    metrics: json of `compare`, or the log of `gensample test`, by default what lies in the folder or the run.
    The folder is loaded once before it takes its place.

    Raises:
        ConfigError: there is no such source, config or metrics.
        DataError: one of them is damaged.
    """
    from gensample.weights import read_checkpoint, save_tensors

    out, source = Path(out), Path(source)
    check_folder(out)
    if not source.exists():
        raise ConfigError(f"no checkpoint and no folder of a model at {source}")
    settings = read_yaml(config or _beside(source, (CONFIG,), "--config"))
    settings = {key: settings[key] for key in OF_TRAINING if key in settings}
    found = _read_metrics(Path(metrics or _beside(source, (METRICS, TESTED), "--metrics")))
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
        folder = Path(scratch)
        if source.is_dir():
            own = load_metrics(source)
            found |= {"fit": own["fit"]} if "fit" in own else {}
            if (source / WEIGHTS).is_file():
                (folder / WEIGHTS).write_bytes((source / WEIGHTS).read_bytes())
        else:
            content = read_checkpoint(source)
            settings["model"] = checkpoint_block(source, content)
            save_tensors(content["state_dict"], folder / WEIGHTS)
        (folder / CONFIG).write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
        (folder / METRICS).write_text(json.dumps(found) + "\n", encoding="utf-8")
        before = next((place / CARD for place in (out, source) if (place / CARD).is_file()), None)
        text = stub(out.name, settings) if before is None else before.read_text(encoding="utf-8")
        (folder / CARD).write_text(with_header(text, out.name, settings, found, license), encoding="utf-8")
        write_sums(folder, FILES)
        load_model(folder)
        for file in folder.iterdir():
            file.replace(out / file.name)
    return out


def _beside(source: Path, names: tuple[str, ...], option: str) -> Path:
    """The file that lies in the folder of a model, or in that of the run of a checkpoint."""
    folder = source if source.is_dir() else source.resolve().parent.parent
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise ConfigError(f"no {' and no '.join(names)} in {folder}: say which by {option}")


def _read_metrics(path: Path) -> dict[str, Any]:
    """What json holds, or the last line of the log of `gensample test`."""
    if path.suffix != ".csv":
        return read_json(path)
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
        return {"test": {name: float(value) for name, value in rows[-1].items() if value}}
    except (OSError, ValueError, IndexError, TypeError, csv.Error) as error:
        raise DataError(f"{path} is not the metrics.csv of `gensample test`: {error}") from error


def keep_generator(
    out: Path,
    block: dict[str, Any],
    metrics: dict[str, Any],
    card: str,
    tensors: dict[str, Tensor] | None = None,
) -> None:
    """Write the folder of a generator that was fitted, whole or not at all.

    block: ``class_path`` and ``init_args``; tensors: its weights, if it has any. The generator is built once
    from the folder before that takes its place. It has no checksums: a fit may be edited by hand.
    """
    from gensample.weights import save_tensors

    check_folder(out)
    with atomic_folder(out) as folder:
        if tensors is not None:
            save_tensors(tensors, folder / WEIGHTS)
        settings = {"model": block}
        (folder / CONFIG).write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
        (folder / METRICS).write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
        (folder / CARD).write_text(with_header(card, out.name, settings, metrics), encoding="utf-8")
        load_physics(folder)


def check_new(out: Path) -> None:
    """Refuse a folder that is there.

    Raises:
        ConfigError: it exists, or cannot be made.
    """
    check_folder(out)
    if out.exists():
        raise ConfigError(f"{out} exists; remove it or choose another --out")


def keep_fit(out: Path, data: FitData, fitted: GeneratorFit) -> None:
    """Write the folder of a generator that was fitted to data, with a card that tells how."""
    count, path = len(data.data), fitted.class_path
    about = {"data": data.name, "split": data.split, "configurations": count}
    card = [
        f"# {out.name}",
        "",
        *fitted.story,
        "",
        f"* class: `{path}`, " + ("no training, no weights" if fitted.tensors is None else "weights fitted"),
        f"* data: `{data.name}`, {count} configurations of the split {data.split}, T = {data.temperature:g}; "
        "nothing else was seen",
        f"* made with gensample {__version__}; `metrics.json` has everything that was tried",
    ]
    init_args = {"lag_time": data.lag_time, **fitted.settings, "domain": data.domain}
    block = {"class_path": path, "init_args": init_args}
    metrics = {"fit": {**about, **fitted.found}}
    keep_generator(out, block, metrics, "\n".join(card) + "\n", fitted.tensors)


# Cards, in the format of Hugging Face: a header of yaml, then words.


def with_header(
    card: str, name: str, settings: dict[str, Any], metrics: dict[str, Any], license: str | None = None
) -> str:
    """A card with the header that config and metrics give; what an earlier one says more is kept."""
    words, earlier = without_header(card)
    made = header(name, settings, metrics, license)
    kept = {key: value for key, value in (yaml.safe_load(earlier) or {}).items() if key != "model-index"}
    text = yaml.safe_dump(made | kept | ({"license": license} if license else {}), sort_keys=False)
    return f"---\n{text}---\n\n{words.lstrip()}"


def header(
    name: str, settings: dict[str, Any], metrics: dict[str, Any], license: str | None = None
) -> dict[str, Any]:
    """License, library, tags, data and the Pearson correlations of a model, as the hub reads them."""
    kind = str(settings["model"]["class_path"]).rpartition(".")[2]
    data = _dataset(settings, metrics)
    made: dict[str, Any] = {"license": license} if license else {}
    made |= {"library_name": "gensample", "tags": [*TAGS, kind]}
    made |= {"datasets": [data]} if data else {}
    scores = [_score(lag) for lag in metrics.get("lags", [])]
    if data and scores and all(scores):
        about = {"type": data, "name": data, "split": "test"}
        result = {"task": {"type": "other", "name": "propensity"}, "dataset": about, "metrics": scores}
        made |= {"metrics": ["pearsonr"], "model-index": [{"name": name, "results": [result]}]}
    return made


def _dataset(settings: dict[str, Any], metrics: dict[str, Any]) -> str | None:
    """Name of the data, without the path of a file."""
    trained = (settings.get("data") or {}).get("init_args", {}).get("dataset")
    found = trained or metrics.get("fit", {}).get("data")
    return Path(str(found)).stem if found else None


def _score(lag: dict[str, Any]) -> dict[str, Any] | None:
    """Pearson correlation of the propensity of species A at one lag, of a predictor or a generator."""
    found = lag.get("species", {}).get("A", {})
    value = found.get("generated", found).get("pearson", {}).get("value")
    name = f"Pearson, species A, t = {lag.get('time'):g}"
    return None if value is None else {"type": "pearsonr", "name": name, "value": round(float(value), 4)}


def stub(name: str, settings: dict[str, Any]) -> str:
    """A card to be filled by hand."""
    import torch

    data = (settings.get("data") or {}).get("init_args", {})
    rows = [
        f"# {name}",
        "",
        "What it is for, in one sentence. TODO",
        "",
        f"* class: `{settings['model']['class_path']}`",
        f"* data: `{data.get('dataset', 'TODO')}`, training split only",
        f"* made with gensample {__version__}, torch {torch.__version__}; `{CONFIG}` has every setting",
        "* time and hardware of the training: TODO",
        f"* results (`{METRICS}`): TODO",
        "* limits: TODO",
        f"* files: `{SUMS}` has the sha256 of all but this card",
    ]
    return "\n".join(rows) + "\n"
