/*
 * An archive of tar as a source. Headers: POSIX.1-2017, pax, "ustar Interchange
 * Format" and "pax Interchange Format"; of GNU tar long names (types L and K)
 * and numbers in base 256 (its manual, "Basic Tar Format"); attributes are
 * keywords SCHILY.xattr.NAME, as star and GNU tar write them.
 */
#include "tools/mkimg/source.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    RECORD = 512,
    NAME = 0,
    NAME_SIZE = 100,
    MODE = 100,
    UID = 108,
    GID = 116,
    SIZE = 124,
    MTIME = 136,
    CHECKSUM = 148,
    SMALL = 8, /* bytes of a number, */
    LARGE = 12,
    TYPE = 156,
    LINK = 157,
    MAGIC = 257,
    MAJOR = 329,
    MINOR = 337,
    PREFIX = 345,
    PREFIX_SIZE = 155,
    EXTRA_MAX = 1 << 20, /* bytes of a header that extends another */
};

/* What a header says, or one before it. */
struct member {
    const char *path, *link;
    uint64_t size;
    struct file_time time;
    uint64_t uid, gid;
    bool has_size, has_time, has_uid, has_gid; /* said by pax */
    struct node xattrs;                        /* the list of them */
};

struct archive {
    const struct source *source;
    const char *name;
    int fd;
    uint64_t at; /* of the next record */
    uint8_t header[RECORD];
    struct member next; /* what was said before the header */
};

static int broken(const struct archive *archive, const char *why)
{
    return complain("%s: at byte %llu: %s", archive->name,
                    (unsigned long long)archive->at, why);
}

/* ---- Reading ------------------------------------------------------------- */

/* Returns how many bytes there were, or -1. */
static ssize_t read_at(int fd, uint64_t at, void *to, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t got =
            pread(fd, (char *)to + done, size - done, (off_t)(at + done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

static bool write_all(int fd, const char *from, size_t size)
{
    while (size > 0) {
        ssize_t done = write(fd, from, size);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return false;
        from += done;
        size -= (size_t)done;
    }
    return true;
}

/* Copy what cannot be read twice to a file that has no name. Returns it, or
 * -1. */
static int spool(int from)
{
    FILE *file = tmpfile();
    char chunk[65536];
    int fd = file != NULL ? dup(fileno(file)) : -1;
    ssize_t got;

    if (file != NULL)
        fclose(file);
    if (fd < 0)
        return -1;
    while ((got = read(from, chunk, sizeof(chunk))) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 || !write_all(fd, chunk, (size_t)got)) {
            close(fd);
            return -1;
        }
    }
    return fd;
}

/* ---- Fields -------------------------------------------------------------- */

/* A number of `size` bytes: octal digits, or, as GNU tar has it, two's
 * complement. */
static int64_t number(const uint8_t *field, size_t size)
{
    int64_t value = 0;

    if ((field[0] & 0x80) != 0) {
        value = field[0] == 0xff ? -1 : field[0] & 0x7f;
        for (size_t i = 1; i < size; i++)
            value = (int64_t)((uint64_t)value << 8 | field[i]);
        return value;
    }
    for (size_t i = 0; i < size; i++) {
        if (field[i] >= '0' && field[i] <= '7')
            value = value << 3 | (field[i] - '0');
        else if (field[i] != ' ' || value != 0)
            break;
    }
    return value;
}

/* A text of at most `size` bytes. */
static const char *text(struct archive *archive, unsigned at, size_t size)
{
    const char *field = (const char *)archive->header + at;

    return tree_text(archive->source->tree, field, strnlen(field, size));
}

static bool checksum_is_right(const uint8_t *header)
{
    int64_t sum = 0;

    for (unsigned i = 0; i < RECORD; i++)
        sum += i >= CHECKSUM && i < CHECKSUM + SMALL ? ' ' : header[i];
    return sum == number(header + CHECKSUM, SMALL);
}

static const char *path_of(struct archive *archive)
{
    const char *name = text(archive, NAME, NAME_SIZE), *prefix;
    char *path;

    if (archive->next.path != NULL)
        return archive->next.path;
    if (memcmp(archive->header + MAGIC, "ustar", 6) != 0 ||
        archive->header[PREFIX] == '\0')
        return name;
    prefix = text(archive, PREFIX, PREFIX_SIZE);
    path = tree_alloc(archive->source->tree, strlen(prefix) + strlen(name) + 2);
    sprintf(path, "%s/%s", prefix, name);
    return path;
}

/* ---- Headers that extend the next one ------------------------------------ */

/* What follows the header; NULL: it is not all there, or too much. */
static char *extra_read(struct archive *archive, uint64_t size)
{
    char *data;

    if (size > EXTRA_MAX)
        return NULL;
    data = tree_alloc(archive->source->tree, size + 1);
    return read_at(archive->fd, archive->at, data, size) == (ssize_t)size
               ? data
               : NULL;
}

/* A decimal number of seconds, with a fraction. */
static struct file_time moment(const char *value)
{
    struct file_time time = {.s = strtoll(value, NULL, 10)};
    const char *dot = strchr(value, '.');
    uint32_t unit = 100000000;

    for (; dot != NULL && unit > 0 && dot[1] >= '0' && dot[1] <= '9'; dot++) {
        time.ns += unit * (uint32_t)(dot[1] - '0');
        unit /= 10;
    }
    if (value[0] == '-' && time.ns > 0) {
        time.s--;
        time.ns = 1000000000 - time.ns;
    }
    return time;
}

/* A keyword of pax. Returns NULL, or why it is refused. */
static const char *keyword(struct archive *archive, const char *key,
                           const char *value, size_t size)
{
    static const char xattr[] = "SCHILY.xattr.";
    struct member *next = &archive->next;

    if (strcmp(key, "path") == 0)
        next->path = value;
    else if (strcmp(key, "linkpath") == 0)
        next->link = value;
    else if (strcmp(key, "size") == 0)
        next->has_size = true, next->size = strtoull(value, NULL, 10);
    else if (strcmp(key, "mtime") == 0)
        next->has_time = true, next->time = moment(value);
    else if (strcmp(key, "uid") == 0)
        next->has_uid = true, next->uid = strtoull(value, NULL, 10);
    else if (strcmp(key, "gid") == 0)
        next->has_gid = true, next->gid = strtoull(value, NULL, 10);
    else if (strncmp(key, xattr, sizeof(xattr) - 1) == 0)
        tree_xattr(archive->source->tree, &next->xattrs,
                   key + sizeof(xattr) - 1, value, size);
    else if (strncmp(key, "GNU.sparse.", 11) == 0)
        return "sparse files of GNU tar are not read (tar without -S)";
    return NULL;
}

/* Records "LENGTH KEY=VALUE\n". Returns NULL, or what is wrong. */
static const char *records(struct archive *archive, char *data, size_t size)
{
    while (size > 0) {
        char *end, *equals;
        unsigned long long len = strtoull(data, &end, 10);
        const char *why;

        if (end == data || *end != ' ' || len > size ||
            len < (size_t)(end - data) + 3 || data[len - 1] != '\n')
            return "an extended header is damaged";
        equals = memchr(end, '=', len - (size_t)(end - data));
        if (equals == NULL)
            return "an extended header is damaged";
        *equals = '\0';
        data[len - 1] = '\0';
        why = keyword(archive, end + 1, equals + 1,
                      (size_t)(data + len - 1 - (equals + 1)));
        if (why != NULL)
            return why;
        data += len;
        size -= len;
    }
    return NULL;
}

/* Take what a header of this type says of the next one. */
static int extra_take(struct archive *archive, uint8_t type, uint64_t size)
{
    char *data = extra_read(archive, size);
    const char *why = NULL;

    if (data == NULL)
        return broken(archive, "an extended header is cut or too long");
    if (type == 'x')
        why = records(archive, data, size);
    if (type == 'L')
        archive->next.path = data;
    if (type == 'K')
        archive->next.link = data;
    return why != NULL ? broken(archive, why) : 0;
}

/* ---- Members ------------------------------------------------------------- */

/* FILE_UNKNOWN: no file. */
static uint8_t type_of(uint8_t type, const char *path)
{
    size_t len = strlen(path);

    switch (type) {
    case '\0':
        return len > 0 && path[len - 1] == '/' ? FILE_DIRECTORY : FILE_REGULAR;
    case '0':
    case '7':
        return FILE_REGULAR;
    case '2':
        return FILE_SYMLINK;
    case '3':
        return FILE_CHARACTER;
    case '4':
        return FILE_BLOCK;
    case '5':
        return FILE_DIRECTORY;
    case '6':
        return FILE_FIFO;
    default:
        return FILE_UNKNOWN;
    }
}

static void attributes_set(const struct archive *archive, struct node *node)
{
    const struct member *next = &archive->next;
    const uint8_t *header = archive->header;
    struct make_file *file = &node->file;

    file->mode = (uint16_t)(number(header + MODE, SMALL) & 07777);
    file->uid = (uint32_t)(next->has_uid ? (int64_t)next->uid
                                         : number(header + UID, SMALL));
    file->gid = (uint32_t)(next->has_gid ? (int64_t)next->gid
                                         : number(header + GID, SMALL));
    file->time =
        next->has_time ? next->time : time_of(number(header + MTIME, LARGE), 0);
    if (archive->source->takes_xattrs) {
        file->xattrs = next->xattrs.file.xattrs;
        file->xattr_count = next->xattrs.file.xattr_count;
    }
}

static int link_put(struct archive *archive, const char *path, const char *link)
{
    struct tree *tree = archive->source->tree;
    struct node *node;
    const char *why = tree_find(tree, link, &node);

    if (why != NULL)
        return complain("%s: %s: link to %s: %s", archive->name, path, link,
                        why);
    why = tree_link(tree, path, node);
    return why != NULL ? complain("%s: %s: %s", archive->name, path, why) : 0;
}

/* Put a file, of which `size` bytes follow, into the tree. */
static int member_put(struct archive *archive, const char *path, uint8_t type,
                      uint64_t size)
{
    struct tree *tree = archive->source->tree;
    const char *link = archive->next.link, *why;
    struct node *node;

    if (link == NULL)
        link = text(archive, LINK, NAME_SIZE);
    if (archive->header[TYPE] == '1')
        return link_put(archive, path, link);
    why = tree_put(tree, path, type, false, &node);
    if (why != NULL)
        return complain("%s: %s: %s", archive->name, path, why);
    attributes_set(archive, node);
    if (type == FILE_CHARACTER || type == FILE_BLOCK)
        node->file.rdev =
            device_of((unsigned long)number(archive->header + MAJOR, SMALL),
                      (unsigned long)number(archive->header + MINOR, SMALL));
    if (type == FILE_SYMLINK) {
        node->file.target = link;
        node->file.size_bytes = strlen(link);
    }
    if (type == FILE_REGULAR) {
        node->file.size_bytes = size;
        node->fd = archive->fd;
        node->offset = archive->at;
    }
    return 0;
}

/* The header that was read, and what follows it. */
static int header_take(struct archive *archive)
{
    const uint8_t type = archive->header[TYPE];
    int64_t size = number(archive->header + SIZE, LARGE);
    const char *path;
    uint8_t made;
    int status = 0;

    if (!checksum_is_right(archive->header))
        return broken(archive, "this is no header of a tar archive");
    archive->at += RECORD;
    if (type == 'x' || type == 'g' || type == 'L' || type == 'K') {
        status = extra_take(archive, type, (uint64_t)size);
    } else {
        if (archive->next.has_size)
            size = (int64_t)archive->next.size;
        path = path_of(archive);
        made = type_of(type, path);
        if (type != '1' && made == FILE_UNKNOWN && type != 'V')
            return complain("%s: %s: a member of type '%c' is not read",
                            archive->name, path, type);
        if (made != FILE_REGULAR && type != 'V')
            size = 0;
        if (type != 'V')
            status = member_put(archive, path, made, (uint64_t)size);
        archive->next = (struct member){.path = NULL};
    }
    if (size < 0 || size > INT64_MAX - RECORD)
        return broken(archive, "the size of a member cannot be");
    archive->at += ((uint64_t)size + RECORD - 1) / RECORD * RECORD;
    return status;
}

static bool is_zero(const uint8_t *header)
{
    return make_is_zero(header, RECORD);
}

/* Take all members; a record of zeros, or the end of the file, ends them. */
static int members_take(struct archive *archive, uint64_t size)
{
    while (archive->at < size) {
        if (read_at(archive->fd, archive->at, archive->header, RECORD) !=
            RECORD)
            return broken(archive, "the archive is cut");
        if (is_zero(archive->header))
            return 0;
        if (header_take(archive) != 0)
            return -1;
    }
    return archive->at > size + RECORD - 1
               ? broken(archive, "the archive is cut")
               : 0;
}

int source_tar(const struct source *source, const char *path)
{
    struct archive archive = {.source = source, .name = path};
    struct stat stat;
    int fd = STDIN_FILENO;

    if (strcmp(path, "-") == 0)
        archive.name = "the standard input";
    else
        fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &stat) != 0)
        return complain("%s: %s", archive.name, strerror(errno));
    if (!S_ISREG(stat.st_mode))
        fd = spool(fd);
    if (fd < 0 || fstat(fd, &stat) != 0)
        return complain("%s: %s", archive.name, strerror(errno));
    archive.fd = fd;
    return members_take(&archive, (uint64_t)stat.st_size);
}
