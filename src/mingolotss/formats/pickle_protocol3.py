"""Write a pickle of protocol 3 byte for byte as Python and numpy 1 wrote the published batches.

`pickle` gives other bytes for equal values: numpy 2 calls a module ``numpy._core`` that was
``numpy.core``, versions of numpy differ in the arguments of a dtype, and an object is stored once
or twice depending on whether two equal strings are one object in memory. Here each of these is
decided by the value that is written, so that the same values give the same bytes with every version
of Python and numpy. Only what a batch contains can be written: a dict of texts, numbers, lists,
arrays of uint8 and `numpy.str_`.

The opcodes are those of PEP 307 and PEP 3154, in the order of the C implementation of `pickle`;
`pickletools.dis` shows them.

>>> import io, pickle
>>> stream = io.BytesIO()
>>> content = {"labels": [0, 300], "data": [np.zeros(2, np.uint8)], "filenames": [np.str_("a")]}
>>> Protocol3Pickler(stream).dump(content)
>>> b"numpy.core.multiarray" in stream.getvalue()
True
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Mapping, Sequence
from typing import IO

import numpy as np
import numpy.typing as npt

__all__ = ["Pickled", "Protocol3Pickler"]

Pickled = str | int | float | np.str_ | npt.NDArray[np.uint8] | Sequence["Pickled"]

_BATCH = 1000  # elements of a list that one opcode appends
_BYTE, _WORD = 1 << 8, 1 << 16
_MODULE = "numpy.core.multiarray"
_UINT8 = ("u1", "|", -1, -1, 0)


class Protocol3Pickler:
    """Writes one dict.

    Parameters
    ----------
    stream : binary file
    int_flags : bool
        Write the two flags of a dtype as the integers 0 and 1, as older versions of numpy did, and
        not as False and True.
    """

    # The memo of a pickle numbers its objects in the order in which they are complete; an object
    # that comes again is a reference to its number. The published batches have references to the
    # functions and classes of numpy, the dtype of the images, the bytes b"b", and the texts of one
    # letter that numpy shares ("<", "|"). All else was another object in the memory of the program
    # that wrote them, and is written in full each time: texts, tuples, the dtype of a `numpy.str_`.

    def __init__(self, stream: IO[bytes], *, int_flags: bool = False) -> None:
        self._write = stream.write
        self._numbers: dict[object, int] = {}
        self._count = 0
        self._flags = b"K\x00K\x01" if int_flags else pickle.NEWFALSE + pickle.NEWTRUE

    def dump(self, content: Mapping[str, Pickled]) -> None:
        """Write a dict, whose entries keep their order."""
        self._write(pickle.PROTO + b"\x03" + pickle.EMPTY_DICT)
        self._memoize()
        self._write(pickle.MARK)
        for key, value in content.items():
            self._text(key)
            self._value(value)
        self._write(pickle.SETITEMS + pickle.STOP)

    def _value(self, value: Pickled) -> None:
        if isinstance(value, np.str_):
            self._numpy_text(value)
        elif isinstance(value, str):
            self._text(value)
        elif isinstance(value, int):
            self._integer(value)
        elif isinstance(value, float):
            self._write(pickle.BINFLOAT + struct.pack(">d", value))
        elif isinstance(value, np.ndarray):
            self._array(value)
        else:
            self._list(value)

    def _memoize(self, shared: object = None) -> None:
        """Give the last object the next number; an object that is `shared` is referred to by it."""
        number = self._count
        self._count += 1
        if shared is not None:
            self._numbers[shared] = number
        if number < _BYTE:
            self._write(pickle.BINPUT + bytes([number]))
        else:
            self._write(pickle.LONG_BINPUT + struct.pack("<I", number))

    def _refer(self, shared: object) -> bool:
        """Write a reference to a shared object; return whether it was written before."""
        number = self._numbers.get(shared)
        if number is None:
            return False
        if number < _BYTE:
            self._write(pickle.BINGET + bytes([number]))
        else:
            self._write(pickle.LONG_BINGET + struct.pack("<I", number))
        return True

    def _text(self, text: str, *, shared: object = None) -> None:
        data = text.encode("utf-8", "surrogatepass")
        self._write(pickle.BINUNICODE + struct.pack("<I", len(data)) + data)
        self._memoize(shared)

    def _integer(self, value: int) -> None:
        if 0 <= value < _BYTE:
            self._write(pickle.BININT1 + bytes([value]))
        elif 0 <= value < _WORD:
            self._write(pickle.BININT2 + struct.pack("<H", value))
        else:
            self._write(pickle.BININT + struct.pack("<i", value))

    def _bytes(self, data: bytes) -> None:
        if len(data) < _BYTE:
            self._write(pickle.SHORT_BINBYTES + bytes([len(data)]))
        else:
            self._write(pickle.BINBYTES + struct.pack("<I", len(data)))
        self._write(data)

    def _name(self, module: str, name: str) -> None:
        """Write a function or class of numpy."""
        if not self._refer((module, name)):
            self._write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
            self._memoize((module, name))

    def _list(self, values: Sequence[Pickled]) -> None:
        self._write(pickle.EMPTY_LIST)
        self._memoize()
        if len(values) == 1:
            self._value(values[0])
            self._write(pickle.APPEND)
            return
        for start in range(0, len(values), _BATCH):
            self._write(pickle.MARK)
            for value in values[start : start + _BATCH]:
                self._value(value)
            self._write(pickle.APPENDS)

    def _tuple(self, opcode: bytes) -> None:
        self._write(opcode)
        self._memoize()

    def _array(self, array: npt.NDArray[np.uint8]) -> None:
        """Write ``_reconstruct(ndarray, (0,), b"b")`` and its state (`ndarray.__reduce__`)."""
        self._name(_MODULE, "_reconstruct")
        self._name("numpy", "ndarray")
        self._integer(0)
        self._tuple(pickle.TUPLE1)
        if not self._refer(b"b"):
            self._bytes(b"b")
            self._memoize(b"b")
        self._tuple(pickle.TUPLE3)
        self._write(pickle.REDUCE)
        self._memoize()
        self._write(pickle.MARK)
        self._integer(1)  # version of the state
        for length in array.shape:
            self._integer(length)
        self._tuple(pickle.TUPLE1 if array.ndim == 1 else pickle.TUPLE2)
        if not self._refer(_UINT8):
            self._dtype(*_UINT8, shared=_UINT8)
        self._write(pickle.NEWFALSE)  # C order
        self._bytes(array.tobytes())
        self._memoize()
        self._tuple(pickle.TUPLE)
        self._write(pickle.BUILD)

    def _dtype(
        self, name: str, order: str, size: int, alignment: int, flags: int, *, shared: object = None
    ) -> None:
        """Write ``dtype(name, False, True)`` and its state (`dtype.__reduce__`)."""
        self._name("numpy", "dtype")
        self._text(name)
        self._write(self._flags)
        self._tuple(pickle.TUPLE3)
        self._write(pickle.REDUCE)
        self._memoize(shared)
        self._write(pickle.MARK)
        self._integer(3)  # version of the state
        if not self._refer(order):
            self._text(order, shared=order)
        self._write(3 * pickle.NONE)
        for value in (size, alignment, flags):
            self._integer(value)
        self._tuple(pickle.TUPLE)
        self._write(pickle.BUILD)

    def _numpy_text(self, text: np.str_) -> None:
        """Write ``scalar(dtype, bytes)`` (`numpy.generic.__reduce__`)."""
        data = text.encode("utf-32-le", "surrogatepass")
        self._name(_MODULE, "scalar")
        self._dtype(f"U{len(data) // 4}", "<", len(data), 4, 8)
        self._bytes(data)
        self._memoize()
        self._tuple(pickle.TUPLE2)
        self._write(pickle.REDUCE)
        self._memoize()
