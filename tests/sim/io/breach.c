/* A breach of the protocol ends the run: tests/models/breach.h. */
#include "tests/models/breach.h"
#include "hal/posix/sim/sim.h"
#include <stdarg.h>
#include <stdio.h>

void model_breach(const char *format, ...)
{
    char text[240] = "breach of protocol: ";
    const size_t used = sizeof("breach of protocol: ") - 1;
    va_list args;

    va_start(args, format);
    vsnprintf(text + used, sizeof(text) - used, format, args);
    va_end(args);
    sim_fail(text);
}
