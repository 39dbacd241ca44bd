/*
 * Files that are open at the server. A file is opened when its first page is
 * wanted, and stays open while somebody has it; of those that nobody has, the
 * ones used longest ago are closed.
 */
#include "fs/fuse/fuse_internal.h"
#include <torc/memory.h>

const struct handle *handle_any(const struct fuse_inode *node)
{
    const struct handle *both = &node->handles[HANDLE_BOTH];
    const struct handle *reading = &node->handles[HANDLE_READ];

    if (both->is_open)
        return both;
    return reading->is_open ? reading : NULL;
}

void handles_take(struct fuse_inode *node, struct parting *parting)
{
    for (unsigned i = 0; i < HANDLE_KINDS; i++) {
        parting->handles[i] = node->handles[i];
        node->handles[i].is_open = false;
    }
    if (!list_empty(&node->handle_link)) {
        list_remove(&node->handle_link);
        fuse_of(&node->inode)->handle_count--;
    }
}

/* Whether nobody has it, and nothing of it is under way or to be written. */
static bool is_unused(const struct fuse_inode *node)
{
    const struct inode *inode = &node->inode;

    return inode->refs == 0 && inode->state == INODE_LIVE &&
           node->in_flight == 0 && inode->pages.dirty_count == 0 &&
           !inode->is_writing && inode->dirty == 0;
}

/* Close one that is unused; where there is no memory, none. */
static void close_one(struct fuse_fs *fs)
{
    list_for_each (link, &fs->handles) {
        struct fuse_inode *node =
            container_of(link, struct fuse_inode, handle_link);
        struct parting *parting;

        if (!is_unused(node))
            continue;
        parting = mem_alloc_zeroed(sizeof(*parting));
        if (parting == NULL)
            return;
        parting->node = node->inode.number;
        handles_take(node, parting);
        parting_queue(fs, parting);
        return;
    }
}

int handle_ask(struct inode *inode, enum fuse_opcode opcode, uint32_t flags,
               struct handle *handle)
{
    struct message message;
    int status = message_begin(&message, fuse_of(inode), opcode, inode->number,
                               8, FUSE_OPEN_OUT);

    if (status != 0)
        return status;
    put32(&message, flags);
    put32(&message, 0);
    status = message_ask_for(&message, FUSE_OPEN_OUT);
    if (status == 0)
        *handle = (struct handle){.fh = le64_get(message_answer(&message)),
                                  .is_open = true};
    message_end(&message);
    return status;
}

/* It is in the list as the one used last. */
static void used(struct fuse_inode *node)
{
    struct fuse_fs *fs = fuse_of(&node->inode);

    if (list_empty(&node->handle_link))
        fs->handle_count++;
    list_remove(&node->handle_link);
    list_push_back(&fs->handles, &node->handle_link);
}

static bool is_enough(const struct fuse_inode *node, enum handle_kind kind)
{
    return kind == HANDLE_BOTH ? node->handles[HANDLE_BOTH].is_open
                               : handle_any(node) != NULL;
}

int handle_open(struct inode *inode, enum handle_kind kind)
{
    struct fuse_inode *node = fuse_inode_of(inode);
    struct fuse_fs *fs = fuse_of(inode);
    int status = 0;

    if (is_enough(node, kind))
        return 0;
    if (fs->handle_count >= FUSE_HANDLES_MAX)
        close_one(fs);
    rwlock_lock(&node->inner);
    if (!is_enough(node, kind)) {
        status =
            handle_ask(inode, FUSE_OPEN,
                       kind == HANDLE_BOTH ? FUSE_OPEN_BOTH : FUSE_OPEN_READ,
                       &node->handles[kind]);
        if (status == 0)
            used(node);
    }
    rwlock_unlock(&node->inner);
    return status;
}
