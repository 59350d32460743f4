"""Load and store bytes as words of any alignment, in compiled functions: instructions that Numba has no name for.

Arrays are of bytes (uint8). Nothing is checked: a load reads eight bytes and a copy writes eight, wanted or not, so
arrays end with `SLACK` bytes more than they hold.
"""

from collections.abc import Callable
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from libs.common.compiled.jit import inlined

SLACK = 8
Bytes: TypeAlias = npt.NDArray[np.uint8]
Numbers: TypeAlias = npt.NDArray[np.int64]
Number: TypeAlias = Any
"""A number of the machine; Numba finds its type."""

_Generate: TypeAlias = Callable[[Any, Any, Any, Any], Any]
_Typed: TypeAlias = tuple[Any, _Generate]


def _instruction(build: Callable[..., _Typed]) -> Callable[..., Number]:
    """Return what `build` types and generates as a function for compiled code."""
    return cast("Callable[..., Number]", intrinsic(build))


def _pointer(context: Any, builder: Any, kind: Any, array: Any, at: Any, bits: int) -> Any:
    """Return a pointer to a word at a place of an array."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [at]), ir.IntType(bits).as_pointer())


def _store(bits: int) -> Callable[..., Number]:
    """Return a function that stores the low bits of a number in network order."""

    def put(_typing: Any, array: Any, _at: Any, _value: Any) -> _Typed:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            target, place, number = values
            pointer = _pointer(context, builder, signature.args[0], target, place, bits)
            word = builder.trunc(number, ir.IntType(bits)) if bits < 64 else number
            builder.store(builder.bswap(word), pointer, align=1)
            return context.get_dummy_value()

        return types.void(array, types.int64, types.int64), generate

    return _instruction(put)


put16, put32, put64 = _store(16), _store(32), _store(64)


@_instruction
def load64(_typing: Any, array: Any, _at: Any) -> _Typed:
    """Return the eight bytes at a place; the first is the lowest."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        array_value, at = values
        pointer = _pointer(context, builder, signature.args[0], array_value, at, 64)
        return builder.load(pointer, align=1)

    return types.uint64(array, types.int64), generate


@_instruction
def copy64(_typing: Any, source: Any, _begin: Any, target: Any, _at: Any) -> _Typed:
    """Copy eight bytes from a place of one array to a place of another."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        taken_of, begin, given_to, at = values
        taken = _pointer(context, builder, signature.args[0], taken_of, begin, 64)
        given = _pointer(context, builder, signature.args[2], given_to, at, 64)
        builder.store(builder.load(taken, align=1), given, align=1)
        return context.get_dummy_value()

    return types.void(source, types.int64, target, types.int64), generate


@_instruction
def low_zeros(_typing: Any, _word: Any) -> _Typed:
    """Return how many bits are below the lowest one that is set, which there must be."""

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        return builder.cttz(values[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


@_instruction
def bits_of_double(_typing: Any, _value: Any) -> _Typed:
    """Return the bits of a double as a number."""

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        return builder.bitcast(values[0], ir.IntType(64))

    return types.int64(types.float64), generate


@_instruction
def bits_of_single(_typing: Any, _value: Any) -> _Typed:
    """Return the bits of a float of four bytes as a number."""

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        return builder.zext(builder.bitcast(values[0], ir.IntType(32)), ir.IntType(64))

    return types.int64(types.float32), generate


_EACH = np.uint64(0x0101010101010101)
_HIGH = np.uint64(0x8080808080808080)


@inlined
def repeated(byte: Number) -> Number:
    """Return a word of eight equal bytes."""
    return _EACH * np.uint64(byte)


@inlined
def find_below_or_equal_to(
    text: Bytes, begin: Number, end: Number, bound8: Number, bytes8: Number
) -> Number:
    """Return where the first byte below one `repeated` byte (at most 128) or equal to another stands, or `end`."""
    while begin < end:
        word = load64(text, begin)
        other = word ^ bytes8
        found = (((word - bound8) & ~word) | ((other - _EACH) & ~other)) & _HIGH
        if found != np.uint64(0):
            place = begin + (low_zeros(found) >> 3)
            return min(end, place)
        begin += 8
    return end


@inlined
def find(text: Bytes, begin: Number, end: Number, bytes8: Number) -> Number:
    """Return where the first of a `repeated` byte stands, or `end`."""
    return find_below_or_equal_to(text, begin, end, np.uint64(0), bytes8)


@inlined
def count_equal(text: Bytes, end: Number, bytes8: Number) -> Number:
    """Count a `repeated` byte before `end`, where others follow."""
    count = np.int64(0)
    for begin in range(0, end, 8):
        other = load64(text, begin) ^ bytes8
        differs = (((other & ~_HIGH) + ~_HIGH) | other) & _HIGH
        count += np.int64((((differs ^ _HIGH) >> np.uint64(7)) * _EACH) >> np.uint64(56))
    return count
