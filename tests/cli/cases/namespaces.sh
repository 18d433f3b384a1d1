printf 'a\n1\n' > in.csv
frazil catalog create top
fails frazil catalog create top
frazil catalog create a.b.c
for table in top.t a.b.t a.b.c.t new.inner.t; do frazil import in.csv $table > /dev/null; done
frazil catalog ls
frazil catalog ls a
frazil catalog ls a.b --json
frazil table ls
frazil table ls a --json
frazil table ls top
frazil catalog views top
fails frazil catalog views nowhere
fails frazil catalog views
fails frazil catalog drop a.b
frazil table drop a.b.c.t
frazil catalog drop a.b.c
frazil table ls a
