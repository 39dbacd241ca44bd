#include "kernel/cmdline.h"
#include "kernel/lib/str.h"
#include <stdbool.h>
#include <stddef.h>
#include <torc/errno.h>
#include <torc/log.h>

/* Constant after cmdline_parse(). */
static char text[CMDLINE_MAX];
static char *arguments[CMDLINE_ARGS_MAX + 1];
static int argument_count;
static char *options[CMDLINE_ARGS_MAX]; /* "key\0value" */
static int option_count;
/* CPU 0 only, at boot: somebody has asked for options[i]. */
static bool option_used[CMDLINE_ARGS_MAX];

/*
 * Cut the next word off at *at, in place, quotes removed; NULL at the end.
 * Sets *option when an unquoted '=' ends a key, which becomes a NUL.
 */
static char *next_word(char **at, bool *option, int *status)
{
    char *from = *at;
    char *to;
    char *word;
    bool quoted = false;

    while (*from == ' ' || *from == '\t' || *from == '\n')
        from++;
    if (*from == '\0')
        return NULL;
    *option = false;
    word = to = from;
    for (; *from != '\0'; from++) {
        if (*from == '"') {
            quoted = !quoted;
        } else if (!quoted &&
                   (*from == ' ' || *from == '\t' || *from == '\n')) {
            from++;
            break;
        } else if (*from == '=' && !quoted && !*option && to != word) {
            *option = true;
            *to++ = '\0';
        } else {
            *to++ = *from;
        }
    }
    *at = from;
    *to = '\0';
    if (quoted)
        *status = -EINVAL;
    return word;
}

/* A key's end is a NUL in place of '='; an argument gets its '=' back. */
static void restore_equals(char *word)
{
    while (*word != '\0')
        word++;
    *word = '=';
}

int cmdline_parse(const char *line, const char *app_name)
{
    char *at = text;
    char *word;
    bool is_option;
    bool only_arguments = false;
    int status = 0;

    option_count = 0;
    argument_count = 0;
    if (str_copy(text, sizeof(text), line) != 0)
        return -E2BIG;
    arguments[argument_count++] = (char *)(uintptr_t)app_name;
    while ((word = next_word(&at, &is_option, &status)) != NULL) {
        if (!only_arguments && str_equal(word, "--")) {
            only_arguments = true;
        } else if (is_option && !only_arguments) {
            if (option_count == CMDLINE_ARGS_MAX)
                return -E2BIG;
            option_used[option_count] = false;
            options[option_count++] = word;
        } else {
            if (argument_count == CMDLINE_ARGS_MAX)
                return -E2BIG;
            if (is_option)
                restore_equals(word);
            arguments[argument_count++] = word;
        }
    }
    arguments[argument_count] = NULL;
    return status;
}

int cmdline_argc(void)
{
    return argument_count;
}

char **cmdline_argv(void)
{
    return arguments;
}

static const char *value_of(const char *option)
{
    return option + str_len(option, CMDLINE_MAX) + 1;
}

const char *cmdline_value(const char *key, unsigned index)
{
    for (int i = 0; i < option_count; i++) {
        if (!str_equal(options[i], key))
            continue;
        option_used[i] = true;
        if (index-- == 0)
            return value_of(options[i]);
    }
    return NULL;
}

const char *machine_option(const char *key)
{
    const char *value = NULL;

    for (int i = 0; i < option_count; i++) {
        if (str_equal(options[i], key)) {
            option_used[i] = true;
            value = value_of(options[i]);
        }
    }
    return value;
}

int option_number(const char *key, uint64_t min, uint64_t max, uint64_t *value)
{
    const char *word = machine_option(key);
    uint64_t number;

    if (word == NULL)
        return 0;
    if (str_to_u64(word, &number) != 0 || number < min || number > max) {
        log_error("%s=%s: give a number from %lu to %lu", key, word,
                  (unsigned long)min, (unsigned long)max);
        return -EINVAL;
    }
    *value = number;
    return 0;
}

const char *machine_unknown_option(void)
{
    for (int i = 0; i < option_count; i++) {
        if (!option_used[i])
            return options[i];
    }
    return NULL;
}
