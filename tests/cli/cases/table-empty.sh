printf 'a,b\n' > in.csv
frazil import in.csv demo.t
frazil table show demo.t
for what in snapshots history refs files manifests properties; do
  frazil table $what demo.t --format pretty | wc -l
  frazil table $what demo.t --json
done
frazil scan demo.t
frazil scan demo.t --json
