set -o pipefail
{ echo n; seq 200000; } > rows.csv
frazil import rows.csv demo.t > /dev/null
frazil scan demo.t | head -1
frazil scan demo.t --format jsonl | head -1
frazil scan demo.t --format pretty | head -1
frazil table show demo.t | head -1
frazil --help | head -1
