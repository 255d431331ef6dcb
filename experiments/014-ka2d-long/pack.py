"""The same dataset in fewer bytes: all fields of a configuration in one chunk.

    python experiments/014-ka2d-long/pack.py runs/ka2d-long.h5 datasets/ka2d-long.h5

`simulate` keeps every replica in a chunk of its own, so that it can be written as soon as it is there.
Nothing else changes: names, values, attributes.
"""

import sys

import h5py

FIELDS = ("displacements", "inherent_displacements")


def main() -> None:
    """Copy, with other chunks."""
    with h5py.File(sys.argv[1]) as old, h5py.File(sys.argv[2], "w") as new:
        new.attrs.update(old.attrs)
        for name in old:
            if name not in FIELDS:
                old.copy(name, new)
                continue
            fields, chunk = old[name], (1, *old[name].shape[1:])
            shape = {"dtype": fields.dtype, "shape": fields.shape, "fillvalue": fields.fillvalue}
            made = new.create_dataset(
                name, **shape, chunks=chunk, compression="gzip", compression_opts=9, shuffle=True
            )
            made.attrs.update(fields.attrs)
            for row in range(len(fields)):
                made[row] = fields[row]


if __name__ == "__main__":
    main()
