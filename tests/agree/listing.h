/*
 * All that a file system holds, as text that is the same for the same content:
 * a line for each path, sorted; docs/agree.md says what is in it.
 */
#ifndef TORC_TESTS_AGREE_LISTING_H
#define TORC_TESTS_AGREE_LISTING_H

#include "tests/agree/side.h"
#include <stdio.h>

/* Returns 0, or the first error, which is in the text, too. */
int listing_print(const struct side *side, FILE *to);

/* Whether the times of a path are set at the end of the changes, and so are
 * the same in two images. */
bool listing_has_times(const char *path);

/* A name or a path without blanks, and with bytes that are no letters as
 * \xHH. */
void listing_word(FILE *to, const char *text, size_t len);

#endif
