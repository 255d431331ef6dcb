"""Whether a dataset that a command called good is one: checks of their own, not those of the project."""

import h5py
import numpy as np

COMPOSITION = {
    "ka2d": (0.65, 0.35),
    "ka3d": (0.8, 0.2),
    "ka3d-fs": (0.8, 0.2),
    "ka2d-ternary": (0.465, 0.256, 0.279),
}
TRUNCATIONS = ("shift", "force-shift", "smooth")


def wrong_with(path: str, fields: bool) -> str | None:
    """What is wrong with a dataset, displacements included where ``fields``; None for nothing."""
    try:
        with h5py.File(path) as file:
            return next((f"called good: {what}" for what, fine in _checks(file, fields) if not fine), None)
    except Exception as error:
        return f"called good, but {type(error).__name__}: {error}"


def _checks(file: h5py.File, fields: bool):
    attrs = file.attrs
    x, box, species = (file[name][...] for name in ("positions", "box", "species"))
    yield "positions", x.ndim == 3 and x.dtype.kind == "f" and np.isfinite(x).all()
    yield "box", box.shape == (len(x), x.shape[2]) and np.isfinite(box).all() and (box > 0).all()
    yield "positions outside", ((x >= 0) & (x < box[:, None])).all()
    composition = COMPOSITION[_text(attrs["mixture"])]
    yield "species", species.shape == x.shape[1:2] and species.min() >= 0 and species.max() < len(composition)
    shares = np.bincount(species.astype(int), minlength=len(composition)) / len(species)
    yield "composition", np.abs(shares - composition).max() < 0.03
    temperature = np.asarray(attrs["temperature"], float)
    yield "temperature", np.isfinite(temperature).all() and (temperature > 0).all()
    found = x.shape[1] / box.prod(1)
    yield "density", np.allclose(found, attrs["density"], rtol=0.02)
    yield "truncation", _text(attrs["truncation"]) in TRUNCATIONS
    yield "split", {_text(name) for name in file["split"][...]} <= {"train", "val", "test"}
    yield from _check_dynamics(file, fields)
    for name in ("inherent", "cage"):
        if name in file:
            held = file[name][...]
            yield name, held.shape == x.shape and ((held >= 0) & (held < box[:, None])).all()


def _check_dynamics(file: h5py.File, fields: bool):
    times, done, planned = (file[name][...] for name in ("times", "done", "replicas"))
    yield "times", np.isfinite(times).all() and (times > 0).all() and (np.diff(times) > 0).all()
    yield "replicas", (planned >= 0).all() and done.shape[0] == len(planned)
    yield "done", not (done & (np.arange(done.shape[1]) >= planned[:, None])).any()
    if fields and "displacements" in file:
        for c, r in np.argwhere(done):
            u = file["displacements"][c, r]
            yield "displacements", np.isfinite(u).all() and u.any() and np.abs(u.mean(1)).max() < 2e-3
    if fields and "inherent_displacements" in file:
        for c, r in np.argwhere(done):
            h, energies = file["inherent_displacements"][c, r], file["inherent_energies"][c, r]
            yield "inherent displacements", np.isfinite(h).all() and np.abs(h.mean(1)).max() < 2e-3
            yield "inherent energies", np.isfinite(energies).all()


def _text(value) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
