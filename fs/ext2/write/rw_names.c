/*
 * Making, linking and removing: one change each, when there is room for the
 * entry. What is durable before what: change.h; a new inode is written behind
 * its entry, and one that loses its last name is marked as deleted before the
 * entry goes.
 */
#include "fs/ext2/write/rw_names.h"
#include "fs/ext2/write/alloc.h"
#include "fs/ext2/write/entries.h"
#include "fs/ext2/write/rw.h"
#include "fs/ext2/write/stale.h"
#include <torc/assert.h>
#include <torc/memory.h>
#include <torc/string.h>

/* ---- Entries in a change ------------------------------------------------- */

int ext2_entry_pin(struct inode *dir, struct change *change,
                   const struct name *name, const struct inode *inode,
                   struct ext2_pinned *out)
{
    struct ext2_fs *fs = ext2_of(dir);
    struct ext2_entry entry;
    int status = ext2_place_find(dir, name, &out->place);

    if (status == 0)
        status = ext2_change_block(change, out->place.block, &out->block);
    if (status != 0)
        return status == -ENOENT ? -EUCLEAN : status;
    if (ext2_entries_at(fs, out->block->data, out->place.at, &entry) != 0 ||
        !ext2_entry_is(&entry, name->text, name->len) ||
        entry.inode != inode->number)
        return ext2_damaged(fs, dir->number, "directory entry",
                            out->place.block);
    return 0;
}

int ext2_room_pin(struct inode *dir, struct change *change,
                  const struct name *name, const struct ext2_place *room,
                  struct ext2_pinned *out)
{
    struct ext2_fs *fs = ext2_of(dir);
    int status = ext2_change_block(change, room->block, &out->block);

    if (status != 0)
        return status;
    out->place = *room;
    if (ext2_entries_fits(fs, out->block->data, room->at, name->len) != 1)
        return ext2_damaged(fs, dir->number, "directory block", room->block);
    return 0;
}

void ext2_entry_add(struct inode *dir, struct ext2_pinned *room,
                    const struct name *name, const struct inode *inode)
{
    room->place.at = ext2_entries_add(ext2_of(dir), room->block->data,
                                      room->place.at, name->text, name->len,
                                      (uint32_t)inode->number, inode->type);
    ext2_dir_added(dir);
}

void ext2_entry_remove(struct inode *dir, const struct ext2_pinned *entry)
{
    int status =
        ext2_entries_remove(ext2_of(dir), entry->block->data, entry->place.at);

    assert(status == 0); /* all of the block was looked at */
    ext2_dir_removed(dir, &entry->place);
}

int ext2_change_finish(struct change *change, int status)
{
    if (status == 0)
        ext2_change_end(change);
    else
        ext2_change_abort(change);
    return status;
}

void ext2_dir_sync(struct inode *dir, struct inode *inode)
{
    const uint32_t flags = ext2_inode_of(dir)->flags;
    int status;

    if ((flags & (INODE_FLAG_SYNC | INODE_FLAG_DIRSYNC)) == 0)
        return;
    status = ext2_inode_write(inode);
    if (status == 0)
        status = ext2_inode_write(dir);
    if (status == 0)
        (void)!ext2_make_durable(ext2_of(dir));
}

/* ---- Making -------------------------------------------------------------- */

/* A block with what a new directory or a long link begins with. */
static int content_append(struct inode *dir, struct inode *inode,
                          const struct new_inode *what)
{
    struct ext2_fs *fs = ext2_of(dir);
    uint8_t *content = mem_alloc_zeroed(fs->block_size);
    int status;

    if (content == NULL)
        return -ENOMEM;
    if (what->type == FILE_DIRECTORY)
        ext2_entries_init(fs, content, (uint32_t)inode->number,
                          (uint32_t)dir->number);
    else
        memcpy(content, what->target, what->target_len);
    status = ext2_append_block(inode, content, NULL);
    mem_free(content);
    return status;
}

static bool has_content(const struct new_inode *what)
{
    return what->type == FILE_DIRECTORY ||
           (what->type == FILE_SYMLINK &&
            what->target_len > EXT2_FAST_LINK_MAX);
}

/* Whether a directory may have one more in it. */
static int check_links(const struct inode *dir, uint8_t type)
{
    return type == FILE_DIRECTORY && dir->links >= EXT2_LINKS_MAX ? -EMLINK : 0;
}

/* Add an entry that leads to an inode, in a change that begins; if the inode is
 * new its directory may get a link, too. The caller counts the links. */
static int entry_make(struct inode *dir, const struct name *name,
                      const struct ext2_place *room, struct inode *inode,
                      bool is_new, struct change *change)
{
    struct ext2_pinned at;
    int status = ext2_room_pin(dir, change, name, room, &at);

    if (status == 0)
        status = ext2_change_entry(change, at.block, inode);
    if (status != 0)
        return status;
    ext2_change_inode(change, inode);
    if (is_new)
        ext2_change_inode(change, dir);
    status = ext2_change_start(change);
    if (status == 0)
        ext2_entry_add(dir, &at, name, inode);
    return status;
}

/* All of a new inode, when there is room for its entry. */
static int make(struct inode *dir, const struct name *name,
                const struct ext2_place *room, const struct new_inode *what,
                struct inode **out)
{
    struct change change;
    struct inode *inode;
    int status = ext2_inode_make(dir, what, &inode);

    if (status != 0)
        return status;
    if (has_content(what))
        status = content_append(dir, inode, what);
    if (status == 0) {
        ext2_change_begin(&change, ext2_of(dir));
        status = entry_make(dir, name, room, inode, true, &change);
        if (status == 0 && what->type == FILE_DIRECTORY) {
            inode->links = 2;
            dir->links++;
        }
        status = ext2_change_finish(&change, status);
    }
    if (status != 0) {
        ext2_inode_unmake(inode);
        return status;
    }
    ext2_dir_sync(dir, inode);
    *out = inode;
    return 0;
}

int ext2_create(struct inode *dir, const struct name *name,
                const struct new_inode *what, struct inode **out)
{
    struct ext2_place room;
    int status = check_links(dir, what->type);

    if (status != 0)
        return status;
    if (what->type == FILE_SYMLINK &&
        what->target_len >= ext2_of(dir)->block_size)
        return -ENAMETOOLONG;
    status = ext2_place_room(dir, name, &room);
    return status != 0 ? status : make(dir, name, &room, what, out);
}

/* ---- Linking ------------------------------------------------------------- */

int ext2_link(struct inode *dir, const struct name *name, struct inode *inode)
{
    struct ext2_place room;
    struct change change;
    int status;

    if (inode->links >= EXT2_LINKS_MAX)
        return -EMLINK;
    status = ext2_place_room(dir, name, &room);
    if (status != 0)
        return status;
    ext2_change_begin(&change, ext2_of(dir));
    status = entry_make(dir, name, &room, inode, false, &change);
    if (status == 0)
        inode->links++;
    status = ext2_change_finish(&change, status);
    if (status == 0)
        ext2_dir_sync(dir, inode);
    return status;
}

/* ---- Removing ------------------------------------------------------------ */

/* Whether a block has no names but "." and "..": 0, -ENOTEMPTY, -EUCLEAN. */
static int block_check_empty(struct inode *dir, uint64_t index)
{
    struct ext2_fs *fs = ext2_of(dir);
    struct mapping_ref ref;
    struct ext2_entry entry;
    uint64_t block;
    int status = ext2_dir_hold(dir, index, &ref, &block);

    if (status != 0)
        return status;
    for (uint32_t at = 0; status == 0 && at < fs->block_size;
         at += entry.rec_len) {
        status = ext2_entries_at(fs, ref.data, at, &entry);
        if (status == 0 && entry.inode != 0 && !ext2_is_dots(&entry))
            status = -ENOTEMPTY;
    }
    mapping_unref(&ref);
    return status;
}

int ext2_check_hidden(struct inode *dir)
{
    int status = 0;

    if (dir->type != FILE_DIRECTORY)
        return 0;
    status = ext2_stale_settle_all(dir);
    if (!ext2_has_index(dir))
        return status;
    for (uint64_t i = 0; status == 0 && i < ext2_dir_blocks(dir); i++)
        status = block_check_empty(dir, i);
    if (status == -ENOTEMPTY || status == -EUCLEAN)
        return ext2_damaged(ext2_of(dir), dir->number, "directory index", 0);
    return status;
}

bool ext2_is_last_link(const struct inode *inode)
{
    return inode->type == FILE_DIRECTORY || inode->links == 1;
}

static int unlink_change(struct inode *dir, const struct name *name,
                         struct inode *inode, uint32_t dir_links,
                         struct change *change)
{
    struct ext2_pinned entry;
    int status = ext2_entry_pin(dir, change, name, inode, &entry);

    if (status == 0)
        status = ext2_is_last_link(inode)
                     ? ext2_unlink_prepare(change, inode, entry.block)
                     : ext2_unname_prepare(change, inode, entry.block);
    if (status != 0)
        return status;
    ext2_change_inode(change, inode);
    ext2_change_inode(change, dir);
    status = ext2_change_start(change);
    if (status != 0)
        return status;
    ext2_entry_remove(dir, &entry);
    dir->links = dir_links;
    if (ext2_is_last_link(inode))
        ext2_unlink_apply(change, inode);
    else
        inode->links--;
    return 0;
}

int ext2_name_drop(struct inode *dir, const struct name *name,
                   struct inode *inode, uint32_t dir_links)
{
    struct change change;
    int status;

    ext2_change_begin(&change, ext2_of(dir));
    status = unlink_change(dir, name, inode, dir_links, &change);
    return ext2_change_finish(&change, status);
}

int ext2_unlink(struct inode *dir, const struct name *name, struct inode *inode)
{
    const uint32_t links = dir->links - (inode->type == FILE_DIRECTORY);
    int status;

    if (inode->type == FILE_DIRECTORY && dir->links <= 2) /* it is one more */
        return ext2_damaged(ext2_of(dir), dir->number, "link count",
                            dir->links);
    status = ext2_check_hidden(inode);
    if (status != 0)
        return status;
    status = ext2_name_drop(dir, name, inode, links);
    if (status == 0)
        ext2_dir_sync(dir, inode);
    return status;
}
