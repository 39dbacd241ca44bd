#include "kernel/base/cmdline.h"
#include "kernel/base/options.h"
#include <stdbool.h>
#include <stddef.h>
#include <torc/errno.h>
#include <torc/string.h>

/* A key=value word; a word without '=' that nobody takes has no value. */
struct word {
    const char *key;
    const char *value; /* NULL: none */
    bool known;        /* asked for at boot, or the application's */
};

/* Written by cmdline_parse(). After cmdline_unknown(), constant. */
static char text[CMDLINE_MAX];
static char *arguments[CMDLINE_ARGS_MAX + 1];
static int argument_count;
static struct word words[CMDLINE_ARGS_MAX];
static int word_count;
static const char *(*otherwise)(const char *key); /* of machine_option() */
static bool asking; /* whether questions still mark words as known */

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

static bool app_has_option(const struct torc_app *app, const char *key)
{
    for (const char *const *option = app->options;
         option != NULL && *option != NULL; option++) {
        if (option_row_is(*option, key))
            return true;
    }
    return false;
}

static int argument_add(char *word, bool is_option)
{
    if (argument_count == CMDLINE_ARGS_MAX)
        return -E2BIG;
    if (is_option)
        restore_equals(word);
    arguments[argument_count++] = word;
    return 0;
}

static int word_add(const struct torc_app *app, const char *word,
                    bool is_option)
{
    if (word_count == CMDLINE_ARGS_MAX)
        return -E2BIG;
    words[word_count].key = word;
    words[word_count].value =
        is_option ? word + str_len(word, CMDLINE_MAX) + 1 : NULL;
    words[word_count].known = is_option && app_has_option(app, word);
    word_count++;
    return 0;
}

/*
 * Whether a word behind "--" is an option, not an argument. Machines add their
 * devices at the end of the line, whatever is there.
 */
static bool is_app_option(const struct torc_app *app, const char *key)
{
    return app_has_option(app, key) || str_equal(key, "virtio_mmio.device");
}

int cmdline_parse(const char *line, const struct torc_app *app)
{
    char *at = text;
    char *word;
    bool is_option;
    bool behind = false; /* "--" */
    int quote_status = 0;
    int status = 0;

    word_count = 0;
    argument_count = 0;
    asking = true;
    if (str_copy(text, sizeof(text), line) != 0)
        return -E2BIG;
    arguments[argument_count++] = (char *)(uintptr_t)app->name;
    while ((word = next_word(&at, &is_option, &quote_status)) != NULL) {
        if (!behind && str_equal(word, "--"))
            behind = true;
        else if (behind ? is_option && is_app_option(app, word)
                        : is_option || !app->has_arguments)
            status = word_add(app, word, is_option);
        else
            status = argument_add(word, is_option);
        if (status != 0)
            return status;
    }
    arguments[argument_count] = NULL;
    return quote_status;
}

int cmdline_argc(void)
{
    return argument_count;
}

char **cmdline_argv(void)
{
    return arguments;
}

/* Whether a word is the option `key`; then somebody knows it. */
static bool word_is(struct word *word, const char *key)
{
    if (word->value == NULL || !str_equal(word->key, key))
        return false;
    if (asking)
        word->known = true;
    return true;
}

bool cmdline_word(int index, const char **key, const char **value)
{
    if (index >= word_count)
        return false;
    *key = words[index].key;
    *value = words[index].value;
    return true;
}

const char *cmdline_value_at(int index)
{
    words[index].known = words[index].known || asking;
    return words[index].value;
}

const char *cmdline_value(const char *key, unsigned index)
{
    for (int i = 0; i < word_count; i++) {
        if (word_is(&words[i], key) && index-- == 0)
            return words[i].value;
    }
    return NULL;
}

const char *machine_option(const char *key)
{
    const char *value = NULL;

    for (int i = 0; i < word_count; i++) {
        if (word_is(&words[i], key))
            value = words[i].value;
    }
    return value == NULL && otherwise != NULL ? otherwise(key) : value;
}

void machine_option_else(const char *(*other)(const char *key))
{
    otherwise = other;
}

/* Append to the text in `out` as far as there is room. */
static void append(char *out, size_t size, const char *piece)
{
    size_t len = str_len(out, size);

    (void)str_copy(out + len, size - len, piece);
}

unsigned cmdline_unknown(char *out, size_t size)
{
    unsigned count = 0;

    asking = false;
    out[0] = '\0';
    for (int i = 0; i < word_count; i++) {
        if (words[i].known)
            continue;
        if (count++ > 0)
            append(out, size, " ");
        append(out, size, words[i].key);
        if (words[i].value != NULL) {
            append(out, size, "=");
            append(out, size, words[i].value);
        }
    }
    return count;
}
