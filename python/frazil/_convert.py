"""Between Python values and what the extension takes: tables, times, names, properties.

pyarrow, pandas, polars and duckdb are imported inside the functions that need them, never when
frazil is imported. Reading and writing Arrow data between libraries needs none of them.

A process that reads one row lives for milliseconds, and importing typing, dataclasses or threading
takes as long: what such a process goes through imports none of them (here, _context, catalog,
table), and keeps names that only annotations use under TYPE_CHECKING, which type checkers know by
its name.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone

from frazil.exceptions import InvalidError, from_stream_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any, TypeVar

    import pandas
    import pyarrow

    _T = TypeVar("_T")

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def quoted(name: str) -> str:
    """A column as filters, partition specs, sort orders and SQL take it, whatever it is called."""
    return '"' + name.replace('"', '""') + '"'


def guarded(run: Callable[[], _T]) -> _T:
    """Run a consumer of one of our streams; raise our exception where our stream failed."""
    try:
        return run()
    except Exception as error:
        ours = from_stream_error(error)
        if ours is None:
            raise
        raise ours from error


def guarded_iterator(items: Iterator[_T]) -> Iterator[_T]:
    """The same for what reads a stream step by step."""
    try:
        yield from items
    except OSError as error:
        ours = from_stream_error(error)
        if ours is None:
            raise
        raise ours from error


def _is_mapping(value: object) -> bool:
    if isinstance(value, dict):
        return True
    from collections.abc import Mapping

    return isinstance(value, Mapping)


def is_pandas(data: object) -> bool:
    kind = type(data)
    return kind.__name__ == "DataFrame" and kind.__module__.split(".", 1)[0] == "pandas"


def from_pandas(frame: "pandas.DataFrame") -> "pyarrow.Table":
    """A pandas frame as Arrow; an index that has names becomes columns, any other is dropped."""
    import pyarrow as pa

    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    return pa.Table.from_pandas(frame, preserve_index=False)


def as_stream(data: Any) -> Any:
    """An object that the extension can read Arrow rows from."""
    if is_pandas(data):
        return from_pandas(data)
    if hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__"):
        return data
    if isinstance(data, (list, tuple)) and all(_is_mapping(row) for row in data):
        import pyarrow as pa

        return pa.Table.from_pylist(list(data))
    if type(data).__module__.split(".", 1)[0].endswith("duckdb") and hasattr(
        data, "fetch_arrow_reader"
    ):
        return data.fetch_arrow_reader()
    raise TypeError(
        f"{type(data).__name__} is not a table: pass an object with __arrow_c_stream__ "
        "(pyarrow, Polars, DuckDB), a pandas DataFrame or a list of dicts"
    )


def as_schema(schema: Any) -> Any:
    """An object with `__arrow_c_schema__`, from a schema or from a table that has one."""
    if not hasattr(schema, "__arrow_c_schema__"):
        if is_pandas(schema):
            return from_pandas(schema.head(0)).schema
        inner = getattr(schema, "schema", None)
        if hasattr(inner, "__arrow_c_schema__"):
            return inner
        raise TypeError(
            f"{type(schema).__name__} is not a schema: pass a pyarrow schema or any object "
            "with __arrow_c_schema__"
        )
    return schema


def to_arrow(stream: Any) -> "pyarrow.Table":
    import pyarrow as pa

    return guarded(lambda: pa.RecordBatchReader.from_stream(stream).read_all())


def to_arrow_one_chunk(stream: Any) -> "pyarrow.Table":
    return to_arrow(stream).combine_chunks()


def identifier_of(identifier: str | Iterable[str]) -> str:
    """ "ns.table" or ("ns", "table")."""
    try:
        text = identifier if isinstance(identifier, str) else ".".join(identifier)
    except TypeError:
        raise TypeError(
            f'identifier {identifier!r} is neither "namespace.table" nor ("namespace", "table")'
        ) from None
    if not text:
        raise InvalidError("a table identifier is empty")
    return text


def property_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def properties_of(properties: Mapping[str, object] | None) -> dict[str, str]:
    """Texts from whatever YAML or Python gave; None values are left out."""
    if properties is not None and not _is_mapping(properties):
        raise TypeError(f"properties are a dict, not {type(properties).__name__}")
    return {
        str(key): property_text(value)
        for key, value in (properties or {}).items()
        if value is not None
    }


def utc(moment: datetime | date) -> datetime:
    """Naive times are UTC; a date is its first moment."""
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    if moment.tzinfo is None:
        return moment.replace(tzinfo=timezone.utc)
    return moment.astimezone(timezone.utc)


def microseconds_of(moment: datetime | date) -> int:
    return (utc(moment) - _EPOCH) // timedelta(microseconds=1)


def milliseconds_of(moment: datetime | date | str | int | None, what: str = "as_of") -> int:
    """0 for None; an int is milliseconds already. `what` names the setting in errors."""
    if moment is None:
        return 0
    if isinstance(moment, int):
        return moment
    if isinstance(moment, str):
        moment = datetime_of(moment, what)
    if not isinstance(moment, date):
        raise TypeError(
            f"{what} {moment!r} is not a time: pass a datetime, a date, a text or milliseconds"
        )
    # 0 would mean that no time was given; a table has no snapshot from before 1970 in any case.
    return max(microseconds_of(moment) // 1000, 1)


def datetime_of(text: str, what: str) -> datetime:
    """A time in ISO 8601; `what` names the setting in the error."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InvalidError(
            f"{what} {text!r} is not a time: write it like 2024-01-31T12:00:00+00:00"
        ) from None


def ttl_microseconds(ttl: timedelta | None) -> int:
    if ttl is None:
        return 0
    if ttl < timedelta(0):
        raise InvalidError(f"ttl {ttl} is negative")
    return ttl // timedelta(microseconds=1)


def scan_options(
    row_filter: str | None = None,
    selected_fields: Iterable[str] | None = ("*",),
    snapshot_id: int | None = None,
    ref: str | None = None,
    as_of: datetime | date | str | int | None = None,
    limit: int | None = None,
    case_sensitive: bool = True,
    from_snapshot_id: int | None = None,
) -> tuple[int, str | None, int, str | None, tuple[str, ...] | None, int, bool, int]:
    """The tuple that the extension takes."""
    if isinstance(selected_fields, str):
        selected_fields = (selected_fields,)
    fields = None if selected_fields is None else tuple(selected_fields)
    if fields is not None and "*" in fields:
        fields = None
    if limit is not None and not isinstance(limit, int):
        raise TypeError(f"limit {limit!r} is not an int")
    if limit is not None and limit < 0:
        raise InvalidError(f"limit {limit} is negative")
    return (
        snapshot_id or 0,
        ref,
        milliseconds_of(as_of),
        row_filter or None,
        fields,
        -1 if limit is None else limit,
        case_sensitive,
        from_snapshot_id or 0,
    )
