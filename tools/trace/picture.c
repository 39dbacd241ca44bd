/*
 * The picture: for each CPU a row of what it ran, with interrupts, packets,
 * disk requests and marks as ticks below, and an arrow for each list that went
 * from one CPU to another. Pointing at something tells more.
 */
#include "tools/trace/output.h"
#include <inttypes.h>

enum {
    WIDTH = 1200,
    LEFT = 70,
    TOP = 60,
    ROW = 70,    /* from CPU to CPU */
    BAR = 24,    /* of what runs */
    TICK = 10,   /* of what happens */
    LEGEND = 40, /* below */
    ARROWS_MAX = 2000,
};

struct view {
    FILE *out;
    const struct decoded *trace;
    uint64_t from_ns; /* the left edge */
    double scale;     /* pixels a nanosecond */
    struct event running[DECODE_CPUS_MAX];
    bool runs[DECODE_CPUS_MAX];
};

static const struct {
    enum trace_kind kind;
    const char *colour;
    int lane;
} ticks[] = {
    {TRACE_INTERRUPT, "#c0392b", 0},  {TRACE_PACKET_IN, "#2980b9", 1},
    {TRACE_PACKET_OUT, "#16a085", 1}, {TRACE_IO_BEGIN, "#8e44ad", 1},
    {TRACE_IO_END, "#8e44ad", 1},     {TRACE_MARK, "#d35400", 2},
    {TRACE_BEGIN, "#d35400", 2},      {TRACE_END, "#d35400", 2},
    {TRACE_ALLOC, "#7f8c8d", 2},      {TRACE_FREE, "#bdc3c7", 2},
};

static double x_of(const struct view *view, uint64_t ns)
{
    return LEFT + (double)(ns - view->from_ns) * view->scale;
}

static int y_of(unsigned cpu)
{
    return TOP + (int)cpu * ROW;
}

/* A hue of a name's own. */
static unsigned hue(const char *name)
{
    unsigned hash = 2166136261U; /* FNV-1a */

    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619U;
    return hash % 360;
}

static bool is_idle(const struct event *event)
{
    return event->name[0] == 'i' && event->name[1] == 'd' &&
           event->name[2] == 'l' && event->name[3] == 'e' &&
           event->name[4] == '\0';
}

static void slice(struct view *view, unsigned cpu, uint64_t end_ns)
{
    const struct event *event = &view->running[cpu];
    double x = x_of(view, event->ns);
    double width = x_of(view, end_ns) - x;

    if (!view->runs[cpu])
        return;
    fprintf(view->out,
            "<rect x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\" ", x,
            y_of(cpu), width > 0.3 ? width : 0.3, BAR);
    if (is_idle(event))
        fprintf(view->out, "fill=\"#eeeeee\">");
    else
        fprintf(view->out, "fill=\"hsl(%u,60%%,55%%)\">", hue(event->name));
    fprintf(view->out, "<title>%s, %" PRIu64 " ns</title></rect>\n",
            event->name, end_ns - event->ns);
    if (width > 8.0 * sizeof(event->name) && !is_idle(event))
        fprintf(view->out, "<text x=\"%.2f\" y=\"%d\">%s</text>\n", x + 3,
                y_of(cpu) + 16, event->name);
}

static void tick(struct view *view, const struct event *event)
{
    for (size_t i = 0; i < COUNT_OF(ticks); i++) {
        if (ticks[i].kind != event->kind)
            continue;
        fprintf(view->out,
                "<rect x=\"%.2f\" y=\"%d\" width=\"0.8\" height=\"%d\" "
                "fill=\"%s\"><title>%s %s%u %" PRIu32 "</title></rect>\n",
                x_of(view, event->ns),
                y_of(event->cpu) + BAR + 2 + ticks[i].lane * (TICK + 1), TICK,
                ticks[i].colour, kind_name(event->kind), event->name,
                event->detail, event->count);
    }
}

/* From the list's publication, looked for in front of `take`, to that. */
static void arrow(struct view *view, size_t take)
{
    const struct event *to = &view->trace->events[take];

    for (size_t i = take; i-- > 0 && take - i < ARROWS_MAX;) {
        const struct event *from = &view->trace->events[i];

        if (from->kind != TRACE_SLOT_SEND || from->cpu != to->detail ||
            from->detail != to->cpu || from->value != to->value)
            continue;
        fprintf(view->out,
                "<line x1=\"%.2f\" y1=\"%d\" x2=\"%.2f\" y2=\"%d\" "
                "stroke=\"#333\" stroke-width=\"0.5\" opacity=\"0.6\"/>\n",
                x_of(view, from->ns), y_of(from->cpu) + BAR / 2,
                x_of(view, to->ns), y_of(to->cpu) + BAR / 2);
        return;
    }
}

static void scale_write(struct view *view)
{
    const struct decoded *trace = view->trace;
    uint64_t span = trace->end_ns - view->from_ns;

    for (int i = 0; i <= 10; i++) {
        uint64_t ns = span / 10 * (uint64_t)i;
        double x = x_of(view, view->from_ns + ns);

        fprintf(view->out,
                "<line x1=\"%.1f\" y1=\"40\" x2=\"%.1f\" y2=\"%d\" "
                "stroke=\"#ddd\"/>\n<text x=\"%.1f\" y=\"36\" "
                "text-anchor=\"middle\">%.1f us</text>\n",
                x, x, y_of(trace->cpu_count) - 10, x, (double)ns / 1000);
    }
    for (unsigned cpu = 0; cpu < trace->cpu_count; cpu++)
        fprintf(view->out, "<text x=\"8\" y=\"%d\">cpu %u</text>\n",
                y_of(cpu) + 16, cpu);
}

static void legend_write(struct view *view)
{
    int y = y_of(view->trace->cpu_count) + 10;
    int x = LEFT;

    for (size_t i = 0; i < COUNT_OF(ticks); i++, x += 110)
        fprintf(view->out,
                "<rect x=\"%d\" y=\"%d\" width=\"10\" height=\"10\" "
                "fill=\"%s\"/><text x=\"%d\" y=\"%d\">%s</text>\n",
                x, y - 9, ticks[i].colour, x + 14, y, kind_name(ticks[i].kind));
}

static void events_write(struct view *view)
{
    const struct decoded *trace = view->trace;

    for (size_t i = 0; i < trace->event_count; i++) {
        const struct event *event = &trace->events[i];

        if (event->kind == TRACE_SWITCH) {
            slice(view, event->cpu, event->ns);
            view->running[event->cpu] = *event;
            view->runs[event->cpu] = true;
        } else {
            tick(view, event);
        }
    }
    for (unsigned cpu = 0; cpu < trace->cpu_count; cpu++)
        slice(view, cpu, trace->end_ns);
    for (size_t i = 0; i < trace->event_count; i++) {
        if (trace->events[i].kind == TRACE_SLOT_TAKE)
            arrow(view, i);
    }
}

void picture_write(FILE *out, const struct decoded *trace)
{
    int height = y_of(trace->cpu_count) + LEGEND;
    struct view view = {.out = out, .trace = trace};

    if (trace->event_count > 0)
        view.from_ns = trace->events[0].ns;
    view.scale =
        trace->end_ns > view.from_ns
            ? (WIDTH - LEFT - 20) / (double)(trace->end_ns - view.from_ns)
            : 0;
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" "
            "height=\"%d\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" "
            "font-size=\"11\">\n<rect width=\"100%%\" height=\"100%%\" "
            "fill=\"white\"/>\n<text x=\"%d\" y=\"16\" font-size=\"13\">"
            "%zu events of %u CPUs</text>\n",
            WIDTH, height, WIDTH, height, LEFT, trace->event_count,
            trace->cpu_count);
    scale_write(&view);
    events_write(&view);
    legend_write(&view);
    fprintf(out, "</svg>\n");
}
