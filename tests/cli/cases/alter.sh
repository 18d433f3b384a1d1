make_table
frazil alter demo.t add-column score int
frazil alter demo.t promote-column score long
frazil alter demo.t set-doc score "how good"
frazil alter demo.t move-first score
frazil alter demo.t rename-column name label
frazil alter demo.t drop-column score
frazil alter demo.t add-column score double
frazil alter demo.t add-partition "bucket(4, id)" shard
frazil alter demo.t rename-partition shard piece
frazil alter demo.t sort-order "id desc"
frazil alter demo.t set-property a b
frazil alter demo.t unset-property a
frazil alter demo.t tag first
frazil alter demo.t branch dev
frazil alter demo.t drop-ref dev
frazil alter demo.t upgrade 3
frazil alter demo.t add-column n int 7
frazil table schema demo.t
frazil table refs demo.t | cut -d, -f1,2
frazil scan demo.t --columns id,label,n,score --format jsonl
frazil table partitions demo.t --json | cut -d: -f1-4
for kind in metadata_log_entries statistics entries data_files delete_files all_manifests all_entries all_files all_data_files all_delete_files; do
  echo "$kind $(frazil table $kind demo.t --format jsonl | wc -l)"
done
first=$(frazil table snapshots demo.t --format jsonl | head -1 | grep -o '"snapshot_id": [0-9]*' | cut -d' ' -f2)
frazil table files demo.t --snapshot "$first" --format jsonl | wc -l
fails frazil alter demo.t drop-column none
fails frazil alter demo.t add-identifier label
fails frazil alter demo.t upgrade x
fails frazil table snapshots demo.t --snapshot "$first"
fails frazil alter demo.t add-column
fails frazil alter demo.t paint it
fails frazil alter demo.t
