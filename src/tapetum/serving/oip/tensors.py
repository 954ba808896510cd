"""Tensors of the protocol as bytes and as JSON.

In the binary form an element of BYTES is its length, 4 bytes little-endian,
and its bytes. JSON has no bytes: there an element that goes in is base64.
"""

import struct
from base64 import b64decode
from collections.abc import Iterable, Sequence
from itertools import chain
from math import prod
from typing import Any

import numpy as np

from tapetum.errors import MalformedRequest

_LENGTH = struct.Struct("<I")


def files_from_bytes(content: memoryview, count: int) -> list[bytes]:
    """The `count` elements of a tensor of BYTES. Raises MalformedRequest where they do not fill it exactly."""
    elements = []
    place = 0
    for number in range(count):
        start = place + _LENGTH.size
        if start > len(content):
            raise MalformedRequest(f"the binary data have {number} elements: the shape says {count}")
        place = start + _LENGTH.unpack_from(content, place)[0]
        if place > len(content):
            raise MalformedRequest(f"element {number} says that it has {place - start} bytes: fewer are left")
        elements.append(bytes(content[start:place]))
    if place != len(content):
        raise MalformedRequest(
            f"{len(content) - place} bytes are left over after {count} elements: the shape says more"
        )
    return elements


def files_from_json(values: object, shape: Sequence[int]) -> list[bytes]:
    """The elements of a tensor of BYTES, each of them base64. Raises MalformedRequest."""
    elements = []
    for number, value in enumerate(_flat(values, shape)):
        try:
            elements.append(b64decode(value, validate=True))
        except (TypeError, ValueError):
            raise MalformedRequest(
                f"element {number} of the data is no base64: `base64 -w0 photo.jpg` makes it"
            ) from None
    return elements


def pixels_from_bytes(content: memoryview, shape: Sequence[int]) -> np.ndarray:
    """uint8 of a shape, where its bytes lie. Raises MalformedRequest."""
    if len(content) != prod(shape):
        raise MalformedRequest(f"the binary data have {len(content)} bytes: the shape says {prod(shape)}")
    return np.frombuffer(content, np.uint8).reshape(shape)


def pixels_from_json(values: object, shape: Sequence[int]) -> np.ndarray:
    """uint8 of a shape. Raises MalformedRequest."""
    try:
        return np.frombuffer(bytes(_flat(values, shape)), np.uint8).reshape(shape)
    except (TypeError, ValueError):
        raise MalformedRequest("the data of pixels are something else than whole numbers from 0 to 255") from None


def bytes_of(elements: Iterable[str]) -> bytes:
    """A tensor of BYTES in its binary form."""
    encoded = [element.encode() for element in elements]
    return b"".join(part for element in encoded for part in (_LENGTH.pack(len(element)), element))


def _flat(values: object, shape: Sequence[int]) -> list[Any]:
    """The elements of a tensor row by row; JSON has them flat, or nested as its shape says."""
    if not isinstance(values, list):
        raise MalformedRequest("the data of an input are no list")
    for size in shape[1:]:
        if not values or not isinstance(values[0], list):
            break
        if not all(isinstance(row, list) and len(row) == size for row in values):
            raise MalformedRequest("the data are neither flat nor nested as their shape says")
        values = list(chain.from_iterable(values))
    if len(values) != prod(shape):
        raise MalformedRequest(f"the data have {len(values)} elements: the shape says {prod(shape)}")
    return values
