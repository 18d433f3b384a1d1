# What the scripts in cases/ share; bash reads this first, by BASH_ENV.

unset BASH_ENV

# Run a command that is expected to fail; its exit code goes to standard error, behind its message.
fails() {
  "$@"
  echo "exit $?" >&2
}

# A table demo.t of three rows: two snapshots, of two rows and one.
make_table() {
  printf 'id,name,day\n1,one,2024-01-01\n2,,2024-01-02\n' > first.csv
  printf 'id,name,day\n3,"three, or so",2024-02-01\n' > second.csv
  frazil import first.csv demo.t > /dev/null
  frazil import second.csv demo.t "$@" > /dev/null
}

# The snapshot ids of demo.t, oldest first.
snapshot_ids() {
  frazil table history demo.t | tail -n +2 | cut -d, -f2
}

skip() {
  echo "$1"
  exit 77
}
