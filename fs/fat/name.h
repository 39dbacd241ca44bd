/*
 * Names of FAT, as functions without state: long ones are UTF-16, short ones 11
 * bytes (8 and 3, filled with blanks); paths are UTF-8.
 */
#ifndef TORC_FS_FAT_NAME_H
#define TORC_FS_FAT_NAME_H

#include "fs/fat/fat_format.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>

struct fat_name {
    uint8_t len;
    uint16_t units[LONG_MAX];
};

/* ---- name.c -------------------------------------------------------------- */

/*
 * A component of a path, `len` bytes (1 .. 255) at `text`, without the dots and
 * blanks at its end. Returns 0; -EINVAL: no valid UTF-8, a character that no
 * name of FAT has, or nothing is left.
 */
must_check int fat_name_parse(const char *text, size_t len,
                              struct fat_name *out);

/* Whether a name is the one of `len` units, but for upper and lower case. */
bool fat_name_is(const struct fat_name *name, const uint16_t *units,
                 unsigned len);

/* A character in upper case. */
uint16_t fat_fold(uint16_t unit);

/*
 * UTF-8 of a long name, NUL-terminated, `out` of FILE_NAME_MAX + 1 bytes.
 * Returns its length; 0: it cannot be a component of a path.
 */
unsigned fat_name_text(const uint16_t *units, unsigned len, char *out);

/* Part `order` (1 .. fat_name_parts()) of a long name, to be written to a slot;
 * and back: what a part has, to where it belongs in a name of
 * LONG_PARTS_MAX * LONG_PART units. */
void fat_part_fill(const struct fat_name *name, unsigned order,
                   uint8_t checksum, uint8_t *slot);
void fat_part_take(const uint8_t *slot, unsigned order, uint16_t *units);

static inline unsigned fat_name_parts(const struct fat_name *name)
{
    return (name->len + LONG_PART - 1U) / LONG_PART;
}

/* ---- short.c ------------------------------------------------------------- */

enum fat_short_fit {
    FAT_SHORT_EXACT, /* the short name says all: no long one is needed */
    FAT_SHORT_CASE,  /* all but upper and lower case */
    FAT_SHORT_LOSSY,
};

/* The short name of a name, without a number. */
enum fat_short_fit fat_short_make(const struct fat_name *name,
                                  uint8_t out[SLOT_NAME_BYTES]);

/*
 * Other short names: candidate `n` (0 .. FAT_SHORT_TRIES-1) has a number behind
 * a '~', and the later ones part of a hash in front, which depends on `round`.
 */
enum { FAT_SHORT_TRIES = 13 };
void fat_short_try(const struct fat_name *name,
                   const uint8_t plain[SLOT_NAME_BYTES], unsigned n,
                   unsigned round, uint8_t out[SLOT_NAME_BYTES]);

/* How a short name is shown: up to 12 units, how many. What is not ASCII, and
 * what no short name has, is '_'. */
unsigned fat_short_units(const uint8_t *slot, uint16_t out[12]);

uint8_t fat_short_checksum(const uint8_t name[SLOT_NAME_BYTES]);

#endif
