#!/bin/bash
# Open the status page of a hosted machine in Chromium and write what it shows:
#
#   status_shot.sh OUT.png
#
# Fails when the page has not shown the CPUs that there are.
cd "$(dirname "$0")/.." || exit 2
build="${BUILD:-build}"
out="${1:-docs/status.png}"
port="${PORT:-8099}"
work="$build/status"
mkdir -p "$work"
truncate -s 16M "$work/disk.img"
"$build/host/hello_service" --cpus 4 --mem 64m \
    --net "user,hostfwd=tcp:127.0.0.1:$port-:80" -- \
    port=8000 status=0.0.0.0:80 trace=all >"$work/log" 2>&1 &
machine=$!
trap 'kill $machine 2>/dev/null' EXIT
for _ in $(seq 100); do
    curl -s -o /dev/null "http://127.0.0.1:$port/" && break
    sleep 0.1
done
(while curl -s -o /dev/null "http://127.0.0.1:$port/metrics"; do :; done) &
load=$!
trap 'kill $machine $load 2>/dev/null' EXIT
chromium --headless --no-sandbox --disable-gpu --user-data-dir="$work/profile" \
    --window-size=1000,1400 --virtual-time-budget=20000 --dump-dom \
    "http://127.0.0.1:$port/" >"$work/dom.html" 2>"$work/chromium.log"
chromium --headless --no-sandbox --disable-gpu --user-data-dir="$work/profile" \
    --window-size=1000,1400 --virtual-time-budget=20000 --screenshot="$out" \
    "http://127.0.0.1:$port/" 2>>"$work/chromium.log"
rows=$(grep -o '<table id="cpus">.*</table>' "$work/dom.html" | sed 's,</table>.*,,' |
    grep -o '<tr>' | wc -l)
[ "$rows" -eq 5 ] || {
    echo "the page shows $((rows - 1)) CPUs and not 4"
    exit 1
}
ls -l "$out"
