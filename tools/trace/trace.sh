#!/bin/bash
# Run an application that ends by itself, traced, and write what it did:
#
#   trace.sh APP KINDS      $ARGS: its command line; $CPUS, $MEM, $MACHINE
#
# build/trace/APP.json (Perfetto, chrome://tracing), APP.ctf (babeltrace2), APP.svg.
# Of a server that runs on, GET /trace of its status page is the trace: docs/trace.md.
cd "$(dirname "$0")/../.." || exit 1
app="$1" kinds="$2"
build="${BUILD:-build}"
out="$build/trace"
mkdir -p "$out"
timeout "${SECONDS_MAX:-120}" tools/qemu.sh --no-net --machine "${MACHINE:-microvm}" \
    --cpus "${CPUS:-2}" --mem "${MEM:-64}" --kernel "$build/metal/$app.trace" \
    --append "trace=$kinds trace_dump=1 $ARGS" >"$out/$app.log"
status=$?
grep -v '^trace: ' "$out/$app.log"
[ $status -eq 0 ] || echo "$app has ended with status $status" >&2
"$build/host/torc-trace" --json "$out/$app.json" --svg "$out/$app.svg" \
    --ctf "$out/$app.ctf" "$out/$app.log" || exit 1
ls -d "$out/$app".{json,svg,ctf}
