make_table
for what in show schema snapshots history refs files manifests properties; do
  echo "-- $what"
  frazil table $what demo.t --json
done
frazil table ls --json
frazil catalog ls --json
