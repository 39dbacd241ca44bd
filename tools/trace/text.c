#include "tools/trace/output.h"
#include <inttypes.h>

static void words_write(FILE *out, const struct event *event)
{
    if (kind_has_name(event->kind))
        fprintf(out, " %s %" PRIu64, event->name, event->value);
    else
        fprintf(out, " %u %" PRIu32 " %" PRIu64 " %" PRIu64, event->detail,
                event->count, event->value, event->more);
}

void text_write(FILE *out, const struct decoded *trace)
{
    for (size_t i = 0; i < trace->event_count; i++) {
        const struct event *event = &trace->events[i];

        fprintf(out, "%" PRIu64 ".%03" PRIu64 " us cpu %u %s", event->ns / 1000,
                event->ns % 1000, event->cpu, kind_name(event->kind));
        words_write(out, event);
        fputc('\n', out);
    }
}
