"""Rows as dicts of Python values, by the types that pyarrow's to_pylist() gives, without importing it.

What a value is made of is told by its column's format in the Arrow C data interface.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

from frazil.exceptions import InvalidError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from frazil import _core

    Convert = Callable[[Any], Any]

_EPOCH = datetime(1970, 1, 1)
_UTC_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_EPOCH_DAYS = date(1970, 1, 1).toordinal()
_PER_SECOND = {"s": 1, "m": 10**3, "u": 10**6, "n": 10**9}


def dicts(stream: _core.Stream) -> Iterator[dict[str, Any]]:
    rows = stream.rows()
    convert = _struct(rows.columns())
    return map(convert, rows)


def _microseconds(unit: str, name: str) -> Convert:
    """From a number of units to a timedelta."""
    per_second = _PER_SECOND[unit]

    def convert(value: int) -> timedelta:
        if unit == "n" and value % 1000 != 0:
            raise InvalidError(
                f"column '{name}': {value} ns holds parts of a microsecond, which Python's times "
                "do not have; use to_arrow()"
            )
        return timedelta(microseconds=value * 10**6 // per_second)

    return convert


def _timestamp(name: str, unit: str, zone: str) -> Convert:
    since = _microseconds(unit, name)
    epoch = _UTC_EPOCH if zone else _EPOCH  # tables know UTC alone
    return lambda value: epoch + since(value)


def _time(name: str, unit: str) -> Convert:
    since = _microseconds(unit, name)
    return lambda value: (_EPOCH + since(value)).time()


def _decimal(scale: int) -> Convert:
    from decimal import Decimal

    # From text: arithmetic would round to the context's digits.
    return lambda value: Decimal(f"{int.from_bytes(value, 'little', signed=True)}E{-scale}")


def _uuid() -> Convert:
    from uuid import UUID

    return lambda value: UUID(bytes=value)


def _list(item: Convert | None) -> Convert | None:
    if item is None:
        return None
    return lambda values: [None if value is None else item(value) for value in values]


def _struct(columns: tuple[_core._Column, ...]) -> Convert:
    fields = [(column[0], _converter(*column)) for column in columns]

    def convert(values: tuple[Any, ...]) -> dict[str, Any]:
        return {
            name: value if value is None or convert_value is None else convert_value(value)
            for (name, convert_value), value in zip(fields, values)
        }

    return convert


def _map(entry: _core._Column) -> Convert:
    """Pairs, as a map may have keys that dicts cannot have."""
    key, value = (_converter(*column) for column in entry[3])

    def pair(values: tuple[Any, Any]) -> tuple[Any, Any]:
        return (
            values[0] if key is None else key(values[0]),
            values[1] if value is None or values[1] is None else value(values[1]),
        )

    return lambda pairs: [pair(each) for each in pairs]


def _converter(
    name: str, form: str, extension: str, children: tuple[_core._Column, ...]
) -> Convert | None:
    """None where the value is what it should be already."""
    if form.startswith("ts"):
        return _timestamp(name, form[2], form[4:])
    if form.startswith("tt"):
        return _time(name, form[2])
    if form == "tdD":
        return lambda value: date.fromordinal(_EPOCH_DAYS + value)
    if form.startswith("d:"):
        return _decimal(int(form[2:].split(",")[1]))
    if extension == "arrow.uuid":
        return _uuid()
    if form == "+s":
        return _struct(children)
    if form == "+m":
        return _map(children[0])
    if form.startswith("+"):
        return _list(_converter(*children[0]))
    return None
