"""Tables and scans.

A Table shows one version until `refresh()` or a commit through it moves it on. It may be used by
several threads.
"""

from __future__ import annotations

from frazil import _convert, _core
from frazil.exceptions import InvalidError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date, datetime
    from typing import Any

    import duckdb
    import pandas
    import polars
    import pyarrow

    from frazil.evolution import ManageSnapshots, UpdateSchema, UpdateSortOrder, UpdateSpec
    from frazil.maintenance import Maintenance
    from frazil.results import FileTask, WriteResult
    from frazil.schema import (
        HistoryEntry,
        PartitionSpec,
        Schema,
        Snapshot,
        SnapshotRef,
        SortOrder,
    )


def _or_unset(value: int | None) -> int:
    return -1 if value is None else value


_MODES = {None: 0, "copy-on-write": 1, "merge-on-read": 2}


def _mode_of(mode: str | None) -> int:
    if mode not in _MODES:
        raise InvalidError(f"mode {mode!r} is neither 'copy-on-write' nor 'merge-on-read'")
    return _MODES[mode]


def _write_result(values: tuple[int, ...]) -> WriteResult:
    from frazil.results import WriteResult

    return WriteResult(*values)


class ArrowSchema:
    """A schema for any library that speaks the Arrow PyCapsule interface."""

    def __init__(self, table: _core.Table) -> None:
        self._table = table

    def __arrow_c_schema__(self) -> object:
        return self._table.arrow_schema()


class Rows:
    """Rows that can be read in any form; each call reads them afresh."""

    def _stream(self) -> _core.Stream:
        raise NotImplementedError

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._stream().__arrow_c_stream__(requested_schema)

    def to_arrow_batch_reader(self) -> "pyarrow.RecordBatchReader":
        """Record batches as they are read: memory does not grow with the number of rows."""
        import pyarrow as pa

        return pa.RecordBatchReader.from_stream(self._stream())

    def to_arrow(self) -> "pyarrow.Table":
        return _convert.to_arrow(self._stream())

    def to_pylist(self) -> list[dict[str, Any]]:
        """A dict a row, of Python values. It needs no other library, and is the quickest for a few
        rows; for many use to_arrow()."""
        from frazil import _plain_rows

        return _convert.guarded(lambda: list(_plain_rows.dicts(self._stream())))

    def to_pandas(self, **options: Any) -> "pandas.DataFrame":
        """As pandas; options go to pyarrow.Table.to_pandas()."""
        return self.to_arrow().to_pandas(**options)

    def to_polars(self) -> "polars.DataFrame":
        import polars

        return _convert.guarded(lambda: polars.DataFrame(self._stream()))

    def to_duckdb(
        self, table_name: str, connection: "duckdb.DuckDBPyConnection | None" = None
    ) -> "duckdb.DuckDBPyConnection":
        """Register the rows as a table of a connection (a new one by default)."""
        try:
            import duckdb
        except ImportError as error:
            raise ImportError("to_duckdb() needs duckdb: pip install 'frazil[sql]'") from error
        target = connection if connection is not None else duckdb.connect(database=":memory:")
        target.register(table_name, self.to_arrow())
        return target


class Scan(Rows):
    """A snapshot, a projection and a row filter. It is checked when made, and read when asked."""

    def __init__(self, table: "Table", options: tuple[Any, ...]) -> None:
        self._table = table
        self._options = options
        self._handle = table._handle.scan(options)

    def _stream(self) -> _core.Stream:
        return self._handle.stream()

    def plan_files(self) -> Iterator[FileTask]:
        """The data files that the scan would read, one after another: manifests are read as they
        are asked for."""
        from frazil.results import FileTask

        return _convert.guarded_iterator(map(FileTask._make, self._handle.plan_files().rows()))

    def explain(self) -> dict[str, int]:
        """What the scan would read, and how much is left out why: manifests, files, row groups,
        pages, rows and bytes. Reads manifests and footers, but no row."""
        return self._handle.explain()

    def report(self) -> dict[str, int]:
        """What this scan has read so far, with the keys of explain()."""
        return self._handle.report()

    def count(self) -> int:
        """The number of rows. No column is kept."""
        return _convert.guarded(
            lambda: sum(int(batch.num_rows) for batch in self.to_arrow_batch_reader())
        )


class Inspect:
    """The metadata tables, as pyarrow tables. snapshot_id chooses another than the current one."""

    def __init__(self, table: "Table") -> None:
        self._table = table

    def _rows(self, kind: str, snapshot_id: int | None = None) -> "pyarrow.Table":
        return _convert.to_arrow(self._table._handle.inspect(kind, snapshot_id or 0))

    def snapshots(self) -> "pyarrow.Table":
        return self._rows("snapshots")

    def history(self) -> "pyarrow.Table":
        return self._rows("history")

    def refs(self) -> "pyarrow.Table":
        return self._rows("refs")

    def properties(self) -> "pyarrow.Table":
        return self._rows("properties")

    def metadata_log_entries(self) -> "pyarrow.Table":
        return self._rows("metadata_log_entries")

    def statistics(self) -> "pyarrow.Table":
        return self._rows("statistics")

    def manifests(self, snapshot_id: int | None = None) -> "pyarrow.Table":
        return self._rows("manifests", snapshot_id)

    def entries(self, snapshot_id: int | None = None) -> "pyarrow.Table":
        return self._rows("entries", snapshot_id)

    def files(self, snapshot_id: int | None = None) -> "pyarrow.Table":
        return self._rows("files", snapshot_id)

    def data_files(self, snapshot_id: int | None = None) -> "pyarrow.Table":
        return self._rows("data_files", snapshot_id)

    def delete_files(self, snapshot_id: int | None = None) -> "pyarrow.Table":
        return self._rows("delete_files", snapshot_id)

    def partitions(self, snapshot_id: int | None = None) -> "pyarrow.Table":
        return self._rows("partitions", snapshot_id)

    def all_manifests(self) -> "pyarrow.Table":
        return self._rows("all_manifests")

    def all_entries(self) -> "pyarrow.Table":
        return self._rows("all_entries")

    def all_files(self) -> "pyarrow.Table":
        return self._rows("all_files")

    def all_data_files(self) -> "pyarrow.Table":
        return self._rows("all_data_files")

    def all_delete_files(self) -> "pyarrow.Table":
        return self._rows("all_delete_files")


class Table:
    """An Iceberg table. Made by a Catalog."""

    def __init__(self, handle: _core.Table) -> None:
        self._handle = handle
        self._parsed: tuple[str, dict[str, Any]] | None = None

    def __repr__(self) -> str:
        return f"Table({self._handle.identifier()!r})"

    @property
    def _metadata(self) -> dict[str, Any]:
        """The metadata JSON, parsed once a version."""
        location = self._handle.metadata_location()
        parsed = self._parsed
        if parsed is None or parsed[0] != location:
            import json

            parsed = (location, json.loads(self._handle.metadata_json()))
            self._parsed = parsed
        return parsed[1]

    # -- what it is --

    def name(self) -> tuple[str, ...]:
        return tuple(self._handle.identifier().split("."))

    @property
    def identifier(self) -> str:
        return self._handle.identifier()

    def refresh(self) -> "Table":
        """Read the catalog again."""
        self._handle.refresh()
        return self

    @property
    def metadata_location(self) -> str:
        return self._handle.metadata_location()

    def location(self) -> str:
        return str(self._metadata["location"])

    @property
    def format_version(self) -> int:
        return int(self._metadata["format-version"])

    @property
    def uuid(self) -> str:
        return str(self._metadata["table-uuid"])

    @property
    def properties(self) -> dict[str, str]:
        return dict(self._metadata.get("properties") or {})

    def _schemas(self) -> list[dict[str, Any]]:
        metadata = self._metadata
        return metadata.get("schemas") or [metadata["schema"]]

    def schema(self) -> Schema:
        """The current schema."""
        from frazil.schema import Schema

        current = self._metadata.get("current-schema-id", 0)
        schemas = self._schemas()
        return Schema._from_json(
            next((each for each in schemas if each.get("schema-id", 0) == current), schemas[-1])
        )

    def schemas(self) -> dict[int, Schema]:
        from frazil.schema import Schema

        return {each.get("schema-id", 0): Schema._from_json(each) for each in self._schemas()}

    def arrow_schema(self) -> ArrowSchema:
        """The schema for any Arrow library, for example pyarrow.schema(table.arrow_schema())."""
        return ArrowSchema(self._handle)

    def __arrow_c_schema__(self) -> object:
        return self._handle.arrow_schema()

    def specs(self) -> dict[int, PartitionSpec]:
        from frazil.schema import PartitionSpec

        metadata = self._metadata
        specs = metadata.get("partition-specs") or [
            {"spec-id": 0, "fields": metadata.get("partition-spec", [])}
        ]
        return {each["spec-id"]: PartitionSpec._from_json(each) for each in specs}

    def spec(self) -> PartitionSpec:
        """The partition spec that new files get."""
        return self.specs()[self._metadata.get("default-spec-id", 0)]

    def sort_orders(self) -> dict[int, SortOrder]:
        from frazil.schema import SortOrder

        orders = self._metadata.get("sort-orders") or [{"order-id": 0, "fields": []}]
        return {each["order-id"]: SortOrder._from_json(each) for each in orders}

    def sort_order(self) -> SortOrder:
        """The order in which new files are sorted."""
        return self.sort_orders()[self._metadata.get("default-sort-order-id", 0)]

    def snapshots(self) -> list[Snapshot]:
        from frazil.schema import Snapshot

        return [Snapshot._from_json(each) for each in self._metadata.get("snapshots") or []]

    def current_snapshot_id(self) -> int | None:
        snapshot_id = self._handle.current_snapshot_id()
        return None if snapshot_id == -1 else snapshot_id

    def current_snapshot(self) -> Snapshot | None:
        snapshot_id = self.current_snapshot_id()
        return None if snapshot_id is None else self.snapshot_by_id(snapshot_id)

    def snapshot_by_id(self, snapshot_id: int) -> Snapshot | None:
        from frazil.schema import Snapshot

        for each in self._metadata.get("snapshots") or []:
            if each["snapshot-id"] == snapshot_id:
                return Snapshot._from_json(each)
        return None

    def snapshot_by_name(self, name: str) -> Snapshot | None:
        ref = self.refs().get(name)
        return None if ref is None else self.snapshot_by_id(ref.snapshot_id)

    def history(self) -> list[HistoryEntry]:
        from frazil.schema import HistoryEntry

        return [
            HistoryEntry(each["snapshot-id"], each["timestamp-ms"])
            for each in self._metadata.get("snapshot-log") or []
        ]

    def refs(self) -> dict[str, SnapshotRef]:
        from frazil.schema import SnapshotRef

        refs = self._metadata.get("refs")
        if not refs and self.current_snapshot_id() is not None:
            refs = {"main": {"snapshot-id": self.current_snapshot_id(), "type": "branch"}}
        return {name: SnapshotRef._from_json(each) for name, each in (refs or {}).items()}

    @property
    def inspect(self) -> Inspect:
        return Inspect(self)

    @property
    def maintenance(self) -> Maintenance:
        """Compaction, manifests, expiry, orphan files, verification."""
        from frazil.maintenance import Maintenance

        return Maintenance(self._handle)

    # -- reading --

    def scan(
        self,
        row_filter: str | None = None,
        selected_fields: Iterable[str] = ("*",),
        snapshot_id: int | None = None,
        ref: str | None = None,
        as_of: datetime | date | str | int | None = None,
        limit: int | None = None,
        case_sensitive: bool = True,
        from_snapshot_id: int | None = None,
    ) -> Scan:
        """Choose snapshot, columns and rows.

        Args:
            row_filter: such as "driver_id = 5 and event_ts >= '2024-01-01T00:00:00+00:00'".
            selected_fields: column names; a dot reaches into a struct.
            snapshot_id: at most one of snapshot_id, ref and as_of.
            ref: a branch or tag.
            as_of: the snapshot that was current then; naive times are UTC, an int is
                milliseconds since 1970.
            from_snapshot_id: only the rows that were appended after this snapshot, up to the
                chosen one. Snapshots that replaced, removed or overwrote rows are passed over.
        """
        options = _convert.scan_options(
            row_filter,
            selected_fields,
            snapshot_id,
            ref,
            as_of,
            limit,
            case_sensitive,
            from_snapshot_id,
        )
        return Scan(self, options)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.scan().__arrow_c_stream__(requested_schema)

    def to_arrow(self) -> "pyarrow.Table":
        return self.scan().to_arrow()

    def to_pandas(self) -> "pandas.DataFrame":
        return self.scan().to_pandas()

    def to_polars(self) -> "polars.DataFrame":
        return self.scan().to_polars()

    # -- writing --

    def append(
        self,
        data: Any,
        snapshot_properties: Mapping[str, object] | None = None,
        truncate_nanoseconds: bool = False,
        branch: str | None = None,
    ) -> WriteResult:
        """Append rows in one commit, to an existing branch ("main" where none is named).
        Columns are matched by name."""
        return _write_result(
            self._handle.append(
                _convert.as_stream(data),
                _convert.properties_of(snapshot_properties),
                truncate_nanoseconds,
                branch,
            )
        )

    def overwrite(
        self,
        data: Any,
        overwrite_filter: str | None = None,
        snapshot_properties: Mapping[str, object] | None = None,
        truncate_nanoseconds: bool = False,
        case_sensitive: bool = True,
        branch: str | None = None,
        mode: str | None = None,
    ) -> WriteResult:
        """Delete the rows that match (None: every row) and append others, in one snapshot."""
        return _write_result(
            self._handle.overwrite(
                _convert.as_stream(data),
                overwrite_filter,
                _convert.properties_of(snapshot_properties),
                truncate_nanoseconds,
                case_sensitive,
                branch,
                _mode_of(mode),
            )
        )

    def delete(
        self,
        delete_filter: str,
        snapshot_properties: Mapping[str, object] | None = None,
        case_sensitive: bool = True,
        branch: str | None = None,
        mode: str | None = None,
    ) -> WriteResult:
        """Delete the rows that match; "true" deletes every row.

        `mode` says what becomes of files that hold other rows too: "copy-on-write" writes them
        again, "merge-on-read" writes down which rows are gone. By default the table says it
        (property write.delete.mode).
        """
        return _write_result(
            self._handle.delete(
                delete_filter,
                _convert.properties_of(snapshot_properties),
                case_sensitive,
                branch,
                _mode_of(mode),
            )
        )

    def upsert(
        self,
        data: Any,
        join_cols: str | Sequence[str] | None = None,
        snapshot_properties: Mapping[str, object] | None = None,
        truncate_nanoseconds: bool = False,
        case_sensitive: bool = True,
        branch: str | None = None,
        mode: str | None = None,
    ) -> WriteResult:
        """Update the rows whose key is in the data and insert the others, in one snapshot.

        The key is `join_cols`, or the table's identifier fields. Rows that would not change are
        left alone; a null in a key matches nothing; no two rows of the data may have one key. By
        default the table says the mode (property write.update.mode).
        """
        return _write_result(
            self._handle.upsert(
                _convert.as_stream(data),
                (join_cols,) if isinstance(join_cols, str) else tuple(join_cols or ()),
                _convert.properties_of(snapshot_properties),
                truncate_nanoseconds,
                case_sensitive,
                branch,
                _mode_of(mode),
            )
        )

    # -- evolution --

    def update_schema(self) -> UpdateSchema:
        from frazil.evolution import UpdateSchema

        return UpdateSchema(self)

    def update_spec(self) -> UpdateSpec:
        """Change how new files are partitioned."""
        from frazil.evolution import UpdateSpec

        return UpdateSpec(self)

    def update_sort_order(self) -> UpdateSortOrder:
        """Replace the order in which new files are sorted."""
        from frazil.evolution import UpdateSortOrder

        return UpdateSortOrder(self)

    def manage_snapshots(self) -> ManageSnapshots:
        """Tags, branches and the current snapshot."""
        from frazil.evolution import ManageSnapshots

        return ManageSnapshots(self)

    def upgrade_table_version(self, format_version: int) -> None:
        """Raise the format version to 2 or 3."""
        self._handle.upgrade(format_version)

    def statistics(self) -> list[dict[str, Any]]:
        """The statistics files of the metadata, by the names of the specification."""
        return list(self._metadata.get("statistics") or [])

    def set_statistics(self, snapshot_id: int, statistics_path: str) -> None:
        """Name a Puffin file as the statistics of a snapshot."""
        self._handle.set_statistics(snapshot_id, statistics_path)

    def remove_statistics(self, snapshot_id: int) -> None:
        """The metadata names them no more; the file stays."""
        self._handle.remove_statistics(snapshot_id)

    def set_properties(
        self, properties: Mapping[str, object] | None = None, **more: object
    ) -> None:
        self._handle.set_properties(_convert.properties_of({**(properties or {}), **more}), ())

    def remove_properties(self, *names: str) -> None:
        self._handle.set_properties({}, names)

    def create_tag(
        self, name: str, snapshot_id: int | None = None, max_ref_age_ms: int | None = None
    ) -> None:
        """Name a snapshot, the current one by default. An existing tag moves."""
        self._handle.set_ref(name, False, snapshot_id or 0, _or_unset(max_ref_age_ms))

    def create_branch(
        self,
        name: str,
        snapshot_id: int | None = None,
        max_ref_age_ms: int | None = None,
        max_snapshot_age_ms: int | None = None,
        min_snapshots_to_keep: int | None = None,
    ) -> None:
        """As create_tag(). The last two say what expiry keeps of the branch."""
        self._handle.set_ref(
            name,
            True,
            snapshot_id or 0,
            _or_unset(max_ref_age_ms),
            _or_unset(max_snapshot_age_ms),
            _or_unset(min_snapshots_to_keep),
        )

    def remove_ref(self, name: str) -> None:
        self._handle.remove_ref(name)


class TableChange:
    """What Catalog.commit_tables() does to one table: deletes the rows that match, then appends.

    Args:
        data: rows to append, in any form that Table.append() takes; None: none.
        delete_filter: as for Table.delete(); None: nothing is deleted.
    """

    def __init__(
        self,
        table: Table,
        data: Any = None,
        delete_filter: str | None = None,
        snapshot_properties: Mapping[str, object] | None = None,
        truncate_nanoseconds: bool = False,
        case_sensitive: bool = True,
        branch: str | None = None,
        mode: str | None = None,
    ) -> None:
        self._parts = (
            table._handle,
            None if data is None else _convert.as_stream(data),
            delete_filter,
            _convert.properties_of(snapshot_properties),
            truncate_nanoseconds,
            case_sensitive,
            branch,
            _mode_of(mode),
        )
