# The chart of boot_chart.sh, from lines "MACHINE PHASE INSTRUCTIONS", in order: a bar for
# each machine, cut where a phase begins; and the table of the same.

$1 != last {
    machine[++machines] = $1
    last = $1
    from = 0
    phase = ""
}
{
    if (phase != "") {
        took[$1, phase] = $3 - from
        if (!(phase in known)) {
            known[phase]
            order[++phases] = phase
        }
    }
    phase = $2
    from = $3
    total[$1] = $3
    if ($3 > most) most = $3
}
function colour(i) { return sprintf("hsl(%d,55%%,%d%%)", (i * 47) % 360, 48 + i % 2 * 14) }
END {
    left = 100; width = 860; row = 46; top = 50
    height = top + machines * row + 24 * int((phases + 5) / 6) + 30
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1000\" height=\"%d\" " \
        "font-family=\"sans-serif\" font-size=\"12\">\n" \
        "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n" \
        "<text x=\"%d\" y=\"22\" font-size=\"14\">Guest instructions from the entry of the " \
        "image to main(), all CPUs</text>\n", height, left >out
    printf "| phase |"
    for (m = 1; m <= machines; m++) printf " %s |", machine[m]
    printf "\n|---|"
    for (m = 1; m <= machines; m++) printf "---|"
    printf "\n"
    for (m = 1; m <= machines; m++) {
        x = left
        y = top + (m - 1) * row
        printf "<text x=\"8\" y=\"%d\">%s</text>\n", y + 18, machine[m] >out
        for (i = 1; i <= phases; i++) {
            n = took[machine[m], order[i]]
            w = n * width / most
            printf "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"26\" fill=\"%s\">" \
                "<title>%s: %d</title></rect>\n", x, y, w, colour(i), order[i], n >out
            if (w > 7 * length(order[i]))
                printf "<text x=\"%.1f\" y=\"%d\" fill=\"white\">%s</text>\n", \
                    x + 4, y + 17, order[i] >out
            x += w
        }
        printf "<text x=\"%.1f\" y=\"%d\">%.2f M</text>\n", x + 4 < 930 ? x + 4 : 930, \
            y + (x + 4 < 930 ? 18 : 38), total[machine[m]] / 1e6 >out
    }
    y = top + machines * row + 14
    for (i = 1; i <= phases; i++) {
        x = left + (i - 1) % 6 * 145
        if (i > 1 && (i - 1) % 6 == 0) y += 24
        printf "<rect x=\"%d\" y=\"%d\" width=\"12\" height=\"12\" fill=\"%s\"/>" \
            "<text x=\"%d\" y=\"%d\">%s</text>\n", x, y - 11, colour(i), x + 17, y, order[i] >out
    }
    printf "</svg>\n" >out
    for (i = 1; i <= phases; i++) {
        printf "| %s |", order[i]
        for (m = 1; m <= machines; m++) printf " %d |", took[machine[m], order[i]]
        printf "\n"
    }
    printf "| sum |"
    for (m = 1; m <= machines; m++) printf " %d |", total[machine[m]]
    printf "\n"
}
