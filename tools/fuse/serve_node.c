/* Nodes and what they are: node.h and serve.h. */
#include "kernel/lib/minmax.h"
#include "tools/fuse/node.h"
#include <torc/assert.h>
#include <torc/memory.h>
#include <torc/string.h>

enum {
    TYPE_SHIFT = 12,
    MODE_ALL = 07777,
    MODE_SETUID = 04000,
    MODE_SETGID = 02000,
    MODE_XGRP = 010,
};

/* Of the CPU that serves. */
static struct hash_table nodes;
static struct mount *mount;

struct mount *nodes_mount(void)
{
    return mount;
}

/* ---- Types --------------------------------------------------------------- */

/* As in st_mode (inode(7)), without the lower bits. */
static const uint8_t type_bits[] = {
    [FILE_UNKNOWN] = 0,    [FILE_REGULAR] = 010, [FILE_DIRECTORY] = 04,
    [FILE_SYMLINK] = 012,  [FILE_FIFO] = 01,     [FILE_SOCKET] = 014,
    [FILE_CHARACTER] = 02, [FILE_BLOCK] = 06,
};

uint32_t mode_of_type(enum file_type type)
{
    assert(type < COUNT_OF(type_bits));
    return (uint32_t)type_bits[type] << TYPE_SHIFT;
}

enum file_type type_of_mode(uint32_t mode)
{
    for (unsigned i = FILE_REGULAR; i < COUNT_OF(type_bits); i++) {
        if (type_bits[i] == mode >> TYPE_SHIFT)
            return (enum file_type)i;
    }
    return FILE_UNKNOWN;
}

static struct serve_time time_of(struct file_time time)
{
    return (struct serve_time){.s = time.s, .ns = time.ns};
}

void node_attr(const struct inode *inode, struct serve_attr *out)
{
    *out = (struct serve_attr){
        .inode = inode->number,
        .mode = mode_of_type(inode->type) | inode->mode,
        .links = inode->links,
        .uid = inode->uid,
        .gid = inode->gid,
        .rdev = inode->rdev,
        .size_bytes = inode->size_bytes,
        .blocks = vfs_blocks(inode),
        .is_settling = inode->type == FILE_REGULAR &&
                       inode->pages.open != NULL &&
                       inode->pages.dirty_count > 0,
        .atime = time_of(inode->atime),
        .mtime = time_of(inode->mtime),
        .ctime = time_of(inode->ctime),
    };
}

/* ---- The table ----------------------------------------------------------- */

static uint64_t id_of(const struct inode *inode)
{
    return inode == mount->root ? (uint64_t)SERVE_ROOT : inode->number + 1;
}

static struct node *node_find(uint64_t id)
{
    uint32_t hash = hash_number(id);

    for (struct hash_node *at = hash_chain(&nodes, hash); at != NULL;
         at = at->next) {
        struct node *node = container_of(at, struct node, hash);

        if (node->id == id)
            return node;
    }
    return NULL;
}

/* A node for an inode that has none; the reference becomes the node's. */
static struct node *node_new(struct inode *inode)
{
    struct node *node = mem_alloc_zeroed(sizeof(*node));

    if (node == NULL)
        return NULL;
    node->id = id_of(inode);
    node->inode = inode;
    if (inode->type == FILE_REGULAR)
        node->seen = mapping_error_seen(&inode->pages);
    hash_insert(&nodes, &node->hash, hash_number(node->id));
    return node;
}

struct node *node_get(uint64_t id)
{
    struct node *node = node_find(id);

    if (node != NULL)
        node->pins++;
    return node;
}

/* Nobody needs it any more. */
static void node_drop(struct node *node)
{
    struct inode *inode = node->inode;

    hash_remove(&nodes, &node->hash);
    mem_free(node);
    inode_put(inode);
}

void node_put(struct node *node)
{
    assert(node->pins > 0);
    node->pins--;
    if (node->pins == 0 && node->lookups == 0)
        node_drop(node);
}

int node_tell(struct inode *inode, struct serve_entry *out)
{
    struct node *node = node_find(id_of(inode));

    if (node == NULL) {
        node = node_new(inode);
        if (node == NULL) {
            inode_put(inode);
            return -ENOMEM;
        }
    } else {
        assert(node->inode == inode);
        inode_put_quick(inode); /* the node has a reference, too */
    }
    node->lookups++;
    out->node = node->id;
    node_attr(inode, &out->attr);
    return 0;
}

void serve_forget(uint64_t id, uint64_t count)
{
    struct node *node = node_find(id);

    if (node == NULL || id == SERVE_ROOT)
        return;
    node->lookups -= min_u64(count, node->lookups);
    if (node->pins == 0 && node->lookups == 0)
        node_drop(node);
}

int nodes_init(void)
{
    struct inode *root;
    struct node *node;
    int status = vfs_walk("/", true, &root);

    if (status != 0)
        return status;
    mount = root->mount;
    status = hash_init(&nodes);
    if (status != 0)
        goto fail_hash;
    node = node_new(root);
    if (node == NULL) {
        status = -ENOMEM;
        goto fail_node;
    }
    node->lookups = 1;
    return 0;

fail_node:
    hash_fini(&nodes);
fail_hash:
    inode_put(root);
    return status;
}

/* Any node of the table; NULL: it is empty. */
static struct node *node_any(void)
{
    for (uint32_t i = 0; i <= nodes.mask; i++) {
        if (nodes.slots[i] != NULL)
            return container_of(nodes.slots[i], struct node, hash);
    }
    return NULL;
}

void nodes_fini(void)
{
    struct node *node;

    while ((node = node_any()) != NULL) {
        assert(node->pins == 0);
        node_drop(node);
    }
    hash_fini(&nodes);
}

static void node_check(struct hash_node *at, void *arg)
{
    const struct node *node = container_of(at, struct node, hash);

    (void)arg;
    assert(node->hash.hash == hash_number(node->id));
    assert(node->id == id_of(node->inode));
    assert(node_find(node->id) == node);
    assert(node->lookups > 0 || node->pins > 0);
    assert(node->inode->refs > 0);
}

void nodes_check(void)
{
    hash_check(&nodes);
    hash_for_each(&nodes, node_check, NULL);
    assert(node_find(SERVE_ROOT) != NULL);
}

/* ---- What is served ------------------------------------------------------ */

int serve_lookup(uint64_t dir, const char *text, struct serve_entry *out)
{
    struct node *node = node_get(dir);
    struct inode *inode;
    struct name name;
    int status;

    if (node == NULL)
        return -ENOENT;
    status = name_init(&name, mount, text, str_len(text, SERVE_NAME_MAX + 1));
    if (status == 0)
        status = vfs_lookup(node->inode, &name, &inode);
    node_put(node);
    return status != 0 ? status : node_tell(inode, out);
}

int serve_getattr(uint64_t id, struct serve_attr *out)
{
    struct node *node = node_find(id);

    if (node == NULL)
        return -ENOENT;
    node_attr(node->inode, out);
    return 0;
}

int64_t serve_readlink(uint64_t id, char *buf, size_t size)
{
    struct node *node = node_get(id);
    int64_t len;

    if (node == NULL)
        return -ENOENT;
    len = vfs_readlink(node->inode, buf, size);
    node_put(node);
    return len > (int64_t)size ? (int64_t)size : len;
}

/* ---- Attributes ---------------------------------------------------------- */

static struct file_time file_time_of(struct serve_time time)
{
    return (struct file_time){.s = time.s, .ns = time.ns};
}

static void attr_of(const struct serve_change *change, struct vfs_attr *attr)
{
    static_assert((unsigned)SERVE_MODE == ATTR_MODE &&
                      (unsigned)SERVE_UID == ATTR_UID &&
                      (unsigned)SERVE_GID == ATTR_GID &&
                      (unsigned)SERVE_ATIME == ATTR_ATIME &&
                      (unsigned)SERVE_MTIME == ATTR_MTIME,
                  "the bits are the VFS's");
    *attr = (struct vfs_attr){
        .mask = change->mask & (SERVE_MODE | SERVE_UID | SERVE_GID |
                                SERVE_ATIME | SERVE_MTIME),
        .mode = (uint16_t)(change->mode & MODE_ALL),
        .uid = change->uid,
        .gid = change->gid,
        .atime = file_time_of(change->atime),
        .mtime = file_time_of(change->mtime),
    };
    if ((change->mask & SERVE_ATIME_NOW) != 0) {
        attr->mask |= ATTR_ATIME;
        attr->atime = vfs_now();
    }
    if ((change->mask & SERVE_MTIME_NOW) != 0) {
        attr->mask |= ATTR_MTIME;
        attr->mtime = vfs_now();
    }
}

/* As write(2) does it. */
static uint16_t rights_dropped(uint16_t mode)
{
    mode &= (uint16_t)~MODE_SETUID;
    if ((mode & MODE_XGRP) != 0)
        mode &= (uint16_t)~MODE_SETGID;
    return mode;
}

int node_drop_rights(struct inode *inode)
{
    const uint16_t mode = rights_dropped(inode->mode);
    const struct vfs_attr attr = {.mask = ATTR_MODE, .mode = mode};

    if (inode->type != FILE_REGULAR || mode == inode->mode)
        return 0;
    return vfs_setattr(inode, &attr);
}

int serve_setattr(uint64_t id, const struct serve_change *change,
                  struct serve_attr *out)
{
    struct node *node = node_get(id);
    struct vfs_attr attr;
    int status = 0;

    if (node == NULL)
        return -ENOENT;
    attr_of(change, &attr);
    if ((change->mask & SERVE_SIZE) != 0)
        status = vfs_truncate(node->inode, change->size_bytes);
    if (status == 0)
        status = vfs_setattr(node->inode, &attr);
    if (status == 0 && (change->mask & SERVE_DROP_RIGHTS) != 0)
        status = node_drop_rights(node->inode);
    if (status == 0)
        node_attr(node->inode, out);
    node_put(node);
    return status;
}
