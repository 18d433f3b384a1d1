# While rows are written, into a new table and into one that is there.
{ echo n,text; seq 2000000 | sed 's/$/,text/'; } > rows.csv
frazil import rows.csv demo.t &
until ls warehouse/demo/t/metadata/*.json > /dev/null 2>&1; do sleep 0.01; done
kill -TERM $!
wait $!
echo "exit $?" >&2
frazil catalog ls
find warehouse -type f
make_table
frazil table files demo.t | wc -l
printf 'id,name\n' | tee rows.csv > /dev/null
seq 2000000 | sed 's/$/,text/' >> rows.csv
frazil import rows.csv demo.t &
sleep 0.3
kill -INT $!
wait $!
echo "exit $?" >&2
frazil scan demo.t --columns id
find warehouse -type f -path '*/data/*' | wc -l
