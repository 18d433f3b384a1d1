# A compaction that is stopped leaves the table and its folder as they were.
{ echo n,text; seq 500000 | sed 's/$/,text/'; } > rows.csv
for i in 1 2 3 4 5 6; do frazil import rows.csv demo.t > /dev/null; done
before=$(find warehouse -type f | sort)
frazil compact demo.t --sort "text, n desc" &
sleep 0.3
kill -INT $!
wait $!
echo "exit $?" >&2
diff <(echo "$before") <(find warehouse -type f | sort) && echo unchanged
frazil verify demo.t
frazil table history demo.t | tail -n +2 | wc -l
