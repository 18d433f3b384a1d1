"""Changes to a table that move no row. Each class collects changes and commits them on commit(),
or at the end of a `with` block; names follow PyIceberg.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import date, datetime, time, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from frazil import _convert
from frazil.exceptions import InvalidError

if TYPE_CHECKING:
    from frazil.table import Table

_Self = TypeVar("_Self", bound="_Update")
_Path = str | tuple[str, ...]

(
    _ADD,
    _RENAME,
    _DROP,
    _PROMOTE,
    _OPTIONAL,
    _DOC,
    _DEFAULT,
    _FIRST,
    _BEFORE,
    _AFTER,
    _ADD_IDENTIFIER,
    _DROP_IDENTIFIER,
    _REQUIRED,
) = range(13)
_ADD_FIELD, _REMOVE_FIELD, _RENAME_FIELD = range(3)


def default_json(value: Any) -> str | None:
    """A default as the specification writes single values; None for none."""
    if value is None:
        return None
    if isinstance(value, (bytes, bytearray)):
        return json.dumps(value.hex())
    if isinstance(value, datetime):
        utc = value if value.tzinfo is None else value.astimezone(timezone.utc)
        return json.dumps(utc.isoformat())
    if isinstance(value, (date, time)):
        return json.dumps(value.isoformat())
    if isinstance(value, (Decimal, UUID)):
        return json.dumps(str(value))
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidError(f"a default of {value} cannot be written in the table's metadata")
    if isinstance(value, (bool, int, float, str)):
        return json.dumps(value)
    raise InvalidError(f"a default of type {type(value).__name__} is not supported")


def _dotted(path: _Path) -> str:
    return path if isinstance(path, str) else ".".join(path)


def _term(column: str, transform: Any) -> str:
    """ "bucket[16]" (or an object that prints so) of a column, as text."""
    name, _, parameter = str(transform).strip().partition("[")
    if parameter:
        return f"{name}({parameter.rstrip(']')}, {_convert.quoted(column)})"
    return f"{name}({_convert.quoted(column)})"


class _Update:
    def commit(self) -> None:
        raise NotImplementedError

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, kind: Any, value: Any, traceback: Any) -> None:
        if kind is None:
            self.commit()


class UpdateSchema(_Update):
    """Schema changes, in one commit.

    A type is an Iceberg primitive by name ("long", "decimal(9, 2)") or an Arrow type.
    """

    def __init__(self, table: "Table") -> None:
        self._table = table
        self._changes: list[Any] = []

    def _add(
        self,
        op: int,
        path: _Path,
        *,
        new_name: str | None = None,
        kind: Any = None,
        doc: str | None = None,
        required: bool = False,
        default: Any = None,
        reference: _Path | None = None,
    ) -> "UpdateSchema":
        text = kind if isinstance(kind, str) else None
        if kind is not None and text is None and not hasattr(kind, "__arrow_c_schema__"):
            raise TypeError(
                f"column {_dotted(path)!r}: {kind!r} is no type: pass the name of an Iceberg type, "
                'such as "long", or an Arrow type'
            )
        arrow = None if kind is None or text is not None else _convert.as_schema(kind)
        beside = None if reference is None else _dotted(reference)
        self._changes.append(
            (op, _dotted(path), new_name, arrow, text, doc, required, default_json(default), beside)
        )
        return self

    def add_column(
        self,
        path: _Path,
        field_type: Any,
        doc: str | None = None,
        required: bool = False,
        default_value: Any = None,
    ) -> "UpdateSchema":
        """A default is the value of the rows that are there, and of rows to come that lack one.
        It needs format version 3, and a required column needs it."""
        return self._add(
            _ADD, path, kind=field_type, doc=doc, required=required, default=default_value
        )

    def rename_column(self, path: _Path, new_name: str) -> "UpdateSchema":
        return self._add(_RENAME, path, new_name=new_name)

    def delete_column(self, path: _Path) -> "UpdateSchema":
        return self._add(_DROP, path)

    def update_column(
        self,
        path: _Path,
        field_type: Any = None,
        required: bool | None = None,
        doc: str | None = None,
    ) -> "UpdateSchema":
        """Widen a type, make the column optional, or set its doc."""
        if required:
            raise InvalidError(f"column {path!r}: Iceberg does not let a column become required")
        if field_type is not None:
            self._add(_PROMOTE, path, kind=field_type)
        if required is False:
            self._add(_OPTIONAL, path)
        if doc is not None:
            self._add(_DOC, path, doc=doc)
        return self

    def make_column_optional(self, path: _Path) -> "UpdateSchema":
        return self._add(_OPTIONAL, path)

    def set_default_value(self, path: _Path, default_value: Any) -> "UpdateSchema":
        """What rows to come get that lack the column; None: null again."""
        return self._add(_DEFAULT, path, default=default_value)

    def move_first(self, path: _Path) -> "UpdateSchema":
        return self._add(_FIRST, path)

    def move_before(self, path: _Path, before_path: _Path) -> "UpdateSchema":
        return self._add(_BEFORE, path, reference=before_path)

    def move_after(self, path: _Path, after_path: _Path) -> "UpdateSchema":
        return self._add(_AFTER, path, reference=after_path)

    def set_identifier_fields(self, *fields: str) -> "UpdateSchema":
        """These columns, and no others, are the rows' key."""
        schema = self._table.schema()
        names = {part.id: path for path, part in schema._walk(schema.fields, "")}
        before = {names[each] for each in schema.identifier_field_ids if each in names}
        for name in sorted(before - set(fields)):
            self._add(_DROP_IDENTIFIER, name)
        for name in fields:
            if name not in before:
                self._add(_ADD_IDENTIFIER, name)
        return self

    def commit(self) -> None:
        changes, self._changes = tuple(self._changes), []
        if changes:
            self._table._handle.update_schema(changes)


class UpdateSpec(_Update):
    """Changes of the partition spec, in one commit. Files that are there keep theirs."""

    def __init__(self, table: "Table") -> None:
        self._table = table
        self._changes: list[tuple[int, str | None, str | None, str | None]] = []

    def add_field(
        self,
        source_column_name: str,
        transform: Any = "identity",
        partition_field_name: str | None = None,
    ) -> "UpdateSpec":
        """A transform is a text such as "bucket[16]" or "day", or an object that prints so."""
        term = _term(source_column_name, transform)
        self._changes.append((_ADD_FIELD, term, partition_field_name, None))
        return self

    def add_identity(self, source_column_name: str) -> "UpdateSpec":
        return self.add_field(source_column_name)

    def remove_field(self, name: str) -> "UpdateSpec":
        self._changes.append((_REMOVE_FIELD, None, name, None))
        return self

    def rename_field(self, name: str, new_name: str) -> "UpdateSpec":
        self._changes.append((_RENAME_FIELD, None, name, new_name))
        return self

    def commit(self) -> None:
        changes, self._changes = tuple(self._changes), []
        if changes:
            self._table._handle.update_spec(changes)


class UpdateSortOrder(_Update):
    """The sort order that takes the place of the table's; without a field: none."""

    def __init__(self, table: "Table") -> None:
        self._table = table
        self._terms: list[str] = []

    def _add(self, column: str, transform: Any, way: str, nulls: Any) -> "UpdateSortOrder":
        word = str(getattr(nulls, "value", nulls) or "").lower().replace("-", " ")
        self._terms.append(f"{_term(column, transform)} {way} {word}".rstrip())
        return self

    def asc(
        self, source_column_name: str, transform: Any = "identity", null_order: Any = "nulls-last"
    ) -> "UpdateSortOrder":
        return self._add(source_column_name, transform, "asc", null_order)

    def desc(
        self, source_column_name: str, transform: Any = "identity", null_order: Any = "nulls-last"
    ) -> "UpdateSortOrder":
        return self._add(source_column_name, transform, "desc", null_order)

    def commit(self) -> None:
        terms, self._terms = self._terms, []
        self._table._handle.set_sort_order(", ".join(terms))


class ManageSnapshots(_Update):
    """Tags, branches and the current snapshot. Each change is a commit of its own, in order."""

    def __init__(self, table: "Table") -> None:
        self._table = table
        self._steps: list[Callable[[], None]] = []

    def _add(self, step: Callable[[], None]) -> "ManageSnapshots":
        self._steps.append(step)
        return self

    def create_tag(
        self, snapshot_id: int, tag_name: str, max_ref_age_ms: int | None = None
    ) -> "ManageSnapshots":
        return self._add(lambda: self._table.create_tag(tag_name, snapshot_id, max_ref_age_ms))

    def create_branch(
        self,
        snapshot_id: int,
        branch_name: str,
        max_ref_age_ms: int | None = None,
        max_snapshot_age_ms: int | None = None,
        min_snapshots_to_keep: int | None = None,
    ) -> "ManageSnapshots":
        return self._add(
            lambda: self._table.create_branch(
                branch_name, snapshot_id, max_ref_age_ms, max_snapshot_age_ms, min_snapshots_to_keep
            )
        )

    def remove_tag(self, tag_name: str) -> "ManageSnapshots":
        return self._remove(tag_name, "tag")

    def remove_branch(self, branch_name: str) -> "ManageSnapshots":
        return self._remove(branch_name, "branch")

    def _remove(self, name: str, kind: str) -> "ManageSnapshots":
        def step() -> None:
            ref = self._table.refs().get(name)
            if ref is not None and ref.type != kind:
                raise InvalidError(f"ref {name!r} is a {ref.type}, not a {kind}")
            self._table.remove_ref(name)

        return self._add(step)

    def set_current_snapshot(
        self, snapshot_id: int | None = None, ref_name: str | None = None
    ) -> "ManageSnapshots":
        """Roll the table back or forward, by a snapshot's id or a ref."""
        if (snapshot_id is None) == (ref_name is None):
            raise InvalidError("one of snapshot_id and ref_name must be given")

        def step() -> None:
            target = snapshot_id
            if ref_name is not None:
                snapshot = self._table.snapshot_by_name(ref_name)
                if snapshot is None:
                    raise InvalidError(f"there is no ref {ref_name!r}")
                target = snapshot.snapshot_id
            self._table.create_branch("main", target)

        return self._add(step)

    def commit(self) -> None:
        steps, self._steps = self._steps, []
        for step in steps:
            step()
