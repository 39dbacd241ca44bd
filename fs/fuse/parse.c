/* What the server says. Nothing of it is believed before it was looked at. */
#include "fs/fuse/fuse_internal.h"
#include <torc/string.h>
#include <torc/time.h>

enum { ERROR_MAX = 4095, MODE_BITS = 07777, TRUST_MAX_S = 86400 };

/* ---- Errors -------------------------------------------------------------- */

/* Numbers of Linux that Torc has not, or that mean something else inside of
 * it. */
enum {
    LINUX_EACCES = 13,
    LINUX_EMFILE = 24,
    LINUX_ETXTBSY = 26,
    LINUX_ESTALE = 116,
    LINUX_EDQUOT = 122,
};

/* Those that are told as they are. */
static const uint8_t told[] = {
    EPERM,  ENOENT,  EIO,    ENXIO,  E2BIG,        ENOMEM,  EBUSY,     EEXIST,
    EXDEV,  ENOTDIR, EISDIR, EINVAL, ENFILE,       EFBIG,   ENOSPC,    EROFS,
    EMLINK, ERANGE,  ENOSYS, ELOOP,  ENAMETOOLONG, ENODATA, ENOTEMPTY, ENOTSUP,
};

static int error_of(int32_t error)
{
    switch (-error) {
    case LINUX_EACCES:
        return -EPERM;
    case LINUX_EMFILE:
        return -ENFILE;
    case LINUX_ETXTBSY:
        return -EBUSY;
    case LINUX_ESTALE:
        return -ENOENT;
    case LINUX_EDQUOT:
        return -ENOSPC;
    default:
        break;
    }
    for (size_t i = 0; i < COUNT_OF(told); i++) {
        if (told[i] == -error)
            return error;
    }
    return -EIO;
}

int64_t parse_header(const uint8_t *p, uint32_t written, uint64_t unique)
{
    int32_t error;

    if (written < FUSE_OUT_HEADER || le32_get(p) != written ||
        le64_get(p + 8) != unique)
        return -EPROTO;
    error = (int32_t)le32_get(p + 4);
    if (error > 0 || error < -ERROR_MAX ||
        (error != 0 && written != FUSE_OUT_HEADER))
        return -EPROTO;
    return error != 0 ? error_of(error) : (int64_t)written - FUSE_OUT_HEADER;
}

/* ---- Attributes ---------------------------------------------------------- */

/* By bits 12 to 15 of st_mode, which are also what entries of directories have
 * as their type. */
static const uint8_t types[16] = {
    [1] = FILE_FIFO,    [2] = FILE_CHARACTER, [4] = FILE_DIRECTORY,
    [6] = FILE_BLOCK,   [8] = FILE_REGULAR,   [10] = FILE_SYMLINK,
    [12] = FILE_SOCKET,
};

uint32_t fuse_mode(uint8_t type, uint16_t mode)
{
    uint32_t bits = 0;

    while (types[bits] != type)
        bits++;
    return bits << FUSE_TYPE_SHIFT | (mode & MODE_BITS);
}

/* Linux packs the numbers of a device as minor[7:0], major[11:0],
 * minor[19:8]. */
static uint64_t rdev_of(uint32_t rdev)
{
    return rdev;
}

static bool time_at(const uint8_t *s, const uint8_t *ns, struct file_time *time)
{
    *time = (struct file_time){.s = (int64_t)le64_get(s), .ns = le32_get(ns)};
    return time->ns < NS_PER_S;
}

bool parse_attr(const uint8_t *p, struct fuse_attr *attr)
{
    const uint32_t mode = le32_get(p + 60);

    *attr = (struct fuse_attr){
        .ino = le64_get(p),
        .size = le64_get(p + 8),
        .blocks = le64_get(p + 16),
        .type = mode >> 16 == 0 ? types[mode >> FUSE_TYPE_SHIFT] : 0,
        .mode = mode & MODE_BITS,
        .links = le32_get(p + 64),
        .uid = le32_get(p + 68),
        .gid = le32_get(p + 72),
        .rdev = rdev_of(le32_get(p + 76)),
    };
    return time_at(p + 24, p + 48, &attr->atime) &&
           time_at(p + 32, p + 52, &attr->mtime) &&
           time_at(p + 40, p + 56, &attr->ctime) &&
           attr->type != FILE_UNKNOWN && attr->size <= MAPPING_SIZE_MAX;
}

/* How long something is valid, cut to a day. */
static uint64_t valid_ns(const uint8_t *s, const uint8_t *ns)
{
    const uint64_t seconds = le64_get(s);
    const uint32_t rest = le32_get(ns);

    if (seconds >= TRUST_MAX_S || rest >= NS_PER_S)
        return TRUST_MAX_S * NS_PER_S;
    return seconds * NS_PER_S + rest;
}

bool parse_entry(const uint8_t *p, struct fuse_entry *entry)
{
    const uint64_t name_ns = valid_ns(p + 16, p + 32);
    const uint64_t attr_ns = valid_ns(p + 24, p + 36);

    entry->node = le64_get(p);
    if (entry->node == 0) {
        entry->valid_ns = name_ns;
        return true;
    }
    entry->valid_ns = name_ns < attr_ns ? name_ns : attr_ns;
    return parse_attr(p + 40, &entry->attr);
}

/* ---- Directories --------------------------------------------------------- */

static bool is_name(const char *name, uint32_t len)
{
    if (len == 0 || len > FILE_NAME_MAX)
        return false;
    for (uint32_t i = 0; i < len; i++) {
        if (name[i] == '/' || name[i] == '\0')
            return false;
    }
    return true;
}

int parse_dirent(const uint8_t *p, size_t len, struct fuse_dirent *entry)
{
    uint32_t type;

    if (len < FUSE_DIRENT)
        return 0;
    type = le32_get(p + 20);
    *entry = (struct fuse_dirent){
        .ino = le64_get(p),
        .next = le64_get(p + 8),
        .name_len = le32_get(p + 16),
        .type = type < COUNT_OF(types) ? types[type] : FILE_UNKNOWN,
        .name = (const char *)p + FUSE_DIRENT,
    };
    if (entry->name_len > FILE_NAME_MAX)
        return -EIO;
    entry->bytes = (FUSE_DIRENT + entry->name_len + 7) & ~(uint32_t)7;
    if (entry->bytes > len)
        return 0;
    return is_name(entry->name, entry->name_len) ? 1 : -EIO;
}
