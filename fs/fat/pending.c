/*
 * Clusters that were dropped are free when what the disk says no longer leads
 * to them: first all entries and FATs that have changed are written, for many
 * chains at once, then the chains are freed.
 */
#include "fs/fat/fat_internal.h"
#include "kernel/cache/order.h"
#include <torc/memory.h>

struct pending {
    struct list link; /* in fs->pending */
    uint32_t first;
    uint32_t count;
};

static int release(struct fat_fs *fs, uint32_t first)
{
    int status;

    rwlock_lock(&fs->fat_lock);
    status = fat_release(fs, first);
    rwlock_unlock(&fs->fat_lock);
    if (status != 0)
        status = fat_damaged(fs, 0, "chain: lost clusters", first);
    return status;
}

void fat_drop_chain(struct fat_fs *fs, uint32_t first, uint32_t count)
{
    struct pending *pending = mem_alloc(sizeof(*pending));

    if (pending == NULL) { /* then without that order */
        (void)!release(fs, first);
        return;
    }
    pending->first = first;
    pending->count = count;
    list_push_back(&fs->pending, &pending->link);
    fs->pending_clusters += count;
    if (++fs->pending_count < FAT_PENDING_MAX)
        flush_work_queue(&fs->pending_work, FLUSH_AFTER_NS);
    else
        (void)!fat_release_pending(fs); /* or at the next one */
}

/* Everything that has changed is on the disk for good. */
static int barrier(struct fat_fs *fs)
{
    int status = fat_write_metadata(fs);

    return status != 0 ? status : mapping_flush(&fs->device);
}

/* Free what was dropped before the barrier; what comes meanwhile is not. */
static int release_all(struct fat_fs *fs)
{
    struct list *last = fs->pending.prev, *node;
    int status;

    if (last == &fs->pending)
        return 0;
    status = barrier(fs);
    if (status != 0)
        return status;
    do {
        struct pending *pending;

        node = fs->pending.next;
        pending = container_of(node, struct pending, link);
        list_remove(node);
        fs->pending_count--;
        fs->pending_clusters -= pending->count;
        (void)!release(fs, pending->first);
        mem_free(pending);
    } while (node != last);
    return 0;
}

int fat_release_pending(struct fat_fs *fs)
{
    int status;

    rwlock_lock(&fs->pending_lock);
    status = release_all(fs);
    rwlock_unlock(&fs->pending_lock);
    return status;
}

static void run(struct flush_work *work)
{
    struct fat_fs *fs = container_of(work, struct fat_fs, pending_work);

    if (fat_release_pending(fs) != 0)
        flush_work_queue(work, FLUSH_AFTER_NS);
}

void fat_pending_init(struct fat_fs *fs)
{
    list_init(&fs->pending);
    rwlock_init(&fs->pending_lock);
    fs->pending_work.run = run;
}

void fat_pending_fini(struct fat_fs *fs)
{
    flush_work_cancel(&fs->pending_work);
    (void)!fat_release_pending(fs);
    while (!list_empty(&fs->pending)) { /* they are lost */
        struct list *node = fs->pending.next;

        list_remove(node);
        mem_free(container_of(node, struct pending, link));
    }
}
