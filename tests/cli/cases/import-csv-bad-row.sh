make_table
printf 'id,name\n4,four\n5,five,cinq\n' > bad.csv
fails frazil import bad.csv demo.t
printf 'id,name\n4\n' > bad.csv
fails frazil import bad.csv other.new
fails frazil import bad.csv demo.t
frazil catalog ls
frazil scan demo.t --columns id
