/*
 * What was freed and cannot be used again yet: the disk may still name it. Its
 * bits stay set until the changes are durable that took the names away; then
 * they are cleared.
 */
#include "fs/ext2/write/alloc.h"
#include "fs/ext2/write/rw.h"
#include <torc/log.h>
#include <torc/memory.h>

static struct ext2_freed *freed_of(struct list *node)
{
    return container_of(node, struct ext2_freed, link);
}

void ext2_freed_init(struct ext2_rw *rw)
{
    list_init(&rw->freed);
    list_init(&rw->freed_spare);
    for (unsigned i = 0; i < EXT2_FREED_SPARE; i++) {
        rw->spare[i].is_spare = true;
        list_push_back(&rw->freed_spare, &rw->spare[i].link);
    }
}

/* An entry in a list. NULL: there is no memory. */
static struct ext2_freed *entry_new(struct ext2_rw *rw, struct list *to)
{
    struct ext2_freed *freed = mem_alloc_zeroed(sizeof(*freed));

    if (freed == NULL && !list_empty(&rw->freed_spare))
        freed = freed_of(list_pop_front(&rw->freed_spare));
    if (freed == NULL) {
        log_error("%s: no memory to free what was removed; e2fsck does it",
                  rw->fs->name);
        return NULL;
    }
    list_push_back(to, &freed->link);
    return freed;
}

static void entry_free(struct ext2_rw *rw, struct ext2_freed *freed)
{
    list_remove(&freed->link);
    if (freed->is_spare)
        list_push_back(&rw->freed_spare, &freed->link);
    else
        mem_free(freed);
}

/* Whether blocks go on where the last entry of a list ends, or begins. */
static bool join(struct list *to, uint64_t first, uint32_t count,
                 uint64_t stamp)
{
    struct ext2_freed *last;

    if (list_empty(to))
        return false;
    last = freed_of(to->prev);
    if (last->is_inode || last->stamp != stamp ||
        count > UINT32_MAX - last->count)
        return false;
    if (last->first + last->count == first) {
        last->count += count;
        return true;
    }
    if (first + count != last->first)
        return false;
    last->first = first;
    last->count += count;
    return true;
}

void ext2_freed_add(struct ext2_rw *rw, struct list *open, uint64_t first,
                    uint32_t count)
{
    struct list *to = open != NULL ? open : &rw->freed;
    uint64_t stamp = open != NULL ? 0 : rw->stamp - 1;
    struct ext2_freed *freed;

    if (!join(to, first, count, stamp)) {
        freed = entry_new(rw, to);
        if (freed == NULL)
            return;
        freed->first = first;
        freed->count = count;
        freed->stamp = stamp;
        freed->is_inode = false;
    }
    rw->freed_blocks += count;
}

void ext2_freed_close(struct ext2_rw *rw, struct list *open, uint64_t stamp)
{
    while (!list_empty(open)) {
        struct list *node = list_pop_front(open);

        freed_of(node)->stamp = stamp;
        list_push_back(&rw->freed, node);
    }
}

void ext2_freed_add_inode(struct ext2_rw *rw, uint64_t number, bool is_dir)
{
    struct ext2_freed *freed = entry_new(rw, &rw->freed);

    if (freed == NULL)
        return;
    freed->first = number;
    freed->count = 1;
    freed->stamp = rw->stamp - 1;
    freed->is_inode = true;
    freed->is_dir = is_dir;
    rw->freed_inodes++;
}

/* ---- Using it again ------------------------------------------------------ */

/* Returns 0: the entry is done; or the error, after which a part of it is
 * left. */
static int release(struct ext2_rw *rw, struct ext2_freed *freed)
{
    uint32_t done = 0;
    int status;

    if (freed->is_inode) {
        status = ext2_inode_clear(rw, freed->first, freed->is_dir);
        rw->freed_inodes -= status == 0;
        return status;
    }
    status = ext2_blocks_clear(rw, freed->first, freed->count, true, &done);
    freed->first += done;
    freed->count -= done;
    return status;
}

/* One that is durable. NULL: there is none. */
static struct ext2_freed *next(struct ext2_rw *rw)
{
    list_for_each (node, &rw->freed) {
        struct ext2_freed *freed = freed_of(node);

        if (freed->stamp < rw->durable)
            return freed;
    }
    return NULL;
}

void ext2_freed_release(struct ext2_rw *rw)
{
    struct ext2_freed *freed = next(rw);

    for (; freed != NULL; freed = next(rw)) {
        list_remove(&freed->link); /* it is not ours alone while we wait */
        list_init(&freed->link);
        if (release(rw, freed) != 0) {
            list_push_back(&rw->freed, &freed->link);
            return;
        }
        entry_free(rw, freed);
    }
}

void ext2_freed_fini(struct ext2_rw *rw)
{
    while (!list_empty(&rw->freed))
        entry_free(rw, freed_of(rw->freed.next));
    rw->freed_blocks = rw->freed_inodes = 0;
}
