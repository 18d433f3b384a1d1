make_table
frazil table rename demo.t demo.u
fails frazil scan demo.t
frazil scan demo.u --limit 1
printf 'a\n1\n' > in.csv
frazil import in.csv demo.v > /dev/null
fails frazil table rename demo.u demo.v
fails frazil table rename demo.u nowhere.u
frazil table drop demo.v
find warehouse/demo/v -name '*.parquet' | wc -l
frazil table drop demo.u --purge
find warehouse/demo/t -type f
fails frazil table drop demo.u --purge
frazil table ls
frazil catalog drop demo
