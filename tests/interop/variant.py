"""Values of the Variant binary encoding as Python values, for comparison with JSON.

Source: apache/parquet-format, VariantEncoding.md.
"""

import struct
from decimal import Decimal


def _number(data, at, size):
    return int.from_bytes(data[at:at + size], "little")


def _names(metadata):
    size = (metadata[0] >> 6) + 1
    n = _number(metadata, 1, size)
    offsets = [_number(metadata, 1 + size * (1 + i), size) for i in range(n + 1)]
    first = 1 + size * (n + 2)
    return [metadata[first + a:first + b].decode() for a, b in zip(offsets, offsets[1:])]


def _primitive(kind, data, at):
    if kind == 0:
        return None
    if kind in (1, 2):
        return kind == 1
    if 3 <= kind <= 6:
        return int.from_bytes(data[at:at + (1 << (kind - 3))], "little", signed=True)
    if kind in (7, 14):
        return struct.unpack_from("<d" if kind == 7 else "<f", data, at)[0]
    if 8 <= kind <= 10:
        unscaled = int.from_bytes(data[at + 1:at + 1 + (4 << (kind - 8))], "little", signed=True)
        return float(Decimal(unscaled).scaleb(-data[at]))
    if kind == 16:
        return data[at + 4:at + 4 + _number(data, at, 4)].decode()
    raise ValueError(f"variant primitive {kind}")


def _value(names, data, at):
    kind, header = data[at] & 3, data[at] >> 2
    at += 1
    if kind == 0:
        return _primitive(header, data, at)
    if kind == 1:
        return data[at:at + header].decode()
    offset_size = (header & 3) + 1
    id_size = (header >> 2 & 3) + 1 if kind == 2 else 0
    is_large = header >> (4 if kind == 2 else 2) & 1
    n_size = 4 if is_large else 1
    n = _number(data, at, n_size)
    ids = at + n_size
    offsets = ids + n * id_size
    first = offsets + (n + 1) * offset_size
    items = [_value(names, data, first + _number(data, offsets + i * offset_size, offset_size)) for i in range(n)]
    if kind == 3:
        return items
    return {names[_number(data, ids + i * id_size, id_size)]: item for i, item in enumerate(items)}


def decode_variant(metadata, value):
    return _value(_names(metadata), value, 0)
