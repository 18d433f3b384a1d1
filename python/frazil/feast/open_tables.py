"""Online tables that are open in this process, one handle for each table and set of options.

A handle sees its own writes at once, so that all stores of a process share it. A handle with other
options would see them late: a write ends it, and it is opened again when it is asked for. Handles
are dropped, never closed: who reads with one ends it by letting it go.
"""

from __future__ import annotations

import os
import threading
from typing import NamedTuple, Optional

from frazil import Catalog, OnlineTable, open_online


class Options(NamedTuple):
    """Of open_online()."""

    lookup: str
    cache_dir: Optional[str]
    max_staleness_ms: int
    read_timeout_ms: int
    key_ttl_seconds: Optional[float]
    commit_timeout_ms: int
    compact_automatically: bool
    min_snapshot_age_ms: int


_lock = threading.Lock()
# By a catalog's id, which names one: open_catalog() keeps catalogs as long as the process lives.
_tables: dict[tuple[int, str], dict[Options, OnlineTable]] = {}
_dropped = 0


def generation() -> int:
    """Changes when handles were dropped: what a caller keeps is good as long as it is the same."""
    return _dropped


def opened(catalog: Catalog, identifier: str, options: Options) -> OnlineTable:
    """The handle of a table, opened where there is none. Raises NoSuchTableError."""
    key = (id(catalog), identifier)
    found = _tables.get(key, {}).get(options)
    if found is not None:
        return found
    made = open_online(catalog, identifier, **options._asdict())
    with _lock:
        return _tables.setdefault(key, {}).setdefault(options, made)


def forget(catalog: Catalog, identifier: str, but: Options | None = None) -> None:
    """Drop the handles of a table, but the one with these options."""
    global _dropped
    key = (id(catalog), identifier)
    with _lock:
        handles = _tables.pop(key, {})
        if but is not None and but in handles:
            _tables[key] = {but: handles.pop(but)}
        _dropped += bool(handles)


def written(catalog: Catalog, identifier: str, options: Options) -> None:
    """Rows were written through the handle with these options."""
    if len(_tables.get((id(catalog), identifier), ())) > 1:
        forget(catalog, identifier, but=options)


_left: list[object] = []


def _after_fork_in_child() -> None:
    global _lock, _tables, _dropped
    _lock = threading.Lock()
    # Their catalogs are of the parent. They are kept unused: ending them here would end what the
    # parent has open.
    _left.append(_tables)
    _tables = {}
    _dropped += 1


os.register_at_fork(after_in_child=_after_fork_in_child)
