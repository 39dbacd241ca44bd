/* Where the entry of a name is, and where there is room for one. */
#include "fs/ext2/write/entries.h"
#include "fs/ext2/write/rw.h"
#include "fs/ext2/write/rw_dir.h"
#include "fs/ext2/write/stale.h"
#include "kernel/lib/bytes.h"
#include <torc/assert.h>
#include <torc/string.h>

/* Stale entries go, a directory gets an index, a leaf is split, and there is
 * room. */
enum { TRIES = 5 };

int ext2_dir_hold(struct inode *dir, uint64_t index, struct mapping_ref *ref,
                  uint64_t *block)
{
    struct ext2_fs *fs = ext2_of(dir);
    uint64_t offset;
    int status = ext2_dir_block(dir, index, &offset);

    if (status == 0)
        status = mapping_ref(&fs->device, offset, ref);
    if (status != 0)
        return status;
    assert(ref->size >= fs->block_size); /* a block does not cross a page */
    *block = offset >> fs->block_shift;
    return 0;
}

/* ---- Looking ------------------------------------------------------------- */

/* What is looked for: where a name leads to, its entry to be changed, or room
 * for one. */
enum what { NAME, ENTRY, ROOM };

struct looking {
    enum what what;
    const struct name *name;
    struct ext2_place found;
    uint32_t inode;         /* NAME: what it leads to; */
    struct ext2_place room; /* if it is not there; block 0: nor is this */
};

/* Look for where a name leads to, and for room on the way. */
static int look_name(const struct ext2_fs *fs, const uint8_t *block,
                     struct looking *look)
{
    const struct name *name = look->name;
    uint32_t room;
    int status = ext2_entries_search(fs, block, name->text, name->len,
                                     &look->found.at, &room);

    if (status == 1)
        look->inode = le32_get(block + look->found.at + DIRENT_INODE);
    if (status == 0 && room != EXT2_NO_ROOM && look->room.block == 0)
        look->room = (struct ext2_place){look->found.block, room};
    return status;
}

/* Look into one block: 1, 0, or an error. */
static int look_in(struct inode *dir, uint64_t index, struct looking *look)
{
    struct ext2_fs *fs = ext2_of(dir);
    const struct name *name = look->name;
    struct ext2_place *out = &look->found;
    struct mapping_ref ref;
    int status = ext2_dir_hold(dir, index, &ref, &out->block);

    if (status != 0)
        return status;
    fs->blocks_of_names++;
    if (look->what == NAME)
        status = look_name(fs, ref.data, look);
    else if (look->what == ENTRY)
        status =
            ext2_entries_find(fs, ref.data, name->text, name->len, &out->at);
    else
        status = ext2_entries_room(fs, ref.data, name->len, &out->at);
    mapping_unref(&ref);
    if (status == -EUCLEAN)
        ext2_damaged(fs, dir->number, "directory block", index);
    return status;
}

/* All blocks, from the one on where the last room was. */
static int look_linear(struct inode *dir, struct looking *look)
{
    struct ext2_inode *ext2 = ext2_inode_of(dir);
    uint64_t blocks = ext2_dir_blocks(dir);
    uint64_t first =
        look->what == ROOM && ext2->room_hint < blocks ? ext2->room_hint : 0;

    for (uint64_t i = 0; i < blocks; i++) {
        uint64_t index = (first + i) % blocks;
        int status = look_in(dir, index, look);

        if (status == 1 && look->what == ROOM)
            ext2->room_hint = index;
        if (status != 0)
            return status;
    }
    return 0;
}

static int look_by_index(struct inode *dir, struct looking *look)
{
    struct ext2_chain chain;
    int status = ext2_chain_begin(&chain, dir, look->name);

    if (status == 0)
        status = 1;
    while (status == 1) {
        status = look_in(dir, chain.leaf, look);
        if (status != 0)
            break;
        status = ext2_chain_next(&chain);
    }
    ext2_chain_end(&chain);
    return status;
}

/* Find a name. Returns 0, -ENOENT, or an error. */
static int find(struct inode *dir, struct looking *look)
{
    int status;

    if (!ext2_has_index(dir))
        status = look_linear(dir, look);
    else
        status = look_by_index(dir, look);
    if (status == -EUCLEAN && ext2_has_index(dir)) {
        /* The entries are there without it; a new one had no place. */
        status = look_linear(dir, look);
        look->room.block = 0;
    }
    if (status == 0)
        return -ENOENT;
    return status == 1 ? 0 : status;
}

int ext2_place_find(struct inode *dir, const struct name *name,
                    struct ext2_place *out)
{
    struct looking look = {.what = ENTRY, .name = name};
    int status = find(dir, &look);

    *out = look.found;
    return status;
}

/* ---- Names that are not there -------------------------------------------- */

/* A name was not there, and there was room for it. */
static void miss_keep(const struct inode *dir, const struct looking *look)
{
    struct ext2_rw *rw = ext2_rw_of(dir);
    struct ext2_miss *miss = &rw->miss;

    miss->dir = dir->number;
    miss->stamp = rw->stamp;
    miss->block = look->room.block;
    miss->at = look->room.at;
    miss->len = look->name->len;
    memcpy(miss->text, look->name->text, miss->len);
}

/* Whether it is what has been looked for last, and nothing has changed. */
static bool miss_is(const struct inode *dir, const struct name *name)
{
    const struct ext2_rw *rw = ext2_rw_of(dir);
    const struct ext2_miss *miss = &rw->miss;

    return miss->dir == dir->number && miss->stamp == rw->stamp &&
           miss->len == name->len &&
           memcmp(miss->text, name->text, name->len) == 0;
}

int ext2_place_look(struct inode *dir, const struct name *name,
                    uint64_t *number)
{
    struct looking look = {.what = NAME, .name = name};
    int status = find(dir, &look);

    if (status == 0)
        *number = look.inode;
    if (status == -ENOENT && look.room.block != 0)
        miss_keep(dir, &look);
    return status;
}

/* ---- Room ---------------------------------------------------------------- */

/* More room than there is. Stale entries do not move: they go first. */
static int grow(struct inode *dir, const struct name *name)
{
    if (ext2_stale_in(dir))
        return ext2_stale_settle_all(dir);
    if (ext2_has_index(dir))
        return ext2_index_grow(dir, name);
    return ext2_has_order(dir) ? ext2_index_make(dir) : ext2_dir_grow(dir);
}

static int look_room(struct inode *dir, struct looking *look)
{
    return ext2_has_index(dir) ? look_by_index(dir, look)
                               : look_linear(dir, look);
}

int ext2_place_room_left(struct inode *dir, const struct name *name,
                         struct ext2_place *out)
{
    struct looking look = {.what = ROOM, .name = name};
    int status = look_room(dir, &look);

    *out = look.found;
    if (status == 0)
        return -ENOSPC;
    return status == 1 ? 0 : status;
}

int ext2_place_room(struct inode *dir, const struct name *name,
                    struct ext2_place *out)
{
    struct looking look = {.what = ROOM, .name = name};
    int status = ext2_stale_settle(dir, name);

    if (status == 0 && miss_is(dir, name)) {
        *out = (struct ext2_place){ext2_rw_of(dir)->miss.block,
                                   ext2_rw_of(dir)->miss.at};
        return 0;
    }
    for (unsigned i = 0; status == 0 && i < TRIES; i++) {
        status = look_room(dir, &look);
        *out = look.found;
        if (status == 0)
            status = grow(dir, name);
        else if (status == 1)
            return 0;
    }
    return status != 0 ? status
                       : ext2_damaged(ext2_of(dir), dir->number, "directory",
                                      name->len);
}
