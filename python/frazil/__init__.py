"""frazil: an Apache Iceberg engine in C for feature stores.

    catalog = frazil.load_catalog("demo", type="sql", uri="sqlite:///demo.db", warehouse="lake")
    table = catalog.load_table("demo.driver_stats")
    table.append(rows)
    table.scan("driver_id = 5").to_arrow()

Rows go in from, and come out to, anything that speaks the Arrow PyCapsule interface. Importing
frazil imports neither pyarrow nor pandas. The Feast plugin is in frazil.feast.
"""

from frazil._core import version as __version__
from frazil.exceptions import (
    AlreadyExistsError,
    AuthError,
    CancelledError,
    CommitConflictError,
    CommitUnknownError,
    CorruptError,
    FrazilError,
    InvalidError,
    LimitError,
    NamespaceAlreadyExistsError,
    NamespaceNotEmptyError,
    NoSuchNamespaceError,
    NoSuchSnapshotError,
    NoSuchTableError,
    NotFoundError,
    StaleError,
    StorageError,
    TableAlreadyExistsError,
    TimeoutError,
    UnsupportedError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from frazil.catalog import Catalog, load_catalog
    from frazil.online import OnlineTable, open_online
    from frazil.parquet import ParquetFile, read_parquet
    from frazil.pit import JoinedRows, PitProgress, View, explain_join, latest_per_key, pit_join
    from frazil.results import WriteResult
    from frazil.schema import Field, PartitionSpec, Schema, Snapshot, SnapshotRef, SortOrder
    from frazil.table import Scan, Table, TableChange

# Imported when asked for: a process that reads one row needs few of them, and lives for milliseconds.
_MODULES = {
    "Catalog": "catalog",
    "load_catalog": "catalog",
    "OnlineTable": "online",
    "open_online": "online",
    "ParquetFile": "parquet",
    "read_parquet": "parquet",
    "JoinedRows": "pit",
    "PitProgress": "pit",
    "View": "pit",
    "explain_join": "pit",
    "latest_per_key": "pit",
    "pit_join": "pit",
    "WriteResult": "results",
    "Field": "schema",
    "PartitionSpec": "schema",
    "Schema": "schema",
    "Snapshot": "schema",
    "SnapshotRef": "schema",
    "SortOrder": "schema",
    "Scan": "table",
    "Table": "table",
    "TableChange": "table",
}

__all__ = [
    "AlreadyExistsError",
    "AuthError",
    "CancelledError",
    "Catalog",
    "CommitConflictError",
    "CommitUnknownError",
    "CorruptError",
    "Field",
    "FrazilError",
    "InvalidError",
    "JoinedRows",
    "LimitError",
    "NamespaceAlreadyExistsError",
    "NamespaceNotEmptyError",
    "NoSuchNamespaceError",
    "NoSuchSnapshotError",
    "NoSuchTableError",
    "NotFoundError",
    "OnlineTable",
    "ParquetFile",
    "PartitionSpec",
    "PitProgress",
    "Scan",
    "Schema",
    "Snapshot",
    "SnapshotRef",
    "SortOrder",
    "StaleError",
    "StorageError",
    "Table",
    "TableAlreadyExistsError",
    "TableChange",
    "TimeoutError",
    "UnsupportedError",
    "View",
    "WriteResult",
    "__version__",
    "explain_join",
    "latest_per_key",
    "load_catalog",
    "open_online",
    "pit_join",
    "read_parquet",
]


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name in _MODULES:
        value = getattr(import_module(f"frazil.{_MODULES[name]}"), name)
    elif name in {*_MODULES.values(), "evolution", "maintenance"}:
        value = import_module(f"frazil.{name}")
    else:
        raise AttributeError(f"module 'frazil' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
