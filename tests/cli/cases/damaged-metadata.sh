make_table
metadata=$(ls warehouse/demo/t/metadata/00002-*.json)
manifest=$(frazil table manifests demo.t | sed -n 2p | cut -d, -f2)
cp "$manifest" whole
head -c 1000 whole > "$manifest"
fails frazil scan demo.t
rm "$manifest"
fails frazil scan demo.t
fails frazil table files demo.t
cp whole "$manifest"
cp "$metadata" whole
head -c 300 whole > "$metadata"
fails frazil scan demo.t
fails frazil scan warehouse/demo/t
: > "$metadata"
fails frazil table show demo.t
rm "$metadata"
fails frazil table show demo.t
frazil table ls
