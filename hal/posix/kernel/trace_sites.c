/* Turning trace sites on: hal/trace.h. */
#include "hal/trace.h"
#include <torc/trace_site.h>

bool trace_sites_on;

void hal_trace_sites_on(void)
{
    trace_sites_on = true;
}
