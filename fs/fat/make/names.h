/* The names of a directory that is to be made. */
#ifndef TORC_FS_FAT_MAKE_NAMES_H
#define TORC_FS_FAT_MAKE_NAMES_H

#include "fs/fat/name.h"
#include "fs/make/make.h"

/* What an entry is called. */
struct fat_made_name {
    uint8_t text[SLOT_NAME_BYTES]; /* the short name */
    uint8_t parts;                 /* of the long one; 0: there is none */
};

/* Parse a name. Returns 0, -EINVAL: FAT has none like that. */
must_check int fat_made_parse(const struct make_name *from,
                              struct fat_name *out);

/* How many slots an entry needs. Returns as fat_made_parse(). */
must_check int fat_made_slots(const struct make_name *from, uint32_t *slots);

/*
 * Find short names for all that is in a directory, no two the same: `out` has
 * room for dir->name_count. Returns 0, -EINVAL, -EEXIST (two names differ in
 * upper and lower case only), -ENOSPC (there are no more short names), -ENOMEM;
 * and for which *file.
 */
must_check int fat_made_names(const struct make_host *host,
                              const struct make_file *dir,
                              struct fat_made_name *out,
                              const struct make_file **file);

#endif
