/* Mounting the file system of an image: mount.h. */
#include "tools/image/mount.h"
#include "fs/ext2/survey.h"
#include "kernel/device/device.h"
#include <torc/file.h>
#include <torc/format.h>
#include <torc/log.h>

static void complain(const char *image, int status)
{
    if (status == -EINVAL)
        log_error("%s: there is no file system on it that is known", image);
    else if (status == -EUCLEAN)
        log_error("%s: the file system is damaged: check it with e2fsck",
                  image);
    else if (status == -ENOTSUP)
        log_error("%s: it has features that are not supported", image);
    else
        log_error("%s: cannot be mounted: error %d", image, -status);
}

/* The disk, or the partition that was asked for. */
static struct device *find_device(const struct image_config *config)
{
    struct device *device = device_find(DEVICE_BLOCK, 0);
    char name[DEVICE_NAME_MAX];

    if (device == NULL || device_dedicate(device, 0) != 0) {
        log_error("%s: it cannot be used", config->path);
        return NULL;
    }
    if (config->partition == 0)
        return device;
    (void)fmt_print(name, sizeof(name), "%s%u", device_name(device),
                    config->partition);
    device = device_by_name(name);
    if (device == NULL)
        log_error("%s: it has no partition %u", config->path,
                  config->partition);
    return device;
}

/*
 * What the first one that knows the volume says. ext2 that is only read is
 * ext4's, as is what ext2 cannot write.
 */
static int mount_any(struct device *device, bool read_only)
{
    static const char *const types[] = {"ext2", "ext4", "fat"};
    int status = -EINVAL;

    for (unsigned i = read_only ? 1 : 0; i < COUNT_OF(types); i++) {
        int tried = file_mount(device, "/", types[i]);

        if (tried != -EINVAL)
            status = tried;
        if (tried != -EINVAL && tried != -ENOTSUP)
            break;
    }
    return status;
}

int image_mount(const struct image_config *config)
{
    struct device *device = find_device(config);
    int status;

    if (device == NULL)
        return -ENODEV;
    status = mount_any(device, config->read_only);
    if (status != 0)
        complain(config->path, status);
    return status;
}

/* ---- How full it is ------------------------------------------------------ */

static int groups_count(struct mount *mount, struct file_fs_stat *stat)
{
    struct ext2_survey survey;
    int status = ext2_survey(mount, &survey);

    if (status != 0)
        return 0; /* another file system, which does not say */
    stat->block_bytes = survey.block_size;
    stat->blocks = survey.blocks_count;
    stat->inodes = survey.inodes_count;
    for (uint32_t i = 0; i < survey.group_count; i++) {
        struct ext2_survey_group group;

        status = ext2_survey_group(mount, i, &group);
        if (status != 0)
            return status;
        stat->blocks_free += group.free_blocks;
        stat->inodes_free += group.free_inodes;
    }
    return 0;
}

int image_stat_fs(struct file_fs_stat *stat)
{
    struct inode *root;
    int status = vfs_walk("/", true, &root);

    if (status != 0)
        return status;
    status = vfs_statfs(root->mount, stat);
    if (status == 0 && stat->block_bytes == 0)
        status = groups_count(root->mount, stat);
    inode_put(root);
    return status;
}

int image_sync(void)
{
    struct inode *root;
    int status = vfs_walk("/", true, &root);

    if (status != 0)
        return status;
    status = vfs_sync_mount(root->mount);
    inode_put(root);
    return status;
}
