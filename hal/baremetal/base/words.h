/* Words of the command line that the HAL itself needs, before the kernel. */
#ifndef TORC_HAL_BAREMETAL_WORDS_H
#define TORC_HAL_BAREMETAL_WORDS_H

#include <stdbool.h>

/*
 * What follows `key` ("idle=") in the last word that begins with it; NULL:
 * there is none. What stands behind "--" or inside of quotes is no word.
 */
const char *words_value(const char *cmdline, const char *key);

/* Whether the word that begins, or goes on, at `at` is `text` from there. */
bool words_is(const char *at, const char *text);

/* The value of "cpus=" if it is a number of 1 to `most`, else `most`: the
 * kernel refuses what is none, and more CPUs there are not. */
unsigned words_cpus(const char *cmdline, unsigned most);

#endif
