/*
 * Error codes. Every fallible function of Torc returns 0 (or a count) on
 * success and the negative of one of these on failure. The numbers are those
 * of Linux, so translation on the hosted machine is the identity.
 */
#ifndef TORC_ERRNO_H
#define TORC_ERRNO_H

/* clang-format off */
#define EPERM          1  /* operation not permitted */
#define ENOENT         2  /* no such file, device or object */
#define ESRCH          3  /* no such thread */
#define EINTR          4  /* the wait was cancelled */
#define EIO            5  /* the device or the medium failed */
#define ENXIO          6  /* no such unit */
#define E2BIG          7  /* argument list too long */
#define EBADF          9  /* not an open file */
#define EAGAIN        11  /* full or empty just now: try again */
#define ENOMEM        12  /* out of memory */
#define EFAULT        14  /* bad address */
#define EBUSY         16  /* already in use */
#define EEXIST        17  /* exists already */
#define EXDEV         18  /* the object belongs to another CPU */
#define ENODEV        19  /* no such device */
#define ENOTDIR       20  /* not a directory */
#define EISDIR        21  /* is a directory */
#define EINVAL        22  /* invalid argument */
#define ENFILE        23  /* too many open files */
#define EFBIG         27  /* file too large */
#define ENOSPC        28  /* no space left */
#define EROFS         30  /* read-only file system */
#define EMLINK        31  /* too many links */
#define EPIPE         32  /* the other end is gone */
#define ERANGE        34  /* result out of range */
#define EDEADLK       35  /* would wait for itself */
#define ENAMETOOLONG  36  /* name too long */
#define ENOSYS        38  /* not implemented */
#define ENOTEMPTY     39  /* directory not empty */
#define ELOOP         40  /* too many symbolic links */
#define ENODATA       61  /* no such attribute */
#define EREMOTE       66  /* it is behind another CPU */
#define EPROTO        71  /* the peer broke the protocol */
#define EOVERFLOW     75  /* value too large for its type */
#define EUCLEAN      117  /* the file system structure is damaged */
#define EMSGSIZE      90  /* message too long */
#define ENOTSUP       95  /* not supported */
#define EADDRINUSE    98  /* address already in use */
#define ENETUNREACH  101  /* no route to the network */
#define ECONNABORTED 103  /* connection aborted */
#define ECONNRESET   104  /* connection reset by the peer */
#define ENOBUFS      105  /* no buffer space */
#define EISCONN      106  /* already connected */
#define ENOTCONN     107  /* not connected */
#define ETIMEDOUT    110  /* timed out */
#define ECONNREFUSED 111  /* connection refused */
#define ECANCELED    125  /* the thread was killed */
#define EHOSTUNREACH 113  /* no route to the host */
#define EALREADY     114  /* already under way */
/* clang-format on */

#endif
