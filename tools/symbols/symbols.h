/* What torc-symbols has read of an image. */
#ifndef TORC_TOOLS_SYMBOLS_H
#define TORC_TOOLS_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct section {
    const uint8_t *data; /* NULL: there is none */
    size_t size;
};

struct function {
    uint64_t address;
    const char *name;
};

/* From here on the code is of this line. */
struct row {
    uint64_t address;
    unsigned file; /* of image->files, or NO_FILE */
    unsigned line;
    unsigned order; /* of rows of an address the last statement counts */
    bool is_statement;
};

enum { NO_FILE = -1U };

struct image {
    struct section line, line_str, str; /* DWARF's */
    uint64_t text_end;
    struct function *functions; /* ascending */
    size_t function_count;
    struct row *rows; /* ascending when all are there */
    size_t row_count, row_room;
    char **files;
    size_t file_count;
};

/* The number of a path, which may be new. */
unsigned image_file(struct image *image, const char *path);
void image_row(struct image *image, uint64_t address, unsigned file,
               unsigned line, bool is_statement);

/* Call image_row() for all of image->line (line.c). */
void lines_read(struct image *image);

/* A text with frequent pairs of bytes as one (pairs.c). */
struct texts {
    char **text;
    size_t count;
};

/* The codes of pairs: all but those of "." to "~". */
enum { TURN = 1, PAIRS_LOW = 44, PAIR_COUNT = PAIRS_LOW + 128 };
static inline unsigned pair_code(unsigned i)
{
    return i < PAIRS_LOW ? TURN + 1 + i : i - PAIRS_LOW + 128;
}

/* Shorten the texts; returns how many pairs there are. */
unsigned pairs_make(struct texts *texts, uint8_t pairs[PAIR_COUNT][2]);

#endif
