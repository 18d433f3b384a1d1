# A limit on the size of files stands for a full disk.
{ echo n,text; head -c 3000000 /dev/urandom | base64 -w 40 | sed 's/^/1,/'; } > rows.csv
frazil import rows.csv demo.t > /dev/null
frazil scan demo.t > rows2.csv
(
  ulimit -f 100
  fails frazil import rows.csv demo.t
  fails frazil import rows.csv new.t
  fails frazil scan demo.t --output out.csv
  fails frazil scan demo.t --format parquet --output out.parquet
)
fails frazil scan demo.t > /dev/full
fails frazil scan demo.t -o /dev/full
fails frazil table schema demo.t > /dev/full
fails frazil --help > /dev/full
ls
frazil catalog ls
find warehouse -type f | sed 's/[^/]*$//' | sort | uniq -c
frazil scan demo.t | tail -n +2 | wc -l
