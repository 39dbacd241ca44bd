/* Extended attributes: a list of each inode. */
#include "fs/memfs/memfs_internal.h"
#include <torc/memory.h>
#include <torc/string.h>

/* Of all attributes of an inode: they are searched one after the other. There
 * is room for a value as large as there may be. */
enum { XATTRS_MAX_BYTES = 128 << 10 };

struct xattr {
    struct xattr *next;
    size_t size;     /* of the value */
    size_t name_len; /* with NUL */
    char bytes[];    /* name, value */
};

/* What an attribute, or none, needs. */
static size_t bytes_of(const struct xattr *xattr)
{
    return xattr == NULL ? 0 : sizeof(*xattr) + xattr->name_len + xattr->size;
}

/* Where an attribute is linked, or where a new one is to be. */
static struct xattr **find(struct memfs_inode *node, const char *name)
{
    struct xattr **at = &node->xattrs;

    while (*at != NULL && !str_equal((*at)->bytes, name))
        at = &(*at)->next;
    return at;
}

int64_t memfs_xattr_get(struct inode *inode, const char *name, void *value,
                        size_t size)
{
    const struct xattr *xattr = *find(memfs_inode_of(inode), name);

    if (xattr == NULL)
        return -ENODATA;
    if (size > 0 && xattr->size <= size)
        memcpy(value, xattr->bytes + xattr->name_len, xattr->size);
    return (int64_t)xattr->size;
}

int64_t memfs_xattr_list(struct inode *inode, char *names, size_t size)
{
    size_t len = 0;

    for (const struct xattr *xattr = memfs_inode_of(inode)->xattrs;
         xattr != NULL; xattr = xattr->next) {
        if (len + xattr->name_len <= size)
            memcpy(names + len, xattr->bytes, xattr->name_len);
        len += xattr->name_len;
    }
    return (int64_t)len;
}

static struct xattr *make(const char *name, const void *value, size_t size)
{
    size_t name_len = str_len(name, FILE_NAME_MAX) + 1;
    struct xattr *xattr = mem_alloc(sizeof(*xattr) + name_len + size);

    if (xattr == NULL)
        return NULL;
    xattr->next = NULL;
    xattr->size = size;
    xattr->name_len = name_len;
    memcpy(xattr->bytes, name, name_len);
    memcpy(xattr->bytes + name_len, value, size);
    return xattr;
}

/* Whether an attribute may take the place of `old`, or come without one; then
 * it is counted. Returns 0, -ENOSPC. */
static int count(const struct memfs_inode *node, const struct xattr *fresh,
                 const struct xattr *old)
{
    size_t bytes = bytes_of(fresh);

    for (const struct xattr *at = node->xattrs; at != NULL; at = at->next)
        bytes += at == old ? 0 : bytes_of(at);
    if (bytes > XATTRS_MAX_BYTES)
        return -ENOSPC;
    return memfs_count(memfs_of(&node->inode), bytes_of(fresh), bytes_of(old));
}

int memfs_xattr_set(struct inode *inode, const char *name, const void *value,
                    size_t size)
{
    struct memfs_inode *node = memfs_inode_of(inode);
    struct xattr **at = find(node, name);
    struct xattr *old = *at, *fresh = NULL;
    int status;

    if (value != NULL) {
        fresh = make(name, value, size);
        if (fresh == NULL)
            return -ENOMEM;
        fresh->next = old == NULL ? NULL : old->next;
    }
    status = count(node, fresh, old);
    if (status != 0) {
        mem_free(fresh);
        return status;
    }
    if (fresh != NULL)
        *at = fresh;
    else if (old != NULL)
        *at = old->next;
    mem_free(old);
    return 0;
}

void memfs_xattr_drop(struct memfs_inode *node)
{
    while (node->xattrs != NULL) {
        struct xattr *xattr = node->xattrs;

        memfs_uncount(memfs_of(&node->inode), bytes_of(xattr));
        node->xattrs = xattr->next;
        mem_free(xattr);
    }
}
