"""What Spark makes of Iceberg tables, read by frazil to Spark's own rows: versions 1 to 3, MERGE, UPDATE and DELETE in
both modes, partition evolution, tags and branches, variants, Avro data files; ORC is refused by name.
"""

import json
import textwrap

import frazil
import pyarrow.parquet as pq
import pytest
from spark_engine import in_utc, rows, run_in_spark
from variant import decode_variant

# Runs in Spark's Python: makes the tables, and Parquet files of what Spark reads from them.
SCRIPT = textwrap.dedent("""
    columns = ("id bigint, k int, ts timestamp, day date, s string, b binary, f float, d double, flag boolean, dec decimal(12,3), "
               "st struct<a: bigint, b: array<string>>, m map<string,bigint>")
    def rows(first, last):
        return (f"select id, if(id % 13 = 0, null, cast(id % 7 as int)) k, timestamp'1969-12-30 20:00:00' + make_dt_interval(0, cast(id as int)) ts, "
                f"date_add(date'1969-12-20', cast(id % 40 as int)) day, concat('s', id % 11) s, cast(concat('b', id) as binary) b, "
                f"cast(id / 4 as float) f, id / 8.0D d, id % 2 = 0 flag, cast(id / 10 as decimal(12,3)) dec, "
                f"if(id % 5 = 0, null, named_struct('a', id, 'b', array(concat('x', id), null))) st, "
                f"map(cast(id as string), id, 'n', null) m from range({first}, {last})")
    def create(name, version, by="", mode="merge-on-read", more=""):
        modes = ", ".join(f"'write.{kind}.mode'='{mode}'" for kind in ("delete", "update", "merge"))
        run(f"create table c.d.{name} ({columns}) using iceberg {by} tblproperties ('format-version'='{version}', {modes}{more})")
    def change(name):
        run(f"insert into c.d.{name} {rows(0, 300)}")
        run(f"insert into c.d.{name} {rows(300, 400)}")
        run(f"delete from c.d.{name} where id % 10 = 3")
        run(f"update c.d.{name} set s = 'updated', d = null where id % 20 = 1")
        run(f"merge into c.d.{name} t using ({rows(380, 420)}) n on t.id = n.id "
            f"when matched and n.id % 2 = 0 then delete when matched then update set s = 'merged' when not matched then insert *")
    names = []
    for version in (1, 2, 3):
        mode = "copy-on-write" if version == 1 else "merge-on-read"
        create(f"changed{version}", version, mode=mode)
        change(f"changed{version}")
        create(f"parted{version}", version, "partitioned by (bucket(4, id), k)", mode)
        change(f"parted{version}")
        create(f"evolving{version}", version, "partitioned by (day)", mode)
        change(f"evolving{version}")
        run(f"alter table c.d.evolving{version} replace partition field day with months(ts)")
        run(f"insert into c.d.evolving{version} {rows(500, 600)}")
        run(f"delete from c.d.evolving{version} where id % 10 = 7")
        run(f"alter table c.d.evolving{version} add partition field truncate(1, s)")
        run(f"alter table c.d.evolving{version} rename column f to g")
        run(f"alter table c.d.evolving{version} alter column k type bigint")
        run(f"alter table c.d.evolving{version} add column st.c int")
        run(f"alter table c.d.evolving{version} drop column flag")
        run(f"alter table c.d.evolving{version} add column flag string after id")
        run(f"insert into c.d.evolving{version} select id, 'f', k, ts, day, s, b, f, d, dec, "
            f"named_struct('a', st.a, 'b', st.b, 'c', 7), m from ({rows(600, 650)})")
        run(f"delete from c.d.evolving{version} where id % 10 = 9")
        create(f"avro{version}", version, "partitioned by (bucket(2, id))", mode, ", 'write.format.default'='avro'")
        change(f"avro{version}")
        names += [f"{kind}{version}" for kind in ("changed", "parted", "evolving", "avro")]
    create("avrodeletes2", 2, more=", 'write.delete.format.default'='avro'")
    change("avrodeletes2")
    names.append("avrodeletes2")
    for name in names:
        spark.table(f"c.d.{name}").write.parquet(f"{folder}/expected/{name}")

    for version in (2, 3):
        name = f"refs{version}"
        create(name, version)
        run(f"insert into c.d.{name} {rows(0, 50)}")
        run(f"alter table c.d.{name} create tag before")
        run(f"alter table c.d.{name} create branch audit")
        run(f"delete from c.d.{name} where id < 10")
        run(f"insert into c.d.{name}.branch_audit {rows(100, 120)}")
        run(f"delete from c.d.{name}.branch_audit where id > 110")
        for ref in ("before", "audit"):
            run(f"select * from c.d.{name} version as of '{ref}'").write.parquet(f"{folder}/expected/{name}.{ref}")
        spark.table(f"c.d.{name}").write.parquet(f"{folder}/expected/{name}.main")

    run("create table c.d.variants (id bigint, v variant) using iceberg tblproperties ('format-version'='3')")
    run('''insert into c.d.variants select id, case id % 6 when 0 then null when 1 then parse_json('{"a": 1, "b": [true, null, "x"]}')
        when 2 then parse_json(cast(id as string)) when 3 then parse_json(concat('"text ', id, '"'))
        when 4 then parse_json('[1.5, {"deep": {"er": -70000}}, 12345678901234]') else parse_json('{"z": 1e300, "id": 7, "é": "ü"}') end
        from range(0, 60)''')
    run("delete from c.d.variants where id % 10 = 3")
    run("select id, to_json(v) v from c.d.variants").write.parquet(f"{folder}/expected/variants")

    run("create table c.d.orc (id bigint) using iceberg tblproperties ('write.format.default'='orc')")
    run("insert into c.d.orc select * from range(0, 10)")
""")

NAMES = [f"{kind}{version}" for version in (1, 2, 3) for kind in ("changed", "parted", "evolving", "avro")] + ["avrodeletes2"]


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spark") / "lake"
    run_in_spark(SCRIPT, folder)
    return folder


def load(lake, name):
    return frazil.load_catalog("static", type="static").load_table(str(lake / "d" / name))


def expected(lake, name):
    return in_utc(pq.read_table(str(lake / "expected" / name)))


@pytest.mark.parametrize("name", NAMES)
def test_rows_are_those_of_spark(lake, name):
    table, want = load(lake, name), expected(lake, name)
    assert table.format_version == int(name[-1])
    got = table.scan().to_arrow()
    assert got.column_names == want.column_names
    assert rows(got, want.column_names) == rows(want, want.column_names)
    if name[-1] != "1":
        assert any(task.n_delete_files for task in table.scan().plan_files())


@pytest.mark.parametrize("name", NAMES)
def test_filters_find_the_same_rows(lake, name):
    table, want = load(lake, name), expected(lake, name)
    ids = {id: s for id, s in zip(want["id"].to_pylist(), want["s"].to_pylist())}
    for text, keep in [("id >= 120 and id < 130", lambda id, s: 120 <= id < 130), ("s = 'updated'", lambda id, s: s == "updated"),
                       ("s in ('merged', 's3')", lambda id, s: s in ("merged", "s3"))]:
        got = table.scan(row_filter=text, selected_fields=("id",)).to_arrow()["id"].to_pylist()
        assert sorted(got) == sorted(id for id, s in ids.items() if keep(id, s)), text


@pytest.mark.parametrize("name", ["refs2", "refs3"])
def test_tags_and_branches(lake, name):
    table = load(lake, name)
    for ref in ["before", "audit", "main"]:
        want = expected(lake, f"{name}.{ref}")
        got = table.scan(ref=ref).to_arrow()
        assert rows(got, want.column_names) == rows(want, want.column_names), ref


def test_variants_pass_through(lake):
    want = {row["id"]: row["v"] for row in expected(lake, "variants").to_pylist()}
    got = {}
    for batch in load(lake, "variants").scan().to_arrow().to_batches():
        values = batch.column("v")
        values = getattr(values, "storage", values)
        for id, value in zip(batch.column("id").to_pylist(), values.to_pylist()):
            got[id] = None if value is None else decode_variant(value["metadata"], value["value"])
    assert got.keys() == want.keys()
    for id, text in want.items():
        assert got[id] == (None if text is None else json.loads(text)), id


def test_orc_is_refused_by_name(lake):
    with pytest.raises(frazil.UnsupportedError, match=r"\.orc.*ORC|ORC.*\.orc"):
        load(lake, "orc").scan().to_arrow()
