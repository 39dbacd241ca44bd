/* The hashes of names that directory indices are sorted by. */
#ifndef TORC_FS_EXT2_HASH_H
#define TORC_FS_EXT2_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>

/* Values of the format; with 3 added the bytes of names have no sign. */
enum {
    EXT2_HASH_LEGACY,
    EXT2_HASH_HALF_MD4,
    EXT2_HASH_TEA,
    EXT2_HASH_UNSIGNED,
    EXT2_HASH_END = 2 * EXT2_HASH_UNSIGNED,
};

/*
 * The hash of a name by `version`, below EXT2_HASH_END. Four zeros of `seed`
 * stand for the standard one. The lowest bit is 0.
 */
uint32_t ext2_hash(unsigned version, const uint32_t seed[4], const char *name,
                   size_t len);

#endif
