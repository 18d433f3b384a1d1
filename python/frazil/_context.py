"""Contexts: one for each set of options, made on first use and kept until the process ends."""

from __future__ import annotations

import os
from _thread import allocate_lock  # threading takes milliseconds to import

from frazil import _core

_lock = allocate_lock()
_contexts: dict[tuple[int, int, str | None], _core.Context] = {}


def context(
    memory_limit_mb: int | None = None, n_threads: int = 0, spill_dir: str | None = None
) -> _core.Context:
    """The context with these options; the defaults are half of memory and all processors."""
    key = (n_threads, (memory_limit_mb or 0) << 20, spill_dir)
    with _lock:
        found = _contexts.get(key)
        if found is None:
            found = _contexts[key] = _core.Context(*key)
        return found


def _after_fork_in_child() -> None:
    global _lock
    _lock = allocate_lock()
    _core._after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)
