"""Exceptions of frazil: one class for each reaction that a failure asks of the caller.

All derive from FrazilError, and from the built-in class that code without knowledge of frazil
would expect. The C library's status decides the class; its message names object, place and value.
"""

from __future__ import annotations

import builtins

__all__ = [
    "AlreadyExistsError",
    "AuthError",
    "CancelledError",
    "CommitConflictError",
    "CommitUnknownError",
    "CorruptError",
    "FrazilError",
    "InvalidError",
    "LimitError",
    "NamespaceAlreadyExistsError",
    "NamespaceNotEmptyError",
    "NoSuchNamespaceError",
    "NoSuchSnapshotError",
    "NoSuchTableError",
    "NotFoundError",
    "StaleError",
    "StorageError",
    "TableAlreadyExistsError",
    "TimeoutError",
    "UnsupportedError",
]


class FrazilError(Exception):
    """The base of every exception that frazil raises."""


class InvalidError(FrazilError, ValueError):
    """An argument, option or input value is wrong: correct the call."""


class NamespaceNotEmptyError(InvalidError):
    """The namespace still has tables."""


class CorruptError(FrazilError):
    """A file or an answer breaks its format."""


class UnsupportedError(FrazilError, NotImplementedError):
    """Valid, but not something that frazil does."""


class StorageError(FrazilError, OSError):
    """The operating system or a server refused; a retry may help."""


class NotFoundError(FrazilError, LookupError):
    """The named thing is not there."""


class NoSuchTableError(NotFoundError):
    """No table has this name."""


class NoSuchNamespaceError(NotFoundError):
    """No namespace has this name."""


class NoSuchSnapshotError(NotFoundError):
    """The table has no such snapshot, branch or tag, or none as early as that."""


class AlreadyExistsError(FrazilError):
    """The thing to be created is there already."""


class TableAlreadyExistsError(AlreadyExistsError):
    """A table with this name is there already."""


class NamespaceAlreadyExistsError(AlreadyExistsError):
    """A namespace with this name is there already."""


class CommitConflictError(FrazilError):
    """Other writers committed first until the retries ended: reload, then try again."""


class CommitUnknownError(FrazilError):
    """The catalog's answer was lost: the commit may have happened. Check; delete no file."""


class StaleError(FrazilError):
    """A cached thing is older than the caller allows."""


class LimitError(FrazilError):
    """A documented limit would be passed."""


class TimeoutError(FrazilError, builtins.TimeoutError):  # noqa: A001
    """The deadline passed."""


class CancelledError(FrazilError):
    """The call was told to stop. Ctrl-C raises KeyboardInterrupt instead."""


class AuthError(FrazilError, PermissionError):
    """Credentials are missing, wrong or not sufficient."""


_BY_STATUS: dict[str, type[BaseException]] = {
    "FRZ_ERR_INVALID": InvalidError,
    "FRZ_ERR_NOMEM": MemoryError,
    "FRZ_ERR_CORRUPT": CorruptError,
    "FRZ_ERR_UNSUPPORTED": UnsupportedError,
    "FRZ_ERR_IO": StorageError,
    "FRZ_ERR_NOT_FOUND": NotFoundError,
    "FRZ_ERR_CONFLICT": CommitConflictError,
    "FRZ_ERR_COMMIT_UNKNOWN": CommitUnknownError,
    "FRZ_ERR_STALE": StaleError,
    "FRZ_ERR_LIMIT": LimitError,
    "FRZ_ERR_TIMEOUT": TimeoutError,
    "FRZ_ERR_CANCELLED": CancelledError,
    "FRZ_ERR_AUTH": AuthError,
    "FRZ_ERR_EXISTS": AlreadyExistsError,
}


def from_stream_error(error: BaseException) -> BaseException | None:
    """The exception that a consumer's error stands for, when one of our streams caused it.

    An Arrow stream can only say an errno and a text, so the text starts with the status in
    brackets; libraries put words of their own around it.
    """
    text = str(error)
    start = text.find("[FRZ_ERR_")
    if start < 0:
        return None
    end = text.find("]", start)
    kind = _BY_STATUS.get(text[start + 1 : end])
    if kind is None:
        return None
    return kind(text[end + 1 :].split("\n", 1)[0].strip())
