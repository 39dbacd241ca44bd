#!/bin/bash
# Input and output of the hosted machine and of the guest, in one table: docs/bench.md.
# A bar that is not held says "over"; with STRICT=1 the exit status is 1 then.
cd "$(dirname "$0")/.." || exit 2
echo "Measuring on $(nproc) x $(sed -n '/^model name/{s/.*: //p;q}' /proc/cpuinfo), load $(cut -d' ' -f1 /proc/loadavg)"
host=$(STRICT=0 tools/bench_io_host.sh) || exit 2
guest=$(STRICT=0 tools/bench_io_guest.sh) || exit 2
e1000=$(STRICT=0 CARD=e1000,romfile= tools/bench_io_guest.sh) || exit 2
{
    echo "$host"
    echo ---
    echo "$guest"
    echo "$e1000" | sed '/^read/d; s/^/e1000:/' # the disk is the same
} | awk -v strict="${STRICT:-0}" '
    BEGIN { print_row("hosted, a second", "Torc", "peer", "", "ratio", "bar", "") }
    function print_row(name, torc, peer, who, ratio, bar, verdict) {
        printf "  %-34s %14s %14s %-8s %6s %6s  %s\n", name, torc, peer, who, ratio, bar, verdict
    }
    function judged(bar, verdict) {
        if (verdict == "over") over++
        return bar == "-" ? "" : verdict == "ok" ? "holds" : "over"
    }
    $1 == "---" {
        print_row("guest instructions, each", "Torc", "", "", "", "bar", "")
        guest = 1
        next
    }
    !guest { print_row($1, $2, $3, $4, $5, $6, judged($6, $7)) }
    guest { print_row($1, $2, "", "", "", $3, judged($3, $4)) }
    END { exit strict == 1 && over > 0 }'
