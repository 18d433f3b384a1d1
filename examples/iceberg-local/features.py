"""What the example serves: hourly statistics of taxi drivers, and a service over them."""

from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, ValueType
from feast.types import Float32, Int64

from frazil.feast import FrazilSource

driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)

driver_stats_source = FrazilSource(
    name="driver_stats_source",
    table="demo.driver_stats",
    timestamp_field="event_timestamp",
    created_timestamp_column="created",
)

driver_stats = FeatureView(
    name="driver_stats",
    entities=[driver],
    ttl=timedelta(days=1),
    schema=[
        Field(name="conv_rate", dtype=Float32),
        Field(name="acc_rate", dtype=Float32),
        Field(name="avg_daily_trips", dtype=Int64),
    ],
    source=driver_stats_source,
)

driver_activity = FeatureService(name="driver_activity", features=[driver_stats[["conv_rate", "avg_daily_trips"]]])
