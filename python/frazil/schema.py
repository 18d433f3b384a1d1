"""A table's schema, partition spec, snapshots and refs, as Python values.

They are read from the table's metadata JSON, so their parts have the names of the Iceberg
specification with underscores for hyphens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


def type_text(kind: Any) -> str:
    """An Iceberg type, JSON form to text: list<string>, map<string, int>, struct<1: a: int>."""
    if isinstance(kind, str):
        return kind
    name = kind["type"]
    if name == "list":
        return f"list<{type_text(kind['element'])}>"
    if name == "map":
        return f"map<{type_text(kind['key'])}, {type_text(kind['value'])}>"
    inner = ", ".join(
        f"{part['id']}: {part['name']}: "
        f"{'required' if part['required'] else 'optional'} {type_text(part['type'])}"
        for part in kind["fields"]
    )
    return f"struct<{inner}>"


@dataclass(frozen=True)
class Field:
    """A column, or a field of a struct."""

    id: int
    name: str
    type: str
    required: bool
    doc: str | None = None
    fields: tuple["Field", ...] = ()
    initial_default: Any = None
    """The value of rows from before the column, as the metadata's JSON has it."""
    write_default: Any = None
    """The value of new rows that lack the column."""

    @property
    def field_id(self) -> int:
        return self.id

    @property
    def optional(self) -> bool:
        return not self.required

    @classmethod
    def _from_json(cls, part: dict[str, Any]) -> "Field":
        kind = part["type"]
        inner: tuple[Field, ...] = ()
        if isinstance(kind, dict) and kind["type"] == "struct":
            inner = tuple(cls._from_json(each) for each in kind["fields"])
        return cls(
            part["id"],
            part["name"],
            type_text(kind),
            part["required"],
            part.get("doc"),
            inner,
            part.get("initial-default"),
            part.get("write-default"),
        )

    def __str__(self) -> str:
        need = "required" if self.required else "optional"
        return f"{self.id}: {self.name}: {need} {self.type}"


@dataclass(frozen=True)
class Schema:
    """The columns of a table, in order."""

    fields: tuple[Field, ...]
    schema_id: int = 0
    identifier_field_ids: tuple[int, ...] = ()

    @classmethod
    def _from_json(cls, schema: dict[str, Any]) -> "Schema":
        return cls(
            tuple(Field._from_json(part) for part in schema["fields"]),
            schema.get("schema-id", 0),
            tuple(schema.get("identifier-field-ids", ())),
        )

    @property
    def column_names(self) -> list[str]:
        return [part.name for part in self.fields]

    def find_field(self, name_or_id: str | int, case_sensitive: bool = True) -> Field:
        """A field by its id or its dotted path."""
        for path, part in self._walk(self.fields, ""):
            if isinstance(name_or_id, int):
                if part.id == name_or_id:
                    return part
            elif path == name_or_id or (
                not case_sensitive and path.lower() == name_or_id.lower()
            ):
                return part
        raise ValueError(f"no field {name_or_id!r} in {self.column_names}")

    @classmethod
    def _walk(cls, fields: tuple[Field, ...], prefix: str) -> Iterator[tuple[str, Field]]:
        for part in fields:
            yield prefix + part.name, part
            yield from cls._walk(part.fields, f"{prefix}{part.name}.")

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)

    def __str__(self) -> str:
        return "table {\n" + "".join(f"  {part}\n" for part in self.fields) + "}"


@dataclass(frozen=True)
class PartitionField:
    source_id: int
    field_id: int
    name: str
    transform: str


@dataclass(frozen=True)
class PartitionSpec:
    spec_id: int
    fields: tuple[PartitionField, ...]

    @classmethod
    def _from_json(cls, spec: dict[str, Any]) -> "PartitionSpec":
        return cls(
            spec["spec-id"],
            tuple(
                PartitionField(
                    part["source-id"], part["field-id"], part["name"], part["transform"]
                )
                for part in spec["fields"]
            ),
        )

    def __str__(self) -> str:
        return ", ".join(f"{part.name}: {part.transform}({part.source_id})" for part in self.fields)


@dataclass(frozen=True)
class SortField:
    source_id: int
    transform: str
    direction: str
    null_order: str


@dataclass(frozen=True)
class SortOrder:
    order_id: int
    fields: tuple[SortField, ...]

    @classmethod
    def _from_json(cls, order: dict[str, Any]) -> "SortOrder":
        return cls(
            order["order-id"],
            tuple(
                SortField(
                    part["source-id"], part["transform"], part["direction"], part["null-order"]
                )
                for part in order["fields"]
            ),
        )

    def __str__(self) -> str:
        return ", ".join(
            f"{part.transform}({part.source_id}) {part.direction} {part.null_order}"
            for part in self.fields
        )


@dataclass(frozen=True)
class Snapshot:
    snapshot_id: int
    parent_snapshot_id: int | None
    sequence_number: int
    timestamp_ms: int
    operation: str | None
    summary: dict[str, str] = field(hash=False)
    manifest_list: str | None
    schema_id: int | None

    @classmethod
    def _from_json(cls, snapshot: dict[str, Any]) -> "Snapshot":
        summary = dict(snapshot.get("summary") or {})
        return cls(
            snapshot["snapshot-id"],
            snapshot.get("parent-snapshot-id"),
            snapshot.get("sequence-number", 0),
            snapshot["timestamp-ms"],
            summary.pop("operation", None),
            summary,
            snapshot.get("manifest-list"),
            snapshot.get("schema-id"),
        )


@dataclass(frozen=True)
class HistoryEntry:
    snapshot_id: int
    timestamp_ms: int


@dataclass(frozen=True)
class SnapshotRef:
    snapshot_id: int
    type: str
    min_snapshots_to_keep: int | None = None
    max_snapshot_age_ms: int | None = None
    max_ref_age_ms: int | None = None

    @classmethod
    def _from_json(cls, ref: dict[str, Any]) -> "SnapshotRef":
        return cls(
            ref["snapshot-id"],
            ref["type"],
            ref.get("min-snapshots-to-keep"),
            ref.get("max-snapshot-age-ms"),
            ref.get("max-ref-age-ms"),
        )
