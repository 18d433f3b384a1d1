"""Online reads while the storage stands still: an error when read_timeout_ms is over, answers from what needs no storage.

A proxy before an S3 store holds requests for a file until the test lets them go, so that an error is known to have come before the
storage answered, without a clock.
"""

import contextlib
import threading
import uuid

import frazil
import pytest
from fault_proxy import fault_proxy
from online_rows import create_online_table, key_of, rows_of, values_of

DRIVERS = range(40)


class Stall:
    """A data file whose requests hang until release(), and the drivers in it and in the other one."""

    def __init__(self, proxy, path, still, moving):
        self.still, self.moving = still, moving
        self.go = threading.Event()
        name = path.rsplit("/", 1)[1]
        proxy.befall("hold", times=1_000_000, matches=lambda method, url: name in url and not self.go.is_set(), until=self.go)

    def release(self):
        self.go.set()


@contextlib.contextmanager
def stalled_table(s3_store, folder):
    """The catalog of a table of two files, one of which stands still."""
    with fault_proxy(s3_store["s3.endpoint"]) as proxy:
        catalog = frazil.load_catalog(
            "c", type="sql", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"s3://lake/{uuid.uuid4().hex}",
            **{**s3_store, "s3.endpoint": proxy.url},
        )  # fmt: skip
        table = create_online_table(catalog, "bucket(2, driver_id)")
        with frazil.open_online(catalog, "ns.t", read_timeout_ms=0) as online:
            online.write(rows_of([(driver, 10**9, None, driver + 1) for driver in DRIVERS]))
        table.refresh()
        files = {driver: [file.file_path for file in table.scan(row_filter=f"driver_id = {driver}").plan_files()] for driver in DRIVERS}
        assert all(len(of_driver) == 1 for of_driver in files.values())
        stall = Stall(
            proxy, files[0][0], [d for d in DRIVERS if files[d] == files[0]], [d for d in DRIVERS if files[d] != files[0]]
        )
        try:
            yield catalog, stall
        finally:
            stall.release()


def open_online(catalog, **options):
    return frazil.open_online(catalog, "ns.t", max_staleness_ms=3_600_000, **{"read_timeout_ms": 500, **options})


def numbers_of(online, drivers):
    return values_of(online.read([key_of(driver) for driver in drivers], ["number"]).values)


def prepare(online):
    """A build that was stalled may end in an error when it is let go; the next one succeeds."""
    with contextlib.suppress(frazil.FrazilError):
        online.prepare()


def test_a_direct_read_ends_in_time(s3_store, tmp_path):
    with stalled_table(s3_store, tmp_path) as (catalog, stall), open_online(catalog, lookup="direct") as online:
        for _ in range(5):
            with pytest.raises(frazil.TimeoutError, match="passed read_timeout_ms 500"):
                online.read([key_of(stall.still[0])])
        stall.release()
        with open_online(catalog, lookup="direct", read_timeout_ms=0) as patient:
            assert numbers_of(patient, stall.still) == [driver + 1 for driver in stall.still]


def test_reads_that_hang_keep_no_others(s3_store, tmp_path):
    with stalled_table(s3_store, tmp_path) as (catalog, stall), open_online(catalog, lookup="direct") as online:
        for _ in range(5):  # more than there are threads for work
            with pytest.raises(frazil.TimeoutError):
                online.read([key_of(stall.still[0])])
        with open_online(catalog, lookup="direct", read_timeout_ms=0) as patient:
            for driver in stall.moving:
                assert numbers_of(patient, [driver]) == [driver + 1]
        stall.release()  # closing waits for reads that hang


def test_reads_are_answered_while_the_index_is_built(s3_store, tmp_path):
    with stalled_table(s3_store, tmp_path) as (catalog, stall), open_online(catalog, read_timeout_ms=0) as online:
        builder = threading.Thread(target=prepare, args=(online,))
        builder.start()
        for driver in stall.moving:  # the build hangs at the other file
            assert numbers_of(online, [driver]) == [driver + 1]
        assert not online.stats()["is_ready"]
        hasty = open_online(catalog)
        with pytest.raises(frazil.TimeoutError):
            hasty.read([key_of(stall.still[0])])
        stall.release()
        hasty.close()  # after the read that hung
        builder.join()
        online.prepare()
        assert online.stats()["is_ready"]
        drivers = stall.still + stall.moving
        assert numbers_of(online, drivers) == [driver + 1 for driver in drivers]


def test_indexed_reads_need_no_storage(s3_store, tmp_path):
    with stalled_table(s3_store, tmp_path) as (catalog, stall), open_online(catalog) as online:
        stall.release()
        online.prepare()
        stall.go.clear()
        assert numbers_of(online, stall.still) == [driver + 1 for driver in stall.still]
