/*
 * A line of commands, cut into words. Pure.
 *
 * Blanks separate words; '...' keeps everything, "..." all but \ and ", and
 * outside of them \ keeps the next character. # at the begin of a word starts a
 * comment. "> FILE" and ">> FILE" say where the output goes. ";" ends a
 * command.
 */
#ifndef TORC_APPS_SHELL_WORDS_H
#define TORC_APPS_SHELL_WORDS_H

#include <stdbool.h>
#include <torc/compiler.h>
#include <torc/errno.h>

enum { WORDS_MAX = 32 };

struct words {
    int count;                 /* 0: an empty command */
    char *word[WORDS_MAX + 1]; /* NULL ends them */
    char *target;              /* the file of the output; NULL: it is shown */
    bool appends;
};

/*
 * Cut the first command off the text at *at, which changes: the words are parts
 * of it. *at is then behind the command, and NULL after the last one. Returns
 * 0, -EINVAL (a quote is not closed, a file is missing or named twice), -E2BIG
 * (too many words).
 */
must_check int words_cut(char **at, struct words *out);

#endif
