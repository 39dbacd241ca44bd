# For scripts that count the guest instructions between the marks of an image (sourced):
# $image, $work and $build are theirs.

mkdir -p "$work"
[ -e "${plugin:=$work/insn_marks.so}" ] || plugin="$work/insn_marks.so"
[ -e "$plugin" ] || gcc -std=c11 -I. -O2 -shared -fPIC -o "$plugin" \
    tests/bench/insn_marks.c || exit 2

marks_address() { # FUNCTION
    nm "$image" | awk -v name="$1" '$3 == name { print "0x" $1 }'
}

# count_marks NAME SECONDS QEMU.SH OPTIONS...: into $work/NAME.count, with $work/NAME.log
count_marks() {
    local name="$1" seconds="$2" marks
    shift 2
    marks="begin=$(marks_address bench_begin),end=$(marks_address bench_end)"
    timeout "$seconds" tools/qemu.sh --count --no-net --kernel "$image" "$@" \
        -plugin "$(realpath "$plugin"),$marks" -d plugin -D "$work/$name.count" \
        >"$work/$name.log" || {
        cat "$work/$name.log"
        exit 2
    }
}

# table_of_marks NAME BARS: a line "ROW COUNT BAR ok|over" for each; BARS are
# "ROW=NUMBER ...". The n-th line of the image belongs to the n-th segment of the
# plugin. The empty loop is subtracted, but for the store it has. Fails when a row is
# over and STRICT=1; exits with 2 when nothing could be measured.
table_of_marks() {
    awk -v strict="${STRICT:-0}" -v bars="$2" '
        BEGIN {
            segments = lines = over = 0
            n = split(bars, list, " ")
            for (i = 1; i <= n; i++) { split(list[i], one, "="); bar[one[1]] = one[2] }
        }
        FILENAME ~ /count$/ && /^segment/ {
            for (i = 3; i <= NF; i++) total[segments] += $i
            segments++
        }
        FILENAME ~ /log$/ && sub(/\r$/, "") + 1 && $1 == "bench" {
            each = total[lines++] / $3
            if ($2 == "loop") { loop = each - 1; next }
            each -= loop
            verdict = $2 in bar && each > bar[$2] ? "over" : "ok"
            if (verdict == "over") over++
            printf "%s %.1f %s %s\n", $2, each, $2 in bar ? bar[$2] : "-", verdict
        }
        END {
            if (lines == 0 || lines != segments) exit 2
            exit strict == 1 && over > 0
        }' "$work/$1.count" "$work/$1.log"
}
