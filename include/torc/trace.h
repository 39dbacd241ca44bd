/*
 * The trace: what each CPU did, event by event, in a ring of its own memory.
 *
 * The option trace=KINDS turns it on; the image has it when the application
 * uses trace_take() or a library that does, or was linked by `make trace`.
 * Off, the kernel's events cost no instruction, and an application's mark costs
 * one that does nothing. docs/trace.md.
 */
#ifndef TORC_TRACE_H
#define TORC_TRACE_H

#include <stddef.h>
#include <stdint.h>
#include <torc/assert.h>
#include <torc/compiler.h>
#include <torc/trace_site.h>

/* What an event tells; which words of the event have what. */
enum trace_kind {
    TRACE_SWITCH,     /* a thread runs: value its id; its name */
    TRACE_SLOT_SEND,  /* a list was published: detail to which CPU, value the
                         number of lists so far */
    TRACE_SLOT_TAKE,  /* a list was taken: detail from which CPU, value the
                         number of lists so far */
    TRACE_SLOT_RAN,   /* its items have run: the same, count how many */
    TRACE_INTERRUPT,  /* detail the vector (bare metal) or number (hosted) */
    TRACE_IO_BEGIN,   /* a driver has a request of a disk: value which, detail
                         enum block_op, count and more sectors: how many, from
                         which on */
    TRACE_IO_END,     /* value which, count its status */
    TRACE_PACKET_IN,  /* frames were received: detail the queue of the card,
                         count bytes, value the queue's frames so far */
    TRACE_PACKET_OUT, /* the same */
    TRACE_ALLOC,      /* value the block, more its bytes */
    TRACE_FREE,       /* value the block */
    TRACE_MARK,       /* of the application: value; a name */
    TRACE_BEGIN,      /* the application begins something; ends it */
    TRACE_END,
    TRACE_KIND_COUNT
};

/* ---- What a trace looks like outside of the machine ---------------------- */

enum { TRACE_NAME_MAX = 12 }; /* bytes; shorter ones end with a NUL */

struct trace_event {
    uint64_t cycles; /* hal_cycles() */
    uint64_t value;
    uint16_t kind; /* enum trace_kind */
    uint16_t detail;
    union {
        struct {
            uint32_t count;
            uint32_t more[2]; /* a number of 64 bits, the lower half first */
        };
        char name[TRACE_NAME_MAX];
    };
};
static_assert(sizeof(struct trace_event) == 32, "two in a cache line");

#define TRACE_MAGIC "TORCTRC1"

/* A trace is a header and then sections, each with events behind it; the
 * numbers are little-endian. */
struct trace_header {
    char magic[8]; /* TRACE_MAGIC */
    uint32_t cpu_count;
    uint32_t event_size;
    /* Two moments by two clocks: when the trace began, and when it was taken.
     * time_ns(). */
    uint64_t first_cycles, first_ns;
    uint64_t last_cycles, last_ns;
};

enum trace_ring_id { TRACE_RING_THREADS, TRACE_RING_INTERRUPTS, TRACE_RINGS };

struct trace_section {
    uint32_t cpu;
    uint32_t ring;  /* enum trace_ring_id */
    uint64_t lost;  /* events that newer ones have overwritten */
    uint64_t count; /* events that follow, oldest first */
};

/* ---- Taking it ----------------------------------------------------------- */

/*
 * The header of a trace that is taken now. Any CPU. Returns 0, -ENODATA (the
 * machine does not trace).
 */
must_check int trace_header_get(struct trace_header *out);

/*
 * Copy the rings of a CPU: two sections, in one block of memory that the caller
 * frees. The rings stay as they are. Context: thread; waits for that CPU.
 * Returns 0, -ENODATA, -EINVAL (no such CPU), -ENOMEM, -EAGAIN.
 */
must_check int trace_take(unsigned cpu, void **out, size_t *len);

/* ---- Making events ------------------------------------------------------- */

/*
 * An event of the caller's CPU, for functions of trace sites: hal/trace.h.
 * Weak: where the trace is not linked, no site is ever on.
 */
__attribute__((weak)) void trace_event(enum trace_kind kind, unsigned detail,
                                       uint32_t count, uint64_t value,
                                       uint64_t more);
__attribute__((weak)) void trace_named(enum trace_kind kind, const char *name,
                                       uint64_t value);

/* For the functions below. */
void trace_mark_event(uintptr_t name, uintptr_t value);
void trace_begin_event(uintptr_t name, uintptr_t value);
void trace_end_event(uintptr_t name, uintptr_t value);

/* A moment: a name, cut at TRACE_NAME_MAX, and a number. Thread or irq work. */
static inline void trace_mark(const char *name, uint64_t value)
{
    trace_site_here(trace_mark_event, (uintptr_t)name, value);
}

/* What a thread does begins and ends; what begins last ends first. */
static inline void trace_begin(const char *name, uint64_t value)
{
    trace_site_here(trace_begin_event, (uintptr_t)name, value);
}

static inline void trace_end(const char *name)
{
    trace_site_here(trace_end_event, (uintptr_t)name, 0);
}

#endif
