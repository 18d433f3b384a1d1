make_table
frazil scan demo.t --filter 'id >= 2' --columns name,id
frazil scan demo.t --filter "day < '2024-02-01' and name is not null"
frazil scan demo.t --filter 'name is null' --json
frazil scan demo.t --limit 1
frazil scan demo.t --limit 0
frazil scan demo.t --limit=2 --columns=id
frazil scan demo.t --filter 'id > 99'
