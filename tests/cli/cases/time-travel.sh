make_table
set -- $(snapshot_ids)
frazil scan demo.t --snapshot $1 --columns id
frazil scan demo.t --snapshot $2 --columns id
frazil scan demo.t --ref main --columns id
frazil scan demo.t --as-of 2999-01-01 --columns id
at=$(frazil table history demo.t | sed -n 2p | cut -d, -f1)
frazil scan demo.t --as-of "$at" --columns id
frazil scan demo.t --as-of "$(date -d "$at" +%s%3N)" --columns id
fails frazil scan demo.t --snapshot 5
fails frazil scan demo.t --ref nothing
fails frazil scan demo.t --as-of 2001-01-01T00:00:00Z
fails frazil scan demo.t --as-of 5
fails frazil scan demo.t --as-of 1970-01-01
fails frazil scan demo.t --snapshot $1 --ref main
