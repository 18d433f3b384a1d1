make_table
file=$(frazil table files demo.t | sed -n 2p | cut -d, -f2)
cp "$file" whole
head -c 200 whole > "$file"
fails frazil scan demo.t
{ head -c 4 whole; head -c 60 /dev/zero | tr '\0' '\377'; tail -c +65 whole; } > "$file"
fails frazil scan demo.t
: > "$file"
fails frazil scan demo.t -o out.csv
rm "$file"
fails frazil scan demo.t
mkdir "$file"
fails frazil scan demo.t
ls out.csv 2>/dev/null
frazil table show demo.t
