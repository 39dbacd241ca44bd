#include "hal/baremetal/base/words.h"
#include <torc/string.h>

enum { LINE_MAX = 4096 };

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

bool words_is(const char *at, const char *text)
{
    char end;

    if (!str_starts(at, text))
        return false;
    end = at[str_len(text, LINE_MAX)];
    return end == '\0' || is_blank(end);
}

const char *words_value(const char *cmdline, const char *key)
{
    const char *value = NULL;
    bool quoted = false;

    for (const char *at = cmdline; *at != '\0'; at++) {
        if (!quoted && (at == cmdline || is_blank(at[-1]))) {
            if (words_is(at, "--"))
                break;
            if (str_starts(at, key))
                value = at + str_len(key, LINE_MAX);
        }
        quoted ^= *at == '"';
    }
    return value;
}

unsigned words_cpus(const char *cmdline, unsigned most)
{
    const char *value = words_value(cmdline, "cpus=");
    char text[8];
    size_t len = 0;
    uint64_t count;

    if (value == NULL)
        return most;
    while (len + 1 < sizeof(text) && value[len] != '\0' &&
           !is_blank(value[len])) {
        text[len] = value[len];
        len++;
    }
    text[len] = '\0';
    return words_is(value, text) && str_to_u64(text, &count) == 0 &&
                   count >= 1 && count < most
               ? (unsigned)count
               : most;
}
