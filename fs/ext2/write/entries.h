/*
 * The entries of one block of a directory, to be changed: functions on its
 * bytes, which know no disk. Entries never move, but when a block is split
 * (leaf.h): an entry keeps its place from when it is added until it is removed.
 *
 * Blocks come from a disk: those that return a status look at the whole chain
 * of entries first, and a block that is damaged answers -EUCLEAN and stays as
 * it is.
 */
#ifndef TORC_FS_EXT2_ENTRIES_H
#define TORC_FS_EXT2_ENTRIES_H

#include "fs/ext2/ext2.h"
#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>

/* Blocks that are written have 1 to 4 KiB. */
enum { EXT2_WRITTEN_MAX = 4096 };

/* What an entry needs whose name has `len` bytes. */
static inline uint32_t ext2_entry_size(size_t len)
{
    return (EXT2_DIRENT_MIN + (uint32_t)len + 3) & ~UINT32_C(3);
}

/* Whether it is the entry of "." or "..". */
bool ext2_is_dots(const struct ext2_entry *entry);

/* What `type` is called in an entry, 0 where the volume has no types. */
uint8_t ext2_entry_type(const struct ext2_fs *fs, enum file_type type);

/* Parse the entry at byte `at`, with its name. Returns 0, -EUCLEAN. */
must_check int ext2_entries_at(const struct ext2_fs *fs, const uint8_t *block,
                               uint32_t at, struct ext2_entry *out);

/* Whether entries fill the block to its end. Returns 0, -EUCLEAN. */
must_check int ext2_entries_check(const struct ext2_fs *fs,
                                  const uint8_t *block);

/* Whether an entry that is in use has this name. */
bool ext2_entry_is(const struct ext2_entry *entry, const char *name,
                   size_t len);

/* Find a name. Returns 1 and *at, where its entry begins; 0; -EUCLEAN. */
must_check int ext2_entries_find(const struct ext2_fs *fs, const uint8_t *block,
                                 const char *name, size_t len, uint32_t *at);

/* The same, if nothing is to be changed: what is behind the name is not looked
 * at. 0 and *room: as ext2_entries_room(), or EXT2_NO_ROOM. */
enum { EXT2_NO_ROOM = UINT16_MAX };
must_check int ext2_entries_search(const struct ext2_fs *fs,
                                   const uint8_t *block, const char *name,
                                   size_t len, uint32_t *at, uint32_t *room);

/* Find room for a name of `len` bytes. Returns 1 and *at, the entry that is
 * unused or has room behind its name; 0: there is none; -EUCLEAN. */
must_check int ext2_entries_room(const struct ext2_fs *fs, const uint8_t *block,
                                 size_t len, uint32_t *at);

/* Whether the entry at `at` is unused or has room for such a name behind its
 * own. Returns 1, 0, -EUCLEAN. */
must_check int ext2_entries_fits(const struct ext2_fs *fs, const uint8_t *block,
                                 uint32_t at, size_t len);

/* Add an entry where ext2_entries_room() has found room for it. Returns where
 * it begins. */
uint32_t ext2_entries_add(const struct ext2_fs *fs, uint8_t *block, uint32_t at,
                          const char *name, size_t len, uint32_t inode,
                          enum file_type type);

/* Let the entry at `at` lead to another inode. */
void ext2_entries_set(const struct ext2_fs *fs, uint8_t *block, uint32_t at,
                      uint32_t inode, enum file_type type);

/* Remove the entry at `at`: the one before it gets its room; the first one
 * becomes unused. Entries behind it are not looked at. Returns 0, -EUCLEAN:
 * none begins there. */
must_check int ext2_entries_remove(const struct ext2_fs *fs, uint8_t *block,
                                   uint32_t at);

/* The first block of a directory: "." and "..", and nothing else. */
void ext2_entries_init(const struct ext2_fs *fs, uint8_t *block, uint32_t self,
                       uint32_t parent);

/* The same of any other block: one entry, which is unused. */
void ext2_entries_clear(const struct ext2_fs *fs, uint8_t *block);

/* Whether a block begins with "." and "..", as the first one of a directory
 * must. Returns 0 and *at, where ".." begins; -EUCLEAN. */
must_check int ext2_entries_dots(const struct ext2_fs *fs, const uint8_t *block,
                                 uint32_t *at);

#endif
