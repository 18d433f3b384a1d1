"""frazil: an Apache Iceberg engine in C for feature stores.

    catalog = frazil.load_catalog("demo", type="sql", uri="sqlite:///demo.db", warehouse="lake")
    table = catalog.load_table("demo.driver_stats")
    table.append(rows)
    table.scan("driver_id = 5").to_arrow()

Rows go in from, and come out to, anything that speaks the Arrow PyCapsule interface. Importing
frazil imports neither pyarrow nor pandas. The Feast plugin is in frazil.feast.
"""

from frazil._core import version as __version__
from frazil.catalog import Catalog, load_catalog
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
from frazil.parquet import ParquetFile, read_parquet
from frazil.pit import View, latest_per_key, pit_join
from frazil.schema import Field, PartitionSpec, Schema, Snapshot, SnapshotRef, SortOrder
from frazil.table import Scan, Table, WriteResult

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
    "LimitError",
    "NamespaceAlreadyExistsError",
    "NamespaceNotEmptyError",
    "NoSuchNamespaceError",
    "NoSuchSnapshotError",
    "NoSuchTableError",
    "NotFoundError",
    "ParquetFile",
    "PartitionSpec",
    "Scan",
    "Schema",
    "Snapshot",
    "SnapshotRef",
    "SortOrder",
    "StaleError",
    "StorageError",
    "Table",
    "TableAlreadyExistsError",
    "TimeoutError",
    "UnsupportedError",
    "View",
    "WriteResult",
    "__version__",
    "latest_per_key",
    "load_catalog",
    "pit_join",
    "read_parquet",
]
