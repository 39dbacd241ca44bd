/*
 * Inodes in memory, in a table by number. One that nobody holds stays, with the
 * names in it and those that lead to it, until others need the memory.
 */
#include "kernel/file/vfs_internal.h"
#include <torc/assert.h>
#include <torc/memory.h>

/* So many unused inodes that cannot go are passed over at a time. */
enum { STAYING_MAX = 16 };

static struct inode *inode_of(struct hash_node *node)
{
    return container_of(node, struct inode, node);
}

int inodes_init(struct mount *mount)
{
    list_init(&mount->unused);
    list_init(&mount->removed);
    return hash_init(&mount->inodes);
}

static struct inode *inode_find(const struct mount *mount, uint64_t number)
{
    struct hash_node *node = hash_chain(&mount->inodes, hash_number(number));

    while (node != NULL && inode_of(node)->number != number)
        node = node->next;
    return node == NULL ? NULL : inode_of(node);
}

bool inode_is_known(const struct mount *mount, uint64_t number)
{
    return inode_find(mount, number) != NULL;
}

/* An inode that is held, in the table, and LOADING. NULL: no memory. */
static struct inode *inode_make(struct mount *mount, uint64_t number)
{
    struct inode *inode = mem_alloc_zeroed(mount->ops->inode_size);

    if (inode == NULL)
        return NULL;
    inode->mount = mount;
    inode->number = number;
    inode->refs = 1;
    inode->state = INODE_LOADING;
    rwlock_init(&inode->lock);
    wait_queue_init(&inode->changed);
    list_init(&inode->unused);
    list_init(&inode->entries);
    list_init(&inode->names);
    list_init(&inode->dirty_link);
    mount->used_count++;
    hash_insert(&mount->inodes, &inode->node, hash_number(number));
    return inode;
}

/* Read an inode that inode_make() has made. */
static int inode_load(struct inode *inode)
{
    inode->status = inode->mount->ops->inode_read(inode);
    if (inode->status == 0) {
        inode->state = INODE_LIVE;
    } else {
        inode->state = INODE_FAILED; /* the next call reads it again */
        hash_remove(&inode->mount->inodes, &inode->node);
    }
    wait_wake_all(&inode->changed);
    return inode->status;
}

int inode_new(struct mount *mount, uint64_t number,
              const struct new_inode *what, struct inode **out)
{
    struct inode *inode;

    if (inode_find(mount, number) != NULL)
        return -EUCLEAN;
    inode = inode_make(mount, number);
    if (inode == NULL)
        return -ENOMEM;
    inode->type = what->type;
    inode->mode = what->mode;
    inode->uid = what->uid;
    inode->gid = what->gid;
    inode->rdev = what->rdev;
    inode->links = 1;
    inode->atime = inode->mtime = inode->ctime = inode->btime =
        vfs_now_in(mount);
    *out = inode;
    return 0;
}

void inode_live(struct inode *inode)
{
    assert(inode->state == INODE_LOADING);
    inode->state = INODE_LIVE;
    wait_wake_all(&inode->changed);
}

void inode_discard(struct inode *inode)
{
    assert(inode->state == INODE_LOADING);
    inode->status = -ENOENT;
    inode->state = INODE_FAILED;
    hash_remove(&inode->mount->inodes, &inode->node);
    wait_wake_all(&inode->changed);
    inode_put(inode);
}

/* Wait, holding an inode, until it is no longer LOADING; and without holding
 * it, until one that is DYING is gone. */
static int inode_wait(struct inode *inode)
{
    if (inode->state == INODE_DYING) {
        wait_on(&inode->changed);
        return -EAGAIN;
    }
    inode_hold(inode);
    while (inode->state == INODE_LOADING)
        wait_on(&inode->changed);
    return inode->status;
}

int inode_get(struct mount *mount, uint64_t number, struct inode **out)
{
    struct inode *inode;
    int status;

    do {
        inode = inode_find(mount, number);
        if (inode != NULL) {
            status = inode_wait(inode);
        } else if (mount->ops->inode_read == NULL) {
            return -ENOENT;
        } else {
            inode = inode_make(mount, number);
            if (inode == NULL)
                return -ENOMEM;
            status = inode_load(inode);
        }
    } while (status == -EAGAIN);
    if (status != 0)
        inode_put(inode);
    else
        *out = inode;
    return status;
}

void inode_use(struct inode *inode)
{
    assert(inode->state == INODE_LIVE);
    if (!list_empty(&inode->unused))
        inode->mount->unused_count--;
    list_remove(&inode->unused);
    inode->mount->used_count++;
}

/*
 * An inode that nobody holds begins to leave the memory: it is not found any
 * more, and its pages go. Waits for reads and writes of them that are under
 * way; whoever asks for the inode meanwhile waits until it is gone, and the
 * mount counts it as used: it must not be unmounted.
 */
static void leave_begin(struct inode *inode)
{
    assert(inode->refs == 0);
    inode->state = INODE_DYING;
    inode->mount->used_count++;
    dentry_forget_all(inode);
    if (!list_empty(&inode->unused))
        inode->mount->unused_count--;
    list_remove(&inode->unused);
    dirty_forget(inode);
    if (inode->type == FILE_REGULAR)
        mapping_destroy(&inode->pages);
    dirty_forget(inode); /* of blocks that were allocated meanwhile */
}

/* Who has waited for it to go looks again. */
static void leave_table(struct inode *inode)
{
    hash_remove(&inode->mount->inodes, &inode->node);
    wait_wake_all(&inode->changed);
    inode->mount->used_count--;
}

static void inode_free(struct inode *inode)
{
    if (inode->mount->ops->inode_drop != NULL)
        inode->mount->ops->inode_drop(inode);
    mem_free(inode);
}

static void inode_leave(struct inode *inode)
{
    leave_begin(inode);
    leave_table(inode);
    inode_free(inode);
}

/*
 * Whether an unused inode may go. What is to be written keeps it, and, if there
 * is to be no wait, whatever would have to be waited for. What has no device
 * was read to memory as a whole, and can be again: where it could not, the file
 * system keeps its inodes.
 */
static bool may_leave(const struct inode *inode, bool may_wait)
{
    if (inode->dirty != 0 || inode->is_writing)
        return false;
    if (inode->type != FILE_REGULAR || inode->pages.open == NULL)
        return true;
    return inode->pages.dirty_count == 0 &&
           (may_wait || mapping_is_idle(&inode->pages));
}

/* Those that cannot go get another round. A caller that may wait has something
 * else to do, and looks at a few of them; the memory needs all that can go. */
void inodes_shrink(struct mount *mount, unsigned keep, bool may_wait)
{
    unsigned patience = may_wait ? STAYING_MAX : mount->unused_count;

    while (mount->unused_count > keep) {
        struct inode *inode =
            container_of(mount->unused.next, struct inode, unused);

        if (may_wait && inode->dirty != 0 && !inode->is_writing &&
            inode_write(inode) == 0)
            continue; /* others have looked at the list meanwhile */
        if (may_leave(inode, may_wait)) {
            inode_leave(inode);
        } else if (patience-- > 0) {
            list_remove(&inode->unused);
            list_push_back(&mount->unused, &inode->unused);
        } else {
            return;
        }
    }
}

/* ---- Inodes that were removed -------------------------------------------- */

/* Free its storage, if that works now. */
static int inode_evict(struct inode *inode)
{
    struct mount *mount = inode->mount;
    int status =
        mount->ops->inode_evict != NULL ? mount->ops->inode_evict(inode) : 0;

    inode->is_evicted = status == 0;
    if (status == 0)
        return 0;
    assert(inode->dirty == 0);
    list_push_back(&mount->removed, &inode->unused);
    mount->removed_count++;
    flush_work_queue(&mount->flush, FLUSH_AFTER_NS);
    return status;
}

/* Nothing leads to it any more, and nobody holds it. Its pages go before the
 * blocks that they would be written to. What cannot be freed now has nothing to
 * do with the table any more: nobody waits for it. */
static void inode_die(struct inode *inode)
{
    int status;

    leave_begin(inode);
    status = inode_evict(inode);
    leave_table(inode);
    if (status == 0)
        inode_free(inode);
}

int inodes_evict(struct mount *mount)
{
    unsigned count = mount->removed_count;
    int status = 0;

    mount->writing_count++;
    while (count-- > 0 && !list_empty(&mount->removed)) {
        struct list *node = list_pop_front(&mount->removed);
        struct inode *inode = container_of(node, struct inode, unused);
        int evicted;

        mount->removed_count--;
        evicted = inode_evict(inode);
        if (evicted == 0)
            inode_free(inode);
        else if (status == 0)
            status = evicted;
    }
    mount->writing_count--;
    wait_wake_all(&mount->written);
    return status;
}

/* ---- Inodes that nobody holds -------------------------------------------- */

/* Nobody holds it, and names lead to it. */
static void inode_unuse(struct inode *inode)
{
    if (inode->mount->ops->keeps_inodes)
        return;
    list_push_back(&inode->mount->unused, &inode->unused);
    inode->mount->unused_count++;
}

/*
 * The last reference has gone. The mount counts the inode as used until all is
 * done: it must not be unmounted meanwhile. One that could not be read is given
 * back by inode_get(), under the lock of a directory: it does not wait.
 */
static void inode_release(struct inode *inode)
{
    struct mount *mount = inode->mount;
    const bool is_failed = inode->state == INODE_FAILED;

    if (is_failed)
        mem_free(inode);
    else if (inode->links == 0)
        inode_die(inode);
    else
        inode_unuse(inode);
    if (!is_failed && mount->unused_count > mount->cached_max)
        inodes_shrink(mount, mount->cached_max, true);
    mount->used_count--;
}

void inode_put(struct inode *inode)
{
    assert(inode->refs > 0);
    if (--inode->refs == 0)
        inode_release(inode);
}

void inode_put_quick(struct inode *inode)
{
    assert(inode->refs > 1 || inode->links > 0);
    if (--inode->refs > 0)
        return;
    inode_unuse(inode);
    inode->mount->used_count--;
}

void inodes_fini(struct mount *mount)
{
    assert(mount->used_count == 0);
    hash_fini(&mount->inodes);
}

static void keep_no_more(struct hash_node *node, void *arg)
{
    struct inode *inode = inode_of(node);

    (void)arg;
    if (list_empty(&inode->unused)) {
        list_push_back(&inode->mount->unused, &inode->unused);
        inode->mount->unused_count++;
    }
}

void inodes_drop(struct mount *mount)
{
    assert(mount->used_count == 0);
    hash_for_each(&mount->inodes, keep_no_more, NULL);
    while (!list_empty(&mount->unused))
        inode_leave(container_of(mount->unused.next, struct inode, unused));
}

void inodes_drop_removed(struct mount *mount)
{
    while (!list_empty(&mount->removed))
        inode_free(container_of(list_pop_front(&mount->removed), struct inode,
                                unused));
    mount->removed_count = 0;
}

static void find_removed(struct hash_node *node, void *arg)
{
    const struct inode *inode = inode_of(node);
    bool *any = arg;

    if (inode->state != INODE_LOADING && inode->links == 0)
        *any = true;
}

bool inodes_any_removed(const struct mount *mount)
{
    bool any = false;

    hash_for_each(&mount->inodes, find_removed, &any);
    return any;
}

static void inode_check(struct hash_node *node, void *arg)
{
    const struct inode *inode = inode_of(node);
    const struct mount *mount = arg;

    assert(inode->mount == mount);
    assert((inode->dirty != 0) == !list_empty(&inode->dirty_link));
    assert(node->hash == hash_number(inode->number));
    assert(inode_find(mount, inode->number) == inode);
    assert(inode->state != INODE_FAILED);
    if (mount->ops->keeps_inodes || inode->state == INODE_DYING)
        assert(list_empty(&inode->unused));
    else
        assert((inode->refs == 0) == !list_empty(&inode->unused));
    rwlock_check(&inode->lock);
    wait_queue_check(&inode->changed);
    if (inode->state != INODE_LIVE)
        return;
    assert(inode->type == FILE_DIRECTORY || list_empty(&inode->entries));
    if (inode->type == FILE_REGULAR && !rwlock_is_held(&inode->lock))
        assert(inode->pages.size_bytes == inode->size_bytes);
    if (inode->type == FILE_REGULAR)
        mapping_check(&inode->pages);
    assert(inode->mounted == NULL || inode->mounted->covered == inode);
    if (mount->ops->inode_check != NULL)
        mount->ops->inode_check(inode);
}

void inodes_check(const struct mount *mount)
{
    unsigned unused = 0, removed = 0;

    hash_check(&mount->inodes);
    hash_for_each(&mount->inodes, inode_check, (void *)mount);
    list_for_each (node, &mount->unused)
        unused++;
    assert(unused == mount->unused_count);
    list_for_each (node, &mount->removed) {
        assert(container_of(node, struct inode, unused)->links == 0);
        removed++;
    }
    assert(removed == mount->removed_count);
    /* Those that could not be read are held and not in the table. */
    if (mount->inodes.count > 0 && !mount->ops->keeps_inodes)
        assert(mount->inodes.count <= mount->used_count + unused);
}
