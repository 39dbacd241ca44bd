/*
 * A screen of text: what a terminal makes of the bytes that it is sent. Pure:
 * it calls the functions that it is given.
 *
 * It knows "\n" (which begins a row, too), "\r", "\b", "\t", and of ECMA-48
 * CSI n A, B, C, D (move), H (home), J (clear all), K (clear to the end of the
 * row); other sequences show nothing. A character of UTF-8 beyond ASCII is one
 * cell, whose code it is.
 */
#ifndef TORC_DRIVERS_TEXT_SCREEN_H
#define TORC_DRIVERS_TEXT_SCREEN_H

#include <stddef.h>
#include <stdint.h>

struct text_screen;

struct text_screen_ops {
    /* Show the character `code` there. */
    void (*put)(struct text_screen *screen, unsigned row, unsigned column,
                uint32_t code);
    /* All rows move up by one; the last one is blank. */
    void (*scroll)(struct text_screen *screen);
    /* The cursor is there. */
    void (*cursor)(struct text_screen *screen, unsigned row, unsigned column);
};

struct text_screen {
    /* constant: */
    const struct text_screen_ops *ops;
    unsigned rows, columns;
    /* its owner's: */
    unsigned row, column; /* column == columns: the next one wraps */
    enum { SCREEN_TEXT, SCREEN_ESCAPE, SCREEN_SEQUENCE } state;
    unsigned number;  /* of the sequence */
    uint32_t code;    /* of a character so far */
    unsigned missing; /* bytes of it */
};

void text_screen_init(struct text_screen *screen,
                      const struct text_screen_ops *ops, unsigned rows,
                      unsigned columns);

void text_screen_write(struct text_screen *screen, const char *text,
                       size_t len);

#endif
