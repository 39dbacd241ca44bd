/*
 * Listing directories. The server's entries come many at a time, and are kept
 * until the reader has had them. A listing from the beginning opens the
 * directory anew, so that it has what is there now.
 */
#include "fs/fuse/fuse_internal.h"
#include <torc/memory.h>
#include <torc/string.h>

enum { LISTING_BYTES = 8192 - 128 }; /* with the message two pages */

struct listing {
    struct message message; /* its answer has the entries */
    size_t len;             /* of them */
    size_t at;              /* of the next one */
    uint64_t next;          /* the cursor that gets that one */
};

void listing_drop(struct fuse_inode *node)
{
    if (node->listing == NULL)
        return;
    message_end(&node->listing->message);
    mem_free(node->listing);
    node->listing = NULL;
}

/* Close it at the server, without waiting; the server may be told nothing where
 * there is no memory for that: then it stays open until the inode goes. */
static void dir_close(struct inode *dir)
{
    struct fuse_inode *node = fuse_inode_of(dir);
    struct handle *handle = &node->handles[HANDLE_DIR];
    struct parting *parting;

    listing_drop(node);
    if (!handle->is_open)
        return;
    parting = mem_alloc_zeroed(sizeof(*parting));
    if (parting == NULL)
        return;
    parting->node = dir->number;
    parting->handles[HANDLE_DIR] = *handle;
    handle->is_open = false;
    parting_queue(fuse_of(dir), parting);
}

static int dir_open(struct inode *dir)
{
    struct handle *handle = &fuse_inode_of(dir)->handles[HANDLE_DIR];

    if (handle->is_open)
        return 0;
    return handle_ask(dir, FUSE_OPENDIR, FUSE_OPEN_READ, handle);
}

/* Get the entries from a cursor on. */
static int fetch(struct inode *dir, uint64_t cursor)
{
    struct fuse_inode *node = fuse_inode_of(dir);
    struct listing *listing = mem_alloc_zeroed(sizeof(*listing));
    int64_t len;

    listing_drop(node);
    if (listing == NULL)
        return -ENOMEM;
    len = message_begin(&listing->message, fuse_of(dir), FUSE_READDIR,
                        dir->number, FUSE_READ_IN, LISTING_BYTES);
    if (len == 0) {
        put64(&listing->message, node->handles[HANDLE_DIR].fh);
        put64(&listing->message, cursor);
        put32(&listing->message, LISTING_BYTES);
        put32(&listing->message, 0);
        put64(&listing->message, 0);
        put64(&listing->message, 0);
        len = message_ask(&listing->message);
    }
    if (len < 0) {
        message_end(&listing->message);
        mem_free(listing);
        return (int)len;
    }
    listing->len = (size_t)len;
    listing->next = cursor;
    node->listing = listing;
    return 0;
}

/* The next entry of what has been got. Returns 1, 0: there is none, -EIO. */
static int next_entry(struct fuse_fs *fs, struct listing *listing,
                      uint64_t *cursor, struct dir_entry *entry)
{
    struct fuse_dirent dirent;
    int status = parse_dirent(message_answer(&listing->message) + listing->at,
                              listing->len - listing->at, &dirent);

    if (status == 0 && listing->at == 0 && listing->len > 0)
        status = -EIO; /* not even one */
    if (status == 1 && (dirent.next == *cursor || dirent.next == 0))
        status = -EIO; /* it would come again and again */
    if (status < 0)
        return fuse_fault(fs, "an entry of a directory that cannot be");
    if (status == 0)
        return 0;
    entry->inode = dirent.ino;
    entry->type = dirent.type;
    memcpy(entry->name, dirent.name, dirent.name_len);
    entry->name[dirent.name_len] = '\0';
    listing->at += dirent.bytes;
    listing->next = *cursor = dirent.next;
    return 1;
}

/* The directory's inner lock is held. */
static int read_entry(struct inode *dir, uint64_t *cursor,
                      struct dir_entry *entry)
{
    struct fuse_inode *node = fuse_inode_of(dir);
    struct fuse_fs *fs = fuse_of(dir);
    int status;

    if (*cursor == 0)
        dir_close(dir);
    if (node->listing != NULL && node->listing->next == *cursor) {
        status = next_entry(fs, node->listing, cursor, entry);
        if (status != 0)
            return status;
    }
    status = dir_open(dir);
    if (status == 0)
        status = fetch(dir, *cursor);
    return status == 0 ? next_entry(fs, node->listing, cursor, entry) : status;
}

int fuse_readdir(struct inode *dir, uint64_t *cursor, struct dir_entry *entry)
{
    struct fuse_inode *node = fuse_inode_of(dir);
    int status;

    if (dir->links == 0)
        return 0; /* it has been removed */
    rwlock_lock(&node->inner);
    status = read_entry(dir, cursor, entry);
    if (status <= 0)
        dir_close(dir);
    rwlock_unlock(&node->inner);
    return status;
}

/* Opened for it alone, if nobody lists it. */
int fuse_dir_sync(struct inode *dir, bool data_only)
{
    struct fuse_inode *node = fuse_inode_of(dir);
    const struct handle *handle = &node->handles[HANDLE_DIR];
    bool was_open;
    int status;

    if (dir->links == 0)
        return 0; /* nothing of it is to stay */
    rwlock_lock(&node->inner);
    was_open = handle->is_open;
    status = dir_open(dir);
    if (status == 0)
        status = fuse_ask_sync(dir, FUSE_FSYNCDIR, handle->fh, data_only);
    if (!was_open)
        dir_close(dir);
    rwlock_unlock(&node->inner);
    return status;
}
