printf 'id,name,day\n1,one,2024-01-01\n2,two,2024-02-02\n' > in.csv
frazil import in.csv demo.t --partition 'bucket(4, id), month(day)'
frazil table files demo.t --json | sed 's/.*"partition": \({[^}]*}\).*/\1/'
fails frazil import in.csv demo.new --partition 'bukket(4, id)'
fails frazil import in.csv demo.new --partition 'bucket(4, idd)'
fails frazil import in.csv demo.new --partition 'bucket(id)'
fails frazil import in.csv demo.new --partition 'bucket(4, id'
fails frazil import in.csv demo.new --partition 'bucket(0, id)'
fails frazil import in.csv demo.new --partition 'day(name)'
fails frazil import in.csv demo.new --partition 'id,'
fails frazil import in.csv demo.new --partition 'id id'
fails frazil import in.csv demo.new --partition 'id, id'
fails frazil import in.csv new.new --partition 'nothing'
fails frazil import in.csv demo.t --partition 'id'
frazil catalog ls
frazil table ls
