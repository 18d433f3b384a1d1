make_table
as=
if [ "$(id -u)" = 0 ]; then
  as='setpriv --reuid=65534 --regid=65534 --clear-groups'
  $as frazil version > /dev/null 2>&1 || skip "root reads everything, and nobody else can be had here"
fi
chmod 000 warehouse/demo/t/data
fails $as frazil scan warehouse/demo/t
chmod 755 warehouse/demo/t/data
chmod 000 warehouse/demo/t/metadata
fails $as frazil scan warehouse/demo/t
chmod 755 warehouse/demo/t/metadata
$as frazil scan warehouse/demo/t --limit 1
chmod 555 .
fails $as frazil --uri sqlite:///new.db catalog create demo
fails $as frazil scan warehouse/demo/t -o out.csv
chmod 755 .
