# The latest rows of a table into an online table, which is made here as the Feast plugin makes one.
cat > stats.csv <<'ROWS'
driver_id,event_timestamp,created,conv_rate
1,2024-01-01T00:00:00Z,2024-01-01T01:00:00Z,0.1
1,2024-01-02T00:00:00Z,2024-01-02T01:00:00Z,0.2
1,2024-01-02T00:00:00Z,2024-01-02T02:00:00Z,0.3
2,2024-01-03T00:00:00Z,2024-01-03T01:00:00Z,0.4
,2024-01-03T00:00:00Z,2024-01-03T01:00:00Z,0.5
ROWS
frazil import stats.csv demo.stats > /dev/null
printf 'driver_id,event_ts,created_ts,rate\n9,2020-01-01T00:00:00Z,2020-01-01T00:00:00Z,0.9\n' > online.csv
frazil import online.csv demo.online > /dev/null
frazil alter demo.online add-column entity_key binary > /dev/null
frazil alter demo.online set-property frazil.feast '{"version": 1, "project": "p", "view": "v", "entity_key": 5, "event_ts": 2, "created_ts": 3,
  "join_keys": [{"name": "driver_id", "id": 1, "type": "INT64"}], "features": [{"name": "rate", "id": 4, "type": "DOUBLE"}],
  "ttl_seconds": null}' > /dev/null
rows() {
  frazil scan demo.online --filter "event_ts >= '2021-01-01T00:00:00+00:00'" --columns driver_id,event_ts,created_ts,rate --format csv | sort
}

echo "-- a window, whose ends are included"
frazil materialize demo.stats demo.online --created created --features conv_rate=rate --start 2024-01-01 --end 2024-01-02T00:00:00Z
rows
echo "-- all, as JSON"
frazil materialize --json demo.stats demo.online --created created --features conv_rate=rate
rows
echo "-- no rows"
frazil materialize demo.stats demo.online --created created --features conv_rate=rate --start 2025-01-01
frazil materialize demo.stats demo.online --features conv_rate=rate --filter 'driver_id = 7' --json
echo "-- mistakes"
fails frazil materialize demo.stats demo.online
fails frazil materialize demo.stats demo.online --features conv_rate=rate --on driver_id=driver
fails frazil materialize demo.stats demo.stats
fails frazil materialize demo.stats demo.nothing
fails frazil materialize demo.nothing demo.online
fails frazil materialize demo.stats
fails frazil materialize demo.stats ./online
fails frazil materialize demo.stats demo.online --start 2024-01-02 --end 2024-01-01
fails frazil materialize demo.stats demo.online --start soon
fails frazil materialize demo.stats demo.online --ttl 1d
fails frazil materialize demo.stats demo.online --ref main --as-of 2024-01-01
