"""Feast on Iceberg tables, from nothing to features.

Which catalog and which store is said in feature_store.yaml alone; the one here needs no server. Creates an Iceberg table of driver statistics, registers a feature view over it, materializes it,
reads it online and joins it point in time. Every answer is compared with one that pandas
computes on its own; the last line says whether all agree.
"""

import os
import pathlib
import shutil
import sys
from datetime import datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pyarrow as pa
from feast import FeatureStore

import frazil.feast

HERE = pathlib.Path(__file__).resolve().parent
DRIVERS = [1001, 1002, 1003, 1004, 1005]
START = datetime(2026, 1, 1, tzinfo=timezone.utc)
HOURS = 7 * 24
TTL = timedelta(days=1)
TABLE = "demo.driver_stats"
FEATURES = ["conv_rate", "acc_rate", "avg_daily_trips"]

checks = []


def check(what, agrees):
    checks.append(agrees)
    print(f"  {'ok  ' if agrees else 'FAIL'} {what}")


def make_driver_stats():
    """Five drivers, every hour for seven days; some hours were corrected later (a newer `created`)."""
    random = np.random.default_rng(7)
    hours = pd.date_range(START, periods=HOURS, freq="h")
    frame = pd.MultiIndex.from_product([hours, DRIVERS], names=["event_timestamp", "driver_id"]).to_frame(index=False)
    corrected = frame.sample(50, random_state=7).assign(created=START + timedelta(days=8))
    frame = pd.concat([frame.assign(created=frame["event_timestamp"] + timedelta(minutes=5)), corrected], ignore_index=True)
    frame["conv_rate"] = random.random(len(frame), dtype=np.float32)
    frame["acc_rate"] = random.random(len(frame), dtype=np.float32)
    frame["avg_daily_trips"] = random.integers(0, 1000, len(frame))
    for column in ["event_timestamp", "created"]:
        frame[column] = frame[column].astype("datetime64[us, UTC]")
    return frame


def create_table(store, frame):
    """The table in the catalog that feature_store.yaml names; one of an earlier run is dropped."""
    catalog = frazil.feast.catalog(store.config)
    catalog.create_namespace_if_not_exists("demo")
    if catalog.table_exists(TABLE):
        catalog.drop_table(TABLE, purge=True)
    rows = pa.Table.from_pandas(frame, preserve_index=False)
    table = catalog.create_table(TABLE, schema=rows.schema, partition_spec="day(event_timestamp)")
    table.append(rows)
    return table


def winner(frame, driver_id, time):
    """The contract in pandas: newest event in (time - TTL, time), then the newest created."""
    rows = frame[(frame.driver_id == driver_id) & (frame.event_timestamp <= time) & (frame.event_timestamp >= time - TTL)]
    return None if rows.empty else rows.sort_values(["event_timestamp", "created"]).iloc[-1]


def same(value, expected):
    if expected is None or pd.isna(expected):
        return value is None or pd.isna(value)
    return np.float32(value) == np.float32(expected)


def entity_rows():
    """Times between the hours, on the hour, before the first row, and after the time to live."""
    times = [START + timedelta(hours=30, minutes=17), START + timedelta(hours=100), START - timedelta(hours=1),
             START + timedelta(days=7, hours=20), START + timedelta(days=12)]
    rows = [(driver_id, time) for time in times for driver_id in [*DRIVERS, 9999]]
    frame = pd.DataFrame(rows, columns=["driver_id", "event_timestamp"])
    return frame.sample(frac=1, random_state=3, ignore_index=True)


def check_historical(store, frame):
    entities = entity_rows()
    expected = [winner(frame, row.driver_id, row.event_timestamp) for row in entities.itertuples()]

    def agrees(result, columns):
        return len(result) == len(entities) and all(
            same(result[column].iloc[i], None if row is None else row[feature])
            for i, row in enumerate(expected) for feature, column in columns.items())

    names = [f"driver_stats:{feature}" for feature in FEATURES]
    short = store.get_historical_features(entity_df=entities, features=names).to_df()
    check(f"historical features of {len(entities)} rows", agrees(short, {f: f for f in FEATURES}))
    full = store.get_historical_features(entity_df=entities, features=names, full_feature_names=True).to_df()
    check("with full feature names", agrees(full, {f: f"driver_stats__{f}" for f in FEATURES}))
    service = store.get_historical_features(entity_df=entities, features=store.get_feature_service("driver_activity")).to_df()
    check("by feature service", agrees(service, {f: f for f in ["conv_rate", "avg_daily_trips"]})
          and "acc_rate" not in service.columns)
    print(short.sort_values(["event_timestamp", "driver_id"]).head(3).to_string(index=False))


def check_online(store, frame, end):
    drivers = [*DRIVERS, 9999]
    online = store.get_online_features(features=[f"driver_stats:{f}" for f in FEATURES],
                                       entity_rows=[{"driver_id": d} for d in drivers]).to_dict()
    latest = {d: frame[(frame.driver_id == d) & (frame.event_timestamp <= end)].sort_values(["event_timestamp", "created"]).iloc[-1]
              for d in DRIVERS}
    check("online features of five drivers", all(
        same(online[f][i], latest[d][f]) for i, d in enumerate(DRIVERS) for f in FEATURES))
    check("a driver that does not exist is null", all(online[f][-1] is None for f in FEATURES))
    for i in [0, len(drivers) - 1]:
        print(f"  {({name: values[i] for name, values in online.items()})}")


def main():
    os.chdir(HERE)
    shutil.rmtree("data", ignore_errors=True)
    os.makedirs("data")

    print("1. an Iceberg table of driver statistics")
    store = FeatureStore(repo_path=".")
    frame = make_driver_stats()
    table = create_table(store, frame)
    check(f"{table.scan().to_arrow().num_rows} rows in {TABLE}", table.scan().to_arrow().num_rows == len(frame))

    print("2. feast apply")
    import features

    store.apply([features.driver, features.driver_stats, features.driver_activity])

    print("3. historical features, point in time")
    check_historical(store, frame)

    print("4. materialize, then read online")
    end = START + timedelta(days=8)
    store.materialize(start_date=START, end_date=end)
    check_online(store, frame, end)

    failed = checks.count(False)
    print(f"{len(checks) - failed} of {len(checks)} checks agree with pandas")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
