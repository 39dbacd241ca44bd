#!/bin/bash
# Serve until Ctrl-C: start the command given, wait until port $PORT answers, print
# the URL, wait for the end, leave the terminal as it was.
#   run.sh PORT COMMAND...
port="$1"
shift
if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    echo "error: port $port is in use: choose another one with PORT=number" >&2
    exit 1
fi
saved=$(stty -g 2>/dev/null)
"$@" </dev/null &
child=$!
stop() {
    trap '' INT TERM
    kill $child 2>/dev/null
    wait $child 2>/dev/null
    [ -n "$saved" ] && stty "$saved"
    echo
    echo "stopped"
    exit 0
}
trap stop INT TERM
for _ in $(seq 300); do
    curl -s -o /dev/null --max-time 2 "http://127.0.0.1:$port/" && break
    kill -0 $child 2>/dev/null || break
    sleep 0.1
done
if kill -0 $child 2>/dev/null; then
    echo
    echo "    http://localhost:$port/     (Ctrl-C ends it)"
    echo
fi
wait $child
status=$?
[ -n "$saved" ] && stty "$saved"
echo "the machine ended with status $status" >&2
exit $status
