/*
 * Free clusters. The FAT is counted in groups, each when it is first needed:
 * how many are free in a group is kept in memory, which of them the FAT says.
 * What is reserved is a number only: MAP_RESERVE and -ENOSPC come before a
 * write is accepted.
 */
#include "fs/fat/fat_internal.h"
#include "kernel/lib/minmax.h"
#include <torc/assert.h>
#include <torc/memory.h>
#include <torc/string.h>
#include <torc/thread.h>

enum {
    LOOK_GROUPS = 16, /* with free clusters, for a longer run */
    STEPS_MAX = 4096, /* of a thread at a time */
};

int fat_alloc_init(struct fat_fs *fs)
{
    uint32_t shift = 10;

    static_assert(1 << 10 == FAT_GROUP_MIN, "the smallest group");
    while ((fs->cluster_end >> shift) >= FAT_GROUPS_MAX)
        shift++;
    fs->group_shift = shift;
    fs->group_count = (fs->cluster_end >> shift) + 1;
    fs->groups_unknown = fs->group_count;
    fs->free = mem_alloc(fs->group_count * sizeof(fs->free[0]));
    if (fs->free == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < fs->group_count; i++)
        fs->free[i] = FAT_GROUP_UNKNOWN;
    rwlock_init(&fs->fat_lock);
    fs->search_at = FAT_FIRST;
    return 0;
}

void fat_alloc_fini(struct fat_fs *fs)
{
    mem_free(fs->free);
}

/* ---- Counting ------------------------------------------------------------ */

/* Known, free, and not reserved. (Clusters that were lost by an error of the
 * disk may have been reserved.) */
static uint32_t unreserved(const struct fat_fs *fs)
{
    return fs->free_known > fs->reserved ? fs->free_known - fs->reserved : 0;
}

static uint32_t group_first(const struct fat_fs *fs, uint32_t group)
{
    return max_u32(group << fs->group_shift, FAT_FIRST);
}

static uint32_t group_end(const struct fat_fs *fs, uint32_t group)
{
    return min_u32((group + 1) << fs->group_shift, fs->cluster_end);
}

/* Count a group, if need be. The caller holds fat_lock. */
static int group_count(struct fat_fs *fs, uint32_t group)
{
    struct fat_view view;
    uint32_t count = 0, value;
    int status = 0;

    if (fs->free[group] != FAT_GROUP_UNKNOWN)
        return 0;
    fat_view_begin(&view, fs);
    for (uint32_t c = group_first(fs, group);
         c < group_end(fs, group) && status == 0; c++) {
        status = fat_get(&view, c, &value);
        count += status == 0 && value == FAT_FREE;
    }
    fat_view_end(&view);
    if (status != 0)
        return status;
    fs->free[group] = (uint16_t)count;
    fs->free_known += count;
    fs->groups_unknown--;
    return 0;
}

/* A cluster is free, or not any more. */
static void counted(struct fat_fs *fs, uint32_t cluster, bool is_free)
{
    uint32_t group = cluster >> fs->group_shift;

    if (fs->hint_free != FSINFO_UNKNOWN)
        fs->hint_free += is_free ? 1 : UINT32_MAX;
    if (fs->free[group] == FAT_GROUP_UNKNOWN)
        return;
    if (is_free) {
        fs->free[group]++;
        fs->free_known++;
    } else {
        fs->free[group]--;
        fs->free_known--;
    }
}

/* Count groups, from where clusters are taken on, until `wanted` clusters are
 * known that nobody has reserved, or all are known. */
static int count_until(struct fat_fs *fs, uint32_t wanted)
{
    uint32_t group = fs->search_at >> fs->group_shift;
    int status = 0;

    rwlock_lock(&fs->fat_lock);
    while (fs->groups_unknown > 0 && unreserved(fs) < wanted && status == 0) {
        status = group_count(fs, group);
        group = group + 1 < fs->group_count ? group + 1 : 0;
        if (group % 16 == 0)
            thread_yield(); /* others come in between */
    }
    rwlock_unlock(&fs->fat_lock);
    return status;
}

int fat_reserve(struct fat_fs *fs, uint32_t count)
{
    int status = 0;

    if (unreserved(fs) < count)
        status = count_until(fs, count);
    if (status == 0 && unreserved(fs) < count)
        status = fat_release_pending(fs);
    if (status == 0 && unreserved(fs) < count)
        status = -ENOSPC;
    if (status == 0)
        fs->reserved += count;
    return status;
}

void fat_unreserve(struct fat_fs *fs, uint32_t count)
{
    assert(fs->reserved >= count);
    fs->reserved -= count;
}

int fat_count_free(struct fat_fs *fs, uint32_t *count)
{
    int status = count_until(fs, UINT32_MAX);

    if (status == 0)
        *count = unreserved(fs) + fs->pending_clusters;
    return status;
}

/* ---- Finding ------------------------------------------------------------- */

struct run {
    uint32_t first;
    uint32_t count;
};

/* How many clusters are free from `first` on, `max` at most. */
static int run_at(struct fat_view *view, uint32_t first, uint32_t max,
                  uint32_t *count)
{
    uint32_t end = min_u32(view->fs->cluster_end - first, max), value;

    for (*count = 0; *count < end; ++*count) {
        int status = fat_get(view, first + *count, &value);

        if (status != 0)
            return status;
        if (value != FAT_FREE)
            break;
    }
    return 0;
}

/* The longest run in a group from `from` on, if it is longer than *best; one of
 * `wanted` is long enough. */
static int group_search(struct fat_view *view, uint32_t from, uint32_t group,
                        uint32_t wanted, struct run *best)
{
    uint32_t end = group_end(view->fs, group);
    uint32_t at = max_u32(from, group_first(view->fs, group));

    while (at < end && best->count < wanted) {
        uint32_t count;
        int status = run_at(view, at, wanted, &count);

        if (status != 0)
            return status;
        if (count > best->count)
            *best = (struct run){at, count};
        at += count + 1;
    }
    return 0;
}

/* Find a run of up to `wanted` free clusters behind `goal`, or anywhere. */
static int search(struct fat_view *view, uint32_t goal, uint32_t wanted,
                  struct run *best)
{
    struct fat_fs *fs = view->fs;
    uint32_t start = goal >> fs->group_shift, looked = 0;

    /* The first group again in the end: what is before the goal. */
    for (uint32_t i = 0; i <= fs->group_count; i++) {
        uint32_t group = (start + i) % fs->group_count;
        int status = group_count(fs, group);

        if (status == 0 && fs->free[group] > 0) {
            status = group_search(view, i == 0 ? goal : 0, group, wanted, best);
            looked++;
        }
        if (status != 0)
            return status;
        if (best->count == wanted || (best->count > 0 && looked >= LOOK_GROUPS))
            break;
    }
    return 0;
}

static int find(struct fat_fs *fs, uint32_t goal, uint32_t wanted,
                struct run *out)
{
    struct fat_view view;
    int status = 0;

    *out = (struct run){0, 0};
    fat_view_begin(&view, fs);
    if (goal > FAT_FIRST && fat_cluster_valid(fs, goal)) {
        status = run_at(&view, goal, wanted, &out->count);
        out->first = goal;
    } else {
        goal = fs->search_at;
    }
    if (status == 0 && out->count == 0)
        status = search(&view, goal, wanted, out);
    fat_view_end(&view);
    if (status == 0 && out->count == 0)
        status = -ENOSPC;
    return status;
}

/* ---- Taking and freeing -------------------------------------------------- */

int fat_take(struct fat_fs *fs, uint32_t goal, uint32_t count, uint32_t *first,
             uint32_t *got)
{
    struct run run;
    uint32_t left;
    int status = find(fs, goal, count, &run);

    if (status != 0)
        return status;
    /* From the last one on: each leads to what is a chain already. */
    for (left = run.count; left > 0 && status == 0; left--) {
        uint32_t cluster = run.first + left - 1;

        status = fat_set(fs, cluster,
                         left == run.count ? fat_end_value(fs) : cluster + 1);
        if (status == 0)
            counted(fs, cluster, false);
    }
    if (status != 0) {
        if (left + 1 < run.count)
            (void)!fat_release(fs, run.first + left + 1);
        return status;
    }
    assert(fs->reserved >= run.count);
    fs->reserved -= run.count;
    fs->search_at = run.first + run.count;
    if (fs->search_at >= fs->cluster_end)
        fs->search_at = FAT_FIRST;
    *first = run.first;
    *got = run.count;
    return 0;
}

/* Each is free before the next one is looked at: a circle comes to one that
 * is. */
int fat_release(struct fat_fs *fs, uint32_t first)
{
    int status = fat_cluster_valid(fs, first) ? 1 : -EUCLEAN;
    uint32_t cluster = first, next, steps = 0;
    struct fat_view view;

    fat_view_begin(&view, fs);
    while (status == 1) {
        status = fat_next(&view, cluster, &next);
        if (status >= 0) {
            int freed = fat_set(fs, cluster, FAT_FREE);

            if (freed == 0)
                counted(fs, cluster, true);
            else
                status = freed;
        }
        cluster = next;
        if (++steps % STEPS_MAX == 0)
            thread_yield(); /* others come in between */
    }
    fat_view_end(&view);
    return status;
}

int fat_clear(struct fat_fs *fs, uint32_t first, uint32_t count)
{
    uint64_t at = fat_cluster_offset(fs, first);
    uint64_t end = at + ((uint64_t)count << fs->cluster_shift);
    int status = 0;

    while (at < end && status == 0) {
        uint32_t from = (uint32_t)(at % PAGE_BYTES);
        uint32_t len = (uint32_t)min_u64(PAGE_BYTES - from, end - at);
        struct page *page;

        status = page_take(&fs->device, at >> PAGE_BYTES_SHIFT, &page);
        if (status != 0)
            break;
        status = page_modify(page, from, len);
        if (status == 0) {
            memset(page->buf->base + from, 0, len);
            page_dirty(page, from, len);
        }
        page_put(page);
        at += len;
    }
    return status;
}

int fat_write_clusters(struct fat_fs *fs, uint32_t first, uint32_t count)
{
    uint64_t at = fat_cluster_offset(fs, first);
    uint64_t end = at + ((uint64_t)count << fs->cluster_shift);

    return mapping_write(&fs->device, at >> PAGE_BYTES_SHIFT,
                         (end - 1) >> PAGE_BYTES_SHIFT);
}

void fat_alloc_check(const struct fat_fs *fs)
{
    uint32_t known = 0, unknown = 0;

    for (uint32_t i = 0; i < fs->group_count; i++) {
        if (fs->free[i] == FAT_GROUP_UNKNOWN)
            unknown++;
        else
            known += fs->free[i];
    }
    assert(unknown == fs->groups_unknown);
    assert(known == fs->free_known);
    assert(fat_cluster_valid(fs, fs->search_at));
}
