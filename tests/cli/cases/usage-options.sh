fails frazil scan a.b --bogus
fails frazil scan a.b -x
fails frazil scan a.b --limit
fails frazil scan a.b --filter
fails frazil scan a.b --limit many
fails frazil scan a.b --limit -1
fails frazil scan a.b --limit 99999999999999999999
fails frazil scan a.b --snapshot x
fails frazil scan a.b --snapshot 0
fails frazil scan a.b --as-of -1
fails frazil scan a.b --ref main --as-of 5
fails frazil scan a.b --as-of yesterday
fails frazil scan a.b --as-of 2024-02-30
fails frazil scan a.b --format xml
fails frazil scan a.b -p nothing
fails frazil scan a.b --json=yes
fails frazil scan a.b --purge
fails frazil table ls --limit 3
fails frazil table show a.b --format csv
fails frazil table show a.b --purge
fails frazil catalog ls --replace
fails frazil import a.csv a.b --filter x
