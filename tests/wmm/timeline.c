/*
 * The sequence lock of the clock, hal/baremetal/time/timeline.h. It is inline,
 * so this file is compiled as the kernel's own code is.
 */
#include "hal/baremetal/time/timeline.h"
#include "tests/wmm/scenarios.h"
#include "tests/wmm/wmm.h"
#include <torc/assert.h>

enum { LINES = 2, READS = 1 };

static struct timeline shared;

/* All words of a line are the same number, so that mixed ones are noticed. */
static struct line line_of(uint64_t n)
{
    return (struct line){n, n, n, (int64_t)n, n};
}

void timeline_setup(void)
{
    struct line line = line_of(1);

    timeline_write(&shared, &line);
}

void timeline_writer(void)
{
    for (uint64_t n = 2; n < 2 + LINES; n++) {
        struct line line = line_of(n);

        timeline_write(&shared, &line);
    }
}

static uint64_t counter_read(void)
{
    return 0;
}

void timeline_reader(void)
{
    uint64_t last = 1;

    for (unsigned i = 0; i < READS; i++) {
        struct line line;
        uint64_t counter;

        timeline_read(&shared, &line, &counter, counter_read);
        assert(line.base_ns == line.base_tsc);
        assert(line.factor == line.base_tsc);
        assert(line.slew == (int64_t)line.base_tsc);
        assert(line.slew_ticks == line.base_tsc);
        assert(line.base_tsc >= last && line.base_tsc <= 1 + LINES);
        last = line.base_tsc;
    }
}
