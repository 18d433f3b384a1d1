"""Tables written by Spark in Parquet and Avro, with position deletes, deletion vectors and evolved specs, read by frazil."""

import pathlib
import textwrap

import frazil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from spark_engine import in_utc, rows, run_in_spark

# Runs in Spark's Python: makes the tables, and Parquet files of what Spark reads from them.
SCRIPT = textwrap.dedent("""
    names = []
    columns = "id bigint, k int, ts timestamp, s string, d double, st struct<a: bigint, b: array<bigint>>, " \\
        "m map<string,bigint>, dec decimal(20,4)"
    def properties(version, more=""):
        modes = ", ".join(f"'write.{kind}.mode'='merge-on-read'" for kind in ("delete", "update", "merge"))
        return f"tblproperties ('format-version'='{version}', {modes}{more})"
    def rows(first, last):
        return (f"select id, cast(id % 7 as int) k, timestamp'2024-01-01 00:00:00' + make_dt_interval(0, id) ts, "
                f"concat('s', id % 11) s, id / 8.0D d, named_struct('a', id, 'b', array(id, null)) st, "
                f"map(cast(id as string), id) m, cast(id as decimal(20,4)) dec from range({first}, {last})")
    def partitioned(name, version, more):
        run(f"create table c.d.{name} ({columns}) using iceberg partitioned by (bucket(3, id), k) {properties(version, more)}")
        run(f"insert into c.d.{name} {rows(0, 500)}")
        run(f"insert into c.d.{name} {rows(500, 900)}")
        run(f"delete from c.d.{name} where id % 10 = 3")
        run(f"delete from c.d.{name} where id between 600 and 650")
        run(f"update c.d.{name} set s = 'upd', d = -1 where id % 50 = 1")
        run(f"delete from c.d.{name} where id % 10 = 4 and id < 300")
        run(f"insert into c.d.{name} {rows(1000, 1010)}")
        names.append(name)
    def evolved(name, version):
        def part(first, last, kind):
            return (f"select cast(id as {kind}) id, timestamp'1969-12-30 20:00:00' + make_dt_interval(0, cast(id as int)) ts, "
                    f"concat('s', id) s, cast(id / 4 as float) f from range({first}, {last})")
        run(f"create table c.d.{name} (id int, ts timestamp, s string, f float) using iceberg partitioned by (days(ts)) {properties(version)}")
        run(f"insert into c.d.{name} {part(0, 100, 'int')}")
        run(f"delete from c.d.{name} where id % 9 = 0")
        run(f"alter table c.d.{name} replace partition field days(ts) with hours(ts)")
        run(f"insert into c.d.{name} {part(100, 150, 'int')}")
        run(f"delete from c.d.{name} where id % 9 = 1")
        run(f"alter table c.d.{name} drop partition field hours(ts)")
        run(f"alter table c.d.{name} add partition field truncate(1, s)")
        run(f"alter table c.d.{name} alter column id type bigint")
        run(f"alter table c.d.{name} add column extra string first")
        run(f"insert into c.d.{name} select concat('e', id), * from ({part(150, 200, 'bigint')})")
        run(f"delete from c.d.{name} where id % 9 = 2")
        names.append(name)
    def long(name, version):
        small = ", 'write.parquet.row-group-size-bytes'='20000', 'write.parquet.page-row-limit'='100'"
        run(f"create table c.d.{name} ({columns}) using iceberg {properties(version, small)}")
        run(f"insert into c.d.{name} {rows(0, 20000)}")
        run(f"insert into c.d.{name} {rows(20000, 21000)}")
        run(f"delete from c.d.{name} where id % 3 = 0")
        run(f"delete from c.d.{name} where id > 5000 and id < 9000")
        run(f"delete from c.d.{name} where id < 100")
        names.append(name)
    partitioned("file2", 2, ", 'write.delete.granularity'='file'")
    partitioned("partition2", 2, ", 'write.delete.granularity'='partition'")
    partitioned("vectors3", 3, "")
    for version in (2, 3):
        evolved(f"evolved{version}", version)
        long(f"long{version}", version)
    avro = ", 'write.format.default'='avro'"
    for version in (2, 3):
        partitioned(f"avro{version}", version, avro)
        run(f"create table c.d.avro_types{version} (id bigint, b boolean, i int, f float, d double, dec decimal(9,2), "
            f"wide decimal(38,10), day date, ts timestamp, local timestamp_ntz, s string, bin binary, "
            f"by_int map<int,string>, by_text map<string,struct<a: int, b: array<string>>>, l array<array<int>>) "
            f"using iceberg {properties(version, avro)}")
        run(f"insert into c.d.avro_types{version} select id, id % 2 = 0, cast(id as int), cast(id / 3 as float), id / 7.0D, "
            f"cast(id / 4 as decimal(9,2)), cast(-id * 12345678901 as decimal(38,10)), date'1969-12-20' + cast(id as int), "
            f"timestamp'1969-12-31 23:00:00' + make_dt_interval(0, cast(id as int)), "
            f"timestamp_ntz'2024-02-28 12:00:00' + make_dt_interval(0, cast(id as int)), if(id % 5 = 0, null, concat('s', id)), "
            f"cast(concat('b', id) as binary), map(cast(id as int), concat('v', id), -1, null), "
            f"map('k', named_struct('a', cast(id as int), 'b', array('x', null)), 'n', null), "
            f"array(array(cast(id as int)), array(), null) from range(0, 3000)")
        run(f"delete from c.d.avro_types{version} where id % 4 = 1")
        run(f"alter table c.d.avro_types{version} add column extra string first")
        run(f"alter table c.d.avro_types{version} alter column i type bigint")
        run(f"alter table c.d.avro_types{version} drop column f")
        names.append(f"avro_types{version}")
    run(f"create table c.d.orc2 ({columns}) using iceberg {properties(2, avro.replace('avro', 'orc'))}")
    run(f"insert into c.d.orc2 {rows(0, 10)}")
    for name in names:
        spark.table(f"c.d.{name}").write.parquet(f"{folder}/expected/{name}")
""")


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spark") / "lake"
    run_in_spark(SCRIPT, folder)
    return folder


@pytest.mark.parametrize(
    "name",
    [
        "file2", "partition2", "vectors3", "evolved2", "evolved3", "long2", "long3",
        "avro2", "avro3", "avro_types2", "avro_types3",
    ],
)
def test_rows_that_spark_left_alive(warehouse, name):
    table = frazil.load_catalog("static", type="static").load_table(str(pathlib.Path(warehouse) / "d" / name))
    want = in_utc(pq.read_table(str(warehouse / "expected" / name)), local=["local"])
    assert any(task.n_delete_files for task in table.scan().plan_files())
    assert rows(table.scan().to_arrow(), want.column_names) == rows(want, want.column_names)
    kept = want.filter(pc.and_(pc.greater(want["id"], 40), pc.less(want["id"], 640)))
    got = table.scan(row_filter="id > 40 and id < 640").to_arrow()
    assert rows(got, want.column_names) == rows(kept, want.column_names)
    kept = want.filter(pc.equal(want["s"], "s3")).select(["id"])
    got = table.scan(row_filter="s = 's3'", selected_fields=("id",)).to_arrow()
    assert rows(got, ["id"]) == rows(kept, ["id"])


@pytest.mark.parametrize("name", ["avro2", "avro3"])
def test_joins_over_avro_are_those_over_parquet(warehouse, name, tmp_path):
    """The same rows, in Avro with deletes and in one Parquet file, give the same winners."""
    table = frazil.load_catalog("static", type="static").load_table(str(pathlib.Path(warehouse) / "d" / name))
    catalog = frazil.load_catalog("c", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=str(tmp_path))
    catalog.create_namespace("ns")
    copied = table.scan(selected_fields=["k", "ts", "s", "id", "st"]).to_arrow()
    copy = catalog.create_table("ns.t", copied.schema)
    copy.append(copied)
    seconds = [600 + 37 * i for i in range(400)]
    frame = pa.table(
        {
            "k": pa.array([i % 7 for i in seconds], pa.int32()),
            "event_timestamp": pa.array([(1704067200 + i) * 1000000 for i in seconds], pa.timestamp("us", "UTC")),
        }
    )

    def joined(of):
        view = frazil.View(of, "v", join_keys=["k"], features=["s", "id", "st"], timestamp_field="ts")
        return frazil.pit_join(frame, [view]).to_arrow()

    def latest(of):
        found = frazil.latest_per_key(of, ["k"], "ts", columns=["k", "ts", "s", "id"]).to_arrow()
        return rows(found, found.column_names)

    assert joined(table).equals(joined(copy))
    assert joined(table)["id"].null_count < len(seconds)
    assert latest(table) == latest(copy) and len(latest(table)) == 7


def test_orc_is_refused_by_name(warehouse):
    table = frazil.load_catalog("static", type="static").load_table(str(pathlib.Path(warehouse) / "d" / "orc2"))
    with pytest.raises(frazil.FrazilError, match=r"\.orc': .*ORC"):
        table.scan().to_arrow()
