/* Names that are made and removed. */
#include "fs/fat/slots.h"
#include "kernel/lib/bytes.h"
#include <torc/assert.h>
#include <torc/memory.h>
#include <torc/string.h>

/* What an operation needs, which is much for a stack. */
struct op {
    struct fat_plan plan;
    struct fat_hold hold;
};

/* ---- Directories --------------------------------------------------------- */

uint32_t fat_dir_start(const struct inode *dir)
{
    return dir->number == FAT_ROOT_NUMBER ? 0 : fat_inode_of(dir)->chain.first;
}

/* "." or "..", which leads to `start`. */
static void dots_fill(const struct inode *dir, const char *name, uint32_t start,
                      uint8_t *raw)
{
    memset(raw, 0, SLOT_BYTES);
    memset(raw, ' ', SLOT_NAME_BYTES);
    memcpy(raw, name, strlen(name));
    fat_entry_put(dir, raw);
    le16_put(raw + SLOT_START, (uint16_t)start);
    le16_put(raw + SLOT_START_HIGH,
             fat_of(dir)->bits == 32 ? (uint16_t)(start >> 16) : 0);
}

/* Its first cluster, which is all zeros, gets the first two entries. */
static int dots_write(struct inode *inode, const struct inode *dir)
{
    struct fat_hold hold;
    int status;

    fat_hold_begin(&hold);
    status = fat_hold_slots(&hold, inode, 0, 2);
    if (status == 0)
        status = fat_hold_modify(&hold, fat_of(inode));
    if (status == 0) {
        dots_fill(inode, ".", fat_dir_start(inode),
                  fat_hold_at(&hold, inode, 0));
        dots_fill(inode, "..", fat_dir_start(dir),
                  fat_hold_at(&hold, inode, 1));
        fat_hold_dirty(&hold);
    }
    fat_hold_end(&hold);
    return status;
}

/* It is not needed after all. */
static void give_back(struct fat_fs *fs, uint32_t cluster)
{
    mapping_forget(&fs->device, fat_cluster_offset(fs, cluster),
                   UINT64_C(1) << fs->cluster_shift);
    rwlock_lock(&fs->fat_lock);
    (void)!fat_release(fs, cluster);
    rwlock_unlock(&fs->fat_lock);
}

/* A cluster for a new directory: a chain of one, all zeros. */
static int cluster_take(struct fat_fs *fs, const struct inode *dir,
                        uint32_t *cluster)
{
    uint32_t got;
    int status = fat_reserve(fs, 1);

    if (status != 0)
        return status;
    rwlock_lock(&fs->fat_lock);
    status = fat_take(fs, fat_dir_start(dir), 1, cluster, &got);
    if (status != 0)
        fat_unreserve(fs, 1);
    rwlock_unlock(&fs->fat_lock);
    if (status != 0)
        return status;
    status = fat_clear(fs, *cluster, 1);
    if (status != 0)
        give_back(fs, *cluster);
    return status;
}

/* ---- Making -------------------------------------------------------------- */

/* What a new inode is on FAT. Does not wait. */
static int fill(struct inode *inode, const struct inode *dir, uint32_t cluster)
{
    struct fat_inode *fat = fat_inode_of(inode);

    fat->attr =
        inode->type == FILE_DIRECTORY ? ATTR_BIT_DIRECTORY : ATTR_BIT_ARCHIVE;
    fat->parent = dir->number;
    fat_chain_init(&fat->chain, cluster);
    fat_attr_new(inode);
    if (inode->type == FILE_REGULAR)
        return fat_data_init(inode, 0);
    fat->chain.length = 1;
    inode->size_bytes = UINT64_C(1) << fat_of(inode)->cluster_shift;
    inode->blocks = inode->size_bytes / 512;
    return 0;
}

/* The number of a new inode. */
static uint64_t number_of(struct op *op, const struct inode *dir,
                          uint32_t cluster)
{
    static const uint8_t file[SLOT_BYTES] = {0};

    if (cluster != 0)
        return cluster;
    return fat_entry_number(fat_of(dir), file,
                            fat_plan_position(&op->plan, &op->hold, dir));
}

/* The entry is planned and held; `cluster` is a directory's. */
static int make(struct op *op, struct inode *dir, const struct new_inode *what,
                uint32_t cluster, struct inode **out)
{
    struct fat_fs *fs = fat_of(dir);
    struct inode *inode;
    uint64_t number;
    int status = fat_plan_check(&op->plan, &op->hold, dir);

    if (status != 0)
        return status;
    number = number_of(op, dir, cluster);
    if (inode_is_known(fs->mount, number)) /* a free cluster is not free */
        return fat_damaged(fs, number, "directory: first cluster", cluster);
    status = inode_new(fs->mount, number, what, &inode);
    if (status != 0)
        return status;
    status = fill(inode, dir, cluster);
    if (status == 0 && cluster != 0)
        status = dots_write(inode, dir);
    if (status == 0 && cluster != 0)
        status = fat_write_clusters(fs, cluster, 1);
    if (status == 0)
        status = fat_hold_modify(&op->hold, fs);
    if (status != 0) {
        inode_discard(inode);
        return status;
    }
    fat_plan_fill(&op->plan, &op->hold, dir, inode);
    fat_hold_dirty(&op->hold);
    *out = inode;
    return 0;
}

static int create(struct op *op, struct inode *dir, const struct name *name,
                  const struct new_inode *what, struct inode **out)
{
    struct fat_fs *fs = fat_of(dir);
    uint32_t cluster = 0;
    int status = fat_plan_entry(&op->plan, dir, name, NULL);

    if (status == 0 && what->type == FILE_DIRECTORY)
        status = cluster_take(fs, dir, &cluster);
    if (status != 0)
        return status;
    status = fat_hold_plan(&op->hold, dir, &op->plan);
    if (status == 0)
        status = make(op, dir, what, cluster, out);
    if (status != 0 && cluster != 0)
        give_back(fs, cluster);
    return status;
}

int fat_create(struct inode *dir, const struct name *name,
               const struct new_inode *what, struct inode **out)
{
    struct op *op;
    int status;

    if (what->type != FILE_REGULAR && what->type != FILE_DIRECTORY)
        return -EPERM;
    status = mapping_throttle(&fat_of(dir)->device);
    if (status != 0)
        return status;
    op = mem_alloc(sizeof(*op));
    if (op == NULL)
        return -ENOMEM;
    fat_hold_begin(&op->hold);
    status = create(op, dir, name, what, out);
    fat_hold_end(&op->hold);
    mem_free(op);
    return status;
}

int fat_link(struct inode *dir, const struct name *name, struct inode *inode)
{
    (void)dir;
    (void)name;
    (void)inode;
    return -EPERM;
}

/* ---- Removing ------------------------------------------------------------ */

int fat_unlink(struct inode *dir, const struct name *name, struct inode *inode)
{
    struct fat_hold hold;
    int status;

    (void)name;
    fat_hold_begin(&hold);
    status = fat_hold_entry(&hold, dir, inode);
    if (status == 0)
        status = fat_hold_modify(&hold, fat_of(dir));
    if (status == 0) {
        fat_entry_remove(&hold, dir, inode);
        fat_hold_dirty(&hold);
        fat_inode_place(inode, 0, 0, 0);
        inode->links = 0;
    }
    fat_hold_end(&hold);
    return status;
}
