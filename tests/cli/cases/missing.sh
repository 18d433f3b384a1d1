fails frazil table ls
fails frazil scan demo.t
ls
fails frazil --uri sqlite:///no/such/folder/x.db catalog create demo
fails frazil --uri no-such.db table ls
fails frazil --uri nosql://x table ls
fails frazil -p type=nothing table ls
frazil catalog create demo
ls
fails frazil scan demo.t
fails frazil table show other.t
fails frazil table ls other
fails frazil catalog drop other
fails frazil table drop demo.t
fails frazil table rename demo.t demo.u
fails frazil scan ./nowhere
fails frazil scan nowhere/00001.metadata.json
mkdir empty
fails frazil scan ./empty
echo text > text.db
fails frazil --uri text.db table ls
