/*
 * Chains: the clusters of a file or directory. The FAT leads from each to the
 * next one only, so marks at regular distances say where to begin a walk. A
 * chain that is a circle is found by its length.
 */
#include "fs/fat/fat_internal.h"
#include "kernel/lib/minmax.h"
#include <torc/assert.h>
#include <torc/memory.h>
#include <torc/thread.h>

enum {
    SHIFT_FIRST = 6,     /* a mark at every 64 clusters at first */
    STEPS_MAX = 1 << 16, /* of a thread at a time */
};

void fat_chain_init(struct fat_chain *chain, uint32_t first)
{
    *chain = (struct fat_chain){
        .first = first,
        .length = first == 0 ? 0 : FAT_LENGTH_UNKNOWN,
        .cluster = first,
        .shift = SHIFT_FIRST,
    };
}

void fat_chain_fini(struct fat_chain *chain)
{
    mem_free(chain->marks);
    chain->marks = NULL;
    chain->mark_count = 0;
}

static int damaged(struct inode *inode, uint32_t index)
{
    return fat_damaged(fat_of(inode), inode->number, "chain", index);
}

/* ---- Marks --------------------------------------------------------------- */

/* There are as many as there may be: every second one goes. */
static void marks_thin(struct fat_chain *chain)
{
    for (uint32_t i = 0; i < FAT_MARKS / 2; i++)
        chain->marks[i] = chain->marks[2 * i + 1];
    chain->mark_count = FAT_MARKS / 2;
    chain->shift++;
}

/* Mark number i is cluster (i+1) << shift. They are set one after the other. */
static void mark_set(struct fat_chain *chain, uint32_t index, uint32_t cluster)
{
    if (chain->mark_count == FAT_MARKS)
        marks_thin(chain);
    if (index != (chain->mark_count + 1) << chain->shift)
        return;
    if (chain->marks == NULL)
        chain->marks = mem_alloc(FAT_MARKS * sizeof(chain->marks[0]));
    if (chain->marks != NULL)
        chain->marks[chain->mark_count++] = cluster;
}

/* The nearest place at or before `index`. */
static uint32_t start_at(const struct fat_chain *chain, uint32_t index,
                         uint32_t *cluster)
{
    uint32_t at = 0, mark = min_u32(index >> chain->shift, chain->mark_count);

    *cluster = chain->first;
    if (mark > 0) {
        at = mark << chain->shift;
        *cluster = chain->marks[mark - 1];
    }
    if (chain->at <= index && chain->at >= at) {
        at = chain->at;
        *cluster = chain->cluster;
    }
    return at;
}

/* How many clusters it may have: what a file of the largest size needs, or a
 * directory. One that has more is a circle, or damaged otherwise. */
static uint32_t length_max(const struct inode *inode)
{
    const struct fat_fs *fs = fat_of(inode);
    uint32_t clusters = fs->cluster_end - FAT_FIRST;
    uint64_t bytes = (uint64_t)FAT_SIZE_MAX + 1;

    if (inode->type == FILE_DIRECTORY)
        bytes = (uint64_t)SLOTS_MAX << SLOT_SHIFT;
    return min_u32(clusters, fat_clusters_of(fs, bytes));
}

/* ---- Walks --------------------------------------------------------------- */

/* Step on. Returns as fat_chain_find(). */
static int step(struct inode *inode, struct fat_view *view, uint32_t *at,
                uint32_t *cluster)
{
    struct fat_chain *chain = &fat_inode_of(inode)->chain;
    int status = fat_next(view, *cluster, cluster);

    if (status == -EUCLEAN)
        return damaged(inode, *at);
    if (status == 0 && chain->length != FAT_LENGTH_UNKNOWN)
        return damaged(inode, *at); /* it was longer */
    if (status == 0)
        chain->length = *at + 1;
    if (status != 1)
        return status;
    ++*at;
    if (*at >= length_max(inode))
        return damaged(inode, *at);
    if (*at % STEPS_MAX == 0)
        thread_yield(); /* others come in between */
    mark_set(chain, *at, *cluster);
    return 1;
}

static int find(struct inode *inode, struct fat_view *view, uint32_t index,
                uint32_t *out)
{
    struct fat_chain *chain = &fat_inode_of(inode)->chain;
    uint32_t cluster, at;

    if (chain->first == 0 ||
        (chain->length != FAT_LENGTH_UNKNOWN && index >= chain->length))
        return 0;
    assert(fat_cluster_valid(fat_of(inode), chain->first));
    at = start_at(chain, index, &cluster);
    while (at < index) {
        int status = step(inode, view, &at, &cluster);

        if (status != 1)
            return status;
    }
    if (at < chain->length) {
        chain->at = at;
        chain->cluster = cluster;
    }
    *out = cluster;
    return 1;
}

int fat_chain_find(struct inode *inode, uint32_t index, uint32_t *cluster)
{
    struct fat_view view;
    int status;

    fat_view_begin(&view, fat_of(inode));
    status = find(inode, &view, index, cluster);
    fat_view_end(&view);
    return status;
}

int fat_chain_run(struct inode *inode, uint32_t index, uint32_t max,
                  uint32_t *cluster, uint32_t *count)
{
    struct fat_chain *chain = &fat_inode_of(inode)->chain;
    uint32_t at = index, next;
    struct fat_view view;
    int status;

    fat_view_begin(&view, fat_of(inode));
    status = find(inode, &view, index, cluster);
    next = *cluster;
    *count = 0;
    while (status == 1) {
        ++*count;
        chain->at = at;
        chain->cluster = next;
        if (*count == max || at + 1 >= chain->length)
            break;
        /* What is damaged behind it is told to who wants that. */
        if (step(inode, &view, &at, &next) != 1 || next != *cluster + *count)
            break;
    }
    fat_view_end(&view);
    return status;
}

int fat_chain_measure(struct inode *inode)
{
    struct fat_chain *chain = &fat_inode_of(inode)->chain;
    uint32_t cluster;
    int status;

    if (chain->length != FAT_LENGTH_UNKNOWN)
        return 0;
    status = fat_chain_find(inode, fat_of(inode)->cluster_end, &cluster);
    assert(status != 1);
    return status;
}

/* ---- Changing ------------------------------------------------------------ */

/* Its entry says where it begins; one that was removed has none. */
static void changed(struct inode *inode)
{
    if (inode->links > 0)
        inode_dirty(inode, INODE_REST);
}

/* Clusters that become a directory's are zeros, also on the disk. */
static int clear(struct fat_fs *fs, uint32_t first, uint32_t count)
{
    int status = fat_clear(fs, first, count);

    return status != 0 ? status : fat_write_clusters(fs, first, count);
}

/* Append up to `count` clusters. The caller holds fat_lock. */
static int append(struct inode *inode, uint32_t count)
{
    struct fat_fs *fs = fat_of(inode);
    struct fat_chain *chain = &fat_inode_of(inode)->chain;
    uint32_t last = 0, first, got;
    int status = 0;

    if (chain->length > 0) {
        status = fat_chain_find(inode, chain->length - 1, &last);
        assert(status != 0);
        status = status == 1 ? 0 : status;
    }
    if (status == 0)
        status = fat_take(fs, last + 1, count, &first, &got);
    if (status != 0)
        return status;
    if (inode->type == FILE_DIRECTORY)
        status = clear(fs, first, got);
    if (status == 0 && last != 0)
        status = fat_set(fs, last, first);
    if (status != 0) {
        /* Nothing leads to them: they are free again. */
        (void)!fat_release(fs, first);
        fs->reserved += got;
        return status;
    }
    if (last == 0)
        chain->first = chain->cluster = first;
    chain->length += got;
    inode->blocks = (uint64_t)chain->length << (fs->cluster_shift - 9);
    changed(inode);
    return 0;
}

int fat_chain_grow(struct inode *inode, uint32_t length)
{
    struct fat_chain *chain = &fat_inode_of(inode)->chain;
    struct fat_fs *fs = fat_of(inode);
    int status = 0;

    assert(chain->length != FAT_LENGTH_UNKNOWN);
    rwlock_lock(&fs->fat_lock);
    while (status == 0 && chain->length < length)
        status = append(inode, length - chain->length);
    rwlock_unlock(&fs->fat_lock);
    return status;
}

/* What is known of clusters from `length` on is forgotten; nothing is reserved
 * behind them. */
static void shorten(struct fat_inode *fat, uint32_t length)
{
    struct fat_chain *chain = &fat->chain;
    uint32_t marks = length == 0 ? 0 : (length - 1) >> chain->shift;

    chain->length = length;
    fat->reserve_end = length;
    chain->mark_count = min_u32(chain->mark_count, marks);
    if (chain->at >= length) {
        chain->at = 0;
        chain->cluster = chain->first;
    }
}

/* Let a chain end behind `length` clusters, some; *rest is what follows. The
 * caller holds fat_lock. Returns 1, 0 (nothing does), or as fat_set(). */
static int cut_behind(struct inode *inode, uint32_t length, uint32_t *rest)
{
    struct fat_fs *fs = fat_of(inode);
    uint32_t last;
    int status = fat_chain_find(inode, length - 1, &last);

    if (status == 1)
        status = fat_chain_find(inode, length, rest);
    if (status == 1 && fat_set(fs, last, fat_end_value(fs)) != 0)
        status = -EIO;
    return status;
}

int fat_chain_cut(struct inode *inode, uint32_t length)
{
    struct fat_fs *fs = fat_of(inode);
    struct fat_chain *chain = &fat_inode_of(inode)->chain;
    uint32_t rest = chain->first, count;
    int status = fat_chain_measure(inode);

    if (status != 0 || length >= chain->length)
        return status;
    count = chain->length - length;
    rwlock_lock(&fs->fat_lock);
    status = length > 0 ? cut_behind(inode, length, &rest) : 1;
    if (status == 1) {
        if (length == 0)
            chain->first = 0;
        shorten(fat_inode_of(inode), length);
        inode->blocks = (uint64_t)length << (fs->cluster_shift - 9);
        changed(inode);
    }
    rwlock_unlock(&fs->fat_lock);
    if (status == 1)
        fat_drop_chain(fs, rest, count);
    return status < 0 ? status : 0;
}

void fat_chain_check(const struct fat_fs *fs, const struct fat_chain *chain)
{
    assert((chain->first == 0) == (chain->length == 0));
    assert(chain->mark_count <= FAT_MARKS);
    assert(chain->mark_count == 0 || chain->marks != NULL);
    for (uint32_t i = 0; i < chain->mark_count; i++)
        assert(fat_cluster_valid(fs, chain->marks[i]));
    if (chain->first != 0 && chain->at > 0)
        assert(chain->at < chain->length);
}
