"""A reader of pickles that hold plain containers and arrays. It calls nothing that the stream names.

It runs the opcodes that such a file needs on a list, and refuses every other one. The four globals that an
array needs are markers; where the stream "calls" one, a checked value is put together here.
"""

from __future__ import annotations

import dataclasses
import pickletools
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np

from gensample.data.importing.source import check_expansion
from gensample.errors import DataError
from gensample.text import printable

_ARRAY, _DTYPE, _RECONSTRUCT, _SCALAR, _ENCODE = "ndarray", "dtype", "_reconstruct", "scalar", "encode"
_GLOBALS = {
    ("numpy", "ndarray"): _ARRAY,
    ("numpy", "dtype"): _DTYPE,
    ("_codecs", "encode"): _ENCODE,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _RECONSTRUCT for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _SCALAR for core in ("core", "_core")},
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "INT", "FLOAT", "LONG"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE"),
    *("BINSTRING", "SHORT_BINSTRING", "STRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}
_EMPTY = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple}
ByteOrder = Literal["<", ">", "|", "="]
_STEPS = 200_000  # a file of 300 arrays takes 3,000
_IGNORED = {"PROTO", "FRAME"}


class _Refusal(Exception):
    """Something that a pickle of plain arrays does not have."""


@dataclasses.dataclass(frozen=True)
class _Global:
    kind: str


@dataclasses.dataclass
class _Dtype:
    code: str
    order: ByteOrder = "="

    def numpy(self) -> np.dtype[Any]:
        return np.dtype(self.code).newbyteorder(self.order)


class _Array:
    """An array of the stream, empty until its state comes; numpy converts it when it is asked for."""

    def __init__(self) -> None:
        self.value = np.empty(0)

    def __len__(self) -> int:
        return len(self.value)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(self.value, dtype)


def load_pickle(path: Path) -> Any:
    """Content of a pickle of plain containers and arrays; arrays as what ``numpy.asarray`` takes.

    Raises:
        DataError: the pickle names anything else, or is damaged; nothing of it has been run.
    """
    try:
        raw = path.read_bytes()
        return _Reader(len(raw)).run(raw)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except Exception as error:  # a damaged stream can raise almost anything
        reason = printable(f"{type(error).__name__}: {error}".removeprefix("_Refusal: "))[:200]
        raise DataError(f"{path} is not a pickle of plain arrays, nothing was run ({reason})") from None


class _Reader:
    """The machine of a pickle: a stack, marks into it, and a memory of objects by number."""

    def __init__(self, size: int) -> None:
        self.size, self.repeated = size, 0
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memory: dict[int, Any] = {}

    def run(self, raw: bytes) -> Any:
        for number, (opcode, argument, _) in enumerate(pickletools.genops(raw)):
            if number > _STEPS:
                raise _Refusal(f"it takes more than {_STEPS} steps")
            if opcode.name == "STOP":
                return self.stack.pop()
            self._step(opcode.name, argument)
        raise _Refusal("it has no end")

    def _step(self, name: str, argument: Any) -> None:
        if name in _LITERALS:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            self.stack.append(_EMPTY[name]())
        elif name not in _IGNORED:
            operation = getattr(self, f"_{name.lower()}", None)
            if operation is None:
                raise _Refusal(f"it uses {name}, which is not allowed")
            operation(argument)

    def _mark(self, _: Any) -> None:
        self.marks.append(len(self.stack))

    def _since_mark(self) -> list[Any]:
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def _top(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise _Refusal("its stack is empty")
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def _tuple(self, _: Any) -> None:
        self.stack.append(tuple(self._since_mark()))

    def _tuple1(self, _: Any) -> None:
        self.stack.append(tuple(self._top(1)))

    def _tuple2(self, _: Any) -> None:
        self.stack.append(tuple(self._top(2)))

    def _tuple3(self, _: Any) -> None:
        self.stack.append(tuple(self._top(3)))

    def _list(self, _: Any) -> None:
        self.stack.append(self._since_mark())

    def _append(self, _: Any) -> None:
        self._extend(self._top(1))

    def _appends(self, _: Any) -> None:
        self._extend(self._since_mark())

    def _extend(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise _Refusal("it appends to what is no list")
        self.stack[-1].extend(items)

    def _dict(self, _: Any) -> None:
        items = self._since_mark()
        self.stack.append({})
        self._put(items)

    def _setitem(self, _: Any) -> None:
        self._put(self._top(2))

    def _setitems(self, _: Any) -> None:
        self._put(self._since_mark())

    def _put(self, items: list[Any]) -> None:
        target, keys = self.stack[-1], items[::2]
        if type(target) is not dict or not all(isinstance(key, str | int) for key in keys):
            raise _Refusal("it has a key that is neither text nor a number")
        target.update(zip(keys, items[1::2], strict=True))

    def _binput(self, index: Any) -> None:
        self.memory[index] = self.stack[-1]

    _long_binput = _binput

    def _memoize(self, _: Any) -> None:
        self.memory[len(self.memory)] = self.stack[-1]

    def _binget(self, index: Any) -> None:
        value = self.memory[index]
        self._count(_size(value))
        self.stack.append(value)

    _long_binget = _binget

    def _global(self, argument: str) -> None:
        self._name(*argument.split(" ", 1))

    def _stack_global(self, _: Any) -> None:
        self._name(*self._top(2))

    def _name(self, module: Any, name: Any) -> None:
        if not (isinstance(module, str) and isinstance(name, str)) or (module, name) not in _GLOBALS:
            raise _Refusal(f"it asks for {module}.{name}, which is not allowed")
        self.stack.append(_Global(_GLOBALS[module, name]))

    def _reduce(self, _: Any) -> None:
        function, arguments = self._top(2)
        if not isinstance(function, _Global) or type(arguments) is not tuple:
            raise _Refusal("it calls what is not allowed")
        self.stack.append(self._made(function.kind, arguments))

    def _made(self, kind: str, arguments: tuple[Any, ...]) -> Any:
        """What numpy would make of these arguments."""
        if kind == _RECONSTRUCT and arguments[0] == _Global(_ARRAY):
            return _Array()
        if kind == _DTYPE:
            return _dtype(arguments[0])
        if kind == _ENCODE:
            return self._bytes(arguments[0])
        if kind == _SCALAR and isinstance(arguments[0], _Dtype):
            return np.frombuffer(self._bytes(arguments[1]), arguments[0].numpy(), 1)[0].item()
        raise _Refusal(f"it calls numpy's {kind}, which is not allowed")

    def _bytes(self, text: Any) -> bytes:
        """Bytes that protocol 2 holds as text."""
        if isinstance(text, bytes):
            return text
        self._count(len(text))
        return bytes(text.encode("latin1"))

    def _count(self, size: int) -> None:
        """Bytes that the stream asks for a second time: a small file must not fill the memory with them."""
        self.repeated += size
        check_expansion("a pickle", self.repeated, self.size)

    def _build(self, _: Any) -> None:
        target, state = self._top(2)
        if isinstance(target, _Dtype):
            target.order = _byte_order(state)
        elif isinstance(target, _Array):
            target.value = self._filled(*state)
        else:
            raise _Refusal("it sets the state of what is no array")
        self.stack.append(target)

    def _filled(self, _: Any, shape: Any, dtype: Any, fortran: Any, raw: Any) -> np.ndarray:
        if not isinstance(dtype, _Dtype):
            raise _Refusal("an array of objects")
        flat = np.frombuffer(self._bytes(raw), dtype.numpy())
        return flat.reshape(shape, order="F" if fortran else "C")


def _size(value: Any) -> int:
    """Bytes of something that the stream refers to again."""
    if isinstance(value, list | dict) or (isinstance(value, _Array) and value.value.size == 0):
        raise _Refusal("it refers twice to one list, dictionary or unfinished array")
    if type(value) is tuple:
        if any(isinstance(item, tuple) for item in value):
            raise _Refusal("it refers twice to tuples in a tuple")
        return 64 + sum(map(_size, value))
    if isinstance(value, _Array):
        return 64 + value.value.nbytes
    return 64 + (len(value) if isinstance(value, str | bytes) else 0)


def _dtype(code: Any) -> _Dtype:
    if not isinstance(code, str) or np.dtype(code).kind not in "biufSU" or np.dtype(code).itemsize > 4096:
        raise _Refusal(f"an array of {code!r}")
    return _Dtype(code)


def _byte_order(state: Any) -> ByteOrder:
    if type(state) is tuple and len(state) > 1:
        for order in get_args(ByteOrder):
            if state[1] == order:
                return cast("ByteOrder", order)
    raise _Refusal("a type of unknown byte order")
