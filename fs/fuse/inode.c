/*
 * Nodes of the server as inodes. The server counts how often it has told of a
 * node; what it is told when the inode leaves the memory is that count.
 *
 * What the server says of a node is taken when a name is looked up that leads
 * to it. A file whose time or size has changed meanwhile loses its pages. While
 * something of an inode is only here, or somebody is changing it, it stays as
 * it is.
 */
#include "fs/fuse/fuse_internal.h"
#include <torc/memory.h>
#include <torc/string.h>
#include <torc/time.h>

/* ---- Names in memory ----------------------------------------------------- */

/* All names are forgotten at one time: those are kept that may stay so long. */
void fuse_trust(struct fuse_fs *fs, uint64_t valid_ns)
{
    struct mount *mount = fs->mount;
    const uint64_t until_ns = time_ns() + valid_ns;
    bool is_kept = valid_ns > 0;

    if (is_kept && mount->names_until_ns != 0)
        is_kept = mount->names_until_ns <= until_ns;
    else if (is_kept)
        mount->names_until_ns = until_ns;
    mount->keeps_no_names = !is_kept;
}

/* ---- Attributes ---------------------------------------------------------- */

static bool is_same_time(const struct file_time *a, const struct file_time *b)
{
    return a->s == b->s && a->ns == b->ns;
}

/* All but the size. One that is found by a name has a link, whatever the server
 * says. */
static void take_attr(struct inode *inode, const struct fuse_attr *attr)
{
    inode->mode = attr->mode;
    inode->uid = attr->uid;
    inode->gid = attr->gid;
    inode->rdev = attr->rdev;
    inode->links = attr->links > 0 ? attr->links : 1;
    inode->blocks = attr->blocks;
    inode->atime = attr->atime;
    inode->mtime = attr->mtime;
    inode->ctime = attr->ctime;
}

static void take_told(struct fuse_inode *node, const struct fuse_attr *attr)
{
    node->server_size = attr->size;
    node->server_mtime = attr->mtime;
}

/* Whether something of a file is here that the server has not. */
static bool is_ahead(const struct inode *inode)
{
    const struct fuse_inode *node =
        container_of(inode, struct fuse_inode, inode);

    return inode->dirty != 0 || inode->is_writing || node->in_flight > 0 ||
           (inode->type == FILE_REGULAR && inode->pages.dirty_count > 0);
}

/* The file is locked, and nothing of it is dirty. What was written here has
 * changed the time, too: whether somebody else has written as well cannot be
 * told from it, so the pages go once. */
static int refresh_file(struct inode *inode, const struct fuse_attr *attr)
{
    struct fuse_inode *node = fuse_inode_of(inode);
    bool has_changed = attr->size != inode->size_bytes ||
                       !is_same_time(&attr->mtime, &node->server_mtime);
    int status = 0;

    take_told(node, attr);
    if (!has_changed)
        return 0;
    status = mapping_truncate(&inode->pages, 0);
    if (status == 0)
        status = mapping_truncate(&inode->pages, attr->size);
    inode->size_bytes = inode->pages.size_bytes;
    return status;
}

int fuse_refresh(struct inode *inode, const struct fuse_attr *attr)
{
    int status = 0;

    if (attr->type != inode->type)
        return fuse_fault(fuse_of(inode), "a node has another type");
    if (is_ahead(inode) || attr->unique < fuse_inode_of(inode)->changed_at ||
        !rwlock_try_lock(&inode->lock))
        return 1;
    if (inode->links > 0) { /* else it has just been removed here */
        take_attr(inode, attr);
        if (inode->type == FILE_REGULAR)
            status = refresh_file(inode, attr);
        else
            inode->size_bytes = attr->size;
    }
    rwlock_unlock(&inode->lock);
    return status;
}

int fuse_fill(struct inode *inode, const struct fuse_attr *attr)
{
    struct fuse_inode *node = fuse_inode_of(inode);

    rwlock_init(&node->inner);
    list_init(&node->handle_link);
    node->serial = ++fuse_of(inode)->serial_last;
    node->host_number = attr->ino;
    inode->type = attr->type;
    inode->size_bytes = attr->size;
    take_attr(inode, attr);
    take_told(node, attr);
    return attr->type == FILE_REGULAR ? fuse_data_init(inode, attr->size) : 0;
}

int fuse_ask_attr(struct fuse_fs *fs, uint64_t number, struct fuse_attr *attr)
{
    struct message message;
    int status =
        message_begin(&message, fs, FUSE_GETATTR, number, 16, FUSE_ATTR_OUT);

    if (status != 0)
        return status;
    put32(&message, 0);
    put32(&message, 0);
    put64(&message, 0);
    status = message_ask_for(&message, FUSE_ATTR_OUT);
    if (status == 0 && !parse_attr(message_answer(&message) + 16, attr))
        status = fuse_fault(fs, "attributes that cannot be");
    attr->unique = message.unique;
    message_end(&message);
    return status;
}

/* Others may have made links that we do not know of: the server is asked. */
void fuse_links_less(struct inode *inode)
{
    struct fuse_attr attr;

    if (inode->type == FILE_DIRECTORY)
        inode->links = 0;
    else if (fuse_ask_attr(fuse_of(inode), inode->number, &attr) == 0)
        inode->links = attr.links;
    else if (inode->links > 0)
        inode->links--;
}

void fuse_changed(struct fuse_inode *node)
{
    node->changed_at = fuse_of(&node->inode)->unique_next;
    node->needs_sync = true;
}

/* ---- Inodes -------------------------------------------------------------- */

static const struct fuse_entry *looked_take(struct fuse_fs *fs, uint64_t number)
{
    list_for_each (link, &fs->looked) {
        struct looked *looked = container_of(link, struct looked, link);

        if (looked->entry->node != number)
            continue;
        looked->is_used = true;
        return looked->entry;
    }
    return NULL;
}

/* Of what is not in memory only the root has not been looked up. */
int fuse_inode_read(struct inode *inode)
{
    struct fuse_fs *fs = fuse_of(inode);
    const struct fuse_entry *entry = looked_take(fs, inode->number);
    struct fuse_attr attr;
    int status;

    if (entry != NULL)
        return fuse_fill(inode, &entry->attr);
    if (inode->number != FUSE_ROOT_NODE)
        return -ENOENT;
    status = fuse_ask_attr(fs, inode->number, &attr);
    return status == 0 ? fuse_fill(inode, &attr) : status;
}

int fuse_inode_get(struct fuse_fs *fs, struct fuse_entry *entry,
                   struct parting *parting, struct inode **out)
{
    struct looked looked = {.entry = entry};
    struct fuse_inode *node;
    int status;

    list_push_back(&fs->looked, &looked.link);
    status = inode_get(fs->mount, entry->node, out);
    list_remove(&looked.link);
    if (status != 0) {
        *parting = (struct parting){.node = entry->node, .lookups = 1};
        parting_queue(fs, parting);
        return status;
    }
    node = fuse_inode_of(*out);
    node->lookups++;
    if (node->parting == NULL && entry->node != FUSE_ROOT_NODE)
        node->parting = parting;
    else
        mem_free(parting);
    if (looked.is_used)
        return 0;
    status = fuse_refresh(*out, &entry->attr);
    if (status < 0)
        inode_put_quick(*out);
    else if (status > 0)
        entry->valid_ns = 0; /* it is asked for again */
    return status < 0 ? status : 0;
}

uint64_t fuse_number_told(const struct inode *inode)
{
    return container_of(inode, struct fuse_inode, inode)->host_number;
}

void fuse_inode_drop(struct inode *inode)
{
    struct fuse_inode *node = fuse_inode_of(inode);
    struct parting *parting = node->parting;

    listing_drop(node);
    window_close(node);
    if (parting == NULL)
        return; /* the root, whose listing the end of the session closes */
    *parting =
        (struct parting){.node = inode->number, .lookups = node->lookups};
    handles_take(node, parting);
    parting_queue(fuse_of(inode), parting);
}
