/* A line of commands, cut into words: see words.h. */
#include "apps/shell/words.h"
#include <stddef.h>

/* A word becomes shorter, never longer: it is written over what was read. */
struct cutter {
    const char *from;
    char *to;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool ends_word(char c)
{
    return c == '\0' || is_blank(c) || c == ';' || c == '>';
}

/* The inside of quotes, from behind the first to behind the last one. Returns
 * 0, -EINVAL. */
static int quoted(struct cutter *cutter, char quote)
{
    while (*cutter->from != quote) {
        if (quote == '"' && *cutter->from == '\\')
            cutter->from++;
        if (*cutter->from == '\0')
            return -EINVAL;
        *cutter->to++ = *cutter->from++;
    }
    cutter->from++;
    return 0;
}

/* Copy a word down to cutter->to, without a NUL, which may have no room before
 * what ends it was looked at. Returns 0, -EINVAL. */
static int word(struct cutter *cutter)
{
    int status = 0;

    while (status == 0 && !ends_word(*cutter->from)) {
        char c = *cutter->from++;

        if (c == '\'' || c == '"')
            status = quoted(cutter, c);
        else if (c != '\\')
            *cutter->to++ = c;
        else if (*cutter->from == '\0')
            status = -EINVAL;
        else
            *cutter->to++ = *cutter->from++;
    }
    return status;
}

/* A word to keep: *ended is what stood behind it. */
static int word_cut(struct cutter *cutter, char *ended, char **out)
{
    char *begin = cutter->to;
    int status = word(cutter);

    if (status != 0)
        return status;
    *ended = *cutter->from;
    if (*ended != '\0')
        cutter->from++;
    *cutter->to++ = '\0';
    *out = begin;
    return 0;
}

/* What stands behind > . */
static int target_cut(struct cutter *cutter, char *ended, struct words *out)
{
    out->appends = *cutter->from == '>';
    if (out->appends)
        cutter->from++;
    while (is_blank(*cutter->from))
        cutter->from++;
    if (out->target != NULL || ends_word(*cutter->from))
        return -EINVAL;
    return word_cut(cutter, ended, &out->target);
}

static int word_add(struct cutter *cutter, char *ended, struct words *out)
{
    if (out->count == WORDS_MAX)
        return -E2BIG;
    return word_cut(cutter, ended, &out->word[out->count++]);
}

int words_cut(char **at, struct words *out)
{
    struct cutter cutter = {*at, *at};
    char ended = ' '; /* what stood before cutter.from */
    int status = 0;

    *out = (struct words){.count = 0};
    while (status == 0) {
        if (ended == '>') {
            ended = ' ';
            status = target_cut(&cutter, &ended, out);
            continue;
        }
        if (ended == '\0' || ended == ';')
            break;
        ended = *cutter.from;
        if (ended == '#')
            ended = '\0';
        if (ends_word(ended)) {
            cutter.from++;
            cutter.to = (char *)cutter.from;
        } else {
            status = word_add(&cutter, &ended, out);
        }
    }
    *at = ended == ';' ? (char *)cutter.from : NULL;
    return status;
}
