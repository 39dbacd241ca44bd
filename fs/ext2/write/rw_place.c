/* Where the entry of a name is, and where there is room for one. */
#include "fs/ext2/write/entries.h"
#include "fs/ext2/write/rw_dir.h"
#include <torc/assert.h>

/* A directory gets an index, a leaf is split, and there is room. */
enum { TRIES = 4 };

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

/* What is looked for: an entry, or room for it. */
enum what { ENTRY, ROOM };

/* Look into one block: 1 and *out, 0, or an error. */
static int look(struct inode *dir, uint64_t index, enum what what,
                const struct name *name, struct ext2_place *out)
{
    struct ext2_fs *fs = ext2_of(dir);
    struct mapping_ref ref;
    int status = ext2_dir_hold(dir, index, &ref, &out->block);

    if (status != 0)
        return status;
    fs->blocks_of_names++;
    status =
        what == ENTRY
            ? ext2_entries_find(fs, ref.data, name->text, name->len, &out->at)
            : ext2_entries_room(fs, ref.data, name->len, &out->at);
    mapping_unref(&ref);
    if (status == -EUCLEAN)
        ext2_damaged(fs, dir->number, "directory block", index);
    return status;
}

/* All blocks, from the one on where the last room was. */
static int look_linear(struct inode *dir, enum what what,
                       const struct name *name, struct ext2_place *out)
{
    struct ext2_inode *ext2 = ext2_inode_of(dir);
    uint64_t blocks = ext2_dir_blocks(dir);
    uint64_t first =
        what == ROOM && ext2->room_hint < blocks ? ext2->room_hint : 0;

    for (uint64_t i = 0; i < blocks; i++) {
        uint64_t index = (first + i) % blocks;
        int status = look(dir, index, what, name, out);

        if (status == 1 && what == ROOM)
            ext2->room_hint = index;
        if (status != 0)
            return status;
    }
    return 0;
}

static int look_by_index(struct inode *dir, enum what what,
                         const struct name *name, struct ext2_place *out)
{
    struct ext2_chain chain;
    int status = ext2_chain_begin(&chain, dir, name);

    if (status == 0)
        status = 1;
    while (status == 1) {
        status = look(dir, chain.leaf, what, name, out);
        if (status != 0)
            break;
        status = ext2_chain_next(&chain);
    }
    ext2_chain_end(&chain);
    return status;
}

int ext2_place_find(struct inode *dir, const struct name *name,
                    struct ext2_place *out)
{
    int status = -EUCLEAN;

    if (ext2_has_index(dir))
        status = look_by_index(dir, ENTRY, name, out);
    if (status == -EUCLEAN) /* the entries are there without the index */
        status = look_linear(dir, ENTRY, name, out);
    if (status == 0)
        return -ENOENT;
    return status == 1 ? 0 : status;
}

/* More room than there is. */
static int grow(struct inode *dir, const struct name *name)
{
    if (ext2_has_index(dir))
        return ext2_index_grow(dir, name);
    return ext2_has_order(dir) ? ext2_index_make(dir) : ext2_dir_grow(dir);
}

int ext2_place_room(struct inode *dir, const struct name *name,
                    struct ext2_place *out)
{
    for (unsigned i = 0; i < TRIES; i++) {
        int status = ext2_has_index(dir) ? look_by_index(dir, ROOM, name, out)
                                         : look_linear(dir, ROOM, name, out);

        if (status != 0)
            return status == 1 ? 0 : status;
        status = grow(dir, name);
        if (status != 0)
            return status;
    }
    return ext2_damaged(ext2_of(dir), dir->number, "directory", name->len);
}
