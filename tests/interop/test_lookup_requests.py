"""How often a point lookup by `lookup="direct"` asks the store: counted by a proxy before S3."""

import uuid

import pytest
from fault_proxy import fault_proxy
from online_rows import create_online_table, key_of, rows_of, values_of

import frazil

SMALL, LARGE = 4_000, 200_000  # of a bucket's file the ends hold all, or only its footer and page indexes


@pytest.fixture
def proxy(s3_store):
    with fault_proxy(s3_store["s3.endpoint"]) as between:
        yield between


def asked(proxy):
    with proxy.lock:
        paths = [path for _, path, _ in proxy.log]
        proxy.log.clear()
    return paths


def open_catalog(proxy, s3_store, **catalog):
    return frazil.load_catalog("c", **{**s3_store, "s3.endpoint": proxy.url}, **catalog)


@pytest.fixture(params=["sql", "rest"])
def reach(request, tmp_path):
    if request.param == "sql":
        return {"type": "sql", "uri": f"sqlite:///{tmp_path}/c.db", "warehouse": f"s3://lake/{uuid.uuid4().hex}"}
    return {"type": "rest", "uri": request.getfixturevalue("rest_s3")}


def make_table(catalog, name, n_keys):
    with frazil.open_online(catalog, name, read_timeout_ms=0, compact_automatically=False) as online:
        online.write(rows_of([(driver, 10**9, None, driver + 1) for driver in range(n_keys)]))


@pytest.mark.parametrize("n_keys", [SMALL, LARGE])
def test_a_lookup_asks_four_times_when_cold_and_once_when_warm(s3_store, proxy, reach, n_keys):
    namespace = "n" + uuid.uuid4().hex[:12]
    catalog = open_catalog(proxy, s3_store, **reach)
    create_online_table(catalog, "bucket(2, driver_id)", namespace)
    make_table(catalog, f"{namespace}.t", n_keys)
    asked(proxy)
    catalog = open_catalog(proxy, s3_store, **reach)
    with frazil.open_online(catalog, f"{namespace}.t", lookup="direct", read_timeout_ms=0, max_staleness_ms=3_600_000) as online:
        loading = len(asked(proxy))  # the metadata file, which a REST catalog sends with its answer
        assert loading == (1 if reach["type"] == "sql" else 0)
        firsts = []
        for driver in range(20):
            values = values_of(online.read([key_of(driver)], ["number"]).values)
            assert values == [driver + 1]
            firsts.append(len(asked(proxy)))
        # Manifest list, manifest, the end of the data file, pages that are not in it.
        assert firsts[0] == (3 if n_keys == SMALL else 4)
        assert sorted(firsts)[-2] <= 2, "the first read of the other bucket opens its file"
        assert max(sorted(firsts)[:-2]) == (0 if n_keys == SMALL else 1)
        assert sum(online.read([key_of(driver) for driver in range(20)], ["number"]).found) == 20
        assert len(asked(proxy)) <= 2, "one a file"
