#include "fs/ext2/write/stale.h"
#include "fs/ext2/write/entries.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/siphash.h"
#include <torc/assert.h>
#include <torc/memory.h>
#include <torc/string.h>

/* So many at most: each keeps its page in memory. */
enum { STALE_MAX = 4096 };

static struct ext2_stale *stale_of(const struct list *node)
{
    return container_of(node, struct ext2_stale, link);
}

void ext2_stale_init(struct ext2_rw *rw)
{
    list_init(&rw->stale);
    for (unsigned i = 0; i < EXT2_STALE_BUCKETS; i++)
        list_init(&rw->stale_names[i]);
}

static void stale_free(struct ext2_rw *rw, struct ext2_stale *stale)
{
    list_remove(&stale->link);
    list_remove(&stale->bucket);
    page_put(stale->page);
    mem_free(stale);
    rw->stale_count--;
}

void ext2_stale_fini(struct ext2_rw *rw)
{
    while (!list_empty(&rw->stale))
        stale_free(rw, stale_of(rw->stale.next));
}

struct ext2_stale *ext2_stale_new(struct ext2_rw *rw)
{
    return rw->stale_count < STALE_MAX
               ? mem_alloc_zeroed(sizeof(struct ext2_stale))
               : NULL;
}

/* ---- By name ------------------------------------------------------------- */

static const struct list *bucket_of(const struct ext2_rw *rw, uint64_t dir,
                                    uint32_t hash)
{
    return &rw->stale_names[(hash ^ dir * 31) % EXT2_STALE_BUCKETS];
}

static const uint8_t *raw_of(const struct ext2_rw *rw,
                             const struct ext2_stale *stale)
{
    uint64_t offset = (stale->block << rw->fs->block_shift) + stale->at;

    return stale->page->buf->base + offset % PAGE_BYTES;
}

/* Whether it is the entry of a name whose hash it has. */
static bool is_named(const struct ext2_rw *rw, const struct ext2_stale *stale,
                     const struct name *name)
{
    const uint8_t *raw = raw_of(rw, stale);

    return raw[DIRENT_NAME_LEN] == name->len &&
           memcmp(raw + DIRENT_NAME, name->text, name->len) == 0;
}

bool ext2_stale_has(const struct inode *dir, const struct name *name)
{
    const struct ext2_rw *rw = ext2_rw_of(dir);

    if (rw->stale_count == 0)
        return false;
    list_for_each (node, bucket_of(rw, dir->number, name->hash)) {
        const struct ext2_stale *stale =
            container_of(node, struct ext2_stale, bucket);

        if (stale->hash == name->hash && stale->dir == dir->number &&
            is_named(rw, stale, name))
            return true;
    }
    return false;
}

bool ext2_stale_is(const struct inode *dir, const struct ext2_entry *entry)
{
    struct name name = {.text = entry->name, .len = entry->name_len};

    if (ext2_rw_of(dir)->stale_count == 0)
        return false;
    name.hash = hash_bytes(&dir->mount->name_key, name.text, name.len);
    return ext2_stale_has(dir, &name);
}

bool ext2_stale_in(const struct inode *dir)
{
    list_for_each (node, &ext2_rw_of(dir)->stale) {
        if (stale_of(node)->dir == dir->number)
            return true;
    }
    return false;
}

void ext2_stale_add(struct ext2_stale *stale, struct inode *dir,
                    const struct name *name, const struct ext2_pinned *entry)
{
    struct ext2_rw *rw = ext2_rw_of(dir);

    stale->dir = dir->number;
    stale->hash = name->hash;
    stale->stamp = rw->stamp;
    stale->block = entry->place.block;
    stale->at = entry->place.at;
    stale->page = entry->block->page;
    page_pin(stale->page);
    list_push_back(&rw->stale, &stale->link);
    list_push_back((struct list *)bucket_of(rw, stale->dir, stale->hash),
                   &stale->bucket);
    rw->stale_count++;
    ext2_dir_removed(dir, &entry->place);
}

/* ---- Clearing ------------------------------------------------------------ */

int ext2_stale_settle(struct inode *dir, const struct name *name)
{
    return ext2_stale_has(dir, name) ? ext2_make_durable(ext2_of(dir)) : 0;
}

int ext2_stale_settle_all(struct inode *dir)
{
    return ext2_stale_in(dir) ? ext2_make_durable(ext2_of(dir)) : 0;
}

bool ext2_stale_waits(const struct ext2_rw *rw, uint64_t stamp)
{
    return !list_empty(&rw->stale) && stale_of(rw->stale.next)->stamp < stamp;
}

int ext2_stale_clear(struct ext2_rw *rw, uint64_t stamp)
{
    while (ext2_stale_waits(rw, stamp)) {
        struct ext2_stale *stale = stale_of(rw->stale.next);
        struct change_block *block;
        struct change change;
        int status = ext2_change_one(&change, rw->fs, stale->block, &block);

        if (status != 0)
            return status;
        le32_put(block->data + stale->at + DIRENT_INODE, 0);
        ext2_change_end(&change);
        stale_free(rw, stale);
    }
    return 0;
}

void ext2_stale_check(const struct ext2_rw *rw)
{
    uint64_t stamp = 0;
    unsigned count = 0;

    list_for_each (node, &rw->stale) {
        const struct ext2_stale *stale = stale_of(node);

        assert(stale->stamp >= stamp && stale->stamp < rw->stamp);
        assert(stale->page->pins > 0);
        assert(le32_get(raw_of(rw, stale) + DIRENT_INODE) != 0);
        stamp = stale->stamp;
        count++;
    }
    assert(count == rw->stale_count);
}
