fails frazil bogus
fails frazil table bogus demo.t
fails frazil catalog bogus demo
fails frazil scan
fails frazil scan a.b c.d
fails frazil import only.csv
fails frazil table show
fails frazil table rename a.b
fails frazil catalog create
fails frazil table show a.b c.d
fails frazil catalog ls a b
fails frazil scan $(seq 64)
fails frazil scan nodots
fails frazil table drop ./folder
fails frazil import x.csv ./folder
ls
