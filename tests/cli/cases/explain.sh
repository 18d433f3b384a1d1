# Numbers of a table whose layout is known: two files, and one entity row that only one of them may answer.
printf 'driver_id,event_timestamp,trips\n1,2025-01-01T00:00:00Z,10\n2,2025-01-02T00:00:00Z,20\n' > a.csv
printf 'driver_id,event_timestamp,trips\n1,2025-02-01T00:00:00Z,11\n2,2025-02-02T00:00:00Z,21\n' > b.csv
printf 'driver_id,event_timestamp\n1,2025-01-05T00:00:00Z\n3,2025-01-05T00:00:00Z\n' > rows.csv
frazil import a.csv demo.stats --partition "month(event_timestamp)" > /dev/null
frazil import b.csv demo.stats > /dev/null
frazil explain scan demo.stats
frazil explain scan demo.stats --filter "trips > 15 and trips < 21" --run
frazil explain scan demo.stats --filter "event_timestamp < '2025-01-15T00:00:00Z'" --columns trips
frazil explain scan demo.stats --run --json | sed -E 's/"(bytes_[a-z]*|requests)": [0-9]+/"\1": N/g'
frazil explain pit rows.csv demo.stats --on driver_id
frazil explain pit rows.csv demo.stats --on driver_id --run | sed -E 's/[0-9]+ requests/N requests/'
frazil explain pit rows.csv demo.stats --on driver_id --run --json | sed -E 's/"(bytes_[a-z]*|requests)": [0-9]+/"\1": N/g'
fails frazil explain
fails frazil explain table demo.stats
fails frazil explain scan
fails frazil explain scan demo.stats --on driver_id
fails frazil explain scan demo.stats --output x.csv
fails frazil explain pit rows.csv
fails frazil explain pit rows.csv demo.stats --limit 5
fails frazil scan demo.stats --run
fails frazil explain scan demo.none
