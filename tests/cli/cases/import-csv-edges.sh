printf '\xef\xbb\xbf"id",x\n1,2\n\n3,4\n\n' > mark.csv
frazil import mark.csv demo.mark && frazil scan demo.mark
printf 'x\n\n1\n' > one.csv
frazil import one.csv demo.one && frazil scan demo.one --json
printf 'a,b\n' > header.csv
frazil import header.csv demo.header && frazil table schema demo.header
frazil import header.csv demo.header --json
: > empty.csv
fails frazil import empty.csv demo.bad
printf '\xef\xbb\xbf' > empty.csv
fails frazil import empty.csv demo.bad
printf '\n1\n' > bad.csv
fails frazil import bad.csv demo.bad
printf 'a,\n1,2\n' > bad.csv
fails frazil import bad.csv demo.bad
printf 'a,b,a\n1,2,3\n' > bad.csv
fails frazil import bad.csv demo.bad
printf 'a\r1\r2\r' > bad.csv
fails frazil import bad.csv demo.bad
printf 'a\n"x"y\n' > bad.csv
fails frazil import bad.csv demo.bad
printf 'a\n1\n2\n"x\ny\n' > bad.csv
fails frazil import bad.csv demo.bad
printf 'a\nx\n\xff\n' > bad.csv
fails frazil import bad.csv demo.bad
(printf 'a\n1\n"'; head -c 17000000 /dev/zero | tr '\0' x; echo '"') > bad.csv
fails frazil import bad.csv demo.bad
fails frazil import /dev/null demo.bad
fails frazil import absent.csv demo.bad
fails frazil import mark.txt demo.bad
mkdir folder.csv
fails frazil import folder.csv demo.bad
frazil table ls
