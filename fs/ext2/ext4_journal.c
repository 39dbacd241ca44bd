/*
 * The journal of a volume that was not unmounted, replayed in memory: a table
 * says of each block that has a newer copy where in the journal that is, and
 * whatever reads the disk reads it there. Nothing is written.
 *
 * The journal is a ring of blocks. A transaction is descriptors, each followed
 * by copies of the blocks that its tags name; revocations, of blocks whose
 * older copies must not be used; and at its end a commit. What has no commit
 * did not happen. Everything is big-endian. Source: the ext4 documentation of
 * Linux, "Journal (jbd2)".
 */
#include "fs/ext2/ext4_csum.h"
#include "fs/ext2/ext4_internal.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/minmax.h"
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/string.h>

/* clang-format off */
enum {
    /* Each block but copies. */
    JOURNAL_MAGIC          = 0,
    JOURNAL_TYPE           = 4,
    JOURNAL_SEQUENCE       = 8,
    JOURNAL_HEADER_SIZE    = 12,
    JOURNAL_DESCRIPTOR     = 1,
    JOURNAL_COMMIT         = 2,
    JOURNAL_SUPER_1        = 3,
    JOURNAL_SUPER_2        = 4,
    JOURNAL_REVOKE         = 5,

    /* The journal's superblock. */
    JSUPER_SIZE            = 1024,
    JSUPER_BLOCK_SIZE      = 12,
    JSUPER_BLOCKS          = 16,
    JSUPER_FIRST           = 20,
    JSUPER_SEQUENCE        = 24,
    JSUPER_START           = 28,  /* 0: there is nothing to replay */
    JSUPER_INCOMPAT        = 40,
    JSUPER_UUID            = 48,
    JSUPER_CHECKSUM        = 252,
    JINCOMPAT_REVOKE       = 1,
    JINCOMPAT_64BIT        = 2,
    JINCOMPAT_ASYNC_COMMIT = 4,
    JINCOMPAT_CSUM_V2      = 8,
    JINCOMPAT_CSUM_V3      = 16,
    JINCOMPAT_READ         = JINCOMPAT_REVOKE | JINCOMPAT_64BIT |
                             JINCOMPAT_ASYNC_COMMIT | JINCOMPAT_CSUM_V2 |
                             JINCOMPAT_CSUM_V3,

    /* A tag of a descriptor. */
    TAG_BLOCK              = 0,
    TAG_FLAGS              = 6,   /* 16 bits; with CSUM_V3 32 at 4 */
    TAG_CHECKSUM           = 4,   /* 16 bits; with CSUM_V3 32 at 12 */
    TAG_BLOCK_HIGH         = 8,   /* with 64BIT */
    TAG_CHECKSUM_V3        = 12,
    TAG_SIZE_MAX           = 16,
    TAG_ESCAPED            = 1,   /* the copy began with the magic: it has 0 */
    TAG_SAME_UUID          = 2,   /* else 16 bytes follow */
    TAG_LAST               = 8,

    REVOKE_SIZE            = 12,  /* bytes in use, with the header */
    REVOKE_FIRST           = 16,
    COMMIT_CHECKSUM        = 16,
    JOURNAL_TAIL_SIZE      = 4,   /* the checksum of descriptors, revocations */
};
/* clang-format on */

#define JOURNAL_MAGIC_VALUE 0xc03b3998

/* The walk through the ring. */
struct journal {
    struct ext2_fs *fs;
    struct inode *inode;
    uint8_t *block; /* the one looked at */
    uint32_t first;
    uint32_t blocks;
    uint32_t start;
    uint32_t sequence; /* of the first transaction */
    uint32_t incompat;
    uint32_t seed;

    uint32_t at;   /* the block in `block` */
    uint32_t left; /* blocks not seen yet */
    uint32_t end;  /* the sequence of the first that has no commit */
    uint32_t tags, revocations; /* how many there are, committed or not */
    uint32_t copies;            /* blocks that are read in the journal */
};

/* What a pass over all that was committed does with it. */
struct pass {
    int (*tag)(struct journal *journal, uint32_t sequence, uint64_t block,
               uint32_t flags, uint32_t csum);
    void (*revoke)(struct journal *journal, uint32_t sequence, uint64_t block);
};

static bool has_csum(const struct journal *journal)
{
    return (journal->incompat & (JINCOMPAT_CSUM_V2 | JINCOMPAT_CSUM_V3)) != 0;
}

/* ---- Tables: open addressing, twice as many places as entries ------------ */

static struct ext4_copy *copy_place(struct ext4_copies *copies, uint64_t block)
{
    uint64_t at = block * UINT64_C(0x9e3779b97f4a7c15) >> 32;

    for (;; at++) {
        struct ext4_copy *copy = &copies->table[at & copies->mask];

        if (copy->block == block || copy->block == 0)
            return copy;
    }
}

static int copies_make(struct ext4_copies *copies, uint32_t count)
{
    uint64_t size = 16;

    while (size < 2 * (uint64_t)count)
        size *= 2;
    copies->table = mem_alloc_zeroed(size * sizeof(struct ext4_copy));
    copies->mask = size - 1;
    return copies->table != NULL ? 0 : -ENOMEM;
}

uint64_t ext4_place(struct ext2_fs *fs, uint64_t block, bool *escaped)
{
    struct ext4_copies *copies = &ext4_of(fs)->copies;
    const struct ext4_copy *copy;

    *escaped = false;
    copy = copy_place(copies, block + 1); /* 0 is an empty place */
    if (copy->block == 0)
        return block;
    *escaped = copy->escaped;
    return copy->value;
}

/* ---- The ring ------------------------------------------------------------ */

/* Where block `index` of the journal is on the disk. */
static int place_of(struct journal *journal, uint32_t index, uint64_t *block)
{
    uint32_t count;
    int status = ext2_bmap(journal->inode, index, 1, block, &count);

    return status == 0 && *block == 0 ? -EUCLEAN : status;
}

static int read_block(struct journal *journal, uint32_t index, uint8_t *to)
{
    uint64_t block;
    int status = place_of(journal, index, &block);

    if (status != 0)
        return status;
    return ext2_read_disk(journal->fs, block << journal->fs->block_shift, to,
                          journal->fs->block_size);
}

/* Go `count` blocks on. False: that is once around. */
static bool advance(struct journal *journal, uint32_t count)
{
    uint32_t ring = journal->blocks - journal->first;

    if (count > journal->left)
        return false;
    journal->left -= count;
    journal->at =
        journal->first + (journal->at - journal->first + count) % ring;
    return true;
}

/* Whether the sum at byte `at` of journal->block is right: over the block, with
 * zeros in its place. */
static bool is_right(struct journal *journal, uint32_t at)
{
    uint32_t want = be32_get(journal->block + at);
    bool right;

    if (!has_csum(journal))
        return true;
    be32_put(journal->block + at, 0);
    right = ext4_crc32c(journal->seed, journal->block,
                        journal->fs->block_size) == want;
    be32_put(journal->block + at, want);
    return right;
}

static uint32_t tag_size(const struct journal *journal)
{
    uint32_t size = (journal->incompat & JINCOMPAT_64BIT) != 0 ? 12 : 8;

    if ((journal->incompat & JINCOMPAT_CSUM_V3) != 0)
        return TAG_SIZE_MAX;
    return (journal->incompat & JINCOMPAT_CSUM_V2) != 0 ? size + 2 : size;
}

/*
 * The tags of the descriptor in journal->block, for each of which a copy
 * follows: journal->at is at it meanwhile. Returns 0, or an error.
 */
static int tags_walk(struct journal *journal, uint32_t sequence,
                     const struct pass *pass)
{
    uint32_t size = tag_size(journal), flags = 0, csum;
    uint32_t end =
        journal->fs->block_size - (has_csum(journal) ? JOURNAL_TAIL_SIZE : 0);
    bool is_v3 = (journal->incompat & JINCOMPAT_CSUM_V3) != 0;

    for (uint32_t at = JOURNAL_HEADER_SIZE;
         (flags & TAG_LAST) == 0 && at + size <= end;) {
        const uint8_t *tag = journal->block + at;
        uint64_t block = be32_get(tag + TAG_BLOCK);
        int status = 0;

        flags = is_v3 ? be32_get(tag + 4) : be16_get(tag + TAG_FLAGS);
        csum = is_v3 ? be32_get(tag + TAG_CHECKSUM_V3)
                     : be16_get(tag + TAG_CHECKSUM);
        if ((journal->incompat & JINCOMPAT_64BIT) != 0)
            block |= (uint64_t)be32_get(tag + TAG_BLOCK_HIGH) << 32;
        at += size + ((flags & TAG_SAME_UUID) != 0 ? 0 : 16);
        if (!advance(journal, 1))
            return -EUCLEAN;
        if (pass->tag != NULL)
            status = pass->tag(journal, sequence, block, flags, csum);
        if (status != 0)
            return status;
    }
    return 0;
}

static int revocations_walk(struct journal *journal, uint32_t sequence,
                            const struct pass *pass)
{
    uint32_t each = (journal->incompat & JINCOMPAT_64BIT) != 0 ? 8 : 4;
    uint32_t end = be32_get(journal->block + REVOKE_SIZE);

    if (end > journal->fs->block_size)
        return -EUCLEAN;
    for (uint32_t at = REVOKE_FIRST; at + each <= end; at += each) {
        uint64_t block = be32_get(journal->block + at);

        if (each == 8)
            block = block << 32 | be32_get(journal->block + at + 4);
        if (pass->revoke != NULL)
            pass->revoke(journal, sequence, block);
    }
    return 0;
}

/*
 * Look at all transactions from the start on, as long as they follow each other
 * and are complete: up to the sequence journal->end if that is known, else it
 * gets known.
 */
static int journal_walk(struct journal *journal, const struct pass *pass,
                        bool is_first)
{
    uint32_t sequence = journal->sequence, tail;

    tail = journal->fs->block_size - JOURNAL_TAIL_SIZE;
    journal->at = journal->start;
    journal->left = journal->blocks - journal->first;
    while (is_first || sequence != journal->end) {
        int status = read_block(journal, journal->at, journal->block);
        uint32_t type = be32_get(journal->block + JOURNAL_TYPE);

        if (status != 0)
            return status;
        if (be32_get(journal->block + JOURNAL_MAGIC) != JOURNAL_MAGIC_VALUE ||
            be32_get(journal->block + JOURNAL_SEQUENCE) != sequence)
            break;
        if (type == JOURNAL_DESCRIPTOR && is_right(journal, tail))
            status = tags_walk(journal, sequence, pass);
        else if (type == JOURNAL_REVOKE && is_right(journal, tail))
            status = revocations_walk(journal, sequence, pass);
        else if (type == JOURNAL_COMMIT && is_right(journal, COMMIT_CHECKSUM))
            sequence++;
        else
            break;
        if (status == -EUCLEAN && is_first)
            break; /* it was not written to its end */
        if (status != 0)
            return status;
        if (!advance(journal, 1))
            break;
    }
    if (is_first)
        journal->end = sequence;
    return 0;
}

/* ---- The passes ---------------------------------------------------------- */

static int count_tag(struct journal *journal, uint32_t sequence, uint64_t block,
                     uint32_t flags, uint32_t csum)
{
    (void)sequence;
    (void)block;
    (void)flags;
    (void)csum;
    journal->tags++;
    return 0;
}

static void count_revoke(struct journal *journal, uint32_t sequence,
                         uint64_t block)
{
    (void)sequence;
    (void)block;
    journal->revocations++;
}

/* The last transaction that revokes a block counts. */
static void note_revoke(struct journal *journal, uint32_t sequence,
                        uint64_t block)
{
    struct ext4_copies *revoked = &ext4_of(journal->fs)->revoked;
    struct ext4_copy *copy = copy_place(revoked, block + 1);

    *copy = (struct ext4_copy){.block = block + 1, .value = sequence};
}

/* Whether the copy that follows its descriptor is whole. */
static bool copy_is_right(struct journal *journal, uint32_t sequence,
                          uint64_t place, uint32_t want, int *status)
{
    uint8_t number[4];
    uint32_t crc;

    *status = 0;
    if (!has_csum(journal))
        return true;
    be32_put(number, sequence);
    crc = ext4_crc32c(journal->seed, number, sizeof(number));
    *status = ext4_crc_disk(journal->fs, place << journal->fs->block_shift,
                            journal->fs->block_size, &crc);
    return (journal->incompat & JINCOMPAT_CSUM_V3) != 0
               ? crc == want
               : (crc & 0xffff) == want;
}

static int note_copy(struct journal *journal, uint32_t sequence, uint64_t block,
                     uint32_t flags, uint32_t csum)
{
    struct ext4_fs *ext4 = ext4_of(journal->fs);
    const struct ext4_copy *revoked = copy_place(&ext4->revoked, block + 1);
    struct ext4_copy *copy;
    uint64_t place;
    int status = place_of(journal, journal->at, &place);
    bool right;

    if (status != 0)
        return status;
    if (block >= journal->fs->blocks_count)
        return -EUCLEAN;
    if (revoked->block != 0 && (int32_t)(revoked->value - sequence) >= 0)
        return 0;
    right = copy_is_right(journal, sequence, place, csum, &status);
    if (status == 0 && !right)
        status = -EUCLEAN;
    if (status != 0)
        return status;
    copy = copy_place(&ext4->copies, block + 1);
    if (copy->block == 0)
        journal->copies++;
    *copy = (struct ext4_copy){.block = block + 1,
                               .value = place,
                               .escaped = (flags & TAG_ESCAPED) != 0};
    return 0;
}

static int replay(struct journal *journal)
{
    static const struct pass count = {count_tag, count_revoke};
    static const struct pass revoke = {NULL, note_revoke};
    static const struct pass copy = {note_copy, NULL};
    struct ext4_fs *ext4 = ext4_of(journal->fs);
    int status = journal_walk(journal, &count, true);

    if (status == 0)
        status = copies_make(&ext4->copies, journal->tags);
    if (status == 0)
        status = copies_make(&ext4->revoked, journal->revocations);
    if (status == 0)
        status = journal_walk(journal, &revoke, false);
    if (status == 0)
        status = journal_walk(journal, &copy, false);
    mem_free(ext4->revoked.table);
    ext4->revoked.table = NULL;
    journal->fs->has_copies = status == 0;
    return status;
}

/* Read the journal's superblock. Returns 0, -ENOTSUP, -EUCLEAN, -ENOMEM, or as
 * page_get(). */
static int open_super(struct journal *journal)
{
    struct ext2_fs *fs = journal->fs;
    const uint8_t *super = journal->block;
    int status = read_block(journal, 0, journal->block);
    uint32_t type, want;

    if (status != 0)
        return status;
    type = be32_get(super + JOURNAL_TYPE);
    journal->blocks = be32_get(super + JSUPER_BLOCKS);
    journal->first = be32_get(super + JSUPER_FIRST);
    journal->start = be32_get(super + JSUPER_START);
    journal->sequence = be32_get(super + JSUPER_SEQUENCE);
    if (type == JOURNAL_SUPER_2)
        journal->incompat = be32_get(super + JSUPER_INCOMPAT);
    if (be32_get(super + JOURNAL_MAGIC) != JOURNAL_MAGIC_VALUE ||
        (type != JOURNAL_SUPER_1 && type != JOURNAL_SUPER_2) ||
        be32_get(super + JSUPER_BLOCK_SIZE) != fs->block_size ||
        journal->blocks > journal->inode->size_bytes >> fs->block_shift ||
        journal->blocks > fs->blocks_count || /* it cannot hold them */
        journal->first == 0 || journal->first >= journal->blocks ||
        (journal->start != 0 && journal->start < journal->first) ||
        journal->start >= journal->blocks)
        return -EUCLEAN;
    if ((journal->incompat & ~(uint32_t)JINCOMPAT_READ) != 0) {
        log_error("%s: %s: features %x of the journal (fast_commit is 20) are "
                  "not supported; run e2fsck on the image",
                  fs->name, fs->type, journal->incompat);
        return -ENOTSUP;
    }
    journal->seed =
        ext4_crc32c(UINT32_MAX, super + JSUPER_UUID, EXT4_UUID_SIZE);
    want = be32_get(super + JSUPER_CHECKSUM);
    be32_put(journal->block + JSUPER_CHECKSUM, 0);
    if (has_csum(journal) &&
        ext4_crc32c(UINT32_MAX, super, JSUPER_SIZE) != want)
        return -EUCLEAN;
    return 0;
}

static int with_inode(struct journal *journal)
{
    int status;

    if (journal->inode->type != FILE_REGULAR)
        return -EUCLEAN;
    journal->block = mem_alloc(journal->fs->block_size);
    if (journal->block == NULL)
        return -ENOMEM;
    status = open_super(journal);
    if (status == 0 && journal->start != 0)
        status = replay(journal);
    mem_free(journal->block);
    return status;
}

int ext4_recover(struct mount *mount)
{
    struct ext2_fs *fs = mount->fs_data;
    struct journal journal = {.fs = fs};
    struct ext2_inode *ext2;
    int status;

    if ((fs->incompat & INCOMPAT_RECOVER) == 0)
        return 0;
    ext2 = mem_alloc_zeroed(sizeof(*ext2));
    if (ext2 == NULL)
        return -ENOMEM;
    ext2->inode.mount = mount;
    ext2->inode.number = ext4_of(fs)->journal_inode;
    journal.inode = &ext2->inode;
    status = ext2_inode_load(journal.inode);
    if (status == 0) {
        status = with_inode(&journal);
        if (journal.inode->type == FILE_REGULAR)
            mapping_destroy(&journal.inode->pages);
        ext2_inode_drop(journal.inode);
    }
    mem_free(ext2);
    if (status == -EUCLEAN)
        ext2_damaged_volume(fs, "journal");
    if (status == 0)
        log_info("%s: %s: %u blocks are read from the journal", fs->name,
                 fs->type, journal.copies);
    return status;
}
