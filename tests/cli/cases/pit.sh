# Entity rows from CSV and Parquet, joined with one table and with two.
printf 'driver_id,event_timestamp,created,trips,rating\n' > stats.csv
printf '1,2025-01-01T00:00:00Z,2025-01-01T01:00:00Z,10,4.0\n1,2025-01-02T00:00:00Z,2025-01-02T01:00:00Z,20,4.5\n' >> stats.csv
printf '1,2025-01-02T00:00:00Z,2025-01-02T02:00:00Z,21,4.6\n2,2025-01-01T00:00:00Z,2025-01-01T01:00:00Z,30,3.0\n' >> stats.csv
printf 'customer,at,balance\nann,2025-01-01T12:00:00Z,7.5\nbob,2025-01-03T00:00:00Z,8.5\n' > customers.csv
printf 'driver_id,who,event_timestamp,label\n1,ann,2025-01-01T18:00:00Z,a\n1,bob,2025-01-02T00:00:00Z,b\n' > rows.csv
printf '2,,2025-01-09T00:00:00Z,c\n1,ann,2024-12-31T00:00:00Z,d\n,bob,2025-01-09T00:00:00Z,e\n1,ann,2025-01-01T18:00:00Z,f\n' >> rows.csv
frazil import stats.csv demo.stats > /dev/null
frazil import customers.csv demo.customers > /dev/null
echo == one table, all features
frazil pit rows.csv demo.stats --on driver_id --created created
echo == time to live, names, order of columns
frazil pit rows.csv demo.stats --on driver_id --created created --ttl 3d --features rating=stars,trips --json
echo == the created cutoff
frazil pit rows.csv demo.stats --on driver_id --created created --created-cutoff --features trips
echo == two tables, options for all in front
frazil pit rows.csv --full-names demo.stats --on driver_id --created created --features trips --name driver \
  demo.customers --on who=customer --timestamp at
echo == a table by its path, no catalog
frazil pit rows.csv warehouse/demo/stats --on driver_id --created created --features trips --uri none.db
echo == older rows, filtered rows
frazil pit rows.csv demo.stats --on driver_id --features trips --filter "trips < 20"
frazil alter demo.stats tag first
frazil import stats.csv demo.stats > /dev/null
frazil pit rows.csv demo.stats --ref first --on driver_id --created created --features trips --format csv | tail -1
echo == parquet in, parquet out
frazil import rows.csv demo.rows > /dev/null
frazil scan demo.rows -o rows.parquet
frazil pit rows.parquet demo.stats --on driver_id --created created --features trips -o joined.parquet --threads 2 --memory-limit 64M
frazil import joined.parquet demo.joined > /dev/null
frazil scan demo.joined
frazil pit rows.parquet demo.rows --entity-timestamp event_timestamp --features label=newest --ttl 1d | cut -d, -f4,5
ls
