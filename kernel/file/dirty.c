/*
 * Attributes that are to be written: the inodes of a mount that have some are
 * in mount->dirty, by time, and the flusher writes them when they have been
 * there for a while: what their pages hold first, for which blocks are
 * allocated, then the attributes, which say where.
 *
 * One that is being written is not in the list; it stays in memory until that
 * has ended, without being held: a mount in use is another thing.
 */
#include "kernel/file/vfs_internal.h"
#include <torc/errno.h>
#include <torc/time.h>

static struct inode *inode_of(const struct list *node)
{
    return container_of(node, struct inode, dirty_link);
}

void inode_dirty(struct inode *inode, enum inode_dirty what)
{
    struct mount *mount = inode->mount;

    if (mount->ops->inode_write == NULL || inode->state == INODE_LOADING)
        return; /* whoever makes it says so when it is complete */
    if (inode->dirty == 0) {
        inode->dirty_at_ns = time_ns();
        list_push_back(&mount->dirty, &inode->dirty_link);
        mount->dirty_count++;
        flush_work_queue(&mount->flush, FLUSH_AFTER_NS);
    }
    inode->dirty |= (uint8_t)what;
}

/* Take it off the list; what was dirty of it. */
static enum inode_dirty take(struct inode *inode)
{
    enum inode_dirty what = inode->dirty;

    if (what != 0) {
        list_remove(&inode->dirty_link);
        inode->mount->dirty_count--;
    }
    inode->dirty = 0;
    return what;
}

/* Write one that nobody else is writing; `with_pages` first those. */
static int write_one(struct inode *inode, bool with_pages)
{
    struct mount *mount = inode->mount;
    enum inode_dirty what = take(inode);
    int pages = 0, status;

    inode->is_writing = true;
    mount->writing_count++;
    if (with_pages && inode->type == FILE_REGULAR)
        pages = mount->ops->pages_write(&inode->pages, 0, UINT64_MAX);
    what |= take(inode); /* of blocks that were allocated for them */
    status = what != 0 ? mount->ops->inode_write(inode) : 0;
    inode->is_writing = false;
    mount->writing_count--;
    if (status != 0 || pages != 0)
        inode_dirty(inode, what);
    wait_wake_all(&inode->changed);
    wait_wake_all(&mount->written);
    return pages != 0 ? pages : status;
}

static void wait_writing(struct inode *inode)
{
    while (inode->is_writing)
        wait_on(&inode->changed);
}

int inode_write(struct inode *inode)
{
    wait_writing(inode);
    return inode->dirty != 0 ? write_one(inode, false) : 0;
}

/* ---- All of a mount ------------------------------------------------------ */

/* Write those that have been dirty since `until` or earlier, at most `count`:
 * what fails comes again, at the end. */
static int write_until(struct mount *mount, uint64_t until, unsigned count)
{
    int status = 0;

    while (count > 0 && !list_empty(&mount->dirty)) {
        struct inode *inode = inode_of(mount->dirty.next);
        int written;

        if (inode->dirty_at_ns > until)
            break;
        if (inode->is_writing) { /* and was changed meanwhile */
            wait_on(&inode->changed);
            continue;
        }
        written = write_one(inode, true);
        if (status == 0)
            status = written;
        count--;
    }
    return status;
}

int dirty_write(struct mount *mount)
{
    int status = write_until(mount, UINT64_MAX, mount->dirty_count);
    int evicted = inodes_evict(mount);

    while (mount->writing_count > 0)
        wait_on(&mount->written);
    return status != 0 ? status : evicted;
}

/* When the list's first one is to be written. */
static void run(struct flush_work *work)
{
    struct mount *mount = container_of(work, struct mount, flush);
    uint64_t now = time_ns(), at;

    if (now >= FLUSH_AFTER_NS)
        (void)!write_until(mount, now - FLUSH_AFTER_NS, mount->dirty_count);
    if (!list_empty(&mount->dirty)) {
        now = time_ns();
        at = inode_of(mount->dirty.next)->dirty_at_ns + FLUSH_AFTER_NS;
        flush_work_queue(work, at > now ? at - now : 0);
    }
    (void)!inodes_evict(mount); /* what fails comes again */
}

void dirty_init(struct mount *mount)
{
    list_init(&mount->dirty);
    wait_queue_init(&mount->written);
    mount->flush.run = run;
}

void dirty_forget(struct inode *inode)
{
    wait_writing(inode);
    (void)take(inode);
}

void dirty_stop(struct mount *mount)
{
    if (mount->ops->inode_write != NULL)
        flush_work_cancel(&mount->flush);
}

void dirty_check(const struct mount *mount)
{
    unsigned count = 0;

    list_for_each (node, &mount->dirty) {
        assert(inode_of(node)->dirty != 0);
        assert(inode_of(node)->mount == mount);
        count++;
    }
    assert(count == mount->dirty_count);
    assert(count == 0 || mount->flush.is_queued || mount->flush.is_running);
}
