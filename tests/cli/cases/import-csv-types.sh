cat > in.csv <<'CSV'
flag,whole,number,mixed,day,local,zoned,word
true,1,1.5,1,2024-01-31,2024-01-31 12:34:56,2024-01-31T12:34:56Z,x
false,-2,1e3,2.5,2024-02-29,2024-01-31T12:34:56.789,2024-01-31T12:34:56.5+02:00,1
,,,,,,,
True,9223372036854775807,-0.25,-3,1969-12-31,1969-12-31T23:59:59.000001000,1970-01-01 00:00-0530,true
CSV
frazil import in.csv demo.t
frazil table schema demo.t
frazil scan demo.t --format jsonl
