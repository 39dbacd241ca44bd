#include "tests/models/virtio_fs_model.h"
#include "kernel/lib/bytes.h"
#include <stdlib.h>
#include <string.h>

/* Numbers of Linux (include/uapi/linux/fuse.h, errno.h, stat.h). */
enum {
    LOOKUP = 1,
    FORGET,
    GETATTR,
    SETATTR,
    READLINK,
    SYMLINK,
    MKNOD = 8,
    MKDIR,
    UNLINK,
    RMDIR,
    RENAME,
    LINK,
    OPEN,
    READ,
    WRITE,
    STATFS,
    RELEASE,
    FSYNC = 20,
    SETXATTR,
    GETXATTR,
    LISTXATTR,
    REMOVEXATTR,
    INIT = 26,
    OPENDIR,
    READDIR,
    RELEASEDIR,
    FSYNCDIR,
    DESTROY = 38,
    BATCH_FORGET = 42,
    FALLOCATE,
    RENAME2 = 45,
};
enum {
    ENT = -2,
    EXIST = -17,
    NOTDIR = -20,
    ISDIR = -21,
    INVAL = -22,
    FBIG = -27,
    NOSPC = -28,
    RANGE = -34,
    NOTEMPTY = -39,
    NOSYS = -38,
    NODATA = -61,
};
enum {
    IN_HEADER = 40,
    OUT_HEADER = 16,
    ENTRY = 128,
    ATTR = 88,
    ROOT = 1,
    S_FMT = 0170000,
    S_DIR = 0040000,
    S_REG = 0100000,
    S_LNK = 0120000,
};
#define NS UINT64_C(1000000000)

static uint8_t asked[FS_MESSAGE_MAX], told[FS_MESSAGE_MAX];

/* An answer that is kept. */
static uint8_t late_told[FS_MESSAGE_MAX];
static struct ring_chain late;
static uint32_t late_len;

/* ---- Nodes --------------------------------------------------------------- */

static bool is_dir(const struct fs_node *node)
{
    return (node->mode & S_FMT) == S_DIR;
}

static uint64_t tick(struct fs_model *model)
{
    return model->clock_ns += 1001;
}

static struct fs_node *node_new(struct fs_model *model, uint32_t mode)
{
    for (unsigned i = 0; i < FS_NODES; i++) {
        struct fs_node *node = &model->nodes[i];

        if (node->is_used)
            continue;
        memset(node, 0, sizeof(*node));
        node->is_used = true;
        /* The low half alone is the same for each one made here. */
        node->id = i == 0 ? ROOT : ++model->serial << 40 | (i + 1);
        node->mode = mode;
        node->links = is_dir(node) ? 2 : 1;
        for (unsigned t = 0; t < 3; t++)
            node->times[t] = tick(model);
        return node;
    }
    return NULL;
}

static void xattrs_free(struct fs_node *node)
{
    while (node->xattrs != NULL) {
        struct fs_xattr *next = node->xattrs->next;

        free(node->xattrs);
        node->xattrs = next;
    }
}

static void node_free(struct fs_node *node)
{
    free(node->data);
    free(node->entries);
    xattrs_free(node);
    memset(node, 0, sizeof(*node));
}

static bool is_open(const struct fs_model *model, const struct fs_node *node)
{
    for (unsigned i = 0; i < FS_HANDLES; i++) {
        if (model->handles[i].node == node)
            return true;
    }
    return false;
}

/* It goes when no name leads to it, and nobody knows it. */
static void node_settle(struct fs_model *model, struct fs_node *node)
{
    if (node->is_used && node->id != ROOT && node->links == 0 &&
        node->lookups == 0 && !is_open(model, node))
        node_free(node);
}

/* A node that the client names. */
static struct fs_node *node_by_id(struct fs_model *model, uint64_t id)
{
    for (unsigned i = 0; i < FS_NODES; i++) {
        struct fs_node *node = &model->nodes[i];

        if (node->is_used && node->id == id &&
            (node->lookups > 0 || id == ROOT))
            return node;
    }
    model_breach("node %llx, which nobody told of, or which is forgotten",
                 (unsigned long long)id);
    return NULL;
}

/* ---- Names --------------------------------------------------------------- */

static struct fs_entry *entry_at(struct fs_node *dir, const char *name)
{
    for (unsigned i = 0; i < dir->entry_count; i++) {
        if (strcmp(dir->entries[i].name, name) == 0)
            return &dir->entries[i];
    }
    return NULL;
}

static void entry_add(struct fs_model *model, struct fs_node *dir,
                      const char *name, struct fs_node *node)
{
    struct fs_entry *entry;

    dir->entries =
        realloc(dir->entries, (dir->entry_count + 1) * sizeof(*dir->entries));
    entry = &dir->entries[dir->entry_count++];
    strcpy(entry->name, name);
    entry->node = node;
    entry->cookie = 2 + ++dir->cookie_last * 5; /* 1, 2: "." and ".." */
    if (is_dir(node)) {
        node->parent = dir;
        dir->links++;
    }
    dir->times[1] = dir->times[2] = tick(model);
}

/* The name goes; what it has led to keeps its links. */
static void entry_remove(struct fs_model *model, struct fs_node *dir,
                         struct fs_entry *entry)
{
    size_t behind = (size_t)(dir->entries + dir->entry_count - (entry + 1));

    if (is_dir(entry->node))
        dir->links--;
    memmove(entry, entry + 1, behind * sizeof(*entry));
    dir->entry_count--;
    dir->times[1] = dir->times[2] = tick(model);
}

static void entry_drop(struct fs_model *model, struct fs_node *dir,
                       struct fs_entry *entry)
{
    struct fs_node *node = entry->node;

    entry_remove(model, dir, entry);
    node->links = is_dir(node) ? 0 : node->links - 1;
    node->times[2] = tick(model);
    node_settle(model, node);
}

/* ---- Reading messages ---------------------------------------------------- */

static uint32_t get32(const struct fs_message *message, unsigned at)
{
    if (at + 4 > message->len)
        model_breach("message %u is too short", message->opcode);
    return le32_get(message->body + at);
}

static uint64_t get64(const struct fs_message *message, unsigned at)
{
    if (at + 8 > message->len)
        model_breach("message %u is too short", message->opcode);
    return le64_get(message->body + at);
}

/* A name at `at`; *end is behind its NUL. */
static const char *get_name(const struct fs_message *message, uint32_t at,
                            uint32_t *end)
{
    const char *name = (const char *)message->body + at;
    size_t len = at < message->len ? strnlen(name, message->len - at) : 0;

    if (len == 0 || at + len >= message->len || memchr(name, '/', len) != NULL)
        model_breach("message %u has no name", message->opcode);
    *end = (uint32_t)(at + len + 1);
    return name;
}

static const char *last_name(const struct fs_message *message, uint32_t at)
{
    uint32_t end;
    const char *name = get_name(message, at, &end);

    if (end != message->len)
        model_breach("message %u has bytes behind its end", message->opcode);
    return name;
}

static void exact(const struct fs_message *message, uint32_t len)
{
    if (message->len != len)
        model_breach("message %u of %u bytes", message->opcode, message->len);
}

static struct fs_handle *handle_of(struct fs_model *model,
                                   const struct fs_message *message, bool dir)
{
    uint64_t fh = get64(message, 0) - UINT64_C(0x700000000);

    if (fh >= FS_HANDLES || model->handles[fh].node == NULL ||
        model->handles[fh].is_dir != dir ||
        model->handles[fh].node->id != message->node)
        model_breach("message %u with handle %llx", message->opcode,
                     (unsigned long long)fh);
    return &model->handles[fh];
}

/* ---- Writing answers ----------------------------------------------------- */

static void put_attr(uint8_t *p, const struct fs_node *node)
{
    memset(p, 0, ATTR);
    le64_put(p, node->id & 0xffffffffff); /* the host's number */
    le64_put(p + 8, node->size);
    le64_put(p + 16, (node->size + 4095) / 4096 * 8);
    for (unsigned t = 0; t < 3; t++) {
        le64_put(p + 24 + 8 * t, node->times[t] / NS);
        le32_put(p + 48 + 4 * t, (uint32_t)(node->times[t] % NS));
    }
    le32_put(p + 60, node->mode);
    le32_put(p + 64, node->links);
    le32_put(p + 68, node->uid);
    le32_put(p + 72, node->gid);
    le32_put(p + 76, node->rdev);
    le32_put(p + 80, 4096);
}

static int answer_attr(struct fs_model *model, const struct fs_node *node,
                       uint8_t *to)
{
    memset(to, 0, 16);
    le64_put(to, model->valid_ns / NS);
    le32_put(to + 8, (uint32_t)(model->valid_ns % NS));
    put_attr(to + 16, node);
    return 16 + ATTR;
}

static int answer_entry(struct fs_model *model, struct fs_node *node,
                        uint8_t *to)
{
    memset(to, 0, 40);
    le64_put(to, node->id);
    for (unsigned i = 0; i < 2; i++) {
        le64_put(to + 16 + 8 * i, model->valid_ns / NS);
        le32_put(to + 32 + 4 * i, (uint32_t)(model->valid_ns % NS));
    }
    put_attr(to + 40, node);
    node->lookups++;
    return ENTRY;
}

/* ---- Operations: how many bytes the answer has, or an error -------------- */

static int do_lookup(struct fs_model *model, struct fs_node *dir,
                     const struct fs_message *message, uint8_t *to)
{
    const char *name = last_name(message, 0);
    struct fs_entry *entry;

    if (!is_dir(dir))
        return NOTDIR;
    if (strcmp(name, "..") == 0) {
        struct fs_node *up = dir->id == ROOT ? dir : dir->parent;

        if (up == NULL || (dir->links == 0 && dir->id != ROOT))
            return ENT;
        answer_entry(model, up, to);
        if (up->id == ROOT && model->is_root_unknown_from_below) {
            le64_put(to, UINT64_C(0x5ec0ffee) << 32);
        }
        if (up->id == ROOT)
            up->lookups--; /* which is never forgotten */
        return ENTRY;
    }
    entry = entry_at(dir, name);
    return entry == NULL ? ENT : answer_entry(model, entry->node, to);
}

static int make(struct fs_model *model, struct fs_node *dir,
                const struct fs_message *message, const char *name,
                uint32_t mode, struct fs_node **out)
{
    if (!is_dir(dir))
        return NOTDIR;
    if (dir->links == 0)
        return ENT;
    if (entry_at(dir, name) != NULL)
        return EXIST;
    *out = node_new(model, mode);
    if (*out == NULL)
        return NOSPC;
    (*out)->uid = message->uid;
    (*out)->gid = message->gid;
    entry_add(model, dir, name, *out);
    return 0;
}

static int do_mknod(struct fs_model *model, struct fs_node *dir,
                    const struct fs_message *message, uint8_t *to)
{
    bool dir_wanted = message->opcode == MKDIR;
    const char *name = last_name(message, dir_wanted ? 8 : 16);
    uint32_t mode = get32(message, 0);
    struct fs_node *node;
    int status;

    if (((mode & S_FMT) == S_DIR) != dir_wanted)
        model_breach("mode %o in message %u", mode, message->opcode);
    status = make(model, dir, message, name, mode, &node);
    if (status != 0)
        return status;
    node->rdev = dir_wanted ? 0 : get32(message, 4);
    return answer_entry(model, node, to);
}

static int do_symlink(struct fs_model *model, struct fs_node *dir,
                      const struct fs_message *message, uint8_t *to)
{
    uint32_t end;
    const char *name = get_name(message, 0, &end);
    size_t len = strnlen((const char *)message->body + end, message->len - end);
    struct fs_node *node;
    int status;

    exact(message, (uint32_t)(end + len + 1));
    status = make(model, dir, message, name, S_LNK | 0777, &node);
    if (status != 0)
        return status;
    node->data = malloc(len);
    memcpy(node->data, message->body + end, len);
    node->size = len;
    return answer_entry(model, node, to);
}

static int do_unlink(struct fs_model *model, struct fs_node *dir,
                     const struct fs_message *message)
{
    struct fs_entry *entry = entry_at(dir, last_name(message, 0));

    if (entry == NULL)
        return ENT;
    if (message->opcode == RMDIR && !is_dir(entry->node))
        return NOTDIR;
    if (message->opcode == UNLINK && is_dir(entry->node))
        return ISDIR;
    if (entry->node->entry_count > 0)
        return NOTEMPTY;
    entry_drop(model, dir, entry);
    return 0;
}

static int do_link(struct fs_model *model, struct fs_node *dir,
                   const struct fs_message *message, uint8_t *to)
{
    struct fs_node *node = node_by_id(model, get64(message, 0));
    const char *name = last_name(message, 8);

    if (entry_at(dir, name) != NULL)
        return EXIST;
    entry_add(model, dir, name, node);
    node->links++;
    node->times[2] = tick(model);
    return answer_entry(model, node, to);
}

static int rename_exchange(struct fs_model *model, struct fs_node *dir1,
                           struct fs_entry *entry1, struct fs_node *dir2,
                           struct fs_entry *entry2)
{
    struct fs_node *node1 = entry1->node, *node2 = entry2->node;

    dir1->links += is_dir(node2) - is_dir(node1);
    dir2->links += is_dir(node1) - is_dir(node2);
    entry1->node = node2;
    entry2->node = node1;
    if (is_dir(node1))
        node1->parent = dir2;
    if (is_dir(node2))
        node2->parent = dir1;
    dir1->times[1] = dir2->times[1] = tick(model);
    return 0;
}

static int do_rename(struct fs_model *model, struct fs_node *dir1,
                     const struct fs_message *message)
{
    struct fs_node *dir2 = node_by_id(model, get64(message, 0));
    bool has_flags = message->opcode == RENAME2;
    uint32_t flags = has_flags ? get32(message, 8) : 0, end;
    const char *name1 = get_name(message, has_flags ? 16 : 8, &end);
    const char *name2 = last_name(message, end);
    struct fs_entry *entry1 = entry_at(dir1, name1);
    struct fs_entry *entry2 = entry_at(dir2, name2);
    struct fs_node *node;

    if (entry1 == NULL || (flags == 2 && entry2 == NULL))
        return ENT;
    if (flags == 2)
        return rename_exchange(model, dir1, entry1, dir2, entry2);
    if (entry2 != NULL && entry2->node->entry_count > 0)
        return NOTEMPTY;
    node = entry1->node;
    if (entry2 != NULL)
        entry_drop(model, dir2, entry2);
    entry_remove(model, dir1, entry_at(dir1, name1));
    entry_add(model, dir2, name2, node);
    node->times[2] = tick(model);
    return 0;
}

/* The size of a file, whose new bytes are zeros. */
static int resize(struct fs_node *node, uint64_t size)
{
    if (size > FS_FILE_MAX)
        return FBIG;
    if (size > node->room) {
        node->room = size < 4096 ? 4096 : 2 * size;
        node->data = realloc(node->data, node->room);
    }
    if (size > node->size)
        memset(node->data + node->size, 0, size - node->size);
    node->size = size;
    return 0;
}

static int do_setattr(struct fs_model *model, struct fs_node *node,
                      const struct fs_message *message, uint8_t *to)
{
    uint32_t valid = get32(message, 0);
    int status;

    exact(message, 88);
    if ((valid & ~0x7fU) != 0)
        model_breach("SETATTR of %x", valid);
    if ((valid & 8) != 0) {
        status = (node->mode & S_FMT) == S_REG
                     ? resize(node, get64(message, 16))
                     : INVAL;
        if (status != 0)
            return status;
        node->times[1] = tick(model);
    }
    if ((valid & 1) != 0)
        node->mode = (node->mode & S_FMT) | (get32(message, 68) & 07777);
    if ((valid & 2) != 0)
        node->uid = get32(message, 76);
    if ((valid & 4) != 0)
        node->gid = get32(message, 80);
    if ((valid & 16) != 0)
        node->times[0] = get64(message, 32) * NS + get32(message, 56);
    if ((valid & 32) != 0)
        node->times[1] = get64(message, 40) * NS + get32(message, 60);
    node->times[2] = tick(model);
    return answer_attr(model, node, to);
}

static int do_open(struct fs_model *model, struct fs_node *node,
                   const struct fs_message *message, uint8_t *to)
{
    const bool dir = message->opcode == OPENDIR;
    const uint32_t flags = get32(message, 0);

    exact(message, 8);
    if (is_dir(node) != dir)
        return dir ? NOTDIR : ISDIR;
    if (flags != 0 && flags != 2)
        model_breach("OPEN with flags %x", flags);
    for (unsigned i = 0; i < FS_HANDLES; i++) {
        if (model->handles[i].node != NULL)
            continue;
        model->handles[i] = (struct fs_handle){node, dir, flags == 2};
        memset(to, 0, 16);
        le64_put(to, UINT64_C(0x700000000) + i);
        return 16;
    }
    return -24;
}

static int do_release(struct fs_model *model, const struct fs_message *message)
{
    struct fs_handle *handle =
        handle_of(model, message, message->opcode == RELEASEDIR);
    struct fs_node *node = handle->node;

    exact(message, 24);
    handle->node = NULL;
    node_settle(model, node);
    return 0;
}

static int do_read(struct fs_model *model, const struct fs_message *message,
                   uint8_t *to)
{
    struct fs_node *node = handle_of(model, message, false)->node;
    uint64_t at = get64(message, 8);
    uint32_t size = get32(message, 16);

    exact(message, 40);
    if (size != message->room)
        model_breach("READ of %u with room for %u", size, message->room);
    if (at >= node->size)
        return 0;
    if (size > node->size - at)
        size = (uint32_t)(node->size - at);
    if (model->read_max > 0 && size > model->read_max)
        size = model->read_max;
    memcpy(to, node->data + at, size);
    return (int)size;
}

static int do_write(struct fs_model *model, const struct fs_message *message,
                    uint8_t *to)
{
    struct fs_handle *handle = handle_of(model, message, false);
    uint64_t at = get64(message, 8);
    uint32_t size = get32(message, 16);
    int status = 0;

    exact(message, 40 + size);
    if (!handle->may_write || size == 0 || size > model->max_write)
        model_breach("WRITE of %u bytes", size);
    if (at + size > handle->node->size)
        status = resize(handle->node, at + size);
    if (status != 0)
        return status;
    memcpy(handle->node->data + at, message->body + 40, size);
    handle->node->times[1] = handle->node->times[2] = tick(model);
    le32_put(to, size);
    le32_put(to + 4, 0);
    return 8;
}

static int do_fallocate(struct fs_model *model,
                        const struct fs_message *message)
{
    struct fs_handle *handle = handle_of(model, message, false);
    uint64_t at = get64(message, 8), len = get64(message, 16);

    exact(message, 32);
    if (!handle->may_write || get32(message, 24) != 3)
        model_breach("FALLOCATE of mode %u", get32(message, 24));
    for (uint64_t i = at; i < at + len && i < handle->node->size; i++)
        handle->node->data[i] = 0;
    return 0;
}

static uint32_t put_dirent(uint8_t *to, const struct fs_node *node,
                           const char *name, uint64_t next)
{
    uint32_t len = (uint32_t)strlen(name), bytes = (24 + len + 7) & ~7U;

    memset(to, 0, bytes);
    le64_put(to, node->id & 0xffffffffff);
    le64_put(to + 8, next);
    le32_put(to + 16, len);
    le32_put(to + 20, node->mode >> 12);
    memcpy(to + 24, name, len);
    return bytes;
}

static int do_readdir(struct fs_model *model, const struct fs_message *message,
                      uint8_t *to)
{
    struct fs_node *dir = handle_of(model, message, true)->node;
    uint64_t from = get64(message, 8);
    uint32_t len = 0;

    exact(message, 40);
    if (get32(message, 16) != message->room)
        model_breach("READDIR of %u", get32(message, 16));
    if (from < 1)
        len += put_dirent(to, dir, ".", 1);
    if (from < 2)
        len += put_dirent(to + len, dir->parent != NULL ? dir->parent : dir,
                          "..", 2);
    for (unsigned i = 0; i < dir->entry_count; i++) {
        const struct fs_entry *entry = &dir->entries[i];

        if (entry->cookie <= from)
            continue;
        if (24 + strlen(entry->name) + 7 > message->room - len)
            break;
        len += put_dirent(to + len, entry->node, entry->name, entry->cookie);
    }
    return (int)len;
}

/* ---- Extended attributes ------------------------------------------------- */

static struct fs_xattr **xattr_at(struct fs_node *node, const char *name)
{
    struct fs_xattr **at = &node->xattrs;

    while (*at != NULL && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    return at;
}

/* `len` bytes, or how many there are. */
static int answer_xattr(const struct fs_message *message, const void *from,
                        uint32_t len, uint8_t *to)
{
    uint32_t size = get32(message, 0);

    if (size == 0) {
        le32_put(to, len);
        le32_put(to + 4, 0);
        return 8;
    }
    if (len > size)
        return RANGE;
    memcpy(to, from, len);
    return (int)len;
}

static int do_getxattr(struct fs_node *node, const struct fs_message *message,
                       uint8_t *to)
{
    const struct fs_xattr *xattr = *xattr_at(node, last_name(message, 8));

    return xattr == NULL ? NODATA
                         : answer_xattr(message, xattr->value, xattr->size, to);
}

static int do_listxattr(struct fs_node *node, const struct fs_message *message,
                        uint8_t *to)
{
    static char names[65536];
    uint32_t len = 0;

    exact(message, 8);
    for (const struct fs_xattr *at = node->xattrs; at != NULL; at = at->next) {
        strcpy(names + len, at->name);
        len += (uint32_t)strlen(at->name) + 1;
    }
    return answer_xattr(message, names, len, to);
}

static int do_setxattr(struct fs_node *node, const struct fs_message *message)
{
    uint32_t size = get32(message, 0), end;
    const char *name = get_name(message, 8, &end);
    struct fs_xattr **at = xattr_at(node, name);
    struct fs_xattr *fresh = malloc(sizeof(*fresh) + size), *old = *at;

    exact(message, end + size);
    *fresh =
        (struct fs_xattr){.next = old == NULL ? NULL : old->next, .size = size};
    strcpy(fresh->name, name);
    memcpy(fresh->value, message->body + end, size);
    *at = fresh;
    free(old);
    return 0;
}

static int do_removexattr(struct fs_node *node,
                          const struct fs_message *message)
{
    struct fs_xattr **at = xattr_at(node, last_name(message, 0));
    struct fs_xattr *old = *at;

    if (old == NULL)
        return NODATA;
    *at = old->next;
    free(old);
    return 0;
}

/* ---- The session --------------------------------------------------------- */

static int do_init(struct fs_model *model, const struct fs_message *message,
                   uint8_t *to)
{
    exact(message, 16);
    if (model->has_begun || get32(message, 0) != 7 || get32(message, 4) < 31)
        model_breach("INIT for %u.%u", get32(message, 0), get32(message, 4));
    model->has_begun = true;
    memset(to, 0, 64);
    le32_put(to, 7);
    le32_put(to + 4, model->minor);
    le32_put(to + 12, model->init_flags & get32(message, 12));
    le32_put(to + 20, model->max_write);
    le32_put(to + 24, 1);
    le16_put(to + 28, (uint16_t)model->max_pages);
    return 64;
}

static int do_statfs(uint8_t *to)
{
    memset(to, 0, 80);
    le64_put(to, 1000);
    le64_put(to + 8, 600);
    le64_put(to + 16, 500);
    le64_put(to + 24, FS_NODES);
    le64_put(to + 32, 77);
    le32_put(to + 40, 4096);
    le32_put(to + 44, 255);
    le32_put(to + 48, 2048);
    return 80;
}

static void forget(struct fs_model *model, uint64_t id, uint64_t count)
{
    struct fs_node *node = node_by_id(model, id);

    if (id == ROOT || count == 0 || count > node->lookups)
        model_breach("node %llx is forgotten %llu times",
                     (unsigned long long)id, (unsigned long long)count);
    node->lookups -= count;
    if (node->lookups == 0 && is_open(model, node))
        model_breach("node %llx is forgotten while it is open",
                     (unsigned long long)id);
    node_settle(model, node);
}

static void do_forget(struct fs_model *model, const struct fs_message *message)
{
    uint32_t count = get32(message, 0);

    if (message->opcode == FORGET) {
        forget(model, message->node, get64(message, 0));
        return;
    }
    exact(message, 8 + 16 * count);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t id = get64(message, 8 + 16 * i);

        if (id != UINT64_C(0x5ec0ffee) << 32)
            forget(model, id, get64(message, 16 + 16 * i));
    }
}

/* Operations that name a node; -1000: it is none of these. */
static int serve_node(struct fs_model *model, const struct fs_message *message,
                      uint8_t *to)
{
    struct fs_node *node = node_by_id(model, message->node);

    switch (message->opcode) {
    case LOOKUP:
        return do_lookup(model, node, message, to);
    case GETATTR:
        exact(message, 16);
        return answer_attr(model, node, to);
    case SETATTR:
        return do_setattr(model, node, message, to);
    case READLINK:
        exact(message, 0);
        memcpy(to, node->data, node->size);
        return (int)node->size;
    case SYMLINK:
        return do_symlink(model, node, message, to);
    case MKNOD:
    case MKDIR:
        return do_mknod(model, node, message, to);
    case UNLINK:
    case RMDIR:
        return do_unlink(model, node, message);
    case RENAME:
    case RENAME2:
        return do_rename(model, node, message);
    case LINK:
        return do_link(model, node, message, to);
    case OPEN:
    case OPENDIR:
        return do_open(model, node, message, to);
    case STATFS:
        return do_statfs(to);
    case SETXATTR:
        return do_setxattr(node, message);
    case GETXATTR:
        return do_getxattr(node, message, to);
    case LISTXATTR:
        return do_listxattr(node, message, to);
    case REMOVEXATTR:
        return do_removexattr(node, message);
    default:
        return -1000;
    }
}

static int serve(struct fs_model *model, const struct fs_message *message,
                 uint8_t *to)
{
    if (message->opcode == INIT)
        return do_init(model, message, to);
    if (!model->has_begun)
        model_breach("message %u before INIT", message->opcode);
    switch (message->opcode) {
    case READ:
        return do_read(model, message, to);
    case WRITE:
        return do_write(model, message, to);
    case READDIR:
        return do_readdir(model, message, to);
    case RELEASE:
    case RELEASEDIR:
        return do_release(model, message);
    case FSYNC:
    case FSYNCDIR:
        (void)handle_of(model, message, message->opcode == FSYNCDIR);
        exact(message, 16);
        return 0;
    case FALLOCATE:
        return do_fallocate(model, message);
    case DESTROY:
        model->has_begun = false;
        return 0;
    default:
        return serve_node(model, message, to);
    }
}

/* ---- The device ---------------------------------------------------------- */

/* Whether this message is to fail. */
static bool is_failing(struct fs_model *model, uint32_t opcode)
{
    if (model->fail_at == 0 ||
        (model->fail_opcode != 0 && model->fail_opcode != opcode))
        return false;
    return --model->fail_at == 0;
}

static void gather(const struct ring_chain *chain, struct fs_message *message)
{
    uint32_t len = 0, room = 0;

    for (unsigned i = 0; i < chain->count; i++) {
        if (chain->piece[i].writable) {
            room += chain->piece[i].len;
            continue;
        }
        if (room > 0 || len + chain->piece[i].len > FS_MESSAGE_MAX)
            model_breach("a message of a strange form");
        memcpy(asked + len, chain->piece[i].data, chain->piece[i].len);
        len += chain->piece[i].len;
    }
    if (len < IN_HEADER || le32_get(asked) != len)
        model_breach("a message of %u bytes that says %u", len,
                     le32_get(asked));
    *message = (struct fs_message){.opcode = le32_get(asked + 4),
                                   .unique = le64_get(asked + 8),
                                   .node = le64_get(asked + 16),
                                   .uid = le32_get(asked + 24),
                                   .gid = le32_get(asked + 28),
                                   .body = asked + IN_HEADER,
                                   .len = len - IN_HEADER,
                                   .room = room < 16 ? 0 : room - OUT_HEADER};
}

static void scatter(const struct ring_chain *chain, const uint8_t *from,
                    uint32_t len)
{
    uint32_t at = 0;

    for (unsigned i = 0; i < chain->count && at < len; i++) {
        uint32_t piece = chain->piece[i].len;

        if (!chain->piece[i].writable)
            continue;
        if (piece > len - at)
            piece = len - at;
        memcpy(chain->piece[i].data, from + at, piece);
        at += piece;
    }
}

static void answer(struct fs_model *model, const struct ring_chain *chain,
                   const struct fs_message *message)
{
    uint32_t len = OUT_HEADER, used;
    int status;

    model->count++;
    model->counts[message->opcode % 64]++;
    status = is_failing(model, message->opcode)
                 ? model->fail_error
                 : serve(model, message, told + OUT_HEADER);
    if (status == -1000)
        status = NOSYS;
    if (status > 0) {
        if ((uint32_t)status > message->room)
            model_breach("no room for the answer to %u", message->opcode);
        len += (uint32_t)status;
    }
    le32_put(told, len);
    le32_put(told + 4, status < 0 ? (uint32_t)status : 0);
    le64_put(told + 8, message->unique);
    used = len;
    if (model->spoil != NULL)
        model->spoil(model, message, told, &len, &used);
    if (model->late_opcode == message->opcode && !model->is_late) {
        model->is_late = true;
        late = *chain;
        late_len = len;
        memcpy(late_told, told, len);
        return;
    }
    scatter(chain, told, len);
    model_complete(&model->virtio, 1, chain->head, used);
}

/* The answer that was kept is given when it is not to be late any more. */
static bool answer_late(struct fs_model *model)
{
    if (!model->is_late || model->late_opcode != 0)
        return false;
    model->is_late = false;
    scatter(&late, late_told, late_len);
    model_complete(&model->virtio, 1, late.head, late_len);
    return true;
}

static void answer_instead(struct fs_model *model,
                           const struct ring_chain *chain,
                           const struct fs_message *message)
{
    uint32_t len = 0, used = 0;

    model->instead(model, message, told, &len, &used);
    scatter(chain, told, len);
    model_complete(&model->virtio, 1, chain->head, used);
}

static bool step_first(struct fs_model *model)
{
    static struct ring_chain chain;
    struct fs_message message;

    if (!model_take(&model->virtio, 0, &chain))
        return false;
    gather(&chain, &message);
    if (message.room > 0 ||
        (message.opcode != FORGET && message.opcode != BATCH_FORGET))
        model_breach("message %u on the queue that comes first",
                     message.opcode);
    model->counts[message.opcode]++;
    if (model->instead == NULL)
        do_forget(model, &message);
    model_complete(&model->virtio, 0, chain.head, 0);
    return true;
}

/* Take the next message: the one that was held, when it is not to be any more.
 * Returns false when there is none that is to be done. */
static bool take_next(struct fs_model *model, struct ring_chain *chain,
                      struct fs_message *message)
{
    static struct ring_chain held;

    if (model->is_held && model->held_opcode == 0) {
        model->is_held = false;
        *chain = held;
        gather(chain, message);
        return true;
    }
    if (!model_take(&model->virtio, 1, chain))
        return false;
    gather(chain, message);
    if (model->is_held || model->held_opcode == 0 ||
        model->held_opcode != message->opcode)
        return true;
    model->is_held = true;
    held = *chain;
    return take_next(model, chain, message);
}

bool fs_model_step(struct fs_model *model)
{
    static struct ring_chain chain;
    struct fs_message message;

    if (model->is_silent)
        return false;
    if (answer_late(model) || step_first(model))
        return true;
    if (!take_next(model, &chain, &message))
        return false;
    if (model->instead != NULL)
        answer_instead(model, &chain, &message);
    else
        answer(model, &chain, &message);
    return true;
}

/* ---- Making -------------------------------------------------------------- */

void fs_model_init(struct fs_model *model, const char *tag)
{
    memset(model, 0, sizeof(*model));
    model->virtio.id = 26;
    model->virtio.offered = UINT64_C(1) << 32;
    model->virtio.queue_max = 128;
    model->virtio.queue_count = 2;
    strncpy((char *)model->virtio.config, tag, 36);
    le32_put(model->virtio.config + 36, 1);
    model->minor = 31;
    model->max_write = 128 * 1024;
    model->init_flags = UINT32_MAX;
    model->max_pages = 32;
    model->clock_ns = UINT64_C(1700000000) * NS;
    (void)node_new(model, S_DIR | 0755);
}

void fs_model_fini(struct fs_model *model)
{
    for (unsigned i = 0; i < FS_NODES; i++)
        node_free(&model->nodes[i]);
}

void fs_model_clear(struct fs_model *model)
{
    fs_model_fini(model);
    (void)node_new(model, S_DIR | 0755);
}

void fs_model_left(struct fs_model *model)
{
    for (unsigned i = 0; i < FS_HANDLES; i++) {
        const struct fs_node *node = model->handles[i].node;

        if (node != NULL && !(node->id == ROOT && model->handles[i].is_dir))
            model_breach("handle %u was not released", i);
        model->handles[i].node = NULL;
    }
    for (unsigned i = 1; i < FS_NODES; i++) {
        if (model->nodes[i].lookups != 0)
            model_breach("node %llx is remembered %llu times",
                         (unsigned long long)model->nodes[i].id,
                         (unsigned long long)model->nodes[i].lookups);
    }
}

/* ---- What others do on the host ------------------------------------------ */

/* The directory of the last component, which is at *last. */
static struct fs_node *walk(struct fs_model *model, const char *path,
                            const char **last)
{
    struct fs_node *dir = &model->nodes[0];
    const char *slash;

    while (dir != NULL && (slash = strchr(path, '/')) != NULL) {
        char name[256] = {0};
        struct fs_entry *entry;

        memcpy(name, path, (size_t)(slash - path));
        entry = entry_at(dir, name);
        dir = entry == NULL ? NULL : entry->node;
        path = slash + 1;
    }
    *last = path;
    return dir;
}

struct fs_node *fs_model_at(struct fs_model *model, const char *path)
{
    const char *last;
    struct fs_node *dir = walk(model, path, &last);
    struct fs_entry *entry = dir == NULL ? NULL : entry_at(dir, last);

    return entry == NULL ? NULL : entry->node;
}

struct fs_node *fs_model_file(struct fs_model *model, const char *path,
                              const void *data, size_t size)
{
    const char *last;
    struct fs_node *dir = walk(model, path, &last);
    struct fs_entry *entry = entry_at(dir, last);
    struct fs_node *node;

    if (entry == NULL) {
        node = node_new(model, S_REG | 0644);
        entry_add(model, dir, last, node);
    } else {
        node = entry->node;
    }
    (void)resize(node, 0);
    (void)resize(node, size);
    if (size > 0)
        memcpy(node->data, data, size);
    node->times[1] = node->times[2] = tick(model);
    return node;
}

void fs_model_remove(struct fs_model *model, const char *path)
{
    const char *last;
    struct fs_node *dir = walk(model, path, &last);

    entry_drop(model, dir, entry_at(dir, last));
}
