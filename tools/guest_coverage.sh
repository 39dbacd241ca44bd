#!/bin/bash
# How much of hal/baremetal do the integration tests execute? Runs some of them with a
# QEMU plugin (tools/guest_lines.c) that writes which code each machine has executed,
# and prints one row for the table of tools/coverage.sh. The images are not changed.
# Details: build/guest_lines/lines.txt, and the tests' log beside it.
cd "$(dirname "$0")/.." || exit 1
build="${BUILD:-build}"
directory="$PWD/$build/guest_lines"
tests=(contract_microvm_4 contract_pc_4 contract_mwait numa_q35 hello_q35_1
    web_microvm_1 web_pc_grub_4 web_pc_iso web_q35_4 panic_metal watchdog_metal
    bad_memory bad_machine bad_arguments foreign_words no_acpi boot_bzimage
    exceptions_caught fileserver_pc_stop small_memory status_microvm)
images=()
rm -rf "$directory"
mkdir -p "$directory"
gcc -std=gnu11 -I. -O2 -shared -fPIC -o "$directory/plugin.so" tools/guest_lines.c || exit 1
mapfile -t known < <(tests/integration/run.sh --list)
for name in "${tests[@]}"; do
    printf '%s\n' "${known[@]}" | grep -qx "$name" || {
        echo "guest coverage: there is no integration test $name" >&2
        exit 1
    }
done
BUILD=$build WORK="$directory/tests" GUEST_LINES="$directory" \
    tests/integration/run.sh "${tests[@]}" >"$directory/log" 2>&1 || {
    grep -A5 FAIL "$directory/log" >&2
    echo "guest coverage: a test failed: $directory/log" >&2
    exit 1
}
# What the stub for gdb executes, which a real gdb has asked it for.
BUILD=$build GUEST_LINES="$directory" tests/faults/gdb_stub.sh microvm >"$directory/gdb.log" 2>&1 || {
    echo "guest coverage: tests/faults/gdb_stub.sh failed:" >&2
    tail -n 60 "$directory/gdb.log" >&2
    exit 1
}
for name in hello webserver faults hal_contract fileserver hello_service; do
    images+=("$build/metal/$name.elf")
done
tools/guest_coverage.pl "$directory" "${images[@]}"
