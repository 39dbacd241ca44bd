#!/bin/bash
# The stub for gdb in the machine (gdb=com2), with a real gdb over QEMU's second serial port:
# it connects to a machine that runs, sets breakpoints on two CPUs, steps, watches a variable, reads
# registers of SSE, asks for memory that is none, and lets go; a fault and a panic end in it.
cd "$(dirname "$0")/../.." || exit 1
build="${BUILD:-build}"
image="$build/metal/faults.elf"
work=$(mktemp -d)
trap 'kill $machine 2>/dev/null; rm -rf "$work"' EXIT
machine=
failed=0

boot() { # QEMU's machine, WORDS...
    local kind="$1"
    shift
    rm -f "$work/line"
    tools/qemu.sh --machine "$kind" --no-net --cpus 2 --mem 32 --kernel "$image" --append "gdb=com2 $*" -- \
        -chardev "socket,id=line,path=$work/line,server=on,wait=off" -device isa-serial,chardev=line,index=1 \
        >"$work/log" 2>&1 &
    machine=$!
    for _ in $(seq 100); do
        grep -q 'a debugger may connect' "$work/log" && break
        sleep 0.2
    done
}
talk() { # commands of gdb on standard input
    cat >"$work/commands"
    timeout 300 gdb -q -nx -batch "$image" -ex 'set remotetimeout 120' -ex "target remote $work/line" \
        -x tools/gdb/torc.py -x "$work/commands" >"$work/gdb" 2>&1
}
says() { # TEXT...: in what gdb has printed
    local text
    for text in "$@"; do
        grep -qE -- "$text" "$work/gdb" && continue
        echo "FAIL $what: gdb does not say \"$text\""
        sed 's/^/    /' "$work/gdb" | tail -40
        tail -5 "$work/log"
        failed=$((failed + 1))
        return
    done
    echo "ok   $what"
}

for kind in ${*:-microvm pc}; do
    what="$kind: breakpoints on two CPUs, steps, a watchpoint"
    boot $kind debug
    talk <<'END'
info threads
tbreak debug_here if thread_here == 1
continue
printf "on cpu %d\n", $_thread - 1
bt 2
break debug_count
continue
printf "stopped at %d\n", debug_counter
stepi
next
next
printf "stepped to %d\n", debug_counter
delete
watch debug_counter
continue
continue
printf "watched %d\n", debug_counter
print $xmm0
python
try: gdb.execute("print *(int *)0x123456789abc")
except gdb.error as error: print(error)
end
set debug_counter = 1000
printf "set to %d\n", debug_counter
torc threads
thread 2
delete
hbreak debug_count
continue
printf "hardware at %d\n", debug_counter
delete
detach
END
    says 'cpu 0' 'cpu 1' 'on cpu 1' 'debug_here' 'stopped at' 'stepped to' 'Hardware watchpoint' 'watched' 'v4_float' 'Cannot access memory' \
        'set to 1000' 'victim' 'hardware at 10[0-9][0-9]' 'detached'
    kill $machine
    wait $machine 2>/dev/null

    what="$kind: a fault stops in gdb, and goes on to its report"
    boot $kind debug-fault
    talk <<'END'
set debug_counter = 1
continue
bt 1
continue
bt 3
continue
END
    says 'SIGSEGV' 'fault_debug_fault' 'SIGABRT' 'in report_rest'
    wait $machine
    grep -q '^panic in fault_debug_fault' "$work/log" || { echo "FAIL $what: no report"; failed=$((failed + 1)); }
done

what="steps over PUSHFQ, to no memory, of a CPU that sleeps; noise before it"
boot microvm debug
python3 -c 'import socket, sys, time
line = socket.socket(socket.AF_UNIX)
line.connect(sys.argv[1])
line.send(b"noise$noise")
time.sleep(2)' "$work/line"
talk <<'END'
tbreak debug_count
continue
set $before = $pc
set $pc = hal_irq_save
stepi
stepi
printf "rax %lx flags %lx\n", $rax, $eflags
set $pc = 0
stepi
printf "at zero %d\n", $pc == 0
set $pc = $before
thread 2
stepi
stepi
stepi
stepi
thread 1
tbreak debug_count
continue
printf "goes on, %d\n", debug_counter > 0
END
says 'rax 2(..) flags 2\1' 'at zero 1' 'goes on, 1'
kill $machine
wait $machine 2>/dev/null

what="the interrupt key, and the end"
boot pc debug
(
    echo continue
    sleep 3
) | timeout 200 gdb -q -nx "$image" -ex 'set remotetimeout 120' -ex "target remote $work/line" \
    -ex 'python import threading, os, signal' \
    -ex 'python threading.Timer(2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()' -ex continue \
    -ex 'printf "stopped again\n"' -ex kill -batch >"$work/gdb" 2>&1
says 'SIGINT' 'stopped again'
wait $machine
[ $? -eq 1 ] || { echo "FAIL $what: it was not killed"; failed=$((failed + 1)); }
machine=
echo "gdb stub: $failed failed"
[ $failed -eq 0 ]
