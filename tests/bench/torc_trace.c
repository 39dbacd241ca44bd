/* Torc: an event of the trace. Wants the option trace=mark. */
#include "tests/bench/bench.h"
#include <stdlib.h>
#include <torc/trace.h>

/* As those of the kernel's sites. */
static void event(uintptr_t value, uintptr_t unused)
{
    (void)unused;
    trace_event(TRACE_MARK, 0, 0, value, 0);
}

uint64_t bench_torc_trace(uint64_t count)
{
    struct trace_header header;
    uint64_t start;

    if (trace_header_get(&header) != 0)
        abort();
    start = bench_now_ns();
    for (uint64_t i = 0; i < count; i++)
        trace_site_here(event, i, 0);
    return bench_now_ns() - start;
}
