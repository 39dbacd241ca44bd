/*
 * Directories: entries by name, in a table, and in the order in which they were
 * made, by cookies that grow. A reader that has come to a cookie goes on with
 * the first entry that is not before it, whatever has come or gone meanwhile.
 */
#include "fs/memfs/memfs_internal.h"
#include <torc/assert.h>
#include <torc/memory.h>
#include <torc/string.h>

/* Cursors of "." and ".."; entries have larger ones. */
enum { COOKIE_SELF, COOKIE_PARENT, COOKIE_FIRST };

static struct memfs_entry *in_order(const struct list *node)
{
    return container_of(node, struct memfs_entry, order);
}

int memfs_dir_init(struct memfs_inode *dir)
{
    list_init(&dir->entries);
    dir->cookie_next = COOKIE_FIRST;
    dir->inode.links = 2; /* its own "." */
    return hash_init(&dir->names);
}

/* ---- Entries ------------------------------------------------------------- */

static struct memfs_entry *entry_find(const struct memfs_inode *dir,
                                      const struct name *name)
{
    struct hash_node *node = hash_chain(&dir->names, name->hash);

    for (; node != NULL; node = node->next) {
        struct memfs_entry *entry =
            container_of(node, struct memfs_entry, node);

        if (node->hash == name->hash && entry->len == name->len &&
            memcmp(entry->name, name->text, name->len) == 0)
            return entry;
    }
    return NULL;
}

static size_t entry_bytes(const struct memfs_entry *entry)
{
    return sizeof(*entry) + entry->len;
}

/* An entry that is not counted. NULL: no memory. */
static struct memfs_entry *entry_new(const struct name *name,
                                     struct memfs_inode *to)
{
    struct memfs_entry *entry = mem_alloc(sizeof(*entry) + name->len);

    if (entry == NULL)
        return NULL;
    entry->to = to;
    entry->len = (uint8_t)name->len;
    memcpy(entry->name, name->text, name->len);
    return entry;
}

static void entry_add(struct memfs_inode *dir, const struct name *name,
                      struct memfs_entry *entry)
{
    entry->cookie = dir->cookie_next++;
    list_push_back(&dir->entries, &entry->order);
    hash_insert(&dir->names, &entry->node, name->hash);
    if (dir->hint == &dir->entries)
        dir->hint_cursor = 0;
}

/* An entry that is counted, and not yet in a directory. Returns 0 and *out,
 * -ENOSPC, -ENOMEM. */
static int entry_make(struct memfs *fs, const struct name *name,
                      struct memfs_inode *to, struct memfs_entry **out)
{
    struct memfs_entry *entry = entry_new(name, to);
    int status;

    if (entry == NULL)
        return -ENOMEM;
    status = memfs_count(fs, entry_bytes(entry), 0);
    if (status != 0)
        mem_free(entry);
    else
        *out = entry;
    return status;
}

/* The entry is not counted, or no more. */
static void entry_remove(struct memfs_inode *dir, struct memfs_entry *entry)
{
    if (dir->hint == &entry->order)
        dir->hint = entry->order.next;
    list_remove(&entry->order);
    hash_remove(&dir->names, &entry->node);
    mem_free(entry);
}

static void entry_drop(struct memfs_inode *dir, struct memfs_entry *entry)
{
    memfs_uncount(memfs_of(&dir->inode), entry_bytes(entry));
    entry_remove(dir, entry);
}

void memfs_dir_fini(struct memfs_inode *dir)
{
    while (!list_empty(&dir->entries))
        entry_drop(dir, in_order(dir->entries.next));
    hash_fini(&dir->names);
}

/* ---- Operations ---------------------------------------------------------- */

int memfs_lookup(struct inode *dir, const struct name *name, struct inode **out)
{
    const struct memfs_inode *in = memfs_inode_of(dir);
    struct memfs_inode *to;

    if (name->len == 2 && memcmp(name->text, "..", 2) == 0) {
        to = in->parent;
    } else {
        const struct memfs_entry *entry = entry_find(in, name);

        to = entry == NULL ? NULL : entry->to;
    }
    if (to == NULL)
        return -ENOENT;
    inode_hold(&to->inode);
    *out = &to->inode;
    return 0;
}

/* A directory that has a directory more, or less, in it. */
static void count_child(struct memfs_inode *dir, const struct memfs_inode *to,
                        int step)
{
    if (to->inode.type == FILE_DIRECTORY)
        dir->inode.links += (uint32_t)step;
}

int memfs_create(struct inode *dir, const struct name *name,
                 const struct new_inode *what, struct inode **out)
{
    struct memfs_inode *in = memfs_inode_of(dir), *made;
    struct memfs_entry *entry;
    int status = entry_make(memfs_of(dir), name, NULL, &entry);

    if (status != 0)
        return status;
    status = memfs_inode_make(dir->mount, what, &made);
    if (status != 0) {
        memfs_uncount(memfs_of(dir), entry_bytes(entry));
        mem_free(entry);
        return status;
    }
    entry->to = made;
    entry_add(in, name, entry);
    made->parent = in;
    count_child(in, made, 1);
    *out = &made->inode;
    return 0;
}

int memfs_link(struct inode *dir, const struct name *name, struct inode *inode)
{
    struct memfs_entry *entry;
    int status = entry_make(memfs_of(dir), name, memfs_inode_of(inode), &entry);

    if (status != 0)
        return status;
    entry_add(memfs_inode_of(dir), name, entry);
    inode->links++;
    return 0;
}

/* A name less leads to an inode. */
static void unlinked(struct memfs_inode *dir, struct memfs_inode *node)
{
    count_child(dir, node, -1);
    if (node->inode.type == FILE_DIRECTORY) {
        node->inode.links = 0;
        node->parent = NULL;
    } else {
        node->inode.links--;
    }
}

int memfs_unlink(struct inode *dir, const struct name *name,
                 struct inode *inode)
{
    struct memfs_inode *in = memfs_inode_of(dir);
    struct memfs_entry *entry = entry_find(in, name);

    assert(entry != NULL);
    assert(entry->to == memfs_inode_of(inode));
    entry_drop(in, entry);
    unlinked(in, memfs_inode_of(inode));
    return 0;
}

/* An inode goes from one directory to another. */
static void moved(struct memfs_inode *from, struct memfs_inode *to,
                  struct memfs_inode *node)
{
    count_child(from, node, -1);
    count_child(to, node, 1);
    if (node->inode.type == FILE_DIRECTORY)
        node->parent = to;
}

/* Something gets a name in place of another one, which goes. */
static int add_renamed(struct memfs_inode *dir, const struct name *name,
                       const struct memfs_entry *old)
{
    struct memfs_entry *fresh = entry_new(name, old->to);
    int status;

    if (fresh == NULL)
        return -ENOMEM;
    status = memfs_count(memfs_of(&dir->inode), entry_bytes(fresh),
                         entry_bytes(old));
    if (status != 0)
        mem_free(fresh);
    else
        entry_add(dir, name, fresh);
    return status;
}

int memfs_rename(const struct rename *rename)
{
    struct memfs_inode *dir1 = memfs_inode_of(rename->dir1);
    struct memfs_inode *dir2 = memfs_inode_of(rename->dir2);
    struct memfs_inode *node1 = memfs_inode_of(rename->inode1);
    struct memfs_entry *entry1 = entry_find(dir1, rename->name1);
    struct memfs_entry *entry2 = entry_find(dir2, rename->name2);
    int status = 0;

    assert(entry1 != NULL);
    assert(entry1->to == node1);
    if (rename->exchange) {
        moved(dir2, dir1, entry2->to);
        moved(dir1, dir2, node1);
        entry1->to = entry2->to;
        entry2->to = node1;
        return 0;
    }
    if (entry2 != NULL) {
        unlinked(dir2, entry2->to);
        entry2->to = node1;
        memfs_uncount(memfs_of(rename->dir1), entry_bytes(entry1));
    } else {
        status = add_renamed(dir2, rename->name2, entry1);
        if (status != 0)
            return status;
    }
    moved(dir1, dir2, node1);
    entry_remove(dir1, entry1);
    return 0;
}

/* ---- Reading ------------------------------------------------------------- */

static void tell(struct dir_entry *out, const struct memfs_inode *node,
                 const char *name, size_t len)
{
    out->inode = node->inode.number;
    out->type = node->inode.type;
    memcpy(out->name, name, len);
    out->name[len] = '\0';
}

/* The first entry that is not before a cookie, or the head of the list. */
static struct list *entry_from(struct memfs_inode *dir, uint64_t cookie)
{
    struct list *at = dir->entries.next;

    if (dir->hint_cursor != 0 && dir->hint_cursor <= cookie)
        at = dir->hint;
    while (at != &dir->entries && in_order(at)->cookie < cookie)
        at = at->next;
    return at;
}

int memfs_readdir(struct inode *dir, uint64_t *cursor, struct dir_entry *entry)
{
    struct memfs_inode *in = memfs_inode_of(dir);
    struct list *at;

    if (in->parent == NULL)
        return 0; /* removed: nothing is in it */
    if (*cursor < COOKIE_FIRST) {
        bool is_self = *cursor == COOKIE_SELF;

        tell(entry, is_self ? in : in->parent, "..", is_self ? 1 : 2);
        ++*cursor;
        return 1;
    }
    at = entry_from(in, *cursor);
    if (at == &in->entries)
        return 0;
    tell(entry, in_order(at)->to, in_order(at)->name, in_order(at)->len);
    *cursor = in_order(at)->cookie + 1;
    in->hint = at->next;
    in->hint_cursor = *cursor;
    return 1;
}

/* ---- Checking ------------------------------------------------------------ */

void memfs_dir_check(const struct memfs_inode *dir)
{
    uint64_t before = COOKIE_FIRST - 1;
    uint32_t count = 0, dirs = 0;

    hash_check(&dir->names);
    list_for_each (node, &dir->entries) {
        const struct memfs_entry *entry = in_order(node);
        const struct name name = {
            entry->name, entry->len,
            hash_bytes(&dir->inode.mount->name_key, entry->name, entry->len)};

        assert(entry->cookie > before);
        assert(entry_find(dir, &name) == entry);
        assert(entry->to->inode.links > 0);
        if (entry->to->inode.type == FILE_DIRECTORY) {
            assert(entry->to->parent == dir);
            dirs++;
        }
        before = entry->cookie;
        count++;
    }
    assert(dir->cookie_next > before);
    assert(count == dir->names.count);
    assert(dir->parent == NULL ? count == 0 && dir->inode.links == 0
                               : dir->inode.links == 2 + dirs);
}
