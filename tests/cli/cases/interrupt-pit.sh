# While entity rows are read: no output, and the old one stays.
printf 'id,event_timestamp,f\n1,2025-01-01T00:00:00Z,5\n' > t.csv
frazil import t.csv demo.t > /dev/null
{ echo id,event_timestamp; seq 2000000 | sed 's/$/,2025-01-02T00:00:00Z/'; } > rows.csv
echo before > out.parquet
frazil pit rows.csv demo.t --on id -o out.parquet &
sleep 0.3
kill -INT $!
wait $!
echo "exit $?" >&2
cat out.parquet
ls
