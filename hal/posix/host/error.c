#include "hal/posix/host/error.h"
#include <errno.h>

/*
 * Torc has Linux's numbers, so translating is leaving out those it does not
 * have (<torc/errno.h>).
 */
int host_error(int host_errno)
{
    switch (host_errno) {
    case 0:
        return 0;
    case EPERM:
    case ENOENT:
    case EINTR:
    case ENXIO:
    case E2BIG:
    case EBADF:
    case EAGAIN:
    case ENOMEM:
    case EFAULT:
    case EBUSY:
    case EEXIST:
    case EXDEV:
    case ENODEV:
    case ENOTDIR:
    case EISDIR:
    case EINVAL:
    case ENFILE:
    case EFBIG:
    case ENOSPC:
    case EROFS:
    case EPIPE:
    case ERANGE:
    case ENAMETOOLONG:
    case ENOSYS:
    case ELOOP:
    case EMSGSIZE:
    case ENOTSUP:
    case EADDRINUSE:
    case ENOBUFS:
    case ETIMEDOUT:
        return -host_errno;
    case EACCES:
        return -EPERM;
    case EMFILE:
        return -ENFILE;
    default:
        return -EIO;
    }
}
