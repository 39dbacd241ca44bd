/* Names that change, and directories: serve.h. */
#include "tools/fuse/node.h"
#include <torc/assert.h>
#include <torc/string.h>

/* A directory that is pinned, and a name in it. */
struct place {
    struct node *dir;
    struct name name;
};

static bool is_dots(const char *text)
{
    return text[0] == '.' &&
           (text[1] == '\0' || (text[1] == '.' && text[2] == '\0'));
}

/* Returns 0; place_put() then. -ENOENT, -ENAMETOOLONG, -EINVAL. */
static int place_get(uint64_t dir, const char *text, struct place *place)
{
    int status;

    if (is_dots(text))
        return -EINVAL; /* Linux has handled it */
    place->dir = node_get(dir);
    if (place->dir == NULL)
        return -ENOENT;
    status = name_init(&place->name, nodes_mount(), text,
                       str_len(text, SERVE_NAME_MAX + 1));
    if (status != 0)
        node_put(place->dir);
    return status;
}

static void place_put(struct place *place)
{
    node_put(place->dir);
}

int serve_create(uint64_t dir, const char *name, const struct serve_new *what,
                 struct serve_entry *out)
{
    const struct new_inode new_inode = {
        .type = (uint8_t)type_of_mode(what->mode),
        .mode = what->mode & 07777,
        .uid = what->uid,
        .gid = what->gid,
        .rdev = what->rdev,
        .target = what->target,
        .target_len =
            what->target != NULL ? str_len(what->target, FILE_PATH_MAX) : 0,
    };
    struct inode *inode;
    struct place place;
    int status;

    if (new_inode.type == FILE_UNKNOWN)
        return -EINVAL;
    if (new_inode.target_len == FILE_PATH_MAX)
        return -ENAMETOOLONG;
    status = place_get(dir, name, &place);
    if (status != 0)
        return status;
    status = vfs_create(place.dir->inode, &place.name, &new_inode, &inode);
    place_put(&place);
    return status != 0 ? status : node_tell(inode, out);
}

int serve_link(uint64_t id, uint64_t dir, const char *name,
               struct serve_entry *out)
{
    struct node *node = node_get(id);
    struct place place;
    int status;

    if (node == NULL)
        return -ENOENT;
    status = place_get(dir, name, &place);
    if (status == 0) {
        status = vfs_link(node->inode, place.dir->inode, &place.name);
        place_put(&place);
    }
    if (status == 0) {
        inode_hold(node->inode);
        status = node_tell(node->inode, out);
    }
    node_put(node);
    return status;
}

int serve_unlink(uint64_t dir, const char *name)
{
    struct place place;
    int status = place_get(dir, name, &place);

    if (status != 0)
        return status;
    status = vfs_unlink(place.dir->inode, &place.name);
    place_put(&place);
    return status;
}

int serve_rmdir(uint64_t dir, const char *name)
{
    struct place place;
    int status = place_get(dir, name, &place);

    if (status != 0)
        return status;
    status = vfs_rmdir(place.dir->inode, &place.name);
    place_put(&place);
    return status;
}

int serve_rename(uint64_t dir1, const char *name1, uint64_t dir2,
                 const char *name2, unsigned flags)
{
    struct place from, to;
    int status;

    if ((flags & ~(unsigned)(FILE_RENAME_NOREPLACE | FILE_RENAME_EXCHANGE)) !=
        0)
        return -EINVAL;
    status = place_get(dir1, name1, &from);
    if (status != 0)
        return status;
    status = place_get(dir2, name2, &to);
    if (status == 0) {
        status = vfs_rename(from.dir->inode, &from.name, to.dir->inode,
                            &to.name, flags);
        place_put(&to);
    }
    place_put(&from);
    return status;
}

/* ---- Directories --------------------------------------------------------- */

/* What has gone meanwhile, or cannot be read, is an entry all the same. */
static void entry_look(struct node *dir, struct serve_dirent *out)
{
    struct inode *inode;
    struct name name;

    if (is_dots(out->name) ||
        name_init(&name, nodes_mount(), out->name,
                  str_len(out->name, SERVE_NAME_MAX)) != 0 ||
        vfs_lookup(dir->inode, &name, &inode) != 0)
        return;
    if (node_tell(inode, &out->entry) != 0)
        out->entry.node = 0;
}

int serve_readdir(uint64_t id, uint64_t cursor, bool plus,
                  struct serve_dirent *out)
{
    struct node *dir = node_get(id);
    struct dir_entry entry;
    int status;

    if (dir == NULL)
        return -ENOENT;
    status = vfs_readdir(dir->inode, &cursor, &entry);
    if (status == 1) {
        out->inode = entry.inode;
        out->mode = mode_of_type(entry.type);
        out->next = cursor;
        out->entry.node = 0;
        static_assert(sizeof(out->name) == sizeof(entry.name), "it fits");
        memcpy(out->name, entry.name, sizeof(out->name));
        if (plus)
            entry_look(dir, out);
    }
    node_put(dir);
    return status;
}
