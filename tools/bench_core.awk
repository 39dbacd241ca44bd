# The table of bench_core.sh, from lines "ROW CONTENDER PICOSECONDS GROUP". A group
# is what was measured close together in time. The figure of a contender is the
# median, over the groups, of its best sample in each; a ratio is the median of
# the groups' ratios. In brackets is the median of all samples.

$1 == "disturbed" {
    disturbed += $3
    next
}
{
    all++
    key = $1 " " $2
    if (!(key in n)) contenders[$1] = contenders[$1] " " $2
    x = $3 / 1000
    sample[key, ++n[key]] = x
    if (!((key, $4) in best) || x < best[key, $4]) best[key, $4] = x
    if ($4 > groups) groups = $4
}

# The median of v[1 .. count], which is sorted by it.
function median_of(v, count, i, j, x) {
    for (i = 2; i <= count; i++) {
        x = v[i]
        for (j = i - 1; j > 0 && v[j] > x; j--)
            v[j + 1] = v[j]
        v[j + 1] = x
    }
    return v[int((count + 1) / 2)]
}

function typical(key, i, v) {
    for (i = 1; i <= n[key]; i++) v[i] = sample[key, i]
    return median_of(v, n[key])
}

function good(key, g, v) {
    for (g = 1; g <= groups; g++) v[g] = best[key, g]
    return median_of(v, groups)
}

function ratio(key, other, g, v) {
    for (g = 1; g <= groups; g++) v[g] = best[key, g] / best[other, g]
    return median_of(v, groups)
}

function ns(x) { return sprintf("%.*f", x < 100 ? 2 : 0, x) }

# What has no bar sleeps, mostly; its best samples are waits that did not happen,
# so it is compared by the medians.
function row(id, title, bar, peers, m, i, name, x, value, peer, torc, part, middle, verdict) {
    m = split(peers, name, " ")
    for (i = 1; i <= m; i++) {
        x = bar == "" ? typical(id " " name[i]) : good(id " " name[i])
        if (peer == "" || x < value) { peer = name[i]; value = x }
    }
    torc = id " torc"
    part = ratio(torc, id " " peer)
    middle = typical(torc) / typical(id " " peer)
    verdict = bar == "" ? "" : part <= bar ? "ok" : "over"
    if (verdict == "over") over++
    printf "  %-29s %8s %6s %6.2f %5s %-4s", title,
        ns(bar == "" ? typical(torc) : good(torc)),
        bar == "" ? "-" : sprintf("%.2f", part), middle, bar == "" ? "-" : bar, verdict
    m = split(contenders[id], name, " ")
    for (i = 1; i <= m; i++) {
        key = id " " name[i]
        printf "  %s%s %s (%s)", (name[i] == peer ? "*" : ""), name[i],
            ns(good(key)), ns(typical(key))
        printf "%s,%s,%.3f,%.3f,%d", id, name[i], good(key), typical(key), n[key] >csv
        if (name[i] == "torc")
            printf ",%.3f,%.3f,%s,%s\n", part, middle, bar, verdict >csv
        else
            printf ",,,,\n" >csv
    }
    printf "\n"
}

END {
    print "row,contender,good_ns,median_ns,samples,ratio_good,ratio_median,bar,verdict" >csv
    print "Times in ns: good (median); ratios to the best peer, *"
    printf "  %-29s %8s %6s %6s %5s\n", "", "Torc", "ratio", "median", "bar"
    count = split(rows, lines, "\n")
    for (l = 1; l <= count; l++)
        if (split(lines[l], f, "|") == 4) row(f[1], f[2], f[3], f[4])
    if ("trace torc" in n) {
        event = good("trace torc")
        if (event > 12) over++
        printf "  an event of the trace: %s (%s), bar 12 %s\n", ns(event),
            ns(typical("trace torc")), event > 12 ? "over" : "ok"
    }
    if (over) printf "  %d bars missed\n", over
    if (disturbed)
        printf "  The machine was busy: %d of %d samples are disturbed\n", disturbed, all
    exit strict == 1 && over > 0
}
