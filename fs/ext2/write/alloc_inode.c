/*
 * Allocating inodes, as Orlov does: a file in the group of its directory; a
 * directory of the root in a group that has more than its share of everything
 * free and few directories, any other one near its parent, unless that group
 * has more than its share of directories.
 */
#include "fs/ext2/write/alloc.h"
#include "fs/ext2/write/rw.h"
#include "kernel/lib/bytes.h"

/* ---- Which group --------------------------------------------------------- */

static uint32_t group_of(const struct ext2_fs *fs, uint64_t number)
{
    return (uint32_t)((number - 1) / fs->inodes_per_group);
}

/* A file: its directory's group, else those at growing distance, else any. */
static int find_for_file(const struct ext2_rw *rw, uint32_t parent,
                         uint32_t *out)
{
    uint32_t count = rw->fs->group_count;
    uint64_t group = parent;

    for (uint64_t step = 1; step <= count; step <<= 1) {
        const struct ext2_group *at = &rw->groups[group % count];

        if (at->free_inodes > 0 && at->free_blocks > 0) {
            *out = (uint32_t)(group % count);
            return 0;
        }
        group += step;
    }
    for (uint32_t i = 0; i < count; i++) {
        group = ((uint64_t)parent + i) % count;
        if (rw->groups[group].free_inodes > 0) {
            *out = (uint32_t)group;
            return 0;
        }
    }
    return -ENOSPC;
}

/* What a group must have. */
struct share {
    uint64_t inodes, blocks;
    uint64_t dirs_max;
};

static bool is_good(const struct ext2_group *group, const struct share *share)
{
    return group->free_inodes > 0 && group->free_inodes >= share->inodes &&
           group->free_blocks >= share->blocks &&
           group->dirs <= share->dirs_max;
}

static uint64_t dirs_of(const struct ext2_rw *rw)
{
    uint64_t dirs = 0;

    for (uint32_t i = 0; i < rw->fs->group_count; i++)
        dirs += rw->groups[i].dirs;
    return dirs;
}

/* The group with the fewest directories of those that are good. */
static bool find_least(const struct ext2_rw *rw, uint32_t from,
                       const struct share *share, uint32_t *out)
{
    uint32_t count = rw->fs->group_count;
    bool found = false;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t group = (uint32_t)(((uint64_t)from + i) % count);

        if (is_good(&rw->groups[group], share) &&
            (!found || rw->groups[group].dirs < rw->groups[*out].dirs)) {
            *out = group;
            found = true;
        }
    }
    return found;
}

static bool find_first(const struct ext2_rw *rw, uint32_t from,
                       const struct share *share, uint32_t *out)
{
    uint32_t count = rw->fs->group_count;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t group = (uint32_t)(((uint64_t)from + i) % count);

        if (is_good(&rw->groups[group], share)) {
            *out = group;
            return true;
        }
    }
    return false;
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static int find_for_dir(const struct ext2_rw *rw, const struct inode *parent,
                        uint32_t *out)
{
    const struct ext2_fs *fs = rw->fs;
    uint32_t near = group_of(fs, parent->number);
    struct share share = {
        .inodes = rw->free_inodes / fs->group_count,
        .blocks = rw->free_blocks / fs->group_count,
        .dirs_max = UINT64_MAX,
    };

    if (parent->number == EXT2_ROOT_INODE) {
        uint32_t from = rw->generation % fs->group_count; /* at random */

        if (find_least(rw, from, &share, out))
            return 0;
    } else {
        share.dirs_max =
            dirs_of(rw) / fs->group_count + fs->inodes_per_group / 16 + 1;
        share.inodes = less(share.inodes, fs->inodes_per_group / 4);
        share.blocks = less(share.blocks, fs->blocks_per_group / 4);
        if (find_first(rw, near, &share, out))
            return 0;
    }
    share = (struct share){.dirs_max = UINT64_MAX};
    return find_first(rw, near, &share, out) ? 0 : -ENOSPC;
}

/* ---- In the group -------------------------------------------------------- */

static void count(struct ext2_rw *rw, uint32_t group, bool is_dir, int step)
{
    struct ext2_group *at = &rw->groups[group];

    at->free_inodes -= (uint32_t)step;
    at->dirs += is_dir ? (uint32_t)step : 0;
    rw->free_inodes -= (uint64_t)(int64_t)step;
    rw->is_super_dirty = true;
}

/* The first clear bit of an inode that may be used, or the count of them. */
static uint32_t find_bit(const struct ext2_rw *rw, uint32_t group,
                         const uint8_t *bits)
{
    const struct ext2_fs *fs = rw->fs;
    uint64_t first = (uint64_t)group * fs->inodes_per_group + 1;
    uint32_t at =
        first < fs->first_inode ? fs->first_inode - (uint32_t)first : 0;

    while (at < fs->inodes_per_group && (bits[at / 8] >> at % 8 & 1) != 0)
        at += at % 64 == 0 && le64_get(bits + at / 8) == UINT64_MAX ? 64 : 1;
    return first + at <= fs->inodes_count ? at : fs->inodes_per_group;
}

/* Returns 0, -ENOSPC: the group has none, whatever its descriptor says. */
static int group_take(struct ext2_rw *rw, uint32_t group, bool is_dir,
                      uint64_t *number)
{
    struct change_block *bitmap, *desc;
    struct change change;
    uint32_t desc_at, at;
    int status = ext2_group_start(rw, group, rw->groups[group].inode_bitmap,
                                  &change, &bitmap, &desc, &desc_at);

    if (status != 0)
        return status;
    at = find_bit(rw, group, bitmap->data);
    if (at >= rw->fs->inodes_per_group || rw->groups[group].free_inodes == 0) {
        rw->free_inodes -= rw->groups[group].free_inodes;
        rw->groups[group].free_inodes = 0;
        ext2_change_abort(&change);
        return -ENOSPC;
    }
    bitmap->data[at / 8] |= (uint8_t)(1U << at % 8);
    count(rw, group, is_dir, 1);
    ext2_group_put(rw, group, desc, desc_at);
    ext2_change_end(&change);
    *number = (uint64_t)group * rw->fs->inodes_per_group + at + 1;
    return 0;
}

int ext2_inode_alloc(struct inode *dir, enum file_type type, uint64_t *number)
{
    struct ext2_rw *rw = ext2_rw_of(dir);
    const bool is_dir = type == FILE_DIRECTORY;
    bool has_waited = false;
    uint32_t group = 0;

    for (;;) {
        int status =
            is_dir ? find_for_dir(rw, dir, &group)
                   : find_for_file(rw, group_of(rw->fs, dir->number), &group);

        if (status == 0) {
            status = group_take(rw, group, is_dir, number);
            if (status != -ENOSPC)
                return status;
            continue; /* and that group is not found again */
        }
        if (rw->freed_inodes == 0 || has_waited)
            return status;
        has_waited = true;
        status = ext2_make_durable(rw->fs);
        if (status != 0)
            return status;
    }
}

int ext2_inode_clear(struct ext2_rw *rw, uint64_t number, bool is_dir)
{
    uint32_t group = group_of(rw->fs, number);
    uint32_t at = (uint32_t)((number - 1) % rw->fs->inodes_per_group);
    struct change_block *bitmap, *desc;
    struct change change;
    uint32_t desc_at;
    int status = ext2_group_start(rw, group, rw->groups[group].inode_bitmap,
                                  &change, &bitmap, &desc, &desc_at);

    if (status != 0)
        return status;
    if ((bitmap->data[at / 8] >> at % 8 & 1) == 0) {
        ext2_change_abort(&change);
        ext2_rw_failed(rw);
        (void)ext2_damaged_volume(rw->fs, "inode bitmap: freed twice");
        return 0;
    }
    bitmap->data[at / 8] &= (uint8_t) ~(1U << at % 8);
    count(rw, group, is_dir && rw->groups[group].dirs > 0, -1);
    ext2_group_put(rw, group, desc, desc_at);
    ext2_change_end(&change);
    return 0;
}

void ext2_inode_unalloc(struct ext2_fs *fs, uint64_t number, bool is_dir)
{
    if (ext2_inode_clear(fs->rw, number, is_dir) != 0)
        ext2_freed_add_inode(fs->rw, number, is_dir);
}

int ext2_change_inode_bitmap(struct change *change, uint64_t number,
                             struct change_block **out)
{
    const struct ext2_rw *rw = change->fs->rw;
    uint32_t group = group_of(change->fs, number);

    return ext2_change_block(change, rw->groups[group].inode_bitmap, out);
}
