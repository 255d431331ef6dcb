import pytest
import yaml
from omegaconf import OmegaConf

from gensample.errors import DataError
from gensample.plain import check_plain, read_json, read_yaml


def bomb(line):
    """Ten levels of ten references each."""
    return "a: &a0 {x: 1}\n" + "".join(line.format(n=n, m=n - 1) for n in range(1, 11))


BAD = {
    "aliases": bomb("b{n}: &a{n} [" + ", ".join(["*a{m}"] * 10) + "]\n"),
    "merges": bomb("b{n}: &a{n} {{<<: [" + ", ".join(["*a{m}"] * 10) + "]}}\n"),
    "loop": "a: &a [*a]",
    "deep": "a: " + "[" * 100_000,
    "tag": "a: !!python/object/apply:os.system [touch owned]",
    "bytes": "a: !!binary aGVsbG8=",
    "list": "[1, 2]",
    "null": "",
    "two": "a: 1\n---\nb: 2",
    "key": "1: 2",
    "broken": "a: [",
    "twice": "a: {b: 1, c: 2, b: 3}",
}


@pytest.mark.parametrize("kind", BAD)
def test_yaml_that_is_no_plain_mapping_is_refused(tmp_path, kind):
    (tmp_path / "config.yaml").write_text(BAD[kind])
    with pytest.raises(DataError, match=r"config\.yaml"):
        read_yaml(tmp_path / "config.yaml")


def test_anchors_that_stand_for_few_values_are_read(tmp_path):
    text = "a: &a {x: 1}\nb: *a\nc: {<<: *a, y: 2}\n"
    (tmp_path / "config.yaml").write_text(text)
    assert read_yaml(tmp_path / "config.yaml") == yaml.safe_load(text)


def test_numbers_are_those_that_omegaconf_reads(tmp_path):
    words = [
        "1e-3",
        "2E4",
        "-1.5e+3",
        ".5e1",
        "1.e2",
        "1.5",
        "1e",
        "e3",
        "1e-3x",
        "0x1F",
        "1_000",
        "yes",
        "12",
    ]
    text = "".join(f"k{number}: {word}\n" for number, word in enumerate(words))
    (tmp_path / "config.yaml").write_text(text)
    assert read_yaml(tmp_path / "config.yaml") == OmegaConf.create(text)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", None])
def test_what_is_no_text_or_no_file_is_refused(tmp_path, content):
    if content is None:
        (tmp_path / "x").mkdir()
    else:
        (tmp_path / "x").write_bytes(content)
    for read in (read_yaml, read_json):
        with pytest.raises(DataError, match="x"):
            read(tmp_path / "x")
        with pytest.raises(DataError, match="absent"):
            read(tmp_path / "absent")


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "[" * 100_000, '{"a": '])
def test_damaged_json_is_refused(tmp_path, text):
    (tmp_path / "metrics.json").write_text(text)
    with pytest.raises(DataError, match=r"metrics\.json"):
        read_json(tmp_path / "metrics.json")


def test_settings_that_hold_themselves_are_refused():
    loop = {}
    loop["a"] = [loop]
    with pytest.raises(ValueError, match="values"):
        check_plain(loop)
