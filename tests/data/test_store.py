import h5py
import numpy as np
import pytest

from gensample.data import catalog
from gensample.data.dataset import Dataset
from gensample.data.store import Contents, Store, StoreWriter
from gensample.errors import DataError

C, R, K, N, D = 3, 4, 2, 10, 2
GENERATOR = np.random.default_rng(0)
FIELDS = GENERATOR.normal(size=(C, R, K, N, D))
FIELDS = (FIELDS - FIELDS.mean(3, keepdims=True)).astype(np.float32)
EDGE = (N / 1.2) ** (1 / D)


def settings(**changes):
    return {
        "mixture": "ka2d",
        "temperature": 0.45,
        "density": 1.2,
        "truncation": "force-shift",
        "source": "a test",
        "species": np.arange(N) % 2,
        "box": np.full((C, D), EDGE),
        "split": ["train", "val", "test"],
        "positions": np.linspace(0, 0.98 * EDGE, C * N * D).reshape(C, N, D),
        "times": np.array([1.0, 10.0]),
        "replicas": np.array([4, 2, 4]),
        **changes,
    }


def write(path, done=((0, 0), (0, 1), (0, 2), (0, 3), (1, 1), (2, 0), (2, 3)), **changes):
    Dataset.create(Contents(**settings(**changes)), {index: FIELDS[index] for index in done}, path)
    return path


def test_gives_back_what_was_written(tmp_path):
    inherent = settings()["positions"] + 0.01
    attrs = {"minimiser": "m", "energy": np.array([-1.0, -2.0, -3.0])}
    path = write(tmp_path / "a.h5", inherent=inherent, inherent_attrs=attrs, seed=7, command="c")
    with Store.open(path) as store:
        expected = settings()
        for name in ("species", "box", "positions", "times", "replicas"):
            assert (getattr(store, name) == expected[name]).all()
        for name in ("mixture", "density", "truncation", "source"):
            assert getattr(store, name) == expected[name]
        assert store.species.dtype == np.int8
        assert store.positions.dtype == np.float64
        assert store.temperature.tolist() == [0.45] * C
        assert store.split.tolist() == ["train", "val", "test"]
        assert (store.inherent == inherent).all()
        assert store.inherent_energy.tolist() == [-1.0, -2.0, -3.0]
        assert store.inherent_attrs["minimiser"] == "m"
        assert (store.attrs["seed"], store.attrs["command"], store.attrs["units"]) == (7, "c", "lj")
        assert (store.num_configurations, store.num_particles, store.dimension) == (C, N, D)
        assert store.propensity is None
        assert store.bond_breaking is None


def test_temperature_of_each_configuration(tmp_path):
    with Store.open(write(tmp_path / "a.h5", temperature=np.array([0.4, 0.5, 0.6]))) as store:
        assert store.temperature.tolist() == [0.4, 0.5, 0.6]


def test_readers_skip_what_is_not_complete(tmp_path):
    with Store.open(write(tmp_path / "a.h5")) as store:
        assert (store.displacements(0) == FIELDS[0]).all()
        assert store.displacements(0).dtype == np.float32
        assert (store.displacements(1) == FIELDS[1, [1]]).all()
        assert (store.displacements(2) == FIELDS[2, [0, 3]]).all()
        assert store.done.sum(1).tolist() == [4, 1, 2]


def test_readers_refuse_a_configuration_without_a_complete_replica(tmp_path):
    with Store.open(write(tmp_path / "a.h5", done=[(0, 0)])) as store, pytest.raises(DataError) as error:
        store.displacements(1)
    assert "configuration 1 has no complete replica" in str(error.value)


def test_splits(tmp_path):
    with Store.open(write(tmp_path / "a.h5", split=["train", "test", "train"])) as store:
        assert store.indices("train").tolist() == [0, 2]
        assert store.indices("all").tolist() == [0, 1, 2]
        with pytest.raises(DataError, match="no configuration in split 'val'; it has test, train"):
            store.indices("val")


def test_averages_without_displacements(tmp_path):
    propensity = GENERATOR.random((C, K, N))
    path = write(tmp_path / "a.h5", done=(), propensity=propensity, displacements=False)
    with Store.open(path) as store:
        assert store.propensity == pytest.approx(propensity)
        assert not store.has_displacements
        with pytest.raises(DataError, match="averages only"):
            store.displacements(0)


def test_no_replicas_and_no_lags(tmp_path):
    with Store.open(write(tmp_path / "a.h5", done=(), replicas=np.zeros(C, int))) as store:
        assert store.done.shape == (C, 0)
    path = write(
        tmp_path / "b.h5", done=(), replicas=np.zeros(C, int), times=np.zeros(0), displacements=False
    )
    with Store.open(path) as store:
        assert store.times.shape == (0,)


def test_resumes_where_it_stopped(tmp_path):
    path = write(tmp_path / "a.h5", done=[(0, 0)])
    with StoreWriter.resume(path) as writer:
        assert writer.done.sum() == 1
        writer.write_replica(2, 3, FIELDS[2, 3])
    with Store.open(path) as store:
        assert (store.displacements(0) == FIELDS[0, [0]]).all()
        assert (store.displacements(2) == FIELDS[2, [3]]).all()


def test_further_arrays_and_large_attributes(tmp_path):
    path = write(tmp_path / "a.h5")
    further = np.arange(20000.0)  # more than the 64 KiB of an old HDF5 attribute
    with StoreWriter.resume(path) as writer:
        writer.write_array("equilibration/energy", np.arange(6.0).reshape(3, 2))
        writer.write_array("source_configuration", np.array([5, 6, 7]))
        writer.write_inherent(settings()["positions"], {"further": further})
    with Store.open(path) as store:
        assert store.group("equilibration")["energy"].tolist() == [[0, 1], [2, 3], [4, 5]]
        assert store.group("absent") == {}
        assert store.source_configuration.tolist() == [5, 6, 7]
        assert (store.inherent_attrs["further"] == further).all()


def test_bad_inherent_structures_leave_the_old_ones(tmp_path):
    path = write(tmp_path / "a.h5", inherent=settings()["positions"], inherent_attrs={"minimiser": "m"})
    with StoreWriter.resume(path) as writer, pytest.raises(DataError, match="inherent"):
        writer.write_inherent(np.full((C, N, D), np.nan), {})
    with Store.open(path) as store:
        assert (store.inherent == settings()["positions"]).all()
        assert store.inherent_attrs == {"minimiser": "m"}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"positions": np.zeros((N, D))}, "positions"),
        ({"positions": np.full((C, N, D), np.nan)}, "positions"),
        ({"species": np.zeros(N + 1)}, "species"),
        ({"box": np.ones(D + 1)}, "box"),
        ({"box": np.full((C, D), np.inf)}, "box"),
        ({"split": ["train", "val"]}, "split"),
        ({"split": ["train", "val", "dev"]}, "dev"),
        ({"times": np.array([10.0, 1.0])}, "lag times"),
        ({"times": np.array([0.0, 1.0])}, "lag times"),
        ({"times": np.array([1.0, np.nan])}, "lag times"),
        ({"replicas": np.array([4, 4])}, "replicas"),
        ({"temperature": np.nan}, "temperature"),
        ({"temperature": np.array([1.0, 2.0])}, "temperature"),
        ({"propensity": np.zeros((C, N))}, "propensity"),
        ({"inherent": np.zeros((C, N, 3))}, "inherent"),
    ],
)
def test_bad_arrays_are_named_and_leave_no_file(tmp_path, change, named):
    with pytest.raises(DataError) as error:
        StoreWriter.create(tmp_path / "a.h5", Contents(**settings(**change)))
    assert named in str(error.value)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("c", "r", "field", "named"),
    [
        (0, 0, np.zeros((N, D)), "shape"),
        (0, 0, np.full((K, N, D), np.nan), "not finite"),
        (1, 2, np.zeros((K, N, D)), "has 2 replicas"),
        (0, -1, np.zeros((K, N, D)), "number -1"),
    ],
)
def test_bad_replicas_are_not_marked_complete(tmp_path, c, r, field, named):
    path = write(tmp_path / "a.h5", done=())
    with StoreWriter.resume(path) as writer, pytest.raises(DataError, match=named):
        writer.write_replica(c, r, field)
    with Store.open(path) as store:
        assert not store.done.any()


@pytest.mark.parametrize("fraction", [0.0, 0.2, 0.6, 0.95])
def test_a_truncated_file_is_one_line(tmp_path, fraction):
    path = write(tmp_path / "a.h5")
    content = path.read_bytes()
    path.write_bytes(content[: int(fraction * len(content))])
    with pytest.raises(DataError) as error:
        Store.open(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_damaged_array_is_named(tmp_path):
    path = write(tmp_path / "a.h5")
    with h5py.File(path) as file:
        chunk = file["displacements"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    path.write_bytes(content)
    with Store.open(path) as store, pytest.raises(DataError, match="displacements cannot be read"):
        store.displacements(0)


@pytest.mark.parametrize("content", [b"", b"not hdf5 at all" * 100])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "a.h5"
    path.write_bytes(content)
    with pytest.raises(DataError, match="not a readable HDF5 file"):
        Store.open(path)


def _without(name):
    def change(file):
        if name in file.attrs:
            del file.attrs[name]
        else:
            del file[name]

    return change


def _reshaped(name, shape):
    def change(file):
        if name in file:
            del file[name]
        file[name] = np.zeros(shape)

    return change


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_without("format"), "not a gensample dataset"),
        (_without("version"), "version"),
        (_without("mixture"), "mixture"),
        (_without("temperature"), "temperature"),
        (_without("positions"), "positions"),
        (_without("done"), "done"),
        (lambda file: file.attrs.modify("version", 2), "upgrade"),
        (_reshaped("species", (N + 1,)), "species has shape (11,), expected (10)"),
        (_reshaped("positions", (N, D)), "positions"),
        (_reshaped("done", (C,)), "done"),
        (_reshaped("displacements", (C, R, K, N, 3)), "displacements"),
        (_reshaped("propensity", (C, N)), "propensity"),
        (_reshaped("inherent", (C, N + 1, D)), "inherent"),
    ],
)
def test_a_wrong_layout_is_named(tmp_path, change, named):
    path = write(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(DataError) as error:
        Store.open(path)
    assert named in str(error.value)
    with pytest.raises(DataError):
        StoreWriter.resume(path)


def test_names_and_absent_files(monkeypatch, tmp_path):
    monkeypatch.setitem(catalog.EMBEDDED, "ka2d-mini", write(tmp_path / "a.h5"))
    with Store.open("ka2d-mini") as store:
        assert store.path == tmp_path / "a.h5"
    with pytest.raises(DataError, match=r"no dataset at nowhere.h5; give a file, or one of .*ka2d-mini"):
        Store.open("nowhere.h5")
    with pytest.raises(DataError, match="no dataset at"):
        Store.open(tmp_path)
