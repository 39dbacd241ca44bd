#include "tests/models/breach.h"
#include "tests/fakes/cmocka_all.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool breach_expected;
static char breach_text[300];
static jmp_buf breach_return;

void model_breach(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(breach_text, sizeof(breach_text), format, args);
    va_end(args);
    if (breach_expected)
        longjmp(breach_return, 1);
    fail_msg("breach of protocol: %s", breach_text);
    abort(); /* the line above does not come back, and does not say so */
}

bool model_breaches(void (*fn)(void *arg), void *arg, const char *text)
{
    bool breached = setjmp(breach_return) != 0;

    if (!breached) {
        breach_expected = true;
        fn(arg);
    }
    breach_expected = false;
    return breached && strstr(breach_text, text) != NULL;
}
