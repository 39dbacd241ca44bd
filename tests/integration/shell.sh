# The shell: docs/shell.md. Somebody types, with editing. A part of run.sh.

test_shell_host() {
    tests/integration/shell_client.py pty "$build/host/shell" --cpus 2 --net user || die "see above"
    # A pipe: its end ends the shell, with the status of the last command.
    [ "$(echo 'echo a pipe' | "$build/host/shell" | grep -c '^a pipe$')" = 1 ] || die "a pipe"
    echo nosuch | "$build/host/shell" && die "the status of a command that is not there"
    echo nosuch | "$build/host/shell" | grep 'nosuch: no such command' || die "no reason"
}

# Sessions by TCP; the console's input has ended.
test_shell_tcp() {
    local port
    port=$(free_port)
    tests/integration/shell_client.py tcp "$port" "$build/host/shell" \
        --net "user,hostfwd=tcp:127.0.0.1:$port-:2323" -- listen=0.0.0.0:2323 || die "see above"
    expect 2 'listen=x' "$build/host/shell" --net user -- listen=x
}

test_shell_microvm() {
    tests/integration/shell_client.py fifo tools/qemu.sh --kernel "$build/metal/shell.elf" ||
        die "see above"
}

# A panic on the pixels that GRUB has set up, under UEFI.
test_screen() {
    mkdir -p "$work/screen"
    tools/mkimg/mkimg.sh disk --kernel "$build/metal/faults.elf" --dir "$work/screen" \
        --out "$work/screen.img" --cmdline "panic=halt read" || die "the disk is not made"
    tests/integration/screen_text.py tools/qemu.sh --machine q35 --mem 64 --no-net --uefi \
        --boot "$work/screen.img" -- "32 bits: " "panic: page fault, address 0x8, read of page 0" \
        "threads of all CPUs:" "panic in fault_read, apps/faults/main.c:" || die "see above"
}

# A keyboard and a screen, without the serial port's help.
test_shell_pc() {
    tests/integration/shell_keys.py tools/qemu.sh --machine pc --no-net \
        --kernel "$build/metal/shell.elf" || die "see above"
}

# The console is a virtio device; the serial port hears the same.
test_shell_virtio() {
    tests/integration/shell_client.py virtio tools/qemu.sh --kernel "$build/metal/shell.elf" ||
        die "see above"
}
