/* The parts of a volume as they are. */
#include "fs/ext2/survey.h"
#include "tools/image/host/io.h"
#include "tools/image/img.h"
#include <torc/memory.h>
#include <torc/string.h>

enum { LINE = 16 };

static void line_print(uint64_t offset, const uint8_t *bytes)
{
    char text[LINE + 1];

    print("%010llx ", (unsigned long long)offset);
    for (unsigned i = 0; i < LINE; i++) {
        print(" %02x", bytes[i]);
        text[i] = bytes[i] >= ' ' && bytes[i] < 127 ? (char)bytes[i] : '.';
    }
    text[LINE] = '\0';
    print("  %s\n", text);
}

static int block_dump(struct mount *mount, const struct ext2_survey *survey,
                      uint64_t block)
{
    uint8_t *bytes = mem_alloc(survey->block_size);
    uint64_t offset = block * survey->block_size;
    int status = -ENOMEM;

    if (block >= survey->blocks_count) {
        mem_free(bytes);
        return -EINVAL;
    }
    if (bytes != NULL)
        status = ext2_survey_read(mount, offset, bytes, survey->block_size);
    for (uint32_t at = 0; status == 0 && at < survey->block_size; at += LINE)
        line_print(offset + at, bytes + at);
    mem_free(bytes);
    return status;
}

static int groups_dump(struct mount *mount, const struct ext2_survey *survey)
{
    print("block size: %u\nblocks: %llu, the first group begins at %u\n"
          "blocks of a group: %u\ninodes: %u of %u bytes\n"
          "inodes of a group: %u\n"
          "features: compat %#x, incompat %#x, ro_compat %#x\n\n"
          "%6s %11s %12s %12s %12s %8s %8s %6s\n",
          survey->block_size, (unsigned long long)survey->blocks_count,
          survey->first_data_block, survey->blocks_per_group,
          survey->inodes_count, survey->inode_size, survey->inodes_per_group,
          survey->compat, survey->incompat, survey->ro_compat, "group",
          "first block", "block bitmap", "inode bitmap", "inode table",
          "b. free", "i. free", "dirs");
    for (uint32_t i = 0; i < survey->group_count; i++) {
        struct ext2_survey_group group;
        int status = ext2_survey_group(mount, i, &group);

        if (status != 0)
            return status;
        print("%6u %11llu %12llu %12llu %12llu %8u %8u %6u\n", i,
              (unsigned long long)survey->first_data_block +
                  (uint64_t)i * survey->blocks_per_group,
              (unsigned long long)group.block_bitmap,
              (unsigned long long)group.inode_bitmap,
              (unsigned long long)group.inode_table, group.free_blocks,
              group.free_inodes, group.directories);
    }
    return 0;
}

int img_dump(const struct image_command *command)
{
    struct ext2_survey survey;
    struct inode *root;
    int status = vfs_walk("/", true, &root);

    if (status == 0) {
        status = ext2_survey(root->mount, &survey);
        if (status == 0 && command->count == 0)
            status = groups_dump(root->mount, &survey);
        for (int i = 0; status == 0 && i < command->count; i++) {
            uint64_t block;

            status = str_to_u64(command->words[i], &block) == 0 ? 0 : -EINVAL;
            if (status == 0)
                status = block_dump(root->mount, &survey, block);
        }
        inode_put(root);
    }
    if (status != 0)
        io_complain(command->image.path, status);
    return status;
}
