"""A reader of pickles that hold plain containers and arrays. It calls nothing that the stream names.

Python's own unpickler (the one in Python, which takes no memory before it is filled) reads it, with stand-ins
of ours for the globals that an array needs. Every other global and opcode is refused.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from gensample.data.importing.source import check_expansion
from gensample.errors import DataError
from gensample.text import printable

_OPCODES = {
    *("PROTO", "FRAME", "STOP", "MARK", "NONE", "NEWTRUE", "NEWFALSE"),
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "INT", "FLOAT", "LONG"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE"),
    *("BINSTRING", "SHORT_BINSTRING", "STRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
    *("EMPTY_LIST", "EMPTY_DICT", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "LIST", "DICT"),
    *("APPEND", "APPENDS", "SETITEM", "SETITEMS", "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD"),
    *("MEMOIZE", "BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET"),
}
_GLOBALS = {
    "numpy": ("ndarray", "dtype"),
    "_codecs": ("encode",),
    **dict.fromkeys(("numpy.core.multiarray", "numpy._core.multiarray"), ("_reconstruct", "scalar")),
}
_STEPS = 200_000  # a file of 300 arrays takes 3,000


class _Refusal(Exception):
    """Something that a pickle of plain arrays does not have."""


class _Array:
    """An array of the stream, empty until its state comes; numpy converts it when it is asked for."""

    def __init__(self) -> None:
        self.value = np.empty(0)

    def __len__(self) -> int:
        return len(self.value)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(self.value, dtype)

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, raw = state
        if not isinstance(dtype, _Dtype) or not isinstance(raw, bytes):
            raise _Refusal("an array of objects")
        self.value = np.frombuffer(raw, dtype.numpy()).reshape(shape, order="F" if fortran else "C")


class _Dtype:
    def __init__(self, code: Any) -> None:
        if not isinstance(code, str) or np.dtype(code).kind not in "biufSU" or np.dtype(code).itemsize > 4096:
            raise _Refusal(f"an array of {code!r}")
        self.code, self.order = code, "="

    def __setstate__(self, state: Any) -> None:
        if not (type(state) is tuple and len(state) > 1 and state[1] in ("<", ">", "|", "=")):
            raise _Refusal("a type of unknown byte order")
        self.order = state[1]

    def numpy(self) -> np.dtype[Any]:
        return np.dtype(self.code).newbyteorder(self.order)  # type: ignore


@dataclass(frozen=True)
class _Global:
    """What stands in for a global of numpy or codecs; called, it makes what numpy would of the arguments."""

    kind: str
    reader: _Unpickler

    def __call__(self, *arguments: Any) -> Any:
        if self.kind == "_reconstruct" and arguments[0] == _Global("ndarray", self.reader):
            return _Array()
        if self.kind == "dtype":
            return _Dtype(arguments[0])
        if self.kind == "scalar" and isinstance(arguments[0], _Dtype):
            return np.frombuffer(arguments[1], arguments[0].numpy(), 1)[0].item()
        if self.kind == "encode" and isinstance(arguments[0], str):
            return self.reader.encode(arguments[0])
        raise _Refusal(f"it calls numpy's {self.kind}, which is not allowed")

    def __setstate__(self, state: Any) -> None:
        raise _Refusal("it sets the state of what is no array")


class _Unpickler(pickle._Unpickler):
    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)

    def __init__(self, raw: bytes) -> None:
        super().__init__(io.BytesIO(raw))
        self.size, self.encoded = len(raw), 0

    def find_class(self, module: str, name: str) -> Any:
        if name not in _GLOBALS.get(module, ()):
            raise _Refusal(f"it asks for {module}.{name}, which is not allowed")
        return _Global(name, self)

    def encode(self, text: str) -> bytes:
        """Bytes that protocol 2 holds as text; asked for again and again, they must not fill the memory."""
        self.encoded += len(text)
        check_expansion("a pickle", self.encoded, self.size)
        return text.encode("latin1")


def _with_plain_keys(opcode: bytes, keys: slice) -> None:
    """Let an opcode set text and numbers only: deep tuples as keys would end the process."""
    load = _Unpickler.dispatch[opcode[0]]

    def checked(reader: Any) -> None:
        if not all(isinstance(key, str | int) for key in reader.stack[keys]):
            raise _Refusal("it has a key that is neither text nor a number")
        load(reader)

    _Unpickler.dispatch[opcode[0]] = checked


_with_plain_keys(pickle.SETITEM, slice(-2, -1))
_with_plain_keys(pickle.SETITEMS, slice(None, None, 2))
_with_plain_keys(pickle.DICT, slice(None, None, 2))


def load_pickle(path: Path) -> Any:
    """Content of a pickle of plain containers and arrays; arrays as what ``numpy.asarray`` takes.

    Raises:
        DataError: the pickle names anything else, or is damaged; nothing of it has been run.
    """
    try:
        raw = path.read_bytes()
        for number, (opcode, _, _) in enumerate(pickletools.genops(raw)):
            if opcode.name not in _OPCODES:
                raise _Refusal(f"it uses {opcode.name}, which is not allowed")
            if number > _STEPS:
                raise _Refusal(f"it takes more than {_STEPS} steps")
        found = _Unpickler(raw).load()
        _weigh(found, len(raw))
        return found
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except Exception as error:  # a damaged stream can raise almost anything
        reason = printable(f"{type(error).__name__}: {error}".removeprefix("_Refusal: "))[:200]
        raise DataError(f"{path} is not a pickle of plain arrays, nothing was run ({reason})") from None


def _weigh(found: Any, size: int) -> None:
    """Refuse what is far larger than its file: the stream may refer to one object again and again."""
    weight, left = 0, [found]
    while left:
        value = left.pop()
        weight += 64 + (value.value.nbytes if isinstance(value, _Array) else 0)
        weight += len(value) if isinstance(value, str | bytes) else 0
        check_expansion("a pickle", weight, size)
        if isinstance(value, dict):
            left += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple):
            left += value
