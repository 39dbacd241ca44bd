/* What errors mean, in words. */
#include "apps/shell/shell.h"
#include <torc/compiler.h>

static const struct {
    int error;
    const char *text;
} texts[] = {
    {EPERM, "not allowed"},
    {ENOENT, "no such file or name"},
    {ESRCH, "no such thread"},
    {EINTR, "interrupted"},
    {EIO, "the device or the medium has failed"},
    {ENXIO, "no such unit"},
    {E2BIG, "too many words"},
    {EBADF, "not open for that"},
    {EAGAIN, "try again later"},
    {ENOMEM, "no memory"},
    {EBUSY, "in use"},
    {EEXIST, "exists already"},
    {EXDEV, "of another file system or CPU"},
    {ENODEV, "no such device"},
    {ENOTDIR, "not a directory"},
    {EISDIR, "a directory"},
    {EINVAL, "that makes no sense here"},
    {ENFILE, "too many open files"},
    {EFBIG, "the file is too large"},
    {ENOSPC, "no space left"},
    {EROFS, "read-only"},
    {EMLINK, "too many links"},
    {EPIPE, "the other end is gone"},
    {ERANGE, "out of range"},
    {EDEADLK, "it would wait for itself"},
    {ENAMETOOLONG, "the name is too long"},
    {ENOSYS, "not implemented"},
    {ENOTEMPTY, "the directory is not empty"},
    {ELOOP, "too many that lead to each other"},
    {ENODATA, "there is none"},
    {EREMOTE, "behind another CPU"},
    {EPROTO, "the peer breaks the protocol"},
    {EOVERFLOW, "the value is too large"},
    {EUCLEAN, "the file system is damaged"},
    {EMSGSIZE, "too long"},
    {ENOTSUP, "not supported"},
    {EADDRINUSE, "the address is in use"},
    {ENETUNREACH, "no way to that network"},
    {ECONNABORTED, "the connection was given up"},
    {ECONNRESET, "the peer has reset the connection"},
    {ENOBUFS, "no buffer left"},
    {EISCONN, "connected already"},
    {ENOTCONN, "not connected; there may be no network"},
    {ETIMEDOUT, "no answer in time"},
    {ECONNREFUSED, "the connection is refused"},
    {ECANCELED, "cancelled"},
    {EHOSTUNREACH, "the host cannot be reached"},
    {EALREADY, "under way already"},
};

const char *error_text(int error)
{
    for (unsigned i = 0; i < COUNT_OF(texts); i++) {
        if (texts[i].error == -error)
            return texts[i].text;
    }
    return "it has failed";
}
