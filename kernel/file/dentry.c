/*
 * Names in memory. Those that were not used since the last round are dropped
 * first: a round goes along mount->dentry_clock.
 */
#include "kernel/file/vfs_internal.h"
#include <torc/assert.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/random.h>
#include <torc/string.h>
#include <torc/time.h>

static struct dentry *dentry_of(struct hash_node *node)
{
    return container_of(node, struct dentry, node);
}

static struct hash_key key_draw(void)
{
    uint64_t random[2];

    if (random_bytes(random, sizeof(random)) != 0)
        log_warn("mount: this machine has no random numbers: which names "
                 "collide can be guessed");
    return hash_key(random);
}

int dentries_init(struct mount *mount)
{
    mount->name_key = key_draw();
    list_init(&mount->dentry_clock);
    return hash_init(&mount->dentries);
}

void dentries_fini(struct mount *mount)
{
    dentries_shrink(mount, 0);
    hash_fini(&mount->dentries);
}

static void dentry_free(struct dentry *dentry)
{
    hash_remove(&dentry->dir->mount->dentries, &dentry->node);
    list_remove(&dentry->by_dir);
    list_remove(&dentry->by_inode);
    list_remove(&dentry->clock);
    mem_free(dentry);
}

static __attribute__((cold)) void names_end(struct mount *mount)
{
    if (time_ns() < mount->names_until_ns)
        return;
    mount->names_until_ns = 0;
    vfs_forget_names(mount);
}

struct dentry *dentry_find(const struct inode *dir, const struct name *name)
{
    uint32_t hash = dentry_hash(dir, name);

    if (unlikely(dir->mount->names_until_ns != 0))
        names_end(dir->mount);
    for (struct hash_node *node = hash_chain(&dir->mount->dentries, hash);
         node != NULL; node = node->next) {
        struct dentry *dentry = dentry_of(node);

        if (node->hash == hash && dentry->dir == dir &&
            dentry->len == name->len &&
            memcmp(dentry->name, name->text, name->len) == 0) {
            dentry->used = true;
            return dentry;
        }
    }
    return NULL;
}

/* Let a dentry lead to an inode, or to nothing. */
static void dentry_lead(struct dentry *dentry, struct inode *inode)
{
    list_remove(&dentry->by_inode);
    dentry->inode = inode;
    if (inode != NULL)
        list_push_front(&inode->names, &dentry->by_inode);
}

static struct dentry *dentry_new(struct inode *dir, const struct name *name)
{
    struct dentry *dentry = mem_alloc(sizeof(*dentry) + name->len);

    if (dentry == NULL)
        return NULL;
    dentry->dir = dir;
    dentry->used = true;
    dentry->len = (uint8_t)name->len;
    memcpy(dentry->name, name->text, name->len);
    list_init(&dentry->by_inode);
    list_push_front(&dir->entries, &dentry->by_dir);
    list_push_back(&dir->mount->dentry_clock, &dentry->clock);
    return dentry;
}

void dentry_set(struct inode *dir, const struct name *name, struct inode *inode)
{
    struct mount *mount = dir->mount;
    struct dentry *dentry = dentry_find(dir, name);

    assert(dir->refs > 0);
    if (mount->keeps_no_names || (inode == NULL && mount->ops->folds_names)) {
        /* It may be made by another name of it, or by others. */
        if (dentry != NULL)
            dentry_free(dentry);
        return;
    }
    if (dentry != NULL) {
        dentry_lead(dentry, inode);
        return;
    }
    if (mount->dentries.count >= mount->cached_max)
        dentries_shrink(mount, mount->cached_max - 1);
    dentry = dentry_new(dir, name);
    if (dentry == NULL)
        return;
    dentry_lead(dentry, inode);
    hash_insert(&mount->dentries, &dentry->node, dentry_hash(dir, name));
}

void dentry_forget(const struct inode *dir, const struct name *name)
{
    struct dentry *dentry = dentry_find(dir, name);

    if (dentry != NULL)
        dentry_free(dentry);
}

void dentry_forget_names(struct inode *inode)
{
    list_for_each_safe (node, &inode->names)
        dentry_free(container_of(node, struct dentry, by_inode));
}

void dentry_forget_all(struct inode *inode)
{
    list_for_each_safe (node, &inode->entries)
        dentry_free(container_of(node, struct dentry, by_dir));
    dentry_forget_names(inode);
}

void dentries_shrink(struct mount *mount, unsigned keep)
{
    while (mount->dentries.count > keep) {
        struct dentry *dentry =
            container_of(mount->dentry_clock.next, struct dentry, clock);

        if (dentry->used) {
            dentry->used = false;
            list_remove(&dentry->clock);
            list_push_back(&mount->dentry_clock, &dentry->clock);
        } else {
            dentry_free(dentry);
        }
    }
}

void vfs_forget_names(struct mount *mount)
{
    dentries_shrink(mount, 0);
}

static void dentry_check(struct hash_node *node, void *arg)
{
    const struct dentry *dentry = dentry_of(node);
    const struct name name = {
        dentry->name, dentry->len,
        hash_bytes(&dentry->dir->mount->name_key, dentry->name, dentry->len)};
    const struct mount *mount = arg;

    assert(dentry->dir->mount == mount);
    assert(dentry->dir->type == FILE_DIRECTORY);
    assert(node->hash == dentry_hash(dentry->dir, &name));
    assert(!list_empty(&dentry->by_dir));
    assert(!list_empty(&dentry->clock));
    assert((dentry->inode != NULL) == !list_empty(&dentry->by_inode));
    if (dentry->inode != NULL) {
        assert(dentry->inode->mount == mount);
        assert(dentry->inode->state == INODE_LIVE);
    }
}

void dentries_check(const struct mount *mount)
{
    uint32_t count = 0;

    hash_check(&mount->dentries);
    hash_for_each(&mount->dentries, dentry_check, (void *)mount);
    list_for_each (node, &mount->dentry_clock)
        count++;
    assert(count == mount->dentries.count);
}
