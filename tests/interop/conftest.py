"""Servers for a whole run of tests. A server that cannot be had skips what needs it, by name."""

import contextlib

import pytest
import servers


def _started(start, *args, **more):
    """Enters a server's context for a fixture."""
    stack = contextlib.ExitStack()
    try:
        return stack, stack.enter_context(start(*args, **more))
    except servers.NotAvailable as missing:
        pytest.skip(f"NOT RUN: {missing}")


@pytest.fixture(scope="session")
def s3_store(tmp_path_factory):
    stack, properties = _started(servers.s3, tmp_path_factory.mktemp("s3"))
    with stack:
        yield properties
