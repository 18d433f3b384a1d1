"""Types of the extension module."""

from collections.abc import Callable, Iterator
from typing import Any

version: str

_ScanOptions = tuple[int, str | None, int, str | None, tuple[str, ...] | None, int, bool, int]
_WriteResult = tuple[int, int, int, int, int, int, int]
_SchemaChange = tuple[
    int, str, str | None, Any, str | None, str | None, bool, str | None, str | None
]
_Column = tuple[str, str, str, tuple["_Column", ...]]
_SpecChange = tuple[int, str | None, str | None, str | None]
_OnlineColumn = tuple[str, str, int, int]

class Context:
    def __init__(
        self, n_threads: int = 0, memory_limit_bytes: int = 0, spill_dir: str | None = None
    ) -> None: ...
    def cancel(self) -> None: ...
    def resume(self) -> None: ...

class Rows:
    def __iter__(self) -> Iterator[tuple[Any, ...]]: ...
    def __next__(self) -> tuple[Any, ...]: ...
    def columns(self) -> tuple[_Column, ...]: ...

class Stream:
    def rows(self) -> Rows: ...
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...
    def __arrow_c_schema__(self) -> object: ...

class Scan:
    def stream(self) -> Stream: ...
    def plan_files(self) -> Stream: ...
    def explain(self) -> dict[str, int]: ...
    def report(self) -> dict[str, int]: ...

class Online:
    def describe(
        self,
    ) -> tuple[
        str, str, float, str, str, str, tuple[_OnlineColumn, ...], tuple[_OnlineColumn, ...]
    ]: ...
    def read(
        self, keys: tuple[bytes, ...], features: tuple[str, ...] | None, /
    ) -> tuple[bytes, bytes, bytes]: ...
    def read_messages(
        self, keys: tuple[bytes, ...], features: tuple[str, ...] | None, /
    ) -> tuple[bytes, bytes, bytes]: ...
    def read_vectors(
        self,
        join_keys: tuple[str, ...],
        values: tuple[tuple[bytes, ...], ...],
        features: tuple[str, ...] | None,
        /,
    ) -> bytes: ...
    def is_fresh(self) -> bool: ...
    def write(self, data: Any, /) -> tuple[int, int]: ...
    def materialize(
        self,
        source: Table,
        scan: Any,
        timestamp_field: str,
        created_timestamp_field: str | None,
        start_us: int,
        end_us: int,
        join_keys: tuple[tuple[str, str], ...],
        features: tuple[tuple[str, str], ...],
        progress: Any,
        /,
    ) -> tuple[int, int]: ...
    def prepare(self) -> None: ...
    def refresh(self) -> bool: ...
    def compact(
        self, all: bool, keep_snapshots: bool, /
    ) -> tuple[int, int, int, int, int, int, int, int]: ...
    def stats(self) -> dict[str, int]: ...
    def close(self) -> None: ...

class Table:
    def identifier(self) -> str: ...
    def refresh(self) -> bool: ...
    def metadata_location(self) -> str: ...
    def metadata_json(self) -> str: ...
    def current_snapshot_id(self) -> int: ...
    def arrow_schema(self) -> object: ...
    def inspect(self, kind: str, snapshot_id: int = 0, /) -> Stream: ...
    def scan(self, options: _ScanOptions | None, /) -> Scan: ...
    def append(
        self, data: Any, properties: dict[str, str] | None, truncate: bool, branch: str | None, /
    ) -> _WriteResult: ...
    def overwrite(
        self,
        data: Any,
        filter: str | None,
        properties: dict[str, str] | None,
        truncate: bool,
        case_sensitive: bool,
        branch: str | None,
        mode: int,
        /,
    ) -> _WriteResult: ...
    def delete(
        self,
        filter: str,
        properties: dict[str, str] | None,
        case_sensitive: bool,
        branch: str | None,
        mode: int,
        /,
    ) -> _WriteResult: ...
    def upsert(
        self,
        data: Any,
        join_columns: tuple[str, ...],
        properties: dict[str, str] | None,
        truncate: bool,
        case_sensitive: bool,
        branch: str | None,
        mode: int,
        /,
    ) -> _WriteResult: ...
    def update_schema(self, changes: tuple[_SchemaChange, ...], /) -> None: ...
    def set_properties(self, properties: dict[str, str], removals: tuple[str, ...], /) -> None: ...
    def set_ref(
        self,
        ref: str,
        is_branch: bool,
        snapshot_id: int,
        max_ref_age_ms: int = -1,
        max_snapshot_age_ms: int = -1,
        min_snapshots_to_keep: int = -1,
        /,
    ) -> None: ...
    def remove_ref(self, ref: str, /) -> None: ...
    def update_spec(self, changes: tuple[_SpecChange, ...], /) -> None: ...
    def set_sort_order(self, order: str | None, /) -> None: ...
    def upgrade(self, format_version: int, /) -> None: ...
    def set_statistics(self, snapshot_id: int, uri: str, /) -> None: ...
    def remove_statistics(self, snapshot_id: int, /) -> None: ...

    def compact(
        self,
        row_filter: str | None,
        target_file_bytes: int,
        min_file_bytes: int,
        max_file_bytes: int,
        min_input_files: int,
        max_group_bytes: int,
        delete_ratio: float,
        sort_order: str | None,
        rewrite_all: bool,
        properties: dict[str, str] | None,
        /,
    ) -> tuple[int, int, int, int, int, int, int]: ...
    def rewrite_manifests(self) -> tuple[int, int, int]: ...
    def expire_snapshots(
        self,
        older_than_ms: int,
        retain_last: int,
        snapshot_ids: tuple[int, ...],
        dry_run: bool,
        keep_files: bool,
        /,
    ) -> tuple[int, int, int, int, int, int, int]: ...
    def remove_orphans(
        self, older_than_ms: int, location: str | None, remove: bool, allow_recent: bool, /
    ) -> Stream: ...
    def verify(
        self, all_snapshots: bool, read_data: bool, /
    ) -> tuple[Stream, int, int, int, int, int]: ...

class Catalog:
    @classmethod
    def open(cls, context: Context, name: str, properties: dict[str, str], /) -> Catalog: ...
    def create_namespace(self, name: str, properties: dict[str, str] | None, /) -> None: ...
    def drop_namespace(self, name: str, /) -> None: ...
    def list_namespaces(self, parent: str | None = None, /) -> list[str]: ...
    def list_tables(self, namespace: str, /) -> list[str]: ...
    def list_views(self, namespace: str, /) -> list[str]: ...
    def create_table(
        self,
        identifier: str,
        schema: Any,
        format_version: int,
        partition_spec: str | None,
        sort_order: str | None,
        location: str | None,
        properties: dict[str, str] | None,
        /,
    ) -> Table: ...
    def create_table_as(
        self,
        identifier: str,
        schema: Any,
        data: Any,
        format_version: int,
        partition_spec: str | None,
        sort_order: str | None,
        location: str | None,
        properties: dict[str, str] | None,
        snapshot_properties: dict[str, str] | None,
        truncate_nanoseconds: bool,
        /,
    ) -> Table: ...
    def commit_tables(
        self,
        changes: tuple[
            tuple[
                Table, Any, str | None, dict[str, str] | None, bool, bool, str | None, int
            ],
            ...,
        ],
        /,
    ) -> list[_WriteResult]: ...
    def replace_table(
        self,
        identifier: str,
        schema: Any,
        data: Any,
        format_version: int,
        partition_spec: str | None,
        sort_order: str | None,
        location: str | None,
        properties: dict[str, str] | None,
        snapshot_properties: dict[str, str] | None,
        truncate_nanoseconds: bool,
        /,
    ) -> Table: ...
    def load_table(self, identifier: str, /) -> Table: ...
    def register_table(self, identifier: str, metadata_location: str, /) -> None: ...
    def drop_table(self, identifier: str, purge: bool, /) -> None: ...
    def rename_table(self, identifier: str, new_identifier: str, /) -> None: ...

def pit_join(
    context: Context,
    entities: Any,
    views: tuple[tuple[Any, ...], ...],
    timestamp_field: str,
    full_feature_names: bool,
    progress: Callable[[int, int, int, tuple[int, int], tuple[int, int]], Any] | None,
    /,
) -> tuple[Stream, object]: ...
def pit_explain(
    context: Context,
    entities: Any,
    views: tuple[tuple[Any, ...], ...],
    timestamp_field: str,
    full_feature_names: bool,
    progress: None,
    /,
) -> list[dict[str, Any]]: ...
def join_reports(reports: object, /) -> list[dict[str, Any]]: ...
def latest_per_key(
    table: Table,
    scan: _ScanOptions | None,
    keys: tuple[str, ...],
    timestamp_field: str,
    created_timestamp_field: str | None,
    start_us: int,
    end_us: int,
    columns: tuple[str, ...] | None,
    /,
) -> Stream: ...
def open_online(
    catalog: Catalog,
    identifier: str,
    lookup: int,
    cache_dir: str | None,
    max_staleness_ms: int,
    read_timeout_ms: int,
    key_ttl_us: int,
    commit_timeout_ms: int,
    compact_automatically: bool,
    min_snapshot_age_ms: int,
    /,
) -> Online: ...
def entity_keys(messages: tuple[bytes, ...], /) -> list[bytes]: ...
def read_parquet(context: Context, uri: str, /) -> Stream: ...
def _after_fork() -> None: ...
