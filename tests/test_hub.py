"""Models and datasets by OWNER/NAME, offline: a folder in the layout of the hub's cache."""

import os
import shutil
import subprocess
import sys

import pytest

import gensample as gs
from gensample import hub, zoo
from gensample.checksums import SUMS, write_sums
from gensample.cli import main
from gensample.data.catalog import EMBEDDED
from gensample.errors import ConfigError, DataError, MissingDependencyError

REVISION = "0123456789abcdef0123456789abcdef01234567"


def cached(home, kind, name, files, branch="main"):
    """Put files where huggingface_hub keeps those of a repository; the folder of the snapshot."""
    repo = home / "hub" / f"{kind}s--{name.replace('/', '--')}"
    snapshot = repo / "snapshots" / REVISION
    (repo / "blobs").mkdir(parents=True)
    (repo / "refs").mkdir()
    snapshot.mkdir(parents=True)
    (repo / "refs" / branch).write_text(REVISION)
    for file in files:
        blob = repo / "blobs" / file.name
        shutil.copyfile(file, blob)
        (snapshot / file.name).symlink_to(os.path.relpath(blob, snapshot))
    return snapshot


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty cache, no network, and somewhere to work."""
    constants = pytest.importorskip("huggingface_hub.constants", reason="pip install 'gensample[hub]'")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "home" / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub._snapshot_download.HF_HUB_OFFLINE", True, raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "home"


@pytest.fixture
def model(home):
    """The released heated model as somebody's on the hub."""
    return cached(home, "model", "glass-lab/hot", zoo.resolve("ka2d-mini-heated").iterdir())


def test_a_model_by_owner_and_name(model):
    ours = gs.load_model("ka2d-mini-heated")
    for name in ("glass-lab/hot", "glass-lab/hot@main", f"glass-lab/hot@{REVISION}"):
        theirs = gs.load_model(name)
        assert theirs.digest == ours.digest
        assert theirs.name == name
    assert zoo.run_name(name) == "hot"


def test_the_commands_know_it(model, capsys):
    assert main(["info", "glass-lab/hot"]) == 0
    assert "Heated" in capsys.readouterr().out


def test_in_a_process_of_its_own(model, home):
    """As a user has it: by the environment alone."""
    environment = os.environ | {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    code = "import gensample; print(gensample.load_model('glass-lab/hot').digest)"
    out = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert out.stdout.strip() == zoo.model_digest("ka2d-mini-heated"), out.stderr


@pytest.mark.parametrize("file", ["config.yaml", "metrics.json"])
def test_a_tampered_file_is_refused(model, file):
    content = (model / file).read_text()
    (model / file).write_text(content.replace("0", "1", 1))
    with pytest.raises(DataError, match=f"{file} is not the file that SHA256SUMS"):
        gs.load_model("glass-lab/hot")


def test_a_model_without_checksums_is_refused(model):
    (model / SUMS).unlink()
    with pytest.raises(DataError, match="has no SHA256SUMS"):
        gs.load_model("glass-lab/hot")


def test_what_is_no_model_is_explained(home):
    cached(home, "model", "glass-lab/notes", [])
    with pytest.raises(DataError, match="has no SHA256SUMS"):
        gs.load_model("glass-lab/notes")


@pytest.mark.parametrize("name", ["glass-lab/cold", "glass-lab/hot@v2"])
def test_without_network_it_says_what_to_do(model, name):
    with pytest.raises(ConfigError, match=r"cannot be reached.*run `hf download glass-lab/"):
        gs.load_model(name)
    assert main(["info", name]) == 2


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'gensample\[hub\]'"):
        gs.load_model("glass-lab/hot")


def test_answers_of_the_hub_are_one_line(monkeypatch):
    errors = pytest.importorskip("huggingface_hub.errors", reason="pip install 'gensample[hub]'")

    class Answer:
        headers, status_code, request = {}, 404, None

    for error, text in (
        (errors.RepositoryNotFoundError("no", response=Answer()), "or it is private"),
        (errors.RevisionNotFoundError("no", response=Answer()), "has no such revision"),
        (OSError("the disk is full\nTraceback"), "does not give it: the disk is full$"),
    ):

        def fail(*args, error=error, **kwargs):
            raise error

        monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
        with pytest.raises(ConfigError, match=text):
            hub.fetch("glass-lab/hot", "model", zoo.FILES)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("owner/name", True),
        ("owner/name-0.45@v1.2", True),
        ("owner/name@refs/pr/1", True),
        ("owner/file.h5", False),
        ("owner/last.ckpt", False),
        ("name", False),
        ("a/b/c", False),
        ("../name", False),
        ("/tmp/name", False),
        ("here/nothing", False),
    ],
)
def test_what_may_be_a_name_on_the_hub(word, expected, tmp_path, monkeypatch):
    """A path into a folder that is here is never looked up outside."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    assert hub.is_hub_name(word) is expected


def test_a_dataset_by_owner_and_name(home, tmp_path, capsys):
    shutil.copyfile(EMBEDDED["ka2d-liquid"], tmp_path / "liquid.h5")
    write_sums(tmp_path, ["liquid.h5"])
    snapshot = cached(home, "dataset", "glass-lab/liquid", [tmp_path / "liquid.h5", tmp_path / SUMS])
    assert len(gs.open_dataset("glass-lab/liquid")) == len(gs.open_dataset("ka2d-liquid"))
    assert main(["info", "glass-lab/liquid"]) == 0
    assert "N = " in capsys.readouterr().out
    assert main(["quench", "glass-lab/liquid"]) == 2
    assert "give --out for a copy" in capsys.readouterr().err
    with (snapshot / "liquid.h5").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"x")
    with pytest.raises(DataError, match=r"liquid\.h5 is not the file"):
        gs.open_dataset("glass-lab/liquid")
