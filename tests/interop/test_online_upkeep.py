"""What many small writes leave of a table that compacts itself: few files, little written twice, bounded storage and metadata."""

import collections
import pathlib
import random

import frazil
import pytest
from online_rows import catalog_in, create_online_table, key_of, rows_of, values_of

WRITES, ROWS, DRIVERS, BUCKETS = 300, 50, 3000, 4
FILES_MOST, AMPLIFICATION_MOST, METADATA_VERSIONS = 16, 5, 20


def sizes_below(folder, pattern):
    sizes = []
    for path in pathlib.Path(folder).rglob(pattern):
        try:
            sizes.append(path.stat().st_size)
        except FileNotFoundError:  # a compaction has removed it meanwhile
            pass
    return sizes


def files_by_bucket(table):
    table.refresh()
    return collections.Counter(str(file["partition"]) for file in table.inspect.files().to_pylist())


class Added:
    """Bytes of data that each snapshot's commit brought."""

    def __init__(self, table):
        self.table, self.by_writes, self.in_all, self.known = table, 0, 0, set()

    def look(self):
        self.table.refresh()
        for snapshot in self.table.snapshots():
            if snapshot.snapshot_id in self.known:
                continue
            self.known.add(snapshot.snapshot_id)
            size = int(snapshot.summary.get("added-files-size", 0))
            self.in_all += size
            self.by_writes += size if snapshot.operation == "append" else 0


@pytest.mark.parametrize("repeats", [True, False])
def test_many_small_writes(tmp_path, repeats):
    """With keys that are written again and again, and with none that is written twice."""
    rng = random.Random(repeats)
    catalog = catalog_in(tmp_path)
    table = create_online_table(catalog, f"bucket({BUCKETS}, driver_id)")
    added, newest = Added(table), {}
    with frazil.open_online(catalog, "ns.t", read_timeout_ms=0, min_snapshot_age_ms=1) as online:
        online.prepare()
        for write in range(WRITES):
            drivers = [rng.randrange(DRIVERS) for _ in range(ROWS)] if repeats else range(write * ROWS, (write + 1) * ROWS)
            rows = [(driver, 10**9 + write, None, write * ROWS + at + 1) for at, driver in enumerate(drivers)]
            online.write(rows_of(rows))
            newest.update((row[0], row[3]) for row in rows)
            added.look()
    # Closing waits for the compaction that runs, not for what has become due meanwhile.
    assert max(files_by_bucket(table).values()) <= 2 * FILES_MOST
    with frazil.open_online(catalog, "ns.t", read_timeout_ms=0, min_snapshot_age_ms=1) as online:
        online.compact()
    added.look()
    buckets = files_by_bucket(table)
    assert len(buckets) == BUCKETS and max(buckets.values()) <= FILES_MOST
    assert added.in_all / added.by_writes < AMPLIFICATION_MOST
    # The end of the last compaction is the end of all that it replaced but one version.
    with frazil.open_online(catalog, "ns.t", read_timeout_ms=0, min_snapshot_age_ms=1) as online:
        online.compact(all=True)
        online.write(rows_of([(DRIVERS * WRITES, 10**9, None, 1)]))
        online.compact(all=True)
    table.refresh()
    live = sum(file["file_size_in_bytes"] for file in table.inspect.files().to_pylist())
    assert sum(sizes_below(tmp_path / "warehouse", "*.parquet")) <= 3 * live
    assert len(sizes_below(tmp_path / "warehouse", "*.metadata.json")) <= METADATA_VERSIONS + 1
    assert len(table.snapshots()) <= 4
    assert len(sizes_below(tmp_path / "warehouse", "*.avro")) <= 40
    with frazil.open_online(catalog, "ns.t", read_timeout_ms=0) as online:
        online.prepare()
        got = online.read([key_of(driver) for driver in sorted(newest)], ["number"])
        assert values_of(got.values) == [newest[driver] for driver in sorted(newest)]
