/*
 * Reading a trace, for torc-trace: what <torc/trace.h> says is in one, with all
 * CPUs' events in one sequence. The bytes may be anything.
 */
#ifndef TORC_TOOLS_TRACE_DECODE_H
#define TORC_TOOLS_TRACE_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <torc/trace.h>

enum { DECODE_CPUS_MAX = 256 };

struct event {
    uint64_t ns;    /* from the beginning of the trace */
    uint64_t order; /* of the input: breaks ties */
    unsigned cpu;
    enum trace_kind kind;
    unsigned detail;
    uint32_t count;
    uint64_t value;
    uint64_t more;
    char name[TRACE_NAME_MAX + 1]; /* printable, without quotes */
};

struct decoded {
    struct event *events; /* by time */
    size_t event_count;
    unsigned cpu_count;
    uint64_t first_ns;                    /* when the trace began */
    uint64_t end_ns;                      /* when it was taken; as event.ns */
    uint64_t lost[DECODE_CPUS_MAX];       /* events overwritten */
    uint64_t interrupts[DECODE_CPUS_MAX]; /* of them interrupts */
};

/* Whether events of the kind have a name. */
static inline bool kind_has_name(enum trace_kind kind)
{
    return kind == TRACE_SWITCH || kind >= TRACE_MARK;
}

/* The name of a kind, as an identifier. */
const char *kind_name(enum trace_kind kind);

/*
 * Decode `len` bytes. Returns NULL and *out, which decode_free() frees; or what
 * is wrong with them.
 */
const char *decode(const void *data, size_t len, struct decoded *out);
void decode_free(struct decoded *decoded);

/*
 * Take the trace out of what a machine has printed (trace_dump=1), in place.
 * Returns how many bytes it has; 0: there is none in it, or a digit is wrong.
 */
size_t decode_log(char *text, size_t len);

#endif
