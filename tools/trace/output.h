/* The forms that torc-trace writes a trace in. */
#ifndef TORC_TOOLS_TRACE_OUTPUT_H
#define TORC_TOOLS_TRACE_OUTPUT_H

#include "tools/trace/decode.h"
#include <stdio.h>

/* A line for each event. */
void text_write(FILE *out, const struct decoded *trace);

/* Chrome's trace event format, which Perfetto and chrome://tracing read. */
void json_write(FILE *out, const struct decoded *trace);

/* A picture: a row for each CPU, what it ran over time. SVG 1.1. */
void picture_write(FILE *out, const struct decoded *trace);

/*
 * Common Trace Format 1.8: a directory with the description of the events and
 * a stream for each CPU. Makes the directory when it is not there. Returns 0,
 * or -1 and errno.
 */
int ctf_write(const char *directory, const struct decoded *trace);

#endif
