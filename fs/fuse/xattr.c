/* Extended attributes: the server's. */
#include "fs/fuse/fuse_internal.h"
#include <torc/string.h>

enum { XATTR_MAX = 65536 }; /* of a value, and of all names: as Linux */

static void put_text(struct message *message, const char *text)
{
    put_bytes(message, text, str_len(text, FILE_NAME_MAX));
    put_bytes(message, "", 1);
}

static int64_t told(int64_t status)
{
    return status == -ENOSYS ? -ENOTSUP : status;
}

/*
 * GETXATTR or LISTXATTR: what there is (`name` NULL: names), or how long it is.
 * The server says -ERANGE where it has no room: then it is asked how long.
 */
static int64_t ask(struct inode *inode, const char *name, void *to, size_t size)
{
    const size_t len = name == NULL ? 0 : str_len(name, FILE_NAME_MAX) + 1;
    struct message message;
    int64_t got = message_begin(
        &message, fuse_of(inode), name != NULL ? FUSE_GETXATTR : FUSE_LISTXATTR,
        inode->number, 8 + len, size > 0 ? size : FUSE_XATTR_OUT);

    if (got != 0)
        return got;
    put32(&message, (uint32_t)size);
    put32(&message, 0);
    if (name != NULL)
        put_text(&message, name);
    if (size > 0) {
        got = message_ask(&message);
        if (got > 0)
            memcpy(to, message_answer(&message), (size_t)got);
    } else {
        got = message_ask_for(&message, FUSE_XATTR_OUT);
        if (got == 0)
            got = le32_get(message_answer(&message));
    }
    message_end(&message);
    return got;
}

static int64_t get(struct inode *inode, const char *name, void *to, size_t size)
{
    int64_t got;

    if (size > XATTR_MAX)
        size = XATTR_MAX;
    got = ask(inode, name, to, size);
    if (got == -ERANGE && size > 0)
        got = ask(inode, name, NULL, 0);
    return told(got);
}

int64_t fuse_xattr_get(struct inode *inode, const char *name, void *value,
                       size_t size)
{
    return get(inode, name, value, size);
}

/* Each name has its NUL, or the list is none. */
int64_t fuse_xattr_list(struct inode *inode, char *names, size_t size)
{
    int64_t got = get(inode, NULL, names, size);

    if (got > 0 && (uint64_t)got <= size && names[got - 1] != '\0')
        return fuse_fault(fuse_of(inode), "a name without an end");
    return got;
}

int fuse_xattr_set(struct inode *inode, const char *name, const void *value,
                   size_t size)
{
    const size_t len = str_len(name, FILE_NAME_MAX) + 1;
    struct message message;
    int status =
        message_begin(&message, fuse_of(inode),
                      value != NULL ? FUSE_SETXATTR : FUSE_REMOVEXATTR,
                      inode->number, 8 + len + (value != NULL ? size : 0), 0);

    if (status != 0)
        return status;
    if (value != NULL) {
        put32(&message, (uint32_t)size);
        put32(&message, 0); /* whether it is there or not */
    }
    put_text(&message, name);
    if (value != NULL)
        put_bytes(&message, value, size);
    status = message_ask_for(&message, 0);
    message_end(&message);
    return (int)told(status);
}
