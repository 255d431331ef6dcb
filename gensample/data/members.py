"""Members of an HDF5 file, opened only as hard links to plain arrays that are stored."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5s, h5z

from gensample.errors import DataError

# What h5py and numpy raise on a damaged file.
DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, MemoryError)
COMPRESSIONS = {h5z.FILTER_DEFLATE, h5z.FILTER_LZF}
FILTERS = COMPRESSIONS | {h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32}
# gzip shrinks by 1032 at most, but by so much only what is all alike: flags, counts, boxes. Such arrays are
# small, and what is small may do no harm.
COMPRESSION_RATIO, DATA_RATIO = 1100, 64
HARMLESS, SMALL = 2**20, 2**27
# The longest word in an array of words, such as a split.
LONGEST_WORD = 64
WORDS_AT_ONCE = 64 * 2**20
_KINDS = {"f": "float", "i": "int", "u": "int", "b": "bool"}
_WANTED = {"f": "float", "i": "int", "?": "bool", "S": "string"}


class Attributes(dict[str, Any]):
    """Attributes as plain Python values and arrays; one that is missing is an error of the file."""

    def __init__(self, path: Path, values: dict[str, Any]) -> None:
        super().__init__(values)
        self._path = path

    def __missing__(self, name: str) -> Any:
        raise DataError(f"{self._path} lacks the attribute {name}; make the file again")


class Members:
    """Arrays and attributes of an open file, each checked before it is opened for reading.

    Raises:
        DataError: links that are not hard ones, data outside the file, unknown filters, types that are not
            plain, more than is stored, and whatever cannot be read.
    """

    def __init__(self, file: h5py.File, path: Path) -> None:
        self.path = path
        self._file = file
        self._arrays: dict[str, h5py.Dataset] = {}
        self._types: dict[str, str | None] = {}
        self._attributes: dict[str, Attributes] = {}

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __contains__(self, name: str) -> bool:
        return name in self._arrays or any(known.startswith(f"{name}/") for known in self._arrays)

    def held(self) -> list[str]:
        """Names of the arrays that were opened."""
        return list(self._arrays)

    def names(self, group: str = "/") -> list[str]:
        """Names in a group, followed or not."""
        with damage(self.path, group):
            found = self._file if group == "/" else self._hard(self._file, group)
            if not isinstance(found, h5py.Group):
                raise DataError(f"{self.path}: {group} must be a group; make the file again")
            return list(found)

    def _hard(self, parent: h5py.Group, name: str) -> Any:
        """A member by its name, never through a link that leads elsewhere."""
        try:
            link = parent.get(name, getlink=True)
        except TypeError:
            link = None
        if not isinstance(link, h5py.HardLink):
            where = f"{parent.name}/{name}".strip("/")
            raise DataError(f"{self.path}: {where} is a link to elsewhere; make the file again without links")
        return parent[name]

    def add(self, name: str, wanted: str | None) -> None:
        """Open an array, to be read as numpy type ``wanted`` or, for None, as numbers of any type.

        Nothing may be read of it before `check_type` and `check_size`.
        """
        with damage(self.path, name):
            found = self._file
            for part in name.split("/"):
                found = self._hard(found, part)
            if not isinstance(found, h5py.Dataset):
                raise DataError(f"{self.path}: {name} must be an array; make the file again")
            self._arrays[name], self._types[name] = found, wanted
            properties, filters = found.id.get_create_plist(), _filters(found)
            if properties.get_layout() == h5d.VIRTUAL or properties.get_external_count():
                raise DataError(f"{self.path}: {name} is stored in another file; make the file again, whole")
            if (
                filters - FILTERS
                or len(filters & COMPRESSIONS) > 1
                or properties.get_nfilters() > len(filters)
            ):
                raise DataError(
                    f"{self.path}: {name} is compressed in an unknown way; `h5repack -f GZIP=9` mends that"
                )

    def check_type(self, name: str) -> None:
        """Refuse an array of another kind than is wanted, and one of a type that is not plain."""
        wanted = self._types[name]
        with damage(self.path, name):
            dtype = self._arrays[name].dtype
            word = h5py.check_string_dtype(dtype)
        kind = _KINDS.get(dtype.kind, "no plain type") if word is None else "string"
        fits = kind in _KINDS.values() if wanted is None else kind == _WANTED[wanted[0]]
        if not fits or (word is not None and (word.length or 0) > LONGEST_WORD):
            expected = "numbers" if wanted is None else f"{_WANTED[wanted[0]]} values"
            raise DataError(
                f"{self.path}: {name} must hold {expected}, holds {kind} ({dtype}); make the file again"
            )

    def check_size(self, name: str, count: int) -> None:
        """Refuse an array of which more than is stored would have to be read: ``count`` numbers."""
        if not count:
            return
        with damage(self.path, name):
            dataset = self._arrays[name]
            size = dataset.dtype.itemsize
            needed = size * max(count, math.prod(dataset.chunks or (0,)))
            stored = min(dataset.id.get_storage_size(), self._file.id.get_filesize())
            memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
            most = stored
            if _filters(dataset) & COMPRESSIONS:
                most = max(DATA_RATIO * stored, min(COMPRESSION_RATIO * stored, SMALL))
        if needed > HARMLESS + most or needed > memory:
            raise DataError(
                f"{self.path}: {name} claims {needed:.3g} bytes, of which {stored} are stored; "
                "the file is damaged or made to fill the memory"
            )

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of an array."""
        shape: tuple[int, ...] | None = self._arrays[name].shape
        if shape is None:
            raise DataError(f"{self.path}: {name} holds nothing; make the file again")
        return shape

    def read(self, name: str, key: Any = ...) -> np.ndarray:
        """An array or part of it, in the type that it is documented to have."""
        with damage(self.path, name):
            wanted = self._types[name]
            if wanted == "S":
                words: np.ndarray = self._words(name)[key]
                return words
            array = np.asarray(self._arrays[name][key])
            native = array.astype(array.dtype.newbyteorder("="), copy=False)
            return native if wanted is None else self._as(name, native, np.dtype(wanted))

    def _as(self, name: str, array: np.ndarray, wanted: np.dtype) -> np.ndarray:
        """An array as the type; whole numbers that it does not hold, and odd booleans, are refused."""
        with np.errstate(over="ignore", invalid="ignore"):
            cast = array.astype(wanted, copy=False)
        odd = array.view(np.uint8).max(initial=0) > 1 if wanted.kind == "b" else False
        if odd or (wanted.kind == "i" and not np.array_equal(cast, array)):
            raise DataError(f"{self.path}: {name} holds values that are no {wanted}; make the file again")
        return cast

    def _words(self, name: str) -> np.ndarray:
        """Short words, (n,) of bytes, a few at a time: many may be one very long one, stored once."""
        dataset, words = self._arrays[name], []
        width = max(16, WORDS_AT_ONCE // max(1, self._file.id.get_filesize()))
        for first in range(0, len(dataset), width):
            words += [_text(word).encode() for word in dataset[first : first + width]]
            if max(map(len, words[first:])) > LONGEST_WORD:
                raise DataError(f"{self.path}: {name} holds a word of more than {LONGEST_WORD} letters")
        return np.array(words, dtype=bytes)

    def attribute_names(self, owner: str = "/") -> list[str]:
        """Names of all attributes of a member or of the file."""
        with damage(self.path, f"attributes of {owner}"):
            return list(self._file[owner].attrs)

    def attributes(self, owner: str = "/") -> Attributes:
        """Attributes that are plain: one text, or numbers; any others are left out."""
        if owner not in self._attributes:
            plain = {}
            for name in self.attribute_names(owner):
                with damage(self.path, f"the attribute {name}"):
                    plain[name] = _plain(self._file[owner].attrs, name)
            known = {name: value for name, value in plain.items() if value is not None}
            self._attributes[owner] = Attributes(self.path, known)
        return self._attributes[owner]


def _plain(attrs: h5py.AttributeManager, name: str) -> Any:
    stored = attrs.get_id(name)
    text = h5py.check_string_dtype(stored.dtype) is not None
    if stored.get_space().get_simple_extent_type() == h5s.NULL or (text and stored.shape != ()):
        return None
    if text:
        try:
            found = _text(attrs[name])
            found.encode()
        except UnicodeError:  # neither bytes nor the string that h5py made of them are UTF-8
            return None
        return found
    if stored.dtype.kind not in _KINDS:
        return None
    value = np.asarray(attrs[name])
    return value.astype(value.dtype.newbyteorder("=")) if value.shape else value.item()


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


@contextmanager
def damage(path: Path, what: str) -> Iterator[None]:
    """Errors of h5py and numpy, of which there are many kinds, as one line that says what cannot be read."""
    try:
        yield
    except DAMAGE as error:
        reason = (str(error) or type(error).__name__).splitlines()[0].strip("'\"")
        raise DataError(f"{path}: {what} cannot be read ({reason}); make the file again") from None


def _filters(dataset: h5py.Dataset) -> set[int]:
    properties = dataset.id.get_create_plist()
    return {properties.get_filter(k)[0] for k in range(properties.get_nfilters())}
