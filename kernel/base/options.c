#include "kernel/base/options.h"
#include "kernel/base/cmdline.h"
#include <stddef.h>
#include <torc/assert.h>
#include <torc/errno.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/string.h>

enum {
    VALUES_MAX = 80,
    HELP_COLUMN = 26, /* where what it is begins, if the values are short */
};

const char *const kernel_options[] = {
    "cpus=1..256 how many CPUs are used (all)",
    "cputime=0..1 1: the time of each thread is counted (0)",
    "help= prints all options and ends",
    "idle=mwait|hlt how an idle CPU sleeps (as the processor says)",
    "log=error|warn|info|debug which lines are printed (info)",
    "memcheck=0..1 1: the heap checks its use (0)",
    "panic=off|halt|reboot|-1|0..3600 what a panic ends in; 0 is halt, "
    "other numbers reboot at once (off)",
    "poll=0..1000 microseconds that a CPU polls before it sleeps (0)",
    "stack=8..8192 KiB of a stack whose thread names no size (16)",
    "stuck=tell|end what watchdog= does: a line, or a panic (tell)",
    "threads=2..1048576 how many threads a CPU can have (1048576)",
    "watchdog=10..60000 milliseconds without a yield that are told (none)",
    NULL,
};

/* The part of a row behind the key, or "" of a row that is only a key. */
static const char *values_of(const char *row)
{
    while (*row != '\0' && *row != '=')
        row++;
    return *row == '=' ? row + 1 : row;
}

/* Copy what is before the blank that ends the values. */
static void values_copy(const char *row, char *out, size_t size)
{
    const char *values = values_of(row);
    size_t len = 0;

    while (values[len] != '\0' && values[len] != ' ' && len + 1 < size) {
        out[len] = values[len];
        len++;
    }
    assert(values[len] == '\0' || values[len] == ' ');
    out[len] = '\0';
}

bool option_row_is(const char *row, const char *key)
{
    while (*row != '\0' && *row != '=' && *row == *key) {
        row++;
        key++;
    }
    return *key == '\0' && (*row == '\0' || *row == '=');
}

/* ---- Check --------------------------------------------------------------- */

/* Cut an alternative off at *at, in place; NULL: there is no more. */
static char *next_alternative(char **at)
{
    char *from = *at;
    char *to = from;

    if (from == NULL)
        return NULL;
    while (*to != '\0' && *to != '|')
        to++;
    *at = *to == '|' ? to + 1 : NULL;
    *to = '\0';
    return from;
}

/* "A..B": whether it is that, and the two. */
static bool range_of(const char *alternative, uint64_t *min, uint64_t *max)
{
    char first[24];
    size_t len = 0;

    while (len + 1 < sizeof(first) && alternative[len] >= '0' &&
           alternative[len] <= '9') {
        first[len] = alternative[len];
        len++;
    }
    first[len] = '\0';
    return alternative[len] == '.' && alternative[len + 1] == '.' &&
           str_to_u64(first, min) == 0 &&
           str_to_u64(alternative + len + 2, max) == 0;
}

static bool alternative_allows(const char *alternative, const char *value)
{
    uint64_t min;
    uint64_t max;
    uint64_t number;

    if (*alternative >= 'A' && *alternative <= 'Z')
        return true;
    if (range_of(alternative, &min, &max))
        return str_to_u64(value, &number) == 0 && number >= min &&
               number <= max;
    return str_equal(alternative, value);
}

int option_check(const char *row, const char *value)
{
    char values[VALUES_MAX];
    char *at = values;
    char *alternative;
    uint64_t min;
    uint64_t max;

    values_copy(row, values, sizeof(values));
    if (values[0] == '\0')
        return 0;
    while ((alternative = next_alternative(&at)) != NULL) {
        if (alternative_allows(alternative, value))
            return 0;
    }
    values_copy(row, values, sizeof(values));
    if (range_of(values, &min, &max))
        log_error("%.*s=%s: give a number from %lu to %lu",
                  (int)(values_of(row) - row - 1), row, value,
                  (unsigned long)min, (unsigned long)max);
    else
        log_error("%.*s=%s: use %s", (int)(values_of(row) - row - 1), row,
                  value, values);
    return -EINVAL;
}

const char *option_row(const char *const *rows, const char *key)
{
    for (; rows != NULL && *rows != NULL; rows++) {
        if (option_row_is(*rows, key))
            return *rows;
    }
    return NULL;
}

int options_check(const char *const *rows)
{
    const char *key;
    const char *value;
    int status = 0;

    for (int i = 0; status == 0 && cmdline_word(i, &key, &value); i++) {
        const char *row = value == NULL ? NULL : option_row(rows, key);

        if (row != NULL)
            status = option_check(row, cmdline_value_at(i));
    }
    return status;
}

int option_number(const char *key, uint64_t *value)
{
    const char *text = machine_option(key);
    const char *row;

    if (text == NULL)
        return 0;
    row = option_row(kernel_options, key);
    assert(row != NULL);
    return option_check(row, text) != 0 ? -EINVAL : str_to_u64(text, value);
}

/* ---- Help ---------------------------------------------------------------- */

void options_print(const char *title, const char *const *rows)
{
    if (rows == NULL || *rows == NULL)
        return;
    console_print("options of %s:\n", title);
    for (; *rows != NULL; rows++) {
        const char *row = *rows;
        size_t width = 0;

        while (row[width] != '\0' && row[width] != ' ')
            width++;
        console_print("  %.*s", (int)width, row);
        for (size_t i = width; row[width] != '\0' && i < HELP_COLUMN; i++)
            console_print(" ");
        console_print("%s%s\n", width < HELP_COLUMN ? "" : " ",
                      row[width] == '\0' ? "" : row + width + 1);
    }
}
