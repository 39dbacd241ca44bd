#!/bin/bash
# make check: one line for each check, the reason under those that fail.
cd "$(dirname "$0")/.." || exit 1
build="${BUILD:-build}"
passed=0
failed=0

check() { # NAME COMMAND...
    local name="$1" output
    shift
    if output=$("$@" 2>&1); then
        printf 'ok   %s\n' "$name"
        passed=$((passed + 1))
    else
        printf 'FAIL %s\n%s\n' "$name" "$output"
        failed=$((failed + 1))
    fi
}

# No conditional on the target, and no assembly, above the HAL. Tests of the
# compiler's own macros (sanitizers) are no targets.
target_conditionals() {
    ! git ls-files 'kernel/*' 'drivers/*' 'fs/*' 'net/*' 'apps/*.[ch]' 'include/*' |
        xargs grep -nE '^[ \t]*#[ \t]*(if|ifdef|ifndef|elif).*(POSIX|HOSTED|BAREMETAL|METAL|__linux|__unix|__STDC_HOSTED|__x86|_WIN)'
}
assembly() {
    ! git ls-files 'kernel/*' 'drivers/*' 'fs/*' 'net/*' 'apps/*.[ch]' 'include/*' |
        xargs grep -nE '\b(__asm__|asm)\b'
}
# The kernel's objects of both builds come from the same sources.
same_sources() {
    diff <(cd "$build/metal" && find kernel drivers fs net -name '*.o' | sort) \
        <(cd "$build/host" && find kernel drivers fs net -name '*.o' | sort)
}
# A backtrace is right only if the second link moved no function.
symbols_match() {
    local image
    for image in "$build"/metal/*.elf "$build"/host/hello "$build"/host/webserver; do
        [ -e "$image.first" ] || continue
        diff <(nm -n "$image.first" | grep -i ' t ') \
            <(nm -n "$image" | grep -i ' t ') || return 1
    done
}
format() {
    git ls-files '*.c' '*.h' | xargs clang-format-14 --dry-run -Werror
}
clang_build() {
    make -s -j2 CC=clang-14 DEBUG=-g0 BUILD="$build/clang" second-compiler
}
# hello has no drivers; the web server has all (virtio, IDE, Intel, NE2000: 65 kB), two file
# systems, and calls of other CPUs; the file server has ext2 and FAT for writing,
# and with the shell files of the host (26 kB).
image_size() {
    local app limit size status=0
    make -s BUILD="$build" "$build"/metal/web_virtio{,6}.elf || return 1
    while read -r app limit; do
        strip -o "$build/metal/$app.stripped" "$build/metal/$app.elf"
        size=$(stat -c %s "$build/metal/$app.stripped")
        echo "$app has $size bytes stripped, under $limit are allowed"
        [ "$size" -lt "$limit" ] || status=1
    done <<<"hello 72000
webserver 307100
web_virtio 250700
web_virtio6 273600
webnode 361400
fileserver 426400
shell 460800"
    return $status
}

check "layers: who includes whom, no libc" tools/layers.sh
check "layers: what is planted is found" tools/layers.sh --self-test
check "no condition on the target above the HAL" target_conditionals
check "no assembly above the HAL" assembly
check "both builds have the same kernel sources" same_sources
check "no lock: the check finds what it should" tools/no_lock.sh --self-test
check "no lock: in no image" tools/no_lock.sh "$build"/metal/*.elf
check "backtraces: both links agree on every function" symbols_match
check "clang-format" format
check "clang builds everything without a warning" clang_build
check "no lock: in no image by clang" tools/no_lock.sh "$build"/clang/metal/*.elf
check "tidiness" tools/tidy.sh
check "mutants: a known tree gives the known outcomes" tools/mutants/test.sh
check "image size" image_size
echo "check: $passed passed, $failed failed"
[ $failed -eq 0 ]
