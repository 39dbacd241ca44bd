/*
 * The line editor: bytes of a terminal in, a line out. Pure: it calls the
 * functions that it is given and has no state but its own.
 *
 * Keys: left, right, home, end, Ctrl-A, -B, -E, -F move; backspace, delete,
 * Ctrl-D remove a character, Ctrl-W a word, Ctrl-K and Ctrl-U all behind and
 * before the cursor; up, down, Ctrl-P, Ctrl-N go through the lines before; Tab
 * completes, twice it lists; Ctrl-L clears the screen; Enter ends the line,
 * Ctrl-C drops it, Ctrl-D in an empty one is the end of the input.
 *
 * Text is UTF-8: the cursor never stands inside a character. Each is thought to
 * be one column wide. Bytes that are no UTF-8 and other control characters are
 * ignored, as is what a full line has no room for.
 */
#ifndef TORC_APPS_SHELL_LINE_H
#define TORC_APPS_SHELL_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LINE_SIZE = 512, /* bytes with the NUL */
    LINE_HISTORY = 32,
    LINE_COLUMNS = 80, /* of the terminal; longer lines scroll sideways */
    LINE_PROMPT = 40,  /* bytes with the NUL */
    LINE_SEQUENCE = 8, /* bytes of a key, or of a character */
};

struct line;

struct line_ops {
    /* Show bytes. */
    void (*write)(void *ctx, const char *text, size_t len);
    /* What can stand at `cursor` bytes in `text`: put what the candidates have
     * in common behind that into `insert` of `size` bytes, with NUL. Returns
     * how many candidates there are. NULL: nothing is completed. */
    unsigned (*complete)(void *ctx, const char *text, size_t cursor,
                         char *insert, size_t size);
    /* Show the candidates, in lines. */
    void (*list)(void *ctx, const char *text, size_t cursor);
};

enum line_event {
    LINE_MORE,    /* the line goes on */
    LINE_DONE,    /* it is in line->text */
    LINE_DROPPED, /* by Ctrl-C */
    LINE_END,     /* of the input */
};

/* Its fields are line.c's, but text and len when a line is done. */
struct line {
    const struct line_ops *ops;
    void *ctx;
    char prompt[LINE_PROMPT];
    char text[LINE_SIZE];
    size_t len, cursor; /* bytes */

    uint8_t keys[LINE_SEQUENCE]; /* a key or a character so far */
    size_t key_count;
    bool was_return; /* a line feed behind a return is the same key */
    bool was_tab;    /* the last key was Tab, which had nothing to insert */

    char history[LINE_HISTORY][LINE_SIZE]; /* a ring */
    unsigned history_count;                /* lines so far, also lost ones */
    unsigned back;         /* how far the shown line is back; 0: it is new */
    char draft[LINE_SIZE]; /* the new one, while another is shown */
};

void line_init(struct line *line, const struct line_ops *ops, void *ctx);

/* Begin a line: show the prompt, cut at LINE_PROMPT-1 bytes. */
void line_begin(struct line *line, const char *prompt);

/* A byte has come. */
enum line_event line_byte(struct line *line, uint8_t byte);

/* Show prompt and line again, for instance after something else was shown. */
void line_show(struct line *line);

#endif
