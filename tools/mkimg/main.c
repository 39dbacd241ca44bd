/*
 * torc-mkimg: make an image with a file system, and fill it, by fs/ext2/make
 * and fs/fat/make. docs/man/torc-mkimg.1 is its manual.
 *
 * Exit status: 0 done, 1 failed, 2 a wrong argument.
 */
#include "fs/ext2/hash.h"
#include "fs/ext2/make/make.h"
#include "fs/fat/make/make.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/siphash.h"
#include "tools/mkimg/config.h"
#include "tools/mkimg/source.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <torc/assert.h>

enum { STATUS_FAILED = 1 };

/* The kernel's sources assert; here that ends the tool. */
void check_failed(const char *file, int line, const char *expr)
{
    fprintf(stderr, "torc-mkimg: %s:%d: %s does not hold\n", file, line, expr);
    abort();
}

/* All of a run. */
struct run {
    struct config config;
    struct tree tree;
    struct image image;
    struct make_host host;
    uint64_t size; /* bytes of the volume */
    char summary[200];
};

/* ---- The tree ------------------------------------------------------------ */

static int sources_take(struct run *run)
{
    const struct config *config = &run->config;
    const struct source source = {.tree = &run->tree,
                                  .takes_xattrs = !config->is_fat &&
                                                  !config->is_without_xattrs};

    for (unsigned i = 0; i < config->source_count; i++) {
        const char *path = config->source[i].path;
        int status;

        if (config->source[i].kind == 'd')
            status = source_dir(&source, path);
        else if (config->source[i].kind == 'a')
            status = source_tar(&source, path);
        else
            status = source_list(&source, path);
        if (status != 0)
            return status;
    }
    return 0;
}

/* Owners and times as they are to be. */
static void files_settle(const struct config *config, struct make_file *file)
{
    for (; file != NULL; file = file->next) {
        if (config->has_owner) {
            file->uid = config->uid;
            file->gid = config->gid;
        }
        if (config->is_reproducible && file->time.s >= config->now_s)
            file->time = time_of(config->now_s, 0);
    }
}

static int tree_make(struct run *run)
{
    const struct make_file *file;

    if (sources_take(run) != 0)
        return -1;
    tree_sort(&run->tree);
    if (make_tree_order(&run->tree.root->file, &file) != 0)
        return complain("%s: a directory has only one name",
                        ((const struct node *)file)->path);
    files_settle(&run->config, &run->tree.root->file);
    return 0;
}

/* ---- Numbers ------------------------------------------------------------- */

static void digest(struct siphash_key *key, const void *data, size_t size)
{
    key->word[0] = siphash(key, data, size);
    key->word[1] += 1;
}

/* A number that follows from what all files are, but for what they hold. */
static void id_derive(const struct run *run, uint8_t id[16])
{
    struct siphash_key key = {{run->size, (uint64_t)run->config.now_s}};
    const struct make_file *file = &run->tree.root->file;

    for (; file != NULL; file = file->next) {
        const struct node *node = (const struct node *)file;
        const uint64_t what[] = {file->type,
                                 file->mode,
                                 file->uid,
                                 file->gid,
                                 (uint64_t)file->time.s,
                                 file->time.ns,
                                 file->size_bytes,
                                 file->rdev};

        digest(&key, what, sizeof(what));
        digest(&key, node->path, strlen(node->path));
    }
    le64_put(id, siphash(&key, "id", 2));
    le64_put(id + 8, siphash(&key, "more", 4));
}

static int id_make(struct run *run)
{
    struct config *config = &run->config;

    if (config->has_id)
        return 0;
    if (config->is_reproducible)
        id_derive(run, config->id);
    else if (getrandom(config->id, 16, 0) != 16)
        return complain("random numbers: %s", strerror(errno));
    /* RFC 4122: version 4, of random numbers. */
    config->id[6] = (uint8_t)((config->id[6] & 0x0f) | 0x40);
    config->id[8] = (uint8_t)((config->id[8] & 0x3f) | 0x80);
    return 0;
}

/* ---- What goes wrong ----------------------------------------------------- */

struct reason {
    int status;
    const char *of_file; /* NULL: as for all */
    const char *of_all;
};

static const struct reason reasons[] = {
    {-ENOMEM, NULL, "there is not enough memory"},
    {-ENOSPC, "its extended attributes are too large for a block",
     "there is no room: give a larger --size"},
    {-EFBIG, "it is too large for this file system",
     "so many inodes are too many for its groups: fewer, or a larger --size"},
    {-EMLINK, "it has too many names, or directories", "-"},
    {-ENAMETOOLONG, "the target of the link is too long", "-"},
    {-ENOTSUP, "it has an extended attribute that ext2 does not have", "-"},
    {-EINVAL, "the name cannot be in this file system",
     "the sizes that were asked for do not go together"},
    {-EEXIST, "another name differs only in upper and lower case", "-"},
    {-EPERM, "FAT has only files and directories", "-"},
};

static int explain(const struct run *run, int status,
                   const struct make_file *file)
{
    const char *path = run->config.image, *why = strerror(-status);

    if (run->image.has_said)
        return -1;
    for (size_t i = 0; i < COUNT_OF(reasons); i++) {
        if (reasons[i].status != status)
            continue;
        why = reasons[i].of_all;
        if (file != NULL && reasons[i].of_file != NULL)
            why = reasons[i].of_file;
    }
    if (status == -ENOSPC && run->config.is_fat && file == NULL)
        why = "there is no room, or no such number of clusters: another "
              "--size, --cluster-size or --type";
    if (status == -EMLINK && run->config.is_fat)
        why = "FAT has only one name for a file";
    if (file != NULL)
        path = ((const struct node *)file)->path;
    return complain("%s: %s", path[0] != '\0' ? path : "/", why);
}

/* ---- ext2 ---------------------------------------------------------------- */

static void ext2_options(const struct run *run, struct ext2_make_options *out)
{
    const struct config *config = &run->config;

    *out = (struct ext2_make_options){.size_bytes = run->size,
                                      .block_size = config->block_size,
                                      .inode_size = config->inode_size,
                                      .inodes = config->inodes,
                                      .hash_version = EXT2_HASH_HALF_MD4,
                                      .time_s = (uint32_t)config->now_s};
    memcpy(out->uuid, config->id, sizeof(out->uuid));
    memcpy(out->hash_seed, config->id, sizeof(out->hash_seed));
    memcpy(out->label, config->label, sizeof(out->label));
}

/* Free inodes, and those for what comes later: as many a byte as mke2fs
 * has. */
enum { BYTES_PER_INODE = 16384 };

static uint32_t inodes_wanted(const struct run *run, uint64_t bytes)
{
    uint64_t wanted = bytes / BYTES_PER_INODE;
    uint64_t needed = run->tree.files + (uint64_t)run->tree.files / 10 + 16;

    if (run->config.inodes != 0)
        return run->config.inodes;
    wanted = wanted > needed ? wanted : needed;
    return wanted < UINT32_MAX / 2 ? (uint32_t)wanted : UINT32_MAX / 2;
}

static int ext2_do(struct run *run, bool only_measure,
                   const struct make_file **at)
{
    const struct config *config = &run->config;
    struct ext2_make_options options;
    struct ext2_make_result result;
    int status;

    ext2_options(run, &options);
    options.inodes =
        inodes_wanted(run, config->size != 0 ? run->size : config->free_bytes);
    status =
        only_measure
            ? ext2_make_measure(&run->host, &options, &run->tree.root->file,
                                config->free_bytes, config->free_percent,
                                &run->size, &result)
            : ext2_make(&run->host, &options, &run->tree.root->file, &result);
    *at = result.file;
    if (status == 0 && !only_measure)
        snprintf(run->summary, sizeof(run->summary),
                 "ext2, %" PRIu32 " of %" PRIu32 " blocks of %" PRIu32
                 " and %" PRIu32 " of %" PRIu32 " inodes are free",
                 result.blocks_free, result.blocks, options.block_size,
                 result.inodes_free, result.inodes);
    return status;
}

/* ---- FAT ----------------------------------------------------------------- */

static void fat_options(const struct run *run, struct fat_make_options *out)
{
    const struct config *config = &run->config;

    *out = (struct fat_make_options){
        .size_bytes = run->size,
        .bits = config->fat_bits,
        .cluster_bytes = config->cluster_size,
        .hidden_sectors = (uint32_t)(table_first(config->table) / TABLE_SECTOR),
        .serial = (uint32_t)config->id[0] << 24 |
                  (uint32_t)config->id[1] << 16 | (uint32_t)config->id[2] << 8 |
                  config->id[3],
        .time = time_of(config->now_s, 0)};
    memcpy(out->label, config->label, sizeof(out->label) - 1);
}

static int fat_do(struct run *run, bool only_measure,
                  const struct make_file **at)
{
    struct config *config = &run->config;
    struct fat_make_options options;
    struct fat_make_result result;
    int status;

    fat_options(run, &options);
    status =
        only_measure
            ? fat_make_measure(&run->host, &options, &run->tree.root->file,
                               config->free_bytes, config->free_percent,
                               &run->size, &result)
            : fat_make(&run->host, &options, &run->tree.root->file, &result);
    *at = result.file;
    if (status != 0 || only_measure)
        return status;
    snprintf(run->summary, sizeof(run->summary),
             "FAT%" PRIu32 ", %" PRIu32 " of %" PRIu32 " clusters of %" PRIu32
             " are free",
             result.bits, result.clusters_free, result.clusters,
             result.cluster_bytes);
    config->fat_bits = result.bits;
    return 0;
}

/* ---- The volume ---------------------------------------------------------- */

/* Find out how large it must be, or make it. */
static int volume_do(struct run *run, bool only_measure)
{
    const struct make_file *at = NULL;
    int status = run->config.is_fat ? fat_do(run, only_measure, &at)
                                    : ext2_do(run, only_measure, &at);

    return status != 0 ? explain(run, status, at) : 0;
}

/* ---- The image ----------------------------------------------------------- */

static int table_put(struct run *run)
{
    const struct config *config = &run->config;
    struct table table = {.kind = config->table,
                          .is_linux = !config->is_fat,
                          .mbr_type = 0x83,
                          .sectors = run->size / TABLE_SECTOR};
    int status;

    if (config->is_fat) /* by sectors, not by heads, where there is a choice */
        table.mbr_type = config->fat_bits == 12   ? 0x01
                         : config->fat_bits == 16 ? 0x0e
                                                  : 0x0c;
    memcpy(table.id, config->id, sizeof(table.id));
    status = table_write(&run->image, &table);
    return status != 0 ? explain(run, status, NULL) : 0;
}

static int volume_make(struct run *run)
{
    const struct config *config = &run->config;
    int status = 0;

    run->size = config->size;
    if (run->size == 0)
        status = volume_do(run, true);
    run->size -= run->size % TABLE_SECTOR;
    run->image.first = table_first(config->table);
    if (status == 0)
        status = id_make(run);
    if (status == 0)
        status = image_create(
            &run->image, table_total(config->table, run->size / TABLE_SECTOR));
    if (status == 0)
        status = volume_do(run, false);
    if (status == 0)
        status = table_put(run);
    return status != 0 ? status : image_commit(&run->image);
}

int main(int argc, char **argv)
{
    static struct run run;
    int status = config_read(&run.config, argc, argv);

    if (status >= 0)
        return status;
    tree_init(&run.tree, time_of(run.config.now_s, 0));
    image_begin(&run.image, run.config.image);
    run.host = image_host(&run.image);
    status = tree_make(&run);
    if (status == 0)
        status = volume_make(&run);
    image_end(&run.image);
    tree_fini(&run.tree);
    if (status == 0 && !run.config.is_quiet)
        printf("%s: %s\n", run.config.image, run.summary);
    return status == 0 ? 0 : STATUS_FAILED;
}
