# The table of bench_core.sh, from lines "ROW CONTENDER PICOSECONDS": medians in
# nanoseconds, with half the distance between the quartiles in percent of them.

$1 == "disturbed" {
    disturbed += $3
    next
}
{
    all++
    key = $1 " " $2
    if (!(key in n)) contenders[$1] = contenders[$1] " " $2
    sample[key, ++n[key]] = $3 / 1000
}

function sort(key, i, j, x) {
    for (i = 2; i <= n[key]; i++) {
        x = sample[key, i]
        for (j = i - 1; j > 0 && sample[key, j] > x; j--)
            sample[key, j + 1] = sample[key, j]
        sample[key, j + 1] = x
    }
}

function at(key, part) { return sample[key, int((n[key] - 1) * part + 1.5)] }

function shown(name, key) {
    return sprintf("%s %.*f ±%d%%", name, at(key, .5) < 100 ? 2 : 0, at(key, .5),
        50 * (at(key, .75) - at(key, .25)) / at(key, .5) + .5)
}

function row(id, title, bar, peers, m, i, name, key, best, ratio, verdict, list) {
    m = split(contenders[id], name, " ")
    if (m == 0) return
    for (i = 1; i <= m; i++) {
        key = id " " name[i]
        sort(key)
        if (index(" " peers " ", " " name[i] " ") &&
            (best == "" || at(key, .5) < at(best, .5))) best = key
    }
    ratio = at(id " torc", .5) / at(best, .5)
    verdict = bar == "" ? "" : ratio <= bar ? "ok" : "over"
    if (verdict == "over") over++
    printf "  %-29s %9.*f %5.2f %5s %-4s ", title, at(id " torc", .5) < 1000 ? 2 : 0,
        at(id " torc", .5), ratio, bar == "" ? "-" : bar, verdict
    for (i = 1; i <= m; i++) {
        key = id " " name[i]
        list = list (list == "" ? "" : ", ") \
            (key == best && m > 2 ? "*" : "") shown(name[i], key)
        printf "%s,%s,%.3f,%.3f,%.3f,%d,%s,%s,%s\n", id, name[i], at(key, 0),
            at(key, .5), at(key, 1), n[key],
            name[i] == "torc" ? sprintf("%.3f", ratio) : "",
            name[i] == "torc" ? bar : "", name[i] == "torc" ? verdict : "" >csv
    }
    print list
}

END {
    print "row,contender,min_ns,median_ns,max_ns,samples,ratio,bar,verdict" >csv
    print "Times in ns (ratio: to the best peer, marked *)"
    printf "  %-29s %9s %5s %5s\n", "", "Torc", "ratio", "bar"
    count = split(rows, lines, "\n")
    for (l = 1; l <= count; l++)
        if (split(lines[l], f, "|") == 4) row(f[1], f[2], f[3], f[4])
    if (over) printf "  %d bars missed\n", over
    if (disturbed)
        printf "  The machine was busy: %d of %d samples are disturbed\n", disturbed, all
    exit strict == 1 && over > 0
}
