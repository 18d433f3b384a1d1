frazil --help
frazil -h | cmp - <(frazil --help)
frazil help | cmp - <(frazil scan --help)
frazil version | grep -c '^frazil [0-9]'
fails frazil | grep -c .
