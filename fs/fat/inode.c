/*
 * Inodes in memory. Which one an entry has is known by the place of the entry:
 * a table of files, while a directory has its first cluster as its number.
 */
#include "fs/fat/index.h"
#include "kernel/lib/bytes.h"
#include <torc/assert.h>

/* ---- By place ------------------------------------------------------------ */

static struct inode *find_at(const struct fat_fs *fs, uint64_t position)
{
    struct hash_node *node = hash_chain(&fs->files, hash_number(position));

    for (; node != NULL; node = node->next) {
        struct fat_inode *fat =
            container_of(node, struct fat_inode, by_position);

        if (fat->position == position)
            return &fat->inode;
    }
    return NULL;
}

bool fat_position_is_known(const struct fat_fs *fs, uint64_t position)
{
    return find_at(fs, position) != NULL;
}

/* Directories are not in the table. */
static bool is_listed(const struct inode *inode)
{
    return inode->number >= FAT_NUMBER_FILE;
}

void fat_inode_place(struct inode *inode, uint64_t position, uint32_t slot,
                     uint8_t parts)
{
    struct fat_inode *fat = fat_inode_of(inode);
    struct fat_fs *fs = fat_of(inode);

    if (fat->position != 0 && is_listed(inode))
        hash_remove(&fs->files, &fat->by_position);
    fat->position = position;
    fat->slot = slot;
    fat->parts = parts;
    if (position != 0 && is_listed(inode))
        hash_insert(&fs->files, &fat->by_position, hash_number(position));
}

uint64_t fat_entry_number(const struct fat_fs *fs, const uint8_t *raw,
                          uint64_t position)
{
    const struct inode *inode = find_at(fs, position);
    uint64_t number = FAT_NUMBER_FILE | position;

    if (inode != NULL)
        return inode->number;
    if ((raw[SLOT_ATTR] & ATTR_BIT_DIRECTORY) != 0) {
        uint32_t start = fat_entry_start(fs, raw);

        if (fat_cluster_valid(fs, start))
            return start == fs->root_cluster ? FAT_ROOT_NUMBER : start;
    }
    /* An inode that had its entry here may still be in memory. */
    while (inode_is_known(fs->mount, number))
        number += UINT64_C(1) << FAT_NUMBER_COUNT_SHIFT;
    return number;
}

int fat_inode_get(const struct fat_scan *scan, struct inode **out)
{
    struct fat_fs *fs = fat_of(scan->dir);
    struct fat_wanted wanted = {
        .position = scan->position,
        .parent = scan->dir->number,
        .slot = scan->slot,
        .parts = (uint8_t)(scan->slot - scan->first),
    };
    int status;

    list_push_back(&fs->wanted, &wanted.link);
    do {
        wanted.number = fat_entry_number(fs, scan->raw, scan->position);
        status = inode_get(fs->mount, wanted.number, out);
    } while (status == -EALREADY);
    list_remove(&wanted.link);
    return status;
}

/* ---- Reading ------------------------------------------------------------- */

static const struct fat_wanted *wanted_find(const struct fat_fs *fs,
                                            uint64_t number)
{
    list_for_each (node, &fs->wanted) {
        const struct fat_wanted *wanted =
            container_of(node, struct fat_wanted, link);

        if (wanted->number == number)
            return wanted;
    }
    return NULL;
}

int fat_dir_chain(struct inode *inode, uint32_t start)
{
    struct fat_chain *chain = &fat_inode_of(inode)->chain;
    int status;

    fat_chain_init(chain, start);
    status = fat_chain_measure(inode);
    if (status != 0)
        fat_chain_fini(chain);
    return status;
}

static int dir_init(struct inode *inode, uint32_t start)
{
    struct fat_inode *fat = fat_inode_of(inode);
    int status = fat_dir_chain(inode, start);

    if (status != 0)
        return status;
    inode->size_bytes = (uint64_t)fat->chain.length
                        << fat_of(inode)->cluster_shift;
    inode->blocks = inode->size_bytes / 512;
    return 0;
}

static int file_init(struct inode *inode, const uint8_t *raw)
{
    struct fat_fs *fs = fat_of(inode);
    uint32_t start = fat_entry_start(fs, raw);
    uint32_t size = le32_get(raw + SLOT_SIZE);

    if (start == 0 ? size > 0 : !fat_cluster_valid(fs, start))
        return fat_damaged(fs, inode->number, "first cluster", start);
    fat_chain_init(&fat_inode_of(inode)->chain, start);
    inode->size_bytes = size;
    inode->blocks = (uint64_t)fat_clusters_of(fs, size)
                    << (fs->cluster_shift - 9);
    return fat_data_init(inode, size);
}

static int root_init(struct inode *inode)
{
    static const uint8_t nothing[SLOT_BYTES] = {0};
    const struct fat_fs *fs = fat_of(inode);
    int status;

    inode->type = FILE_DIRECTORY;
    fat_entry_get(inode, nothing);
    fat_inode_of(inode)->attr = ATTR_BIT_DIRECTORY;
    fat_inode_of(inode)->parent = FAT_ROOT_NUMBER;
    status = dir_init(inode, fs->root_cluster);
    if (status == 0 && fs->root_slots > 0) {
        inode->size_bytes = (uint64_t)fs->root_slots * SLOT_BYTES;
        inode->blocks = inode->size_bytes / 512;
    }
    return status;
}

/* The entry is where it was found: its directory is locked. */
static int entry_init(struct inode *inode)
{
    struct fat_fs *fs = fat_of(inode);
    uint8_t raw[SLOT_BYTES];
    bool is_dir;
    int status =
        mapping_copy(&fs->device, fat_inode_of(inode)->position << SLOT_SHIFT,
                     raw, sizeof(raw));

    if (status != 0)
        return status;
    is_dir = (raw[SLOT_ATTR] & ATTR_BIT_DIRECTORY) != 0;
    if (is_dir == is_listed(inode) ||
        (is_dir && fat_entry_start(fs, raw) != inode->number))
        return fat_damaged(fs, inode->number, "directory: first cluster",
                           fat_entry_start(fs, raw));
    inode->type = is_dir ? FILE_DIRECTORY : FILE_REGULAR;
    fat_entry_get(inode, raw);
    return is_dir ? dir_init(inode, (uint32_t)inode->number)
                  : file_init(inode, raw);
}

/* It is known by its place before anything waits. */
int fat_inode_read(struct inode *inode)
{
    struct fat_fs *fs = fat_of(inode);
    const struct fat_wanted *wanted = wanted_find(fs, inode->number);
    struct fat_wanted found = {.number = inode->number};
    int status = 0;

    if (inode->number == FAT_ROOT_NUMBER)
        return root_init(inode);
    if (wanted == NULL) {
        status = fat_parent_find(inode, &found);
        wanted = &found;
    } else if (is_listed(inode) && find_at(fs, wanted->position) != NULL) {
        status = -EALREADY; /* it has another number */
    }
    if (status != 0)
        return status;
    fat_inode_of(inode)->parent = wanted->parent;
    fat_inode_place(inode, wanted->position, wanted->slot, wanted->parts);
    status = entry_init(inode);
    if (status != 0)
        fat_inode_place(inode, 0, 0, 0);
    return status;
}

void fat_inode_drop(struct inode *inode)
{
    if (inode->links == 0 && !inode->is_evicted)
        (void)fat_damaged(fat_of(inode), inode->number, "chain: lost clusters",
                          0);
    if (inode->type == FILE_REGULAR)
        fat_reserve_drop(inode);
    fat_inode_place(inode, 0, 0, 0);
    fat_index_drop(fat_inode_of(inode));
    fat_chain_fini(&fat_inode_of(inode)->chain);
}

void fat_inode_check(const struct inode *inode)
{
    const struct fat_inode *fat = fat_inode_of(inode);

    fat_chain_check(fat_of(inode), &fat->chain);
    fat_index_check(fat->index);
    assert(is_listed(inode) == (inode->type == FILE_REGULAR));
    assert(inode->links <= 1);
    if (fat->position != 0 && is_listed(inode))
        assert(find_at(fat_of(inode), fat->position) == inode);
    if (inode->number != FAT_ROOT_NUMBER)
        assert((fat->position == 0) == (inode->links == 0));
    if (inode->type == FILE_REGULAR)
        assert(inode->size_bytes <= FAT_SIZE_MAX);
    if (fat->reserve_end > 0)
        assert(fat->chain.length <= fat->reserve_end);
}
