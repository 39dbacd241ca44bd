# Directories of the host by virtio-fs, with virtiofsd: docs/virtio_fs.md. A part of run.sh.

virtiofsd=/usr/lib/qemu/virtiofsd

# serve_files DIRECTORY SOCKET LOG: a server, $fsd, that shares a directory.
serve_files() {
    [ -x "$virtiofsd" ] || skip "no virtiofsd"
    # Two kinds of sandbox: one of them needs less than a container may forbid.
    local sandbox
    for sandbox in namespace chroot; do
        rm -f "$2"
        "$virtiofsd" --socket-path="$2" -o "source=$(realpath "$1")" -o "sandbox=$sandbox" -o xattr \
            >"$3" 2>&1 </dev/null &
        fsd=$!
        local end=$((SECONDS + 20))
        while [ $SECONDS -lt $end ] && kill -0 $fsd 2>/dev/null; do
            [ -S "$2" ] && return 0
            sleep 0.1
        done
        kill $fsd 2>/dev/null
    done
    cat "$3"
    skip "virtiofsd does not start here"
}

# shell_of_files MACHINE SOCKET LOG: the shell, with the directory at "/"; it is typed to
# by descriptor 5.
shell_of_files() {
    local device=vhost-user-fs-pci pipe="$3.pipe" global=()
    [ "$1" = microvm ] && device=vhost-user-fs-device global=(-global virtio-mmio.force-legacy=false)
    rm -f "$pipe"
    mkfifo "$pipe"
    timeout 600 tools/qemu.sh --machine "$1,memory-backend=mem" --no-net --typed "$pipe" \
        --kernel "$build/metal/shell.elf" --append root=files -- \
        -object memory-backend-memfd,id=mem,size=64M,share=on \
        -chardev "socket,id=fs,path=$2" "${global[@]}" \
        -device "$device,chardev=fs,tag=files" >"$3" 2>&1 &
    child=$!
    trap 'kill $child $fsd 2>/dev/null; wait $child $fsd 2>/dev/null' EXIT
    exec 5>"$pipe"
    await_text '^/> ' "$3" || { cat "$3"; die "no prompt"; }
}

# type_line LINE LOG: and wait until the machine has done it.
type_line() {
    local mark="done-$((++typed_lines))"
    printf '%s\necho %s\n' "$1" "$mark" >&5
    await_text "^$mark" "$2" || { cat "$2"; die "no end of: $1"; }
}

use_files() {
    local dir="$work/virtio_fs_$1"
    rm -rf "$dir"
    mkdir -p "$dir/share/sub"
    echo "from the host" >"$dir/share/a"
    head -c 10000000 /dev/urandom >"$dir/share/big"
    ln -s a "$dir/share/link"
    typed_lines=0
    serve_files "$dir/share" "/tmp/torc_fs.$$" "$dir/server"
    shell_of_files "$1" "/tmp/torc_fs.$$" "$dir/console"
    type_line 'cat /link' "$dir/console"
    grep -q '^from the host' "$dir/console" || die "a file of the host"
    type_line 'cp /big /copy' "$dir/console"
    type_line 'mkdir /d' "$dir/console"
    type_line 'cp /a /d/x' "$dir/console"
    type_line 'mv /d/x /sub/y' "$dir/console"
    type_line 'rmdir /d' "$dir/console"
    type_line 'mkdir /d2' "$dir/console"
    type_line 'rm /link' "$dir/console"
    # What the host changes is seen when a second is over.
    echo "other words" >"$dir/share/a"
    sleep 1.5
    type_line 'cat /a' "$dir/console"
    grep -q '^other words' "$dir/console" || die "what the host has changed"
    echo poweroff >&5
    wait $child || die "the end of the machine: $?"
    cmp "$dir/share/big" "$dir/share/copy" || die "10 MB that were copied"
    grep -q '^from the host' "$dir/share/sub/y" || die "a file that was moved"
    [ -d "$dir/share/d2" ] && [ ! -e "$dir/share/d" ] && [ ! -L "$dir/share/link" ] ||
        die "what was made and removed"
    wait $fsd || true
}

test_virtio_fs_pci() { use_files q35; }
test_virtio_fs_microvm() { use_files microvm; }

# A server that dies: errors, and no hang.
test_virtio_fs_server_dies() {
    local dir="$work/virtio_fs_dies"
    rm -rf "$dir"
    mkdir -p "$dir/share"
    echo "from the host" >"$dir/share/a"
    typed_lines=0
    serve_files "$dir/share" "/tmp/torc_fs.$$" "$dir/server"
    shell_of_files q35 "/tmp/torc_fs.$$" "$dir/console"
    type_line 'cat /a' "$dir/console"
    kill -9 $fsd
    sleep 1.5 # names are not known any more
    type_line 'cat /a' "$dir/console"
    grep -q 'given up: its files are out of reach' "$dir/console" || die "it is not given up"
    type_line 'mkdir /d' "$dir/console"
    echo poweroff >&5
    wait $child
    tail -n 3 "$dir/console" | grep -q '^machine ended with status' || die "it does not end"
}
