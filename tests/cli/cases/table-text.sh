make_table
for what in show schema snapshots history refs properties; do
  echo "-- $what"
  frazil table $what demo.t
done
echo "-- files"
frazil table files demo.t | cut -d, -f1-5
echo "-- manifests"
frazil table manifests demo.t | cut -d, -f1,2,4-
