make_table
printf 'id,event_timestamp\n1,2025-01-01T00:00:00Z\n' > rows.csv
printf 'id,event_timestamp\n1,tomorrow\n' > text.csv
printf 'id,event_timestamp\n1,2025-01-01T00:00:00Z\n1\n' > broken.csv
fails frazil pit
fails frazil pit rows.csv
fails frazil pit rows.csv nodots
fails frazil pit rows.csv demo.t --ttl soon
fails frazil pit rows.csv demo.t --created-cutoff
fails frazil pit rows.csv demo.t --snapshot 5 --ref main
fails frazil pit rows.csv demo.t --memory-limit much
fails frazil pit rows.csv demo.t --memory-limit 5X
fails frazil pit rows.csv demo.t --threads 0
fails frazil pit rows.csv demo.t --limit 5
fails frazil scan demo.t --on id
fails frazil pit none.csv demo.t --on id --timestamp day
fails frazil pit rows.csv demo.none --on id --timestamp day
fails frazil pit rows.csv demo.t --on id
fails frazil pit rows.csv demo.t --on who=id --timestamp day
fails frazil pit rows.csv demo.t --on id=who --timestamp day --features name
fails frazil pit rows.csv demo.t --on id=name --timestamp day --features day
fails frazil pit rows.csv demo.t --on id --timestamp day --features nothing
fails frazil pit rows.csv demo.t --on id --timestamp day --entity-timestamp at
fails frazil pit text.csv demo.t --on id --timestamp day
fails frazil pit rows.csv demo.t --on id --timestamp day demo.t --on id --timestamp day
echo before > out.csv
cp out.csv out.parquet
fails frazil pit broken.csv demo.t --on id --timestamp day -o out.csv
fails frazil pit broken.csv demo.t --on id --timestamp day -o out.parquet
fails frazil pit rows.csv demo.t --on id --timestamp day -o no/such/folder.parquet
cat out.csv out.parquet
ls
