/* Commands that tell what a file is, and the file system. */
#include "fs/ext2/survey.h"
#include "tools/image/host/io.h"
#include "tools/image/img.h"
#include "tools/image/mount.h"
#include <torc/memory.h>

enum { RUNS_PRINTED = 1000, RUN_MAX = 1 << 20 };

static const char *type_name(enum file_type type)
{
    static const char *const names[] = {
        "unknown", "regular file", "directory",        "symbolic link",
        "FIFO",    "socket",       "character device", "block device"};

    return names[type];
}

static void time_print(const char *what, struct file_time time)
{
    char text[IO_TIME_MAX];

    io_time(time.s, text);
    print("%s: %s.%09u UTC\n", what, text, time.ns);
}

/* Where the blocks of a file lie, a line for each run. */
static int runs_print(struct inode *inode)
{
    uint64_t index = 0, block, behind = 0;
    unsigned runs = 0, pieces = 0;
    uint32_t count;
    int status;

    while ((status = ext2_survey_run(inode, index, RUN_MAX, &block, &count)) ==
           0) {
        if (block != 0)
            pieces += !is_near(behind, block);
        if (block != 0)
            behind = block + count;
        if (block != 0 && runs++ < RUNS_PRINTED)
            print("blocks %llu-%llu: %llu-%llu\n", (unsigned long long)index,
                  (unsigned long long)index + count - 1,
                  (unsigned long long)block,
                  (unsigned long long)block + count - 1);
        index += count;
    }
    if (runs > 0)
        print("pieces, with what leads to them: %u\n", pieces);
    return status == -ENOENT ? 0 : status;
}

static int stat_print(const char *word, struct inode *inode)
{
    struct ext2_survey survey;
    struct file_stat stat;
    char mode[10];

    vfs_stat(inode, &stat);
    mode_text(stat.mode, mode);
    print("file: %s\ninode: %llu\ntype: %s\nmode: %c%s\nlinks: %u\n"
          "owner: %u:%u\nsize: %llu\nblocks of 512 bytes: %llu\n",
          word, (unsigned long long)stat.inode, type_name(stat.type),
          type_letter(stat.type), mode, stat.links, stat.uid, stat.gid,
          (unsigned long long)stat.size_bytes, (unsigned long long)stat.blocks);
    time_print("read", stat.atime);
    time_print("written", stat.mtime);
    time_print("changed", stat.ctime);
    if (ext2_survey(inode->mount, &survey) != 0)
        return 0;
    return runs_print(inode);
}

int img_stat(const struct image_command *command)
{
    static char path[FILE_PATH_MAX];
    int failed = 0;

    for (int i = 0; i < command->count; i++) {
        struct inode *inode;
        int status = path_of(command->words[i], path);

        if (status == 0)
            status = vfs_walk(path, false, &inode);
        if (status == 0) {
            status = stat_print(command->words[i], inode);
            inode_put(inode);
        }
        if (status != 0)
            io_complain(command->words[i], status);
        if (status != 0)
            failed = status;
    }
    return failed;
}

int img_df(const struct image_command *command)
{
    struct file_fs_stat stat;
    int status = image_stat_fs(&stat);

    if (status != 0) {
        io_complain(command->image.path, status);
        return status;
    }
    print("type: %s%s\nblock size: %u\nblocks: %llu, %llu free\n"
          "inodes: %llu, %llu free\n",
          stat.type, stat.is_read_only ? ", read-only" : "", stat.block_bytes,
          (unsigned long long)stat.blocks, (unsigned long long)stat.blocks_free,
          (unsigned long long)stat.inodes,
          (unsigned long long)stat.inodes_free);
    return 0;
}
