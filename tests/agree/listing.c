#include "tests/agree/listing.h"
#include "tests/agree/draw.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    PAGE = 4096,
    WHOLE_MAX = 64 * PAGE, /* files up to this size are read byte by byte */
    XATTR_MAX = 128 * 1024,
    INODES_MAX = 1 << 20,
};

struct names {
    struct side_entry *entry;
    size_t count, room;
};

static struct {
    const struct side *side;
    FILE *to;
    int status; /* the first error */
    char path[SIDE_PATH_MAX];
    uint64_t *seen; /* numbers of inodes that have several links */
    size_t seen_count;
} listing;

bool listing_has_times(const char *path)
{
    return strcmp(path, "/") != 0 &&
           (draw_hash(7, path, strlen(path)) & 1) != 0;
}

void listing_word(FILE *to, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c > ' ' && c < 0x7f && c != '\\')
            fputc(c, to);
        else
            fprintf(to, "\\x%02x", c);
    }
}

static void failed(const char *what, int64_t status)
{
    fprintf(listing.to, " %s:%s", what, strerror((int)-status));
    if (listing.status == 0)
        listing.status = (int)status;
}

/* ---- Content ------------------------------------------------------------- */

static bool is_zero(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (data[i] != 0)
            return false;
    return true;
}

/* Pages that hold nothing but zeros do not count, so that it does not matter
 * which of them are holes. */
static int64_t range_hash(struct side_file *file, uint64_t from, uint64_t until,
                          uint64_t *hash)
{
    static uint8_t buffer[64 * PAGE];
    int64_t got = 0;

    for (from -= from % PAGE; from < until; from += (uint64_t)got) {
        got = listing.side->read(file, buffer, sizeof(buffer), from);
        if (got <= 0)
            return got;
        for (size_t at = 0; at < (size_t)got; at += PAGE) {
            size_t size = (size_t)got - at < PAGE ? (size_t)got - at : PAGE;
            uint64_t place = from + at;

            if (place >= until || is_zero(buffer + at, size))
                continue;
            *hash = draw_hash(*hash, &place, sizeof(place));
            *hash = draw_hash(*hash, buffer + at, size);
        }
    }
    return 0;
}

/* Where data are, in whole pages, and what they are. */
static int64_t content_hash(struct side_file *file, uint64_t size,
                            uint64_t *content, uint64_t *map)
{
    uint64_t at = 0, range[2] = {0, 0};
    int64_t status = 0;

    while (at < size && status >= 0) {
        int64_t begin = listing.side->seek(file, at, true), end;

        if (begin == -ENXIO)
            break;
        if (begin < 0)
            return begin;
        end = listing.side->seek(file, (uint64_t)begin, false);
        if (end < 0)
            return end;
        at = (uint64_t)end;
        if ((uint64_t)begin / PAGE * PAGE > range[1]) {
            *map = draw_hash(*map, range, sizeof(range));
            range[0] = (uint64_t)begin / PAGE * PAGE;
        }
        if (size > WHOLE_MAX && at > range[1])
            status = range_hash(
                file, (uint64_t)begin < range[1] ? range[1] : (uint64_t)begin,
                at, content);
        range[1] = (at + PAGE - 1) / PAGE * PAGE;
    }
    *map = draw_hash(*map, range, sizeof(range));
    if (size <= WHOLE_MAX)
        status = range_hash(file, 0, size, content);
    return status;
}

static void content_print(const struct side_stat *stat)
{
    uint64_t content = 1, map = 1;
    struct side_file *file;
    int64_t status = listing.side->open(listing.path, 0, 0, &file);

    if (status == 0) {
        status = content_hash(file, stat->size, &content, &map);
        listing.side->close(file);
    }
    if (status < 0)
        failed("content", status);
    fprintf(listing.to, " content=%016llx !map=%016llx",
            (unsigned long long)content, (unsigned long long)map);
}

static void target_print(void)
{
    static char target[SIDE_PATH_MAX];
    int64_t len = listing.side->read_link(listing.path, target, sizeof(target));

    if (len < 0) {
        failed("target", len);
        return;
    }
    fputs(" target=", listing.to);
    listing_word(listing.to, target, (size_t)len);
}

/* ---- Extended attributes ------------------------------------------------- */

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void xattr_print(const char *name)
{
    static char value[XATTR_MAX];
    int64_t size =
        listing.side->xattr_get(listing.path, name, value, sizeof(value));

    fputs(" x:", listing.to);
    listing_word(listing.to, name, strlen(name));
    if (size < 0)
        failed("value", size);
    else
        fprintf(listing.to, "=%lld:%016llx", (long long)size,
                (unsigned long long)draw_hash(3, value, (size_t)size));
}

static void xattrs_print(void)
{
    static char names[XATTR_MAX];
    static char *sorted[XATTR_MAX / 8];
    int64_t size = listing.side->xattr_list(listing.path, names, sizeof(names));
    size_t count = 0;

    if (size < 0) {
        if (size != -ENOTSUP)
            failed("attributes", size);
        return;
    }
    for (char *at = names; at < names + size; at += strlen(at) + 1)
        sorted[count++] = at;
    qsort(sorted, count, sizeof(*sorted), compare_text);
    for (size_t i = 0; i < count; i++)
        xattr_print(sorted[i]);
}

/* ---- A line -------------------------------------------------------------- */

static void time_print(const char *mark, const char *name,
                       const struct side_time *time)
{
    fprintf(listing.to, " %s%s=%lld.%09u", mark, name, (long long)time->s,
            time->ns);
}

/* The order in which inodes with several names are met says which are one. */
static void links_print(const struct side_stat *stat)
{
    size_t i = 0;

    fprintf(listing.to, " links=%u", stat->links);
    if (S_ISDIR(stat->mode) || stat->links < 2)
        return;
    while (i < listing.seen_count && listing.seen[i] != stat->inode)
        i++;
    if (i == listing.seen_count && i < INODES_MAX)
        listing.seen[listing.seen_count++] = stat->inode;
    fprintf(listing.to, " one=%zu", i);
}

static char type_of(uint32_t mode)
{
    static const char letters[] = "?pc?d?b?f?l?s???";

    return letters[mode >> 12 & 15];
}

/* What begins with "!" may differ in two images of the same tree. */
static void line_print(char said, uint64_t number)
{
    const char *mark = listing_has_times(listing.path) ? "" : "!";
    struct side_stat stat;
    int status = listing.side->stat(listing.path, &stat);

    listing_word(listing.to, listing.path, strlen(listing.path));
    if (status != 0) {
        failed("stat", status);
        fputc('\n', listing.to);
        return;
    }
    fprintf(listing.to, " %c mode=%o uid=%u gid=%u", type_of(stat.mode),
            stat.mode, stat.uid, stat.gid);
    links_print(&stat);
    if (S_ISCHR(stat.mode) || S_ISBLK(stat.mode))
        fprintf(listing.to, " rdev=%llx", (unsigned long long)stat.rdev);
    fprintf(listing.to, " %ssize=%llu", S_ISDIR(stat.mode) ? "!" : "",
            (unsigned long long)stat.size);
    if (S_ISREG(stat.mode))
        content_print(&stat);
    if (S_ISLNK(stat.mode))
        target_print();
    xattrs_print();
    fprintf(listing.to, " !blocks=%llu", (unsigned long long)stat.blocks);
    time_print(mark, "atime", &stat.atime);
    time_print(mark, "mtime", &stat.mtime);
    time_print("!", "ctime", &stat.ctime);
    fprintf(listing.to, " !inode=%llu !said=%c\n",
            (unsigned long long)stat.inode, said);
    if (number != stat.inode && number != 0)
        fprintf(listing.to, "the entry says inode %llu\n",
                (unsigned long long)number);
}

/* ---- The tree ------------------------------------------------------------ */

static int name_add(const struct side_entry *entry, void *arg)
{
    struct names *names = arg;

    if (names->count == names->room) {
        names->room = names->room == 0 ? 32 : names->room * 2;
        names->entry =
            realloc(names->entry, names->room * sizeof(*names->entry));
    }
    names->entry[names->count++] = *entry;
    return 0;
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct side_entry *)a)->name,
                  ((const struct side_entry *)b)->name);
}

static bool is_directory(void)
{
    struct side_stat stat;

    return listing.side->stat(listing.path, &stat) == 0 && S_ISDIR(stat.mode);
}

/* As deep as paths are long. */
static void below_print(size_t len)
{
    struct names names = {0};
    int status = listing.side->list(listing.path, name_add, &names);

    if (status != 0) {
        fputs("  its names:", listing.to);
        failed("list", status);
        fputc('\n', listing.to);
    }
    if (names.count > 0)
        qsort(names.entry, names.count, sizeof(*names.entry), compare_entries);
    if (len == 1)
        len = 0; /* "/" */
    for (size_t i = 0; i < names.count; i++) {
        size_t name_len = strlen(names.entry[i].name);

        if (len + 1 + name_len >= SIDE_PATH_MAX) {
            fputs("  a path that is too long\n", listing.to);
            continue;
        }
        listing.path[len] = '/';
        strcpy(listing.path + len + 1, names.entry[i].name);
        line_print(names.entry[i].type, names.entry[i].inode);
        if (is_directory())
            below_print(len + 1 + name_len);
    }
    listing.path[len == 0 ? 1 : len] = '\0';
    free(names.entry);
}

int listing_print(const struct side *side, FILE *to)
{
    struct side_fs fs;

    listing.side = side;
    listing.to = to;
    listing.status = 0;
    listing.seen = malloc(INODES_MAX * sizeof(*listing.seen));
    listing.seen_count = 0;
    strcpy(listing.path, "/");
    line_print('d', 0);
    below_print(1);
    free(listing.seen);
    fputs("volume", to);
    if (side->fs_stat(&fs) != 0)
        failed("volume", -EIO);
    else
        fprintf(to, " block=%u !free=%llu inodes=%llu inodes_free=%llu\n",
                fs.block_bytes, (unsigned long long)fs.blocks_free,
                (unsigned long long)fs.inodes,
                (unsigned long long)fs.inodes_free);
    return listing.status;
}
