import io
import os
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from gensample.errors import DataError
from gensample.weights import check_fit, read_checkpoint, read_tensors

GOOD = {"a": torch.ones(2, 3)}


def saved(content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def squeezed(content):
    """The same archive, compressed: it unpacks to more than it holds."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(saved(content))) as old,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry))
    return buffer.getvalue()


LOOP = {}
LOOP["loop"] = LOOP
CHECKPOINTS = {
    "empty": b"",
    "foreign": b"\x89PNG....",
    "truncated": saved({"state_dict": GOOD})[:-100],
    "legacy": b"\x80\x02}q\x00.",
    "archive": squeezed({"state_dict": {"a": torch.zeros(1000, 1000)}}),
    "list": saved([GOOD]),
    "no state": saved({"hyper_parameters": {}}),
    "state is a list": saved({"state_dict": [1]}),
    "text among tensors": saved({"state_dict": {"a": "text"}}),
    "number for a name": saved({"state_dict": {1: torch.ones(2)}}),
    "nan": saved({"state_dict": {"a": torch.tensor([1.0, float("nan")])}}),
    "infinite average": saved({"state_dict": GOOD, "current_model_state": {"a": torch.tensor([torch.inf])}}),
    "claims more": saved({"state_dict": {"a": torch.ones(1).expand(10**6, 10**6)}}),
    "sparse": saved({"state_dict": {"a": torch.ones(2, 2).to_sparse()}}),
    "settings are a list": saved({"state_dict": GOOD, "hyper_parameters": [1]}),
    "a tensor among settings": saved({"state_dict": GOOD, "hyper_parameters": {"a": torch.ones(1)}}),
    "settings hold themselves": saved({"state_dict": GOOD, "hyper_parameters": LOOP}),
    "data settings": saved({"state_dict": GOOD, "datamodule_hyper_parameters": "text"}),
}


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_damaged_checkpoints_are_named(tmp_path, kind):
    path = tmp_path / "model.ckpt"
    path.write_bytes(CHECKPOINTS[kind])
    with pytest.raises(DataError, match=r"model\.ckpt"):
        read_checkpoint(path)


@pytest.mark.parametrize("read", [read_checkpoint, read_tensors])
def test_a_folder_or_nothing_is_no_file_of_weights(tmp_path, read):
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(DataError, match=path.name):
            read(path)


def test_a_checkpoint_without_settings_has_empty_ones(tmp_path):
    torch.save({"state_dict": GOOD}, tmp_path / "a.ckpt")
    assert read_checkpoint(tmp_path / "a.ckpt")["hyper_parameters"] == {}


@pytest.mark.parametrize("content", [b"", b"\x10", b"\xff" * 64, None])
def test_damaged_tensors_are_named(tmp_path, content):
    path = tmp_path / "weights.safetensors"
    if content is None:
        save_file({"a": torch.tensor([torch.inf])}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"weights\.safetensors"):
        read_tensors(path)


def test_both_kinds_of_weights_are_read(tmp_path):
    save_file(GOOD, tmp_path / "a.safetensors")
    torch.save(GOOD, tmp_path / "a.pth")
    for name in ("a.safetensors", "a.pth"):
        assert torch.equal(read_tensors(tmp_path / name)["a"], GOOD["a"])


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        ({}, "a is missing"),
        (GOOD | {"b": torch.ones(1)}, "b is unknown"),
        ({"a": torch.ones(3, 2)}, "shape"),
        ({"a": torch.ones(2, 3, dtype=torch.int8)}, "int8"),
    ],
)
def test_weights_of_another_module_are_named(weights, text):
    with pytest.raises(DataError, match=text):
        check_fit(GOOD, weights, "model.ckpt")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_pipe_or_folder_is_not_waited_for(tmp_path, make):
    make(tmp_path / "a.ckpt")
    for read in (read_tensors, read_checkpoint):
        with pytest.raises(DataError, match="a folder, a pipe or a device"):
            read(tmp_path / "a.ckpt")
