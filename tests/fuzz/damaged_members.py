"""What can be wrong with a member of an HDF5 file, and what must come of it where the format knows it."""

from pathlib import Path

import h5py
import numpy as np
from harness import SECRET

REQUIRED = ("positions", "times", "done", "species", "box", "split", "replicas")
OPTIONAL = (
    *("inherent", "cage", "cage_spread", "displacements", "propensity", "bond_breaking"),
    *("inherent_displacements", "inherent_energies"),
    *("source_configuration", "log_density", "log_density_variance"),
)
GROUPS = ("shear", "probe", "predictions")


def known(name: str) -> bool:
    """Whether the format knows a member."""
    return name in REQUIRED + OPTIONAL or name.split("/")[0] in GROUPS


def replace(file: h5py.File, name: str, **options) -> str:
    """Another array of the same name and attributes."""
    attrs = dict(file[name].attrs)
    del file[name]
    file.create_dataset(name, **options).attrs.update(attrs)
    return "refuse"


def _deleted(file: h5py.File, name: str) -> str:
    del file[name]
    # Parts of a group go together; a dataset without what is optional is a dataset.
    whole = name in OPTIONAL or "/" not in name or name.startswith("predictions/")
    return "any" if whole and name not in REQUIRED else "refuse"


def _renamed(file: h5py.File, name: str) -> str:
    file[f"{name}_"] = file[name]
    return _deleted(file, name)


def _typed(dtype, numbers: bool = True):
    def change(file: h5py.File, name: str) -> str:
        item = file[name]
        text = item.dtype.kind in "OS"
        integers = item.dtype.kind in "iub"
        replace(file, name, shape=item.shape, dtype=dtype)
        return "any" if (text and not numbers) or (integers and dtype == "?") else "refuse"

    return change


def _complex(file: h5py.File, name: str) -> str:
    item = file[name]
    data = item[...] + 1j if item.dtype.kind in "fiub" else np.zeros(item.shape, complex)
    return replace(file, name, data=data)


def _overflow(file: h5py.File, name: str) -> str:
    item = file[name]
    replace(file, name, data=np.full(item.shape, 2**63 - 1, np.int64))
    free = ("probe/", "shear/", "predictions", "log_density", "times", "source")
    return "any" if name.startswith(free) or 0 in item.shape else "refuse"


def _numbers(file: h5py.File, name: str) -> str:
    text = file[name].dtype.kind in "OS"
    return replace(file, name, data=np.zeros(file[name].shape)) if text else "any"


def _shaped(reshape):
    def change(file: h5py.File, name: str) -> str:
        data = file[name][...]
        new = reshape(data)
        if new.shape == data.shape:
            return "any"
        replace(file, name, data=new, dtype=file[name].dtype)
        # Nothing else has the axes of these, so that any length fits.
        return "any" if name.startswith("shear/event_") and new.shape[:1] == (0,) else "refuse"

    return change


def _null(file: h5py.File, name: str) -> str:
    return replace(file, name, data=h5py.Empty("f8"))


def _group(file: h5py.File, name: str) -> str:
    del file[name]
    file.create_group(name)
    return "refuse"


def _array(file: h5py.File, name: str) -> str:
    return replace(file, name, data=np.zeros(3))


def _linked(make):
    def change(file: h5py.File, name: str) -> str:
        del file[name]
        file[name] = make(name)
        return "refuse"

    return change


def _secret() -> str:
    Path("secret.txt").write_text(f"{SECRET}\n" * 2000)
    return "secret.txt"


def _external_file(name: str):
    with h5py.File("other.h5", "w") as other:
        other[name] = np.array([SECRET.encode()] * 4)
    return h5py.ExternalLink("other.h5", f"/{name}")


def _external_storage(file: h5py.File, name: str) -> str:
    item = file[name]
    shape, dtype = item.shape, "S30" if item.dtype.kind in "OS" else item.dtype
    return replace(file, name, shape=shape, dtype=dtype, external=[(_secret(), 0, h5py.h5f.UNLIMITED)])


def _virtual(file: h5py.File, name: str) -> str:
    shape, dtype = file[name].shape, file[name].dtype
    if 0 in shape:
        return "any"
    if dtype.kind == "O":
        dtype = np.dtype("S30")
    with h5py.File("other.h5", "w") as other:
        other.create_dataset("a", data=np.zeros(shape, dtype))
    layout = h5py.VirtualLayout(shape, dtype)
    layout[...] = h5py.VirtualSource("other.h5", "a", shape)
    del file[name]
    file.create_virtual_dataset(name, layout)
    return "refuse"


def _vast(file: h5py.File, name: str) -> str:
    """10^12 elements that nobody wrote."""
    rank = max(1, file[name].ndim)
    edge = int(1e12 ** (1 / rank))
    return replace(
        file, name, shape=(edge,) * rank, dtype="f8", chunks=(64,) * rank if rank < 4 else (8,) * rank
    )


def _cycle(file: h5py.File, name: str) -> str:
    del file[name]
    file[name] = file["/"]
    return "refuse"


OF_ARRAYS = {
    "deleted": _deleted,
    "renamed": _renamed,
    "of strings": _typed("S8", numbers=False),
    "of text": _typed(h5py.string_dtype(), numbers=False),
    "compound": _typed(np.dtype([("x", "f8"), ("y", "i4")])),
    "of references": _typed(h5py.ref_dtype),
    "of lists": _typed(h5py.vlen_dtype(np.float64)),
    "complex": _complex,
    "boolean": _typed("?"),
    "opaque": _typed("V16"),
    "of dates": _typed(h5py.opaque_dtype("M8[s]")),
    "overflowing": _overflow,
    "of numbers": _numbers,
    "scalar": _shaped(lambda a: a.ravel()[:1].reshape(()) if a.size else np.zeros((), a.dtype)),
    "with another axis": _shaped(lambda a: a[None]),
    "transposed": _shaped(lambda a: a.T),
    "shorter": _shaped(lambda a: a[:-1]),
    "twice as long": _shaped(lambda a: np.concatenate([a, a]) if a.ndim else a),
    "empty": _shaped(lambda a: a[:0] if a.ndim else a),
    "null": _null,
    "a group": _group,
    "a loop": _linked(lambda name: h5py.SoftLink(f"/{name}")),
    "dangling": _linked(lambda name: h5py.SoftLink("/nowhere")),
    "in another file": _linked(_external_file),
    "in a text file": _external_storage,
    "virtual": _virtual,
    "vast": _vast,
    "a cycle": _cycle,
}
OF_GROUPS = {
    "deleted": lambda file, name: "any" if name != "shear" and file.pop(name) else _gone(file, name),
    "an array": _array,
    "empty": lambda file, name: _group(file, name) if name != "predictions" else "any",
    "a loop": OF_ARRAYS["a loop"],
    "dangling": OF_ARRAYS["dangling"],
    "in another file": OF_ARRAYS["in another file"],
    "a cycle": _cycle,
}


def _gone(file: h5py.File, name: str) -> str:
    del file[name]
    return "refuse"
