"""What both stores are configured with, and the catalog that follows from it.

The default is embedded: a SQLite file and a folder under the repo, so that a new repo works
without a server. Relative paths start at the repo. Catalogs are opened once per process and set
of properties; a fork opens its own.
"""

from __future__ import annotations

import difflib
import os
import re
import threading
from datetime import datetime
from pathlib import Path
from typing import Any, Dict, Literal, Optional

from feast.repo_config import FeastConfigBaseModel, RepoConfig
from pydantic import Field, StrictStr, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from frazil import Catalog, NoSuchNamespaceError, Table
from frazil._convert import datetime_of, properties_of

_SQLITE = re.compile(r"^sqlite(\+\w+)?:(//)?", re.IGNORECASE)
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:")
_DEFAULT_URI = "data/frazil.db"
_DEFAULT_WAREHOUSE = "data/warehouse"
_MAY_HOLD_SECRETS = {"uri", "warehouse", "storage_options"}


class FrazilStoreConfig(FeastConfigBaseModel):
    """The keys that the offline and the online store share."""

    catalog_type: Literal["sql", "rest", "glue", "hive", "static", "none"] = "sql"
    """ Kind of catalog; none is static: tables are named by folder or metadata file. """

    catalog_name: StrictStr = "default"
    """ Name of the catalog. """

    uri: Optional[StrictStr] = None
    """ Where the catalog is, such as sqlite:///data/frazil.db or http://host:8181. """

    warehouse: Optional[StrictStr] = None
    """ Folder or URI that tables are created under. """

    namespace: StrictStr = "feast"
    """ Namespace of tables that are named without one. """

    storage_options: Dict[str, Any] = {}
    """ Properties of storage and catalog, by PyIceberg's names. """

    memory_limit_mb: Optional[int] = Field(default=None, ge=1, strict=True)
    """ Bound for joins and caches; the default is half of what the machine or cgroup has. """

    @model_validator(mode="wrap")
    @classmethod
    def _explain(cls, values: Any, handler: Any) -> Any:
        try:
            return handler(values)
        except ValidationError as error:
            raise _explained(error, sorted(cls.model_fields)) from None

    def __repr__(self) -> str:
        # Options may hold secrets, and a configuration is printed in many places.
        return f"{type(self).__name__}(catalog_type={self.catalog_type!r}, uri=..., ...)"

    __str__ = __repr__


def _explained(error: ValidationError, known: list[str]) -> ValidationError:
    """The same complaints with the names of the right keys, and without values that may be secret:
    pydantic prints what it was given."""
    lines: list[InitErrorDetails] = []
    for each in error.errors(include_url=False):
        key = str(each["loc"][0]) if each["loc"] else ""
        why = each["msg"]
        shown: Any = each["input"]
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            why = f"unknown key; did you mean {near[0]}?" if near else f"unknown key; known: {known}"
        if key not in known or key in _MAY_HOLD_SECRETS:
            shown = "not shown"
        kind = PydanticCustomError(each["type"], "{why}", {"why": why})  # type: ignore[arg-type]
        lines.append(InitErrorDetails(type=kind, loc=each["loc"], input=shown))
    return ValidationError.from_exception_data(error.title, lines)


def repo_folder(config: RepoConfig) -> Path:
    return Path(config.repo_path) if config.repo_path else Path.cwd()


def _under(repo: Path, path: str) -> str:
    return str((repo / path).absolute())


def sqlite_path(uri: str, repo: Path) -> str | None:
    """The file of an SQLite URI; None where the URI is of another database or in memory.

    SQLAlchemy counts slashes: sqlite:///a.db is relative, sqlite:////a.db is absolute.
    """
    if _SQLITE.match(uri):
        path = _SQLITE.sub("", uri)
        path = path[1:] if path.startswith("/") else path
        return _under(repo, path) if path and path != ":memory:" else None
    return None if _SCHEME.match(uri) else _under(repo, uri)


def catalog_properties(settings: FrazilStoreConfig, repo: Path) -> dict[str, str]:
    """The properties that frazil.load_catalog() takes."""
    kind = "static" if settings.catalog_type == "none" else settings.catalog_type
    properties: dict[str, Any] = {"type": kind, "uri": settings.uri}
    warehouse = settings.warehouse
    if kind == "sql":
        uri = settings.uri or _DEFAULT_URI
        path = sqlite_path(uri, repo)
        properties["uri"] = uri if path is None else "sqlite:///" + path
        if path is not None:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            warehouse = warehouse or _DEFAULT_WAREHOUSE
    if warehouse is not None and kind in ("sql", "static") and not _SCHEME.match(warehouse):
        warehouse = _under(repo, warehouse)
    properties["warehouse"] = warehouse
    return properties_of({**properties, **settings.storage_options})


_lock = threading.Lock()
_catalogs: dict[tuple[Any, ...], Catalog] = {}


def open_catalog(settings: FrazilStoreConfig, repo: Path) -> Catalog:
    """The catalog of a store, opened on first use in this process."""
    properties = catalog_properties(settings, repo)
    key = (
        os.getpid(),
        settings.catalog_name,
        settings.memory_limit_mb,
        tuple(sorted(properties.items())),
    )
    with _lock:
        catalog = _catalogs.get(key)
        if catalog is None:
            catalog = Catalog(
                settings.catalog_name, properties, memory_limit_mb=settings.memory_limit_mb
            )
            _catalogs[key] = catalog
    return catalog


def catalog(config: RepoConfig) -> Catalog:
    """The catalog that a Feast repo's configuration names, as in
    `frazil.feast.catalog(FeatureStore(repo_path=".").config)`.

    It is the offline store's, where the tables of sources are; where only the online store is
    frazil's, it is that one's. Opened once in a process and shared with the stores.

    Raises ValueError: neither store is frazil's.
    """
    for settings in (config.offline_store, config.online_store):
        if isinstance(settings, FrazilStoreConfig):
            return open_catalog(settings, repo_folder(config))
    raise ValueError(
        "the configuration names no catalog: set offline_store.type to "
        "frazil.feast.IcebergOfflineStore or online_store.type to frazil.feast.IcebergOnlineStore"
    )


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.Lock()
    # A database connection does not survive a fork. What the parent opened is kept unused: closing
    # it here could disturb the parent.
    _forgotten.update(_catalogs)
    _catalogs.clear()


_forgotten: dict[tuple[Any, ...], Catalog] = {}
os.register_at_fork(after_in_child=_after_fork_in_child)


def full_name(settings: FrazilStoreConfig, table: str) -> str:
    """A table without a dot lives in the store's namespace."""
    if settings.catalog_type in ("static", "none") or "." in table:
        return table
    return f"{settings.namespace}.{table}"


def ensure_namespace(catalog: Catalog, identifier: str) -> None:
    """Create the namespace of a table, and those above it, where they are missing."""
    parts = identifier.split(".")[:-1]
    for depth in range(1, len(parts) + 1):
        catalog.create_namespace_if_not_exists(".".join(parts[:depth]))


def create_table(catalog: Catalog, identifier: str, schema: Any, **options: Any) -> Table:
    """Create a table, and its namespace where that is missing."""
    try:
        return catalog.create_table(identifier, schema, **options)
    except NoSuchNamespaceError:
        ensure_namespace(catalog, identifier)
        return catalog.create_table(identifier, schema, **options)


def moment_of(text: str | datetime | None) -> datetime | None:
    return datetime_of(text, "as_of") if isinstance(text, str) else text
