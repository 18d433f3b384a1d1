"""Processes that append, upsert, delete, compact and expire on one table: what was acknowledged is there, once."""

import datetime
import json
import multiprocessing
import os
import random

import frazil
import pyarrow as pa
import pytest
from frazil.exceptions import CommitConflictError, StaleError
from test_concurrent_commits import open_catalog

WRITERS = 6
CHANGES = int(os.environ.get("FRAZIL_CONCURRENT_CHANGES", "12"))
SCHEMA = pa.schema([("key", pa.int64()), ("value", pa.int64())])


class Writer:
    """Changes rows of its own keys, in files that hold those of all; `rows` is what was acknowledged."""

    def __init__(self, folder, number):
        self.chance, self.number, self.rows, self.last = random.Random(number), number, {}, number * 1000
        self.table = open_catalog(folder).load_table("t.shared")

    def commit(self, change):
        """A change that lost is made again, on the newest version."""
        for _ in range(200):
            try:
                self.table.refresh()
                return change()
            except (CommitConflictError, StaleError):
                pass
        raise AssertionError("200 conflicts in a row")

    def data(self, rows):
        return pa.table({"key": list(rows), "value": list(rows.values())}, schema=SCHEMA)

    def fresh(self, n):
        self.last += n
        return {key: self.chance.randrange(1000) for key in range(self.last - n, self.last)}

    def append(self):
        rows = self.fresh(5)
        self.commit(lambda: self.table.append(self.data(rows)))
        self.rows.update(rows)

    def upsert(self):
        known = self.chance.sample(sorted(self.rows), min(4, len(self.rows)))
        rows = {**{key: self.rows[key] + 1 for key in known}, **self.fresh(2)}
        result = self.commit(lambda: self.table.upsert(self.data(rows), ["key"], mode=self.mode()))
        assert (result.rows_updated, result.rows_added, result.rows_deleted) == (len(known), 2, 0)
        self.rows.update(rows)

    def delete(self):
        gone = self.chance.sample(sorted(self.rows), min(3, len(self.rows)))
        if gone:
            result = self.commit(lambda: self.table.delete(f"key in ({', '.join(map(str, gone))})", mode=self.mode()))
            assert result.rows_deleted == len(gone)
        for key in gone:
            del self.rows[key]

    def mode(self):
        return self.chance.choice(["merge-on-read", "merge-on-read", "copy-on-write"])

    def compact(self):
        try:
            self.table.refresh().maintenance.compact(rewrite_all=self.chance.random() < 0.3)
        except (CommitConflictError, StaleError):
            pass  # somebody changed the rows that it moved

    def expire(self):
        self.commit(lambda: self.table.maintenance.expire_snapshots(datetime.timedelta(0), retain_last=30))

    def rewrite_manifests(self):
        self.commit(lambda: self.table.maintenance.rewrite_manifests())

    def run(self):
        steps = [self.append, self.upsert, self.delete, self.compact, self.expire, self.rewrite_manifests]
        for step in self.chance.choices(steps, [5, 5, 5, 2, 1, 1], k=CHANGES):
            step()


def change(folder, number, barrier):
    writer = Writer(folder, number)
    barrier.wait()
    writer.run()
    with open(f"{folder}/{number}.json", "w") as file:
        json.dump(writer.rows, file)


@pytest.mark.parametrize("version", [2, 3])
def test_every_acknowledged_change_is_there_once(tmp_path, version):
    catalog = open_catalog(tmp_path)
    catalog.create_namespace("t")
    # What each writer changes are rows of its own: others' files may come meanwhile.
    properties = {"write.update.isolation-level": "snapshot", "write.delete.isolation-level": "snapshot", "commit.manifest.min-count-to-merge": "5",
                  "commit.retry.num-retries": "100"}
    table = catalog.create_table("t.shared", SCHEMA, format_version=version, properties=properties)
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(WRITERS)
    processes = [context.Process(target=change, args=(str(tmp_path), number, barrier)) for number in range(WRITERS)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(600)
    assert [process.exitcode for process in processes] == [0] * WRITERS
    wanted = {}
    for number in range(WRITERS):
        wanted.update({int(key): value for key, value in json.loads((tmp_path / f"{number}.json").read_text()).items()})
    found = table.refresh().scan().to_arrow()
    assert sorted(zip(found["key"].to_pylist(), found["value"].to_pylist())) == sorted(wanted.items())
    assert table.maintenance.verify(all_snapshots=True, read_data=True).is_sound
    if version == 3:
        ids = table.scan(selected_fields=("_row_id",)).to_arrow()["_row_id"].to_pylist()
        assert None not in ids and len(set(ids)) == len(ids) and max(ids) < table._metadata["next-row-id"]
    table.maintenance.remove_orphan_files(datetime.timedelta(0), dry_run=False, allow_recent=True)
    assert table.maintenance.verify(all_snapshots=True, read_data=True).is_sound
