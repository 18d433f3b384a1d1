"""The flights of 2013 joined with weather and planes: frazil against pandas (by the example) and DuckDB."""

import importlib.util
import pathlib

import duckdb
import frazil
import pyarrow as pa
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def example():
    path = ROOT / "examples" / "flights" / "run_example.py"
    spec = importlib.util.spec_from_file_location("flights_example", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_flights_equal_pandas_and_duckdb(example):
    flights, weather, planes = example.load_frames()
    assert (len(flights), len(weather), len(planes)) == (336_776, 26_115, 3_322)
    weather_table, planes_table = example.create_tables(weather, planes)
    views = [
        frazil.View(weather_table, name="weather", join_keys={"origin": "origin"}, timestamp_field="event_timestamp",
                    ttl=example.WEATHER_TTL, features=example.WEATHER),
        frazil.View(planes_table, name="planes", join_keys={"tailnum": "tailnum"}, timestamp_field="event_timestamp", features=example.PLANES),
    ]
    result = frazil.pit_join(pa.Table.from_pandas(flights, preserve_index=False), views).to_arrow()

    by_pandas = pa.Table.from_pandas(example.expected_result(flights, weather, planes)[result.column_names], preserve_index=False)
    by_duckdb = duckdb.sql(f"""
        WITH numbered AS (SELECT *, row_number() OVER () AS place FROM flights)
        SELECT e.* EXCLUDE (place), {', '.join(f"CASE WHEN w.event_timestamp >= e.event_timestamp - INTERVAL 6 HOURS THEN w.{name} END AS {name}" for name in example.WEATHER)},
               {', '.join(f"p.{name}" for name in example.PLANES)}
        FROM numbered e
        ASOF LEFT JOIN weather w ON e.origin = w.origin AND e.event_timestamp >= w.event_timestamp
        ASOF LEFT JOIN planes p ON e.tailnum = p.tailnum AND e.event_timestamp >= p.event_timestamp
        ORDER BY place""").to_arrow_table()
    for name in result.column_names:
        ours = [None if value != value else value for value in result[name].to_pylist()]
        for theirs in (by_pandas, by_duckdb):
            assert ours == [None if value != value else value for value in theirs[name].to_pylist()], name
    assert result["temp"].null_count < 5000 and result["model"].null_count < 60_000
