# The chart of bench_power.sh, from lines "NAME TENTHS PERCENT" in order: for each name a row
# with the use of the CPU over the time, a hundred percent one CPU of the host.

$1 != last {
    name[++names] = $1
    last = $1
}
{
    n = ++count[names]
    at[names, n] = $2 / 10
    value[names, n] = $3
    if ($2 / 10 > longest) longest = $2 / 10
    if ($3 > most) most = $3
}
END {
    left = 110; width = 850; row = 110; top = 50; high = 80
    most = int((most + 9) / 10) * 10
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1000\" height=\"%d\" " \
        "font-family=\"sans-serif\" font-size=\"12\">\n" \
        "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n" \
        "<text x=\"8\" y=\"22\" font-size=\"14\">CPU of the machine\047s process, traffic for %d s " \
        "behind pauses of %d s; 100 %% is one CPU of the host</text>\n", \
        top + names * row + 30, on, off >out
    for (k = 1; k <= names; k++) {
        base = top + (k - 1) * row + high
        label = substr(name[k], index(name[k], "-") + 1)
        gsub("_", " ", label)
        printf "<text x=\"8\" y=\"%d\">%s</text>\n", base - 30, label >out
        printf "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%d %%</text>\n", \
            left - 4, base - high + 10, most >out
        printf "<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" stroke=\"#888\"/>\n", \
            left, base, left + width, base >out
        printf "<polygon fill=\"hsl(%d,55%%,55%%)\" points=\"%d,%d", k * 67 % 360, left, base >out
        for (i = 1; i <= count[k]; i++) {
            from = i == 1 ? 0 : at[k, i - 1]
            y = base - value[k, i] * high / most
            printf " %.1f,%.1f %.1f,%.1f", left + from * width / longest, y, \
                left + at[k, i] * width / longest, y >out
        }
        printf " %.1f,%d\"/>\n", left + at[k, count[k]] * width / longest, base >out
    }
    for (s = 0; s <= longest; s += 5)
        printf "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%d s</text>\n", \
            left + s * width / longest, top + names * row + 10, s >out
    printf "</svg>\n" >out
}
