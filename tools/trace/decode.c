#include "tools/trace/decode.h"
#include <stdlib.h>
#include <string.h>

/* What is under way: how far the bytes were read. */
struct input {
    const uint8_t *at;
    size_t left;
};

const char *kind_name(enum trace_kind kind)
{
    static const char *const names[] = {
        "switch",   "slot_send", "slot_take", "slot_ran",   "interrupt",
        "io_begin", "io_end",    "packet_in", "packet_out", "alloc",
        "free",     "mark",      "begin",     "end"};

    static_assert(COUNT_OF(names) == TRACE_KIND_COUNT, "a name for each");
    return names[kind];
}

static bool take(struct input *input, void *to, size_t size)
{
    if (input->left < size)
        return false;
    memcpy(to, input->at, size);
    input->at += size;
    input->left -= size;
    return true;
}

/* Cycles to nanoseconds, by the two moments of the header. */
static uint64_t time_of(const struct trace_header *header, uint64_t cycles)
{
    uint64_t span = header->last_cycles - header->first_cycles;
    uint64_t ns = header->last_ns - header->first_ns;

    if (cycles <= header->first_cycles)
        return 0;
    if (cycles >= header->last_cycles)
        return ns;
    return (uint64_t)((unsigned __int128)(cycles - header->first_cycles) * ns /
                      span);
}

static void name_copy(char *to, const char *from)
{
    size_t i = 0;

    for (; i < TRACE_NAME_MAX && from[i] != '\0'; i++) {
        bool plain = from[i] >= ' ' && from[i] <= '~' && from[i] != '"' &&
                     from[i] != '\\' && from[i] != '<' && from[i] != '&';

        to[i] = plain ? from[i] : '?';
    }
    to[i] = '\0';
}

static const char *events_take(struct input *input,
                               const struct trace_header *header,
                               const struct trace_section *section,
                               struct decoded *out)
{
    if (section->count > input->left / sizeof(struct trace_event))
        return "it ends within its events";
    for (uint64_t i = 0; i < section->count; i++) {
        struct event *to = &out->events[out->event_count];
        struct trace_event from;

        if (!take(input, &from, sizeof(from)))
            return "it ends within its events";
        if (from.kind >= TRACE_KIND_COUNT)
            return "an event has a kind that does not exist";
        *to = (struct event){.ns = time_of(header, from.cycles),
                             .order = out->event_count++,
                             .cpu = section->cpu,
                             .kind = (enum trace_kind)from.kind,
                             .detail = from.detail,
                             .value = from.value};
        if (kind_has_name(to->kind)) {
            name_copy(to->name, from.name);
        } else {
            to->count = from.count;
            to->more = (uint64_t)from.more[1] << 32 | from.more[0];
        }
    }
    return NULL;
}

static const char *sections_take(struct input *input,
                                 const struct trace_header *header,
                                 struct decoded *out)
{
    while (input->left > 0) {
        struct trace_section section;
        const char *wrong;

        if (!take(input, &section, sizeof(section)))
            return "it ends within a section";
        if (section.cpu >= header->cpu_count || section.ring >= TRACE_RINGS)
            return "a section is of a CPU or a ring that does not exist";
        out->lost[section.cpu] += section.lost;
        if (section.ring == TRACE_RING_INTERRUPTS)
            out->interrupts[section.cpu] += section.lost;
        wrong = events_take(input, header, &section, out);
        if (wrong != NULL)
            return wrong;
    }
    return NULL;
}

static int by_time(const void *a, const void *b)
{
    const struct event *x = a;
    const struct event *y = b;

    if (x->ns != y->ns)
        return x->ns < y->ns ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static const char *header_wrong(const struct trace_header *header)
{
    if (memcmp(header->magic, TRACE_MAGIC, sizeof(header->magic)) != 0)
        return "it is no trace";
    if (header->event_size != sizeof(struct trace_event))
        return "its events have another size";
    if (header->cpu_count == 0 || header->cpu_count > DECODE_CPUS_MAX)
        return "its number of CPUs is none";
    if (header->last_cycles < header->first_cycles ||
        header->last_ns < header->first_ns)
        return "it ends before it begins";
    return NULL;
}

const char *decode(const void *data, size_t len, struct decoded *out)
{
    struct input input = {.at = data, .left = len};
    struct trace_header header;
    const char *wrong;

    *out = (struct decoded){.events = NULL};
    if (!take(&input, &header, sizeof(header)))
        return "it is too short for a trace";
    wrong = header_wrong(&header);
    if (wrong != NULL)
        return wrong;
    out->cpu_count = header.cpu_count;
    out->first_ns = header.first_ns;
    out->end_ns = header.last_ns - header.first_ns;
    out->events =
        malloc((len / sizeof(struct trace_event) + 1) * sizeof(struct event));
    if (out->events == NULL)
        return "there is too little memory";
    wrong = sections_take(&input, &header, out);
    if (wrong != NULL) {
        decode_free(out);
        return wrong;
    }
    qsort(out->events, out->event_count, sizeof(struct event), by_time);
    return NULL;
}

void decode_free(struct decoded *decoded)
{
    free(decoded->events);
    decoded->events = NULL;
}

/* ---- Out of a log -------------------------------------------------------- */

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t decode_log(char *text, size_t len)
{
    static const char prefix[] = "trace: ";
    const size_t skip = sizeof(prefix) - 1;
    size_t out = 0;
    size_t at = 0;

    while (at < len) {
        const char *newline = memchr(text + at, '\n', len - at);
        size_t end = newline != NULL ? (size_t)(newline - text) : len;
        bool is_trace = end - at > skip && memcmp(text + at, prefix, skip) == 0;

        for (size_t i = at + skip; is_trace && i + 1 < end; i += 2) {
            int high = digit(text[i]);
            int low = digit(text[i + 1]);

            if (text[i] == '\r')
                break;
            if (high < 0 || low < 0)
                return 0;
            text[out++] = (char)(high << 4 | low);
        }
        at = end + 1;
    }
    return out;
}
