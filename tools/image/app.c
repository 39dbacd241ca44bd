/* torc-img: the half that is a kernel of one CPU. */
#include "tools/image/img.h"
#include "tools/image/mount.h"
#include <torc/app.h>
#include <torc/drivers.h>
#include <torc/file_systems.h>
#include <torc/log.h>
#include <torc/string.h>

enum { EXIT_FAILED = 1 };

static const struct {
    const char *name;
    int (*run)(const struct image_command *command);
} commands[] = {
    {"ls", img_ls},     {"tree", img_tree}, {"cat", img_cat},
    {"stat", img_stat}, {"df", img_df},     {"dump", img_dump},
    {"map", img_map},   {"put", img_put},   {"mkdir", img_mkdir},
    {"rm", img_rm},
};

static int run(void)
{
    unsigned i = 0;
    int status, ended;

    while (!str_equal(commands[i].name, image_command.name))
        i++;
    status = commands[i].run(&image_command);
    ended = print_end();
    return status != 0 ? status : ended;
}

static int app_main(int argc, char **argv)
{
    int status, written, unmounted;

    (void)argc, (void)argv;
    if (image_mount(&image_command.image) != 0)
        return EXIT_FAILED;
    status = run();
    written = image_sync();
    if (written != 0)
        log_error("what was written last is lost: error %d", -written);
    unmounted = file_unmount("/");
    if (unmounted != 0)
        log_error("the file system cannot be unmounted: error %d", -unmounted);
    return status == 0 && written == 0 && unmounted == 0 ? 0 : EXIT_FAILED;
}

static const struct driver *const drivers[] = {&leaf_blk_driver, NULL};
static const struct file_system *const file_systems[] = {
    &ext2_rw_file_system, &ext4_file_system, &fat_file_system, NULL};

const struct torc_app torc_app = {
    .name = "torc-img",
    .main = app_main,
    .drivers = drivers,
    .file_systems = file_systems,
};
