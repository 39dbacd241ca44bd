/*
 * A picture of a volume (SVG): a row for each group, a column for some blocks,
 * coloured by what the blocks are for; below each row how many of the group's
 * inodes are in use.
 */
#include "fs/ext2/survey.h"
#include "tools/image/host/io.h"
#include "tools/image/img.h"
#include <torc/assert.h>
#include <torc/memory.h>
#include <torc/string.h>

/* What a block is for. Of those in one column the last one of this list counts
 * which is there. */
enum use {
    USE_FREE,
    USE_OTHER, /* in use, by nothing that has a name */
    USE_META,
    USE_TABLE,
    USE_FILE,
    USE_DIRECTORY,
    USE_FRAGMENT, /* of a file, but not in its first run */
    USE_COUNT,
};

static const struct {
    const char *colour, *text;
} uses[USE_COUNT] = {
    [USE_FREE] = {"#eeeeee", "free"},
    [USE_OTHER] = {"#b0a090", "in use, without a name (indirect blocks, "
                              "attributes, a journal, copies)"},
    [USE_META] = {"#404040", "superblock, descriptors, bitmaps"},
    [USE_TABLE] = {"#7060a0", "inode table"},
    [USE_FILE] = {"#4090d0", "files"},
    [USE_DIRECTORY] = {"#30a050", "directories"},
    [USE_FRAGMENT] = {"#e06030", "files, behind their first run"},
};

enum {
    BLOCKS_MAX = 1 << 26,
    COLUMNS = 1024,
    LEFT = 60, /* pixels before a row, for its number */
    ROW = 14,  /* pixels from row to row, of which are */
    BAR = 8,   /* the blocks, and */
    INODES = 2 /* the inodes */
};

struct map {
    struct mount *mount;
    struct ext2_survey survey;
    uint8_t *uses; /* enum use, of each block */
    unsigned files, runs, in_pieces;
};

/* ---- What the blocks are for --------------------------------------------- */

static void mark(struct map *map, uint64_t block, uint64_t count, enum use use)
{
    for (uint64_t i = block; i < block + count; i++) {
        if (i < map->survey.blocks_count)
            map->uses[i] = (uint8_t)use;
    }
}

static uint64_t group_first(const struct map *map, uint32_t group)
{
    return map->survey.first_data_block +
           (uint64_t)group * map->survey.blocks_per_group;
}

/* By the bitmap of a group, and its descriptor. */
static int group_mark(struct map *map, uint32_t number, uint8_t *bitmap)
{
    const struct ext2_survey *survey = &map->survey;
    uint64_t first = group_first(map, number);
    struct ext2_survey_group group;
    int status = ext2_survey_group(map->mount, number, &group);

    if (status == 0)
        status = ext2_survey_read(map->mount,
                                  group.block_bitmap * survey->block_size,
                                  bitmap, survey->block_size);
    if (status != 0)
        return status;
    for (uint32_t i = 0;
         i < survey->blocks_per_group && i < 8 * survey->block_size; i++) {
        if ((bitmap[i / 8] >> i % 8 & 1) != 0)
            mark(map, first + i, 1, USE_OTHER);
    }
    mark(map, group.block_bitmap, 1, USE_META);
    mark(map, group.inode_bitmap, 1, USE_META);
    mark(map, group.inode_table, group.table_blocks, USE_TABLE);
    return 0;
}

static int groups_mark(struct map *map)
{
    uint8_t *bitmap = mem_alloc(map->survey.block_size);
    int status = bitmap == NULL ? -ENOMEM : 0;

    for (uint32_t i = 0; status == 0 && i < map->survey.group_count; i++)
        status = group_mark(map, i, bitmap);
    mark(map, map->survey.first_data_block, 2, USE_META);
    mem_free(bitmap);
    return status;
}

static int inode_mark(struct map *map, struct inode *inode)
{
    uint64_t index = 0, block, behind = 0;
    uint32_t count;
    unsigned runs = 0;
    int status;

    while ((status = ext2_survey_run(inode, index, UINT32_MAX, &block,
                                     &count)) == 0) {
        if (block != 0) {
            runs += !is_near(behind, block);
            mark(map, block, count,
                 inode->type == FILE_DIRECTORY ? USE_DIRECTORY
                 : runs > 1                    ? USE_FRAGMENT
                                               : USE_FILE);
            behind = block + count;
        }
        index += count;
    }
    map->files += inode->type == FILE_REGULAR;
    map->runs += inode->type == FILE_REGULAR ? runs : 0;
    map->in_pieces += inode->type == FILE_REGULAR && runs > 1;
    return status == -ENOENT ? 0 : status;
}

static int path_mark(struct map *map, const char *path)
{
    struct inode *inode;
    int status = vfs_walk(path, false, &inode);

    if (status != 0)
        return status;
    status = inode_mark(map, inode);
    inode_put(inode);
    return status;
}

static int entry_mark(const struct tree_entry *entry, void *arg)
{
    return path_mark(arg, entry->path);
}

/* ---- The picture --------------------------------------------------------- */

/* What counts in a column of a row. */
static enum use column_use(const struct map *map, uint64_t first,
                           uint64_t blocks, unsigned column)
{
    uint64_t from = first + blocks * column / COLUMNS;
    uint64_t to = first + blocks * (column + 1) / COLUMNS;
    uint8_t best = USE_FREE;

    do {
        if (map->uses[from] > best)
            best = map->uses[from];
    } while (++from < to);
    return (enum use)best;
}

static void bar_draw(unsigned x, unsigned y, unsigned width, unsigned height,
                     const char *colour)
{
    print("<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\" fill=\"%s\"/>\n",
          x, y, width, height, colour);
}

static int row_draw(const struct map *map, uint32_t number, unsigned y)
{
    const struct ext2_survey *survey = &map->survey;
    uint64_t first = group_first(map, number);
    uint64_t blocks = survey->blocks_count - first;
    struct ext2_survey_group group;
    unsigned from = 0;
    int status = ext2_survey_group(map->mount, number, &group);

    if (status != 0)
        return status;
    if (blocks > survey->blocks_per_group)
        blocks = survey->blocks_per_group;
    print("<g><title>group %u: %u blocks and %u inodes free, %u "
          "directories</title>\n<text x=\"0\" y=\"%u\">%u</text>\n",
          number, group.free_blocks, group.free_inodes, group.directories,
          y + BAR, number);
    for (unsigned i = 1; i <= COLUMNS; i++) {
        enum use use = column_use(map, first, blocks, from);

        if (i < COLUMNS && column_use(map, first, blocks, i) == use)
            continue;
        bar_draw(LEFT + from, y, i - from, BAR, uses[use].colour);
        from = i;
    }
    if (group.free_inodes < survey->inodes_per_group)
        bar_draw(LEFT, y + BAR + 1,
                 (unsigned)((uint64_t)COLUMNS *
                            (survey->inodes_per_group - group.free_inodes) /
                            survey->inodes_per_group) +
                     1,
                 INODES, "#7060a0");
    print("</g>\n");
    return 0;
}

static void legend_draw(const struct map *map, unsigned y)
{
    for (unsigned i = 0; i < USE_COUNT; i++) {
        bar_draw(LEFT, y + i * ROW, 10, 10, uses[i].colour);
        print("<text x=\"%u\" y=\"%u\">%s</text>\n", LEFT + 16, y + i * ROW + 9,
              uses[i].text);
    }
    print("<text x=\"%u\" y=\"%u\">%u files in %u runs; %u are in more than "
          "one</text>\n",
          LEFT, y + USE_COUNT * ROW + 9, map->files, map->runs, map->in_pieces);
}

static int draw(const struct map *map)
{
    const uint32_t groups = map->survey.group_count;
    unsigned height = (groups + USE_COUNT + 4) * ROW;
    int status = 0;

    print("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" "
          "height=\"%u\" font-family=\"sans-serif\" font-size=\"10\">\n",
          LEFT + COLUMNS + 10, height);
    print("<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n");
    for (uint32_t i = 0; status == 0 && i < groups; i++)
        status = row_draw(map, i, (i + 1) * ROW);
    legend_draw(map, (groups + 2) * ROW);
    print("</svg>\n");
    return status;
}

/* ---- The command --------------------------------------------------------- */

static int make(struct map *map)
{
    uint64_t blocks;
    int status = ext2_survey(map->mount, &map->survey);

    if (status != 0)
        return status;
    blocks = map->survey.blocks_count;
    if (blocks > BLOCKS_MAX || map->survey.block_size == 0)
        return -EFBIG;
    map->uses = mem_alloc_zeroed((size_t)blocks);
    if (map->uses == NULL)
        return -ENOMEM;
    status = groups_mark(map);
    if (status == 0)
        status = path_mark(map, "/");
    if (status == 0)
        status = tree_walk("/", entry_mark, map);
    if (status == 0)
        status = draw(map);
    mem_free(map->uses);
    return status;
}

int img_map(const struct image_command *command)
{
    static struct map map;
    struct inode *root;
    int status = vfs_walk("/", true, &root);

    if (command->html)
        print("<!DOCTYPE html>\n<meta charset=\"utf-8\">\n"
              "<title>torc-img map</title>\n");
    if (status == 0) {
        map.mount = root->mount;
        status = make(&map);
        inode_put(root);
    }
    if (status == -EINVAL)
        io_complain("only ext2 and ext4 are drawn", status);
    else if (status != 0)
        io_complain(command->image.path, status);
    return status;
}
