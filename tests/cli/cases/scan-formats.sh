make_table
for format in csv jsonl pretty; do frazil scan demo.t --format $format; done
frazil scan demo.t --json
frazil scan demo.t
frazil scan demo.t --format jsonl --output out.jsonl && cat out.jsonl
frazil scan demo.t -o - --limit 1
frazil scan demo.t --format parquet -o out.parquet && head -c 4 out.parquet && echo
fails frazil scan demo.t -o no/folder/out.csv
printf 'größe,n\n"naïve\tü",1\nx,\n' > wide.csv
frazil import wide.csv demo.wide > /dev/null
frazil scan demo.wide --format pretty
