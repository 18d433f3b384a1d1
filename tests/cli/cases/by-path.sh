make_table
rm frazil.db
frazil scan warehouse/demo/t --columns id
frazil scan ./warehouse/demo/t/ --columns id
frazil scan "$PWD/warehouse/demo/t" --columns id
frazil scan warehouse/demo/t/metadata/00001-*.json --columns id
frazil table schema warehouse/demo/t
frazil table history warehouse/demo/t
fails frazil table rename warehouse/demo/t demo.u
fails frazil scan first.csv
fails frazil scan ./first.csv
ls
