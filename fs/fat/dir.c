/* Directories: looking up and listing. */
#include "fs/fat/index.h"
#include <torc/memory.h>
#include <torc/string.h>

/* Cursors of "." and ".."; that of a slot is behind them. */
enum { CURSOR_SELF, CURSOR_PARENT, CURSOR_FIRST };

/* What a lookup needs, which is much for a stack. */
struct search {
    struct fat_name name;
    struct fat_scan scan;
};

static int search(struct fat_scan *scan, const struct fat_name *name,
                  struct inode **out)
{
    int status;

    if (fat_index_get(scan->dir)) {
        status = fat_index_find(scan, name);
    } else {
        do
            status = fat_scan_next(scan);
        while (status == 1 && !fat_scan_is(scan, name));
    }
    if (status == 1)
        return fat_inode_get(scan, out);
    return status == 0 ? -ENOENT : status;
}

int fat_lookup(struct inode *dir, const struct name *name, struct inode **out)
{
    struct search *op;
    int status;

    if (name->len == 2 && memcmp(name->text, "..", 2) == 0)
        return inode_get(dir->mount, fat_inode_of(dir)->parent, out);
    op = mem_alloc(sizeof(*op));
    if (op == NULL)
        return -ENOMEM;
    status = fat_name_parse(name->text, name->len, &op->name);
    if (status == 0) {
        fat_scan_begin(&op->scan, dir, 0);
        status = search(&op->scan, &op->name, out);
        fat_scan_end(&op->scan);
    } else {
        status = -ENOENT; /* nothing can have this name */
    }
    mem_free(op);
    return status;
}

static void tell_dots(const struct inode *dir, bool is_self,
                      struct dir_entry *entry)
{
    entry->inode = is_self ? dir->number : fat_inode_of(dir)->parent;
    entry->type = FILE_DIRECTORY;
    memcpy(entry->name, "..", sizeof(".."));
    entry->name[is_self ? 1 : 2] = '\0';
}

/* A name may have been put around the cursor meanwhile: its parts begin before
 * it. */
int fat_readdir(struct inode *dir, uint64_t *cursor, struct dir_entry *entry)
{
    const struct fat_fs *fs = fat_of(dir);
    struct fat_scan scan;
    uint32_t from;
    int status;

    if (dir->links == 0)
        return 0; /* removed: nothing is in it */
    if (*cursor < CURSOR_FIRST) {
        tell_dots(dir, *cursor == CURSOR_SELF, entry);
        ++*cursor;
        return 1;
    }
    if (*cursor - CURSOR_FIRST >= fat_slot_count(dir))
        return 0;
    from = (uint32_t)(*cursor - CURSOR_FIRST);
    fat_scan_begin(&scan, dir,
                   from > LONG_PARTS_MAX ? from - LONG_PARTS_MAX : 0);
    do
        status = fat_scan_next(&scan);
    while (status == 1 && scan.slot < from);
    if (status == 1) {
        entry->inode = fat_entry_number(fs, scan.raw, scan.position);
        entry->type = (scan.raw[SLOT_ATTR] & ATTR_BIT_DIRECTORY) != 0
                          ? FILE_DIRECTORY
                          : FILE_REGULAR;
        fat_scan_name(&scan, entry->name);
        *cursor = (uint64_t)scan.slot + 1 + CURSOR_FIRST;
    }
    fat_scan_end(&scan);
    return status;
}
