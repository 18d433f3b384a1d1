# Words that look like something else: values with slashes, negative numbers, texts as defaults.
make_table
frazil alter demo.t set-property owner teams/rides
frazil table properties demo.t | grep owner
frazil alter demo.t upgrade 3
frazil alter demo.t add-column n int -5
frazil alter demo.t add-column label string '"a/b"'
frazil scan demo.t --columns n,label --limit 1 --format jsonl
fails frazil alter demo.t add-column other string none
fails frazil alter ./warehouse/demo/t set-property a b
frazil catalog create a/b
frazil table ls a/b
frazil catalog drop a/b
fails frazil table fils demo.t
frazil compact demo.t --json
frazil rewrite-manifests demo.t --json | cut -d, -f2-
frazil orphans demo.t --older-than 5d --json
frazil expire demo.t --older-than 5d --dry-run --json
fails frazil orphans demo.t --older-than 0s
frazil orphans demo.t --older-than 0s --recent --json
fails frazil expire demo.t --older-than 5w
