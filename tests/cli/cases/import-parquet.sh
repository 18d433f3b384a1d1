make_table
frazil scan demo.t --format parquet --output t.parquet
frazil import t.parquet demo.copy
frazil import t.parquet demo.copy --json
frazil table schema demo.copy
frazil scan demo.copy --limit 4
frazil import t.parquet demo.copy --replace
frazil scan demo.copy
head -c 300 t.parquet > short.parquet
fails frazil import short.parquet demo.copy
fails frazil import first.csv.parquet demo.copy
cp first.csv text.parquet
fails frazil import text.parquet demo.other
fails frazil scan demo.t --format parquet
fails frazil scan demo.t --format parquet --output /dev/null
test -c /dev/null
