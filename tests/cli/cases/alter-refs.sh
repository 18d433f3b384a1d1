# Retention of branches and tags, commits to a branch, incremental scans, statistics files.
make_table
first=$(snapshot_ids | head -1)
frazil alter demo.t tag march "$first" --max-ref-age 90d
frazil alter demo.t branch dev --max-ref-age 12h --max-snapshot-age 30m --min-snapshots 2
frazil table refs demo.t --format csv | cut -d, -f1,2,4-
printf 'id,name,day\n4,four,2024-03-01\n' > more.csv
frazil import more.csv demo.t --branch dev --json | cut -d, -f1
frazil scan demo.t --columns id --format jsonl | wc -l
frazil scan demo.t --ref dev --columns id --format jsonl | wc -l
frazil scan demo.t --from-snapshot "$first" --columns id --format jsonl
frazil scan demo.t --from-snapshot "$first" --ref dev --columns id --format csv
frazil alter demo.t branch main "$first"
frazil scan demo.t --columns id --format csv
fails frazil scan demo.t --from-snapshot 5
fails frazil import more.csv demo.t --branch none
fails frazil alter demo.t set-statistics "$first" none.puffin
fails frazil alter demo.t drop-statistics "$first"
fails frazil alter demo.t drop-statistics x
fails frazil alter demo.t tag march --min-snapshots 3
fails frazil alter demo.t tag march --max-snapshot-age 3d
fails frazil alter demo.t drop-ref march --max-ref-age 3d
fails frazil alter demo.t branch dev --max-ref-age 3
fails frazil alter demo.t branch dev --max-ref-age 0d
fails frazil alter demo.t branch dev --max-ref-age 99999999999999999999d
