# A value that the table's type does not hold: file, line, column and value are named, and nothing is left.
make_table
printf 'id,name,day\n4,"a\nb",2024-01-01\n5,x,2024-13-01\n' > bad.csv
fails frazil import bad.csv demo.t
printf 'id,name\n4,x\nfive,y\n' > bad.csv
fails frazil import bad.csv demo.t
printf 'id\n9223372036854775808\n' > bad.csv
fails frazil import bad.csv demo.t
printf 'id\n1.0\n' > bad.csv
fails frazil import bad.csv demo.t
printf 'id,nom\n4,x\n' > bad.csv
fails frazil import bad.csv demo.t
printf 'name\nfour\n' > part.csv
frazil import part.csv demo.t
frazil scan demo.t
find warehouse -name '*.parquet' | wc -l
