/*
 * What a device model does when the driver breaks the protocol: it fails the
 * test with a sentence.
 */
#ifndef TORC_TESTS_MODELS_BREACH_H
#define TORC_TESTS_MODELS_BREACH_H

#include <stdbool.h>

void model_breach(const char *format, ...)
    __attribute__((format(printf, 1, 2), noreturn));

/* For tests of the model: whether fn(arg) ends in a breach that says `text`. */
bool model_breaches(void (*fn)(void *arg), void *arg, const char *text);

#endif
