make_table
for format in csv jsonl pretty; do frazil scan demo.t --format $format; done
frazil scan demo.t --json
frazil scan demo.t
frazil scan demo.t --format jsonl --output out.jsonl && cat out.jsonl
frazil scan demo.t -o - --limit 1
frazil scan demo.t --format parquet -o out.parquet && head -c 4 out.parquet && echo
fails frazil scan demo.t -o no/folder/out.csv
frazil scan demo.t -o named.parquet && head -c 4 named.parquet && echo
frazil scan demo.t -o named.jsonl --limit 1 && cat named.jsonl
frazil scan demo.t -o /dev/stdout --limit 1 | cat
# What was there stays when the new rows do not come.
mv "$(frazil table files demo.t | sed -n 2p | cut -d, -f2)" away
fails frazil scan demo.t -o named.jsonl 2> /dev/null
cat named.jsonl
ls
frazil table drop demo.t
printf 'größe,n\n"naïve\tü",1\nx,\n' > wide.csv
frazil import wide.csv demo.wide > /dev/null
frazil scan demo.wide --format pretty
