# The table of bench_core.sh, from lines "ROW CONTENDER PICOSECONDS": for each
# contender the 5th percentile and, in brackets, the median, in nanoseconds.

BEGIN { FAST = .05 }
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

# The name of the peer of a row that is best at a part of its samples.
function best_of(id, peers, part, m, i, name, best) {
    m = split(peers, name, " ")
    for (i = 1; i <= m; i++)
        if (best == "" || at(id " " name[i], part) < at(id " " best, part))
            best = name[i]
    return best
}

function ns(x) { return sprintf("%.*f", x < 100 ? 2 : 0, x) }

# What has no bar is shown by its median: it sleeps, and its best samples are
# waits that did not happen.
function row(id, title, bar, peers, m, i, name, key, best, fast, median, verdict, list) {
    m = split(contenders[id], name, " ")
    if (m == 0) return
    for (i = 1; i <= m; i++) sort(id " " name[i])
    best = best_of(id, peers, bar == "" ? .5 : FAST)
    fast = at(id " torc", FAST) / at(id " " best, FAST)
    median = at(id " torc", .5) / at(id " " best_of(id, peers, .5), .5)
    verdict = bar == "" ? "" : fast <= bar ? "ok" : "over"
    if (verdict == "over") over++
    printf "  %-29s %8s %6s %6.2f %5s %-4s", title, ns(at(id " torc", bar == "" ? .5 : FAST)),
        bar == "" ? "-" : sprintf("%.2f", fast), median, bar == "" ? "-" : bar, verdict
    for (i = 1; i <= m; i++) {
        key = id " " name[i]
        list = list "  " (name[i] == best && m > 2 ? "*" : "") name[i] " " \
            ns(at(key, FAST)) " (" ns(at(key, .5)) ")"
        printf "%s,%s,%.3f,%.3f,%.3f,%.3f,%d", id, name[i], at(key, 0),
            at(key, FAST), at(key, .5), at(key, 1), n[key] >csv
        if (name[i] == "torc")
            printf ",%.3f,%.3f,%s,%s\n", fast, median, bar, verdict >csv
        else
            printf ",,,,\n" >csv
    }
    print list
}

END {
    print "row,contender,min_ns,p5_ns,median_ns,max_ns,samples," \
        "ratio_p5,ratio_median,bar,verdict" >csv
    print "Times in ns: 5th percentile (median); ratios to the best peer, *"
    printf "  %-29s %8s %6s %6s %5s\n", "", "Torc", "ratio", "median", "bar"
    count = split(rows, lines, "\n")
    for (l = 1; l <= count; l++)
        if (split(lines[l], f, "|") == 4) row(f[1], f[2], f[3], f[4])
    if (over) printf "  %d bars missed\n", over
    if (disturbed)
        printf "  The machine was busy: %d of %d samples are disturbed\n", disturbed, all
    exit strict == 1 && over > 0
}
