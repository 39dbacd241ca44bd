/*
 * Inodes in memory, in a table by number. One that nobody holds stays, with the
 * names in it and those that lead to it, until others need the memory.
 */
#include "kernel/file/vfs_internal.h"
#include <torc/assert.h>
#include <torc/memory.h>

static struct inode *inode_of(struct hash_node *node)
{
    return container_of(node, struct inode, node);
}

int inodes_init(struct mount *mount)
{
    list_init(&mount->unused);
    return hash_init(&mount->inodes);
}

static struct inode *inode_find(const struct mount *mount, uint64_t number)
{
    struct hash_node *node = hash_chain(&mount->inodes, hash_number(number));

    while (node != NULL && inode_of(node)->number != number)
        node = node->next;
    return node == NULL ? NULL : inode_of(node);
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
    mount->used_count++;
    hash_insert(&mount->inodes, &inode->node, hash_number(number));
    return inode;
}

/* It has left the table, and nobody holds it. */
static void inode_free(struct inode *inode)
{
    assert(inode->refs == 0);
    mem_free(inode);
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
    list_remove(&inode->unused);
    inode->mount->unused_count--;
    inode->mount->used_count++;
}

/* Forget an unused inode. */
static void inode_forget(struct inode *inode)
{
    struct mount *mount = inode->mount;

    assert(inode->refs == 0);
    assert(inode->state == INODE_LIVE);
    dentry_forget_all(inode);
    hash_remove(&mount->inodes, &inode->node);
    list_remove(&inode->unused);
    mount->unused_count--;
    if (mount->ops->inode_drop != NULL)
        mount->ops->inode_drop(inode);
    inode_free(inode);
}

void inodes_shrink(struct mount *mount, unsigned keep)
{
    while (mount->unused_count > keep)
        inode_forget(container_of(mount->unused.next, struct inode, unused));
}

/* The last reference has gone. */
static void inode_release(struct inode *inode)
{
    struct mount *mount = inode->mount;

    mount->used_count--;
    if (inode->state == INODE_FAILED) {
        inode_free(inode);
        return;
    }
    assert(inode->state == INODE_LIVE);
    list_push_back(&mount->unused, &inode->unused);
    mount->unused_count++;
    if (mount->unused_count > mount->cached_max)
        inodes_shrink(mount, mount->cached_max);
}

void inode_put(struct inode *inode)
{
    assert(inode->refs > 0);
    if (--inode->refs == 0)
        inode_release(inode);
}

void inodes_fini(struct mount *mount)
{
    assert(mount->used_count == 0);
    inodes_shrink(mount, 0);
    hash_fini(&mount->inodes);
}

static void inode_check(struct hash_node *node, void *arg)
{
    const struct inode *inode = inode_of(node);
    const struct mount *mount = arg;

    assert(inode->mount == mount);
    assert(node->hash == hash_number(inode->number));
    assert(inode_find(mount, inode->number) == inode);
    assert(inode->state != INODE_FAILED);
    assert((inode->refs == 0) == !list_empty(&inode->unused));
    rwlock_check(&inode->lock);
    wait_queue_check(&inode->changed);
    if (inode->state != INODE_LIVE)
        return;
    assert(inode->type == FILE_DIRECTORY || list_empty(&inode->entries));
    assert(inode->mounted == NULL || inode->mounted->covered == inode);
    if (mount->ops->inode_check != NULL)
        mount->ops->inode_check(inode);
}

void inodes_check(const struct mount *mount)
{
    unsigned unused = 0;

    hash_check(&mount->inodes);
    hash_for_each(&mount->inodes, inode_check, (void *)mount);
    list_for_each (node, &mount->unused)
        unused++;
    assert(unused == mount->unused_count);
    /* Those that could not be read are held and not in the table. */
    assert(mount->inodes.count <= mount->used_count + unused);
}
