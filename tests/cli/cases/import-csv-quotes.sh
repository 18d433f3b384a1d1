# CR LF, quoted commas, quotes and line ends, a quote in the middle, a lone CR, no line end at the end.
printf 'id,text\r\n1,"a,b"\r\n2,"say ""hi"""\r\n3,"two\r\nlines"\r\n4,5" pipe\r\n5,a\rb\r\n6,""\r\n7,\r\n8,end' > in.csv
frazil import in.csv demo.t
frazil scan demo.t --json
frazil scan demo.t --format pretty
frazil scan demo.t --filter 'id = 3 or id = 2' --format csv
