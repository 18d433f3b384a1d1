make_table
frazil compact demo.t
frazil compact demo.t --min-files 2 --json | sed 's/"snapshot_id": [0-9]*/"snapshot_id": 1/; s/"bytes_\([a-z]*\)": [0-9]*/"bytes_\1": 1/g'
frazil rewrite-manifests demo.t
frazil expire demo.t
frazil expire demo.t --older-than 2100-01-01 --dry-run --json
frazil expire demo.t --older-than 2100-01-01 --retain 1
frazil scan demo.t --columns id --format csv
frazil orphans demo.t --format csv
touch warehouse/demo/t/data/lost.parquet
fails frazil orphans demo.t --older-than 2100-01-01
frazil orphans demo.t --older-than 2100-01-01 --recent --remove --json | sed 's/"path": ".*lost/"path": "lost/'
frazil verify demo.t --data
rm warehouse/demo/t/data/*.parquet
fails frazil verify demo.t --json | sed 's/"object": "[^"]*"/"object": "..."/; s/"message": "[^"]*"/"message": "..."/'
fails frazil compact
fails frazil verify demo.t --purge
