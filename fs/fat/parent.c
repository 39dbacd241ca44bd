/*
 * From a directory up: ".." says the first cluster of the parent only. Its
 * entry is in the directory above, where it is searched.
 */
#include "fs/fat/fat_internal.h"
#include "kernel/lib/bytes.h"
#include <torc/memory.h>
#include <torc/string.h>

/* Where the directory that begins at `start` says its parent is; 0: the root.
 */
static int up(struct fat_fs *fs, uint32_t start, uint32_t *out)
{
    uint8_t raw[2 * SLOT_BYTES];
    int status = mapping_copy(&fs->device, fat_cluster_offset(fs, start), raw,
                              sizeof(raw));

    if (status != 0)
        return status;
    if (memcmp(raw + SLOT_BYTES, "..         ", SLOT_NAME_BYTES) != 0)
        return fat_damaged(fs, start, "directory: ..", 0);
    *out = fat_entry_start(fs, raw + SLOT_BYTES);
    if (*out == fs->root_cluster)
        *out = 0;
    if (*out != 0 && !fat_cluster_valid(fs, *out))
        return fat_damaged(fs, start, "directory: ..", *out);
    return 0;
}

/* Search `dir`, which nobody else has, for what begins at `start`. What is
 * searched for is being loaded, so its entry stays. */
static int search(struct inode *dir, uint32_t start, struct fat_wanted *out)
{
    struct fat_scan scan;
    int status;

    fat_scan_begin(&scan, dir, 0);
    do
        status = fat_scan_next(&scan);
    while (status == 1 && ((scan.raw[SLOT_ATTR] & ATTR_BIT_DIRECTORY) == 0 ||
                           fat_entry_start(fat_of(dir), scan.raw) != start));
    out->position = scan.position;
    out->slot = scan.slot;
    out->parts = (uint8_t)(scan.slot - scan.first);
    fat_scan_end(&scan);
    if (status == 0)
        return fat_damaged(fat_of(dir), start, "directory: no entry", 0);
    return status == 1 ? 0 : status;
}

int fat_parent_find(struct inode *inode, struct fat_wanted *out)
{
    struct fat_fs *fs = fat_of(inode);
    uint32_t start = (uint32_t)inode->number, above = 0;
    struct fat_inode *dir;
    int status;

    if (inode->number >= FAT_NUMBER_FILE || !fat_cluster_valid(fs, start))
        return -EUCLEAN;
    status = up(fs, start, &above);
    if (status != 0)
        return status;
    dir = mem_alloc_zeroed(sizeof(*dir));
    if (dir == NULL)
        return -ENOMEM;
    dir->inode.mount = inode->mount;
    dir->inode.type = FILE_DIRECTORY;
    dir->inode.number = above == 0 ? FAT_ROOT_NUMBER : above;
    out->parent = dir->inode.number;
    status = fat_dir_chain(&dir->inode, above == 0 ? fs->root_cluster : above);
    if (status == 0)
        status = search(&dir->inode, start, out);
    fat_chain_fini(&dir->chain);
    mem_free(dir);
    return status;
}
