# While the types of a file's columns are looked for.
{ echo n,text; seq 3000000 | sed 's/$/,text/'; } > rows.csv
frazil import rows.csv demo.t &
until [ -e frazil.db ]; do sleep 0.01; done
kill -INT $!
wait $!
echo "exit $?" >&2
ls
frazil catalog ls
