"""Progress of reads and writes on a terminal; silent where standard error is none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa

from frazil.pit import PitProgress


def on_terminal() -> bool:
    """Is somebody looking?"""
    try:
        return sys.stderr is not None and sys.stderr.isatty()
    except ValueError:  # closed
        return False


def shown(
    batches: Iterator[pa.RecordBatch], what: str, n_rows: Callable[[], int | None]
) -> Iterator[pa.RecordBatch]:
    """The same batches, counted by a bar. `n_rows` gives the number of rows to come (None: not
    known) and is called only where there is a terminal."""
    if not on_terminal():
        yield from batches
        return
    from tqdm import tqdm

    # Short reads are over before there is anything to look at.
    with tqdm(total=n_rows(), desc=what, unit=" rows", unit_scale=True, delay=0.5) as bar:
        for batch in batches:
            yield batch
            bar.update(batch.num_rows)


@contextmanager
def joining(names: Sequence[str]) -> Iterator[Callable[[PitProgress], object] | None]:
    """A bar for pit_join(), which names the view it is at; None where nobody is looking."""
    if not on_terminal():
        yield None
        return
    from tqdm import tqdm

    with tqdm(desc="joining", unit=" rows", unit_scale=True, delay=0.5, leave=False) as bar:

        def tell(told: PitProgress) -> None:
            done, total = told.rows
            name = names[told.view] if total else f"{told.entity_rows} entity rows"
            bar.set_description_str(f"joining {name}", refresh=False)
            bar.total, bar.n = total, done
            bar.refresh()

        yield tell


@contextmanager
def materializing(what: str) -> Iterator[Callable[[int, int, int], object] | None]:
    """A bar for OnlineTable.materialize(); None where nobody is looking."""
    if not on_terminal():
        yield None
        return
    from tqdm import tqdm

    with tqdm(desc=what, unit=" rows", unit_scale=True, delay=0.5) as bar:

        def tell(rows_read: int, rows_total: int, keys_written: int) -> None:
            bar.total = rows_total
            bar.set_postfix_str(f"{keys_written} keys written", refresh=False)
            bar.update(rows_read - bar.n)

        yield tell
