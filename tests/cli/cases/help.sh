frazil --help
frazil -h | cmp - <(frazil --help)
frazil help | cmp - <(frazil --help)
frazil help scan | cmp - <(frazil scan --help)
frazil alter --help
frazil table --help
for command in catalog scan import pit explain compact rewrite-manifests expire orphans verify version; do
  echo "== $command"
  frazil "$command" --help | grep -E '^  (-|[a-z])' | cut -c1-30
done
fails frazil help nothing
frazil version | grep -c '^frazil [0-9]'
frazil version --json | grep -cE '^\{"version": "[0-9.]+"\}$'
fails frazil | grep -c .
