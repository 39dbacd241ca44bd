#!/bin/bash
# Prove from the machine code that an image takes no lock: no LOCK prefix, no XCHG
# with memory, no CMPXCHG, no XADD, and MFENCE only in the functions of mfence.txt.
#   no_lock.sh IMAGE...
#   no_lock.sh --self-test    each forbidden instruction is found
cd "$(dirname "$0")/.." || exit 1

scan() { # FILE: offending instructions, a line each
    objdump -d --no-show-raw-insn "$1" | awk '
    FILENAME == "tools/mfence.txt" {
        if ($1 !~ /^#/ && NF) fence[$1] = 1
        next
    }
    /^[0-9a-f]+ <.*>:$/ {
        name = $2; gsub(/[<>:]/, "", name)
        base = name; sub(/\..*/, "", base) # clones: publish.constprop.0
        next
    }
    {
        text = $0; sub(/^[ \t]*[0-9a-f]+:[ \t]*/, "", text)
        bad = ""
        if (text ~ /(^|[ \t])lock([ \t]|$)/) bad = "LOCK prefix"
        else if (text ~ /^(cmpxchg|xadd)/) bad = "atomic read-modify-write"
        else if (text ~ /^xchg/ && text ~ /\(|0x[0-9a-f]+(,|$)/) bad = "XCHG with memory"
        else if (text ~ /^mfence/ && !(base in fence)) bad = "MFENCE not in mfence.txt"
        if (bad != "") { printf "%s: %s: %s\n", name, bad, text; found = 1 }
    }
    END { exit found }' tools/mfence.txt -
}

self_test() {
    local dir one status=0
    dir=$(mktemp -d)
    for one in 'lock addl $1, (%rdi)' 'lock cmpxchgq %rax, (%rdi)' \
        'cmpxchgl %eax, (%rdi)' 'cmpxchg8b (%rdi)' 'xaddl %eax, (%rdi)' \
        'xchgl %eax, (%rdi)' 'xchgq %rax, 0x1000' 'mfence' 'lock orq $0, (%rsp)'; do
        printf '.text\n.globl f\nf: %s\nret\n' "$one" | as -o "$dir/t.o" -
        if scan "$dir/t.o" >/dev/null; then
            echo "the self-test's '$one' was not found"
            status=1
        fi
    done
    printf '.text\nf: xchg %%ax,%%ax\nxchg %%rax,%%rbx\nnop\nret\nnotify_all: mfence\nret\n' |
        as -o "$dir/t.o" -
    scan "$dir/t.o" || {
        echo "the self-test's harmless code was found"
        status=1
    }
    rm -rf "$dir"
    return $status
}

if [ "$1" = --self-test ]; then
    self_test
    exit
fi
status=0
for image in "$@"; do
    scan "$image" | sed "s|^|$image: |"
    [ "${PIPESTATUS[0]}" -eq 0 ] || status=1
done
exit $status
