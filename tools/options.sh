#!/bin/bash
# Print docs/options.md: the options of the kernel, of drivers and of applications, as
# the hosted images say them (help=). tools/tidy.sh compares. Needs `make host`.
cd "$(dirname "$0")/.." || exit 1
build="${BUILD:-build}"

cat <<'HEAD'
# Options

Written by `tools/options.sh` from the tables of the source, which also check the command line
(`kernel/base/options.h`). An image prints those that it has with the option `help=`. A word
stands for itself, `A..B` for a number from A to B, a word in capitals for any text; in
brackets is what holds without the option. A value that is not allowed ends the boot with
a line and status 2. `docs/boot.md` tells where words of the command line go.
HEAD
for app in $(cd apps && ls -d -- */main.c | sed 's,/main.c,,'); do
    "$build/host/$app" -- help= || exit 1
done | awk '
    /^options of / { title = $0; sub(/^options of /, "", title); sub(/:$/, "", title)
                     skip = title in seen; seen[title]
                     if (!skip) { heading = title ~ /^the / ? "T" substr(title, 2) : \
                                  "`" title "`"
                                  printf "\n## %s\n\n| option | what (without it) |\n|---|---|\n", heading }
                     next }
    skip || !/^  / { next }
    { option = $1; $1 = ""; sub(/^ +/, ""); gsub(/\|/, "\\|", option); gsub(/\|/, "\\|")
      printf "| `%s` | %s |\n", option, $0 }'
