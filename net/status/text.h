/* Text of any length, for answers. */
#ifndef TORC_NET_STATUS_TEXT_H
#define TORC_NET_STATUS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <torc/compiler.h>

struct text {
    char *bytes; /* mem_alloc(); NULL: none yet */
    size_t len;
    size_t room;
    bool failed; /* there was no memory; what came later is left out */
};

void text_add(struct text *text, const char *format, ...) printf_like(2, 3);

/* The same as a string of JSON or a label of Prometheus, in quotes: what is not
 * printable ASCII becomes '?'. */
void text_add_quoted(struct text *text, const char *string);

void text_free(struct text *text);

#endif
