/*
 * Names of a large directory in memory: where they are, by hashes. It is made
 * when a name is looked up or made, and goes with its inode. What is removed
 * stays in it as stale, so whatever it says is looked at on the disk.
 */
#ifndef TORC_FS_FAT_INDEX_H
#define TORC_FS_FAT_INDEX_H

#include "fs/fat/fat_internal.h"

enum { FAT_INDEX_MIN = 1024 }; /* slots: smaller directories have none */

struct fat_index_key {
    uint32_t hash;
    uint32_t slot; /* of the short entry, and 1; 0: none */
};

/* Owner CPU only. */
struct fat_index {
    struct fat_index_key *keys;
    uint32_t mask; /* the number of keys, a power of two, less one */
    uint32_t used; /* with stale ones; two of an entry with a long name */
    uint32_t stale;
    uint32_t end;   /* from this slot on all are free */
    uint32_t holes; /* slots before it that have become free */
};

/* Whether a directory, which is locked, has an index; it is made if need be.
 * False: it is small, or damaged, or there is no memory: search it. Thread; may
 * wait. */
must_check bool fat_index_get(struct inode *dir);

/* Drop it. */
void fat_index_drop(struct fat_inode *dir);

/*
 * Find a name by the index: *scan comes to its entry. The scan was begun by the
 * caller. Thread; may wait. Returns 1, 0 (there is none), or as
 * fat_scan_next().
 */
must_check int fat_index_find(struct fat_scan *scan,
                              const struct fat_name *name);

/* Whether a short name may be there, but for the entry at `own` (slot and 1).
 */
bool fat_index_has_short(const struct inode *dir, const uint8_t *raw,
                         uint32_t own);

/* An entry was made, or removed, with `count` slots up to `slot`. Do not wait.
 */
void fat_index_added(struct inode *dir, const struct fat_name *name,
                     const uint8_t *raw, uint32_t slot, uint32_t count);
void fat_index_removed(struct inode *dir, uint32_t count);

void fat_index_check(const struct fat_index *index);

#endif
