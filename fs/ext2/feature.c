/*
 * The features a volume may have: their names as e2fsprogs knows them, and what
 * is done about each. Unknown ones follow the rule of the format: a compatible
 * feature is ignored, a read-only compatible one allows reading, an
 * incompatible one is refused. Values: e2fsprogs, lib/ext2fs/ext2_fs.h.
 */
#include "fs/ext2/ext2.h"
#include <torc/log.h>
#include <torc/string.h>

/*
 * One name for each bit, empty when there is none. In front of it, as enum
 * ext2_feature_use: '=' it is read, or it concerns only who writes; '-' the
 * same, and it may not be written; '4' only ext4_file_system reads it; '!' it
 * is refused.
 */
/* clang-format off */
static const char compat[] =
    "=dir_prealloc\0"       /*     1 */
    "=imagic_inodes\0"      /*     2 */
    "=has_journal\0"        /*     4 */
    "=ext_attr\0"           /*     8 */
    "=resize_inode\0"       /*    10 */
    "=dir_index\0"          /*    20 */
    "=lazy_bg\0"            /*    40 */
    "\0"                    /*    80 */
    "=snapshot_bitmap\0"    /*   100 */
    "=sparse_super2\0"      /*   200 */
    "=fast_commit\0"        /*   400 */
    "=stable_inodes\0"      /*   800 */
    "=orphan_file\0"        /*  1000 */
    "\n";
static const char incompat[] =
    "!compression\0"        /*     1 */
    "=filetype\0"           /*     2 */
    "4needs_recovery\0"     /*     4 */
    "!journal_dev\0"        /*     8 */
    "=meta_bg\0"            /*    10 */
    "\0"                    /*    20 */
    "4extent\0"             /*    40 */
    "464bit\0"              /*    80 */
    "4mmp\0"                /*   100 */
    "4flex_bg\0"            /*   200 */
    "4ea_inode\0"           /*   400 */
    "\0"                    /*   800 */
    "!dirdata\0"            /*  1000 */
    "4metadata_csum_seed\0" /*  2000 */
    "4large_dir\0"          /*  4000 */
    "4inline_data\0"        /*  8000 */
    "!encrypt\0"            /* 10000 */
    "!casefold\0"           /* 20000 */
    "\n";
static const char ro_compat[] =
    "=sparse_super\0"       /*     1 */
    "=large_file\0"         /*     2 */
    "-btree_dir\0"          /*     4 */
    "-huge_file\0"          /*     8 */
    "-uninit_bg\0"          /*    10 */
    "-dir_nlink\0"          /*    20 */
    "-extra_isize\0"        /*    40 */
    "-snapshot\0"           /*    80 */
    "-quota\0"              /*   100 */
    "4bigalloc\0"           /*   200 */
    "-metadata_csum\0"      /*   400 */
    "-replica\0"            /*   800 */
    "-read-only\0"          /*  1000 */
    "-project\0"            /*  2000 */
    "-shared_blocks\0"      /*  4000 */
    "-verity\0"             /*  8000 */
    "-orphan_present\0"     /* 10000 */
    "\n";
/* clang-format on */

/* The name and use of a bit in a table; false: it has none. */
static bool find(const char *table, unsigned bit, enum ext2_feature_use *use,
                 const char **name)
{
    for (; bit > 0 && *table != '\n'; bit--)
        table += strlen(table) + 1;
    if (*table == '\n' || *table == '\0') {
        *name = "(unknown)";
        return false;
    }
    *use = (enum ext2_feature_use) * table;
    *name = table + 1;
    return true;
}

enum ext2_feature_use ext2_feature_use(enum ext2_feature_set set, unsigned bit,
                                       const char **name)
{
    static const char *const tables[] = {compat, incompat, ro_compat};
    enum ext2_feature_use use =
        set == EXT2_INCOMPAT ? EXT2_FEATURE_REFUSED : EXT2_FEATURE_READ_ONLY;

    find(tables[set], bit, &use, name);
    return use;
}

/* Whether one of the flags of a table, or an unknown one, when `unknown` says
 * so, keeps us from reading; then the log says which. */
static bool any_refused(const struct ext2_fs *fs, const char *table,
                        uint32_t flags, enum ext2_feature_use unknown)
{
    bool refused = false;

    for (; flags != 0; flags &= flags - 1) {
        unsigned bit = (unsigned)__builtin_ctz(flags);
        enum ext2_feature_use use = unknown;
        const char *name;

        find(table, bit, &use, &name);
        if (use == EXT2_FEATURE_READ || use == EXT2_FEATURE_READ_ONLY ||
            (use == EXT2_FEATURE_EXT4 && fs->ext4 != NULL))
            continue;
        refused = true;
        log_error("%s: %s: feature %s (bit %u) is not supported%s", fs->name,
                  fs->type, name, bit,
                  use == EXT2_FEATURE_EXT4 ? "; ext4_file_system reads it"
                                           : "");
    }
    return refused;
}

/* The first flag of a table that is set and only read. */
static const char *any_unwritable(const char *table, uint32_t flags)
{
    for (; flags != 0; flags &= flags - 1) {
        enum ext2_feature_use use = EXT2_FEATURE_READ_ONLY;
        const char *name;

        find(table, (unsigned)__builtin_ctz(flags), &use, &name);
        if (use != EXT2_FEATURE_READ)
            return name;
    }
    return NULL;
}

const char *ext2_feature_unwritable(const struct ext2_fs *fs)
{
    const char *name = any_unwritable(ro_compat, fs->ro_compat);

    return name != NULL ? name : any_unwritable(incompat, fs->incompat);
}

int ext2_features_check(const struct ext2_fs *fs)
{
    bool incompatible =
        any_refused(fs, incompat, fs->incompat, EXT2_FEATURE_REFUSED);
    bool ro_compatible =
        any_refused(fs, ro_compat, fs->ro_compat, EXT2_FEATURE_READ_ONLY);

    return incompatible || ro_compatible ? -ENOTSUP : 0;
}
