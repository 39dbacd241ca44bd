#include "tests/fakes/world.h"
#include "kernel/file/vfs.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/ext2_image.h"
#include "tests/fakes/fat_image.h"
#include "tests/fakes/fuse_world.h"
#include "tests/fakes/machine.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <torc/file_systems.h>
#include <unistd.h>

enum { QUICK = 16 };

const struct world worlds[WORLDS] = {
    {.name = "memfs"},
    {.name = "ext2-1k", .options = "-b 1024 -N 128", .kib = 1024},
    {.name = "ext2-2k", .options = "-b 2048 -N 128", .kib = 2048},
    {.name = "ext2-4k", .options = "-b 4096 -N 128 -I 128", .kib = 4096},
};
const struct world world_fat = {
    .name = "fat", .options = "-F 12 -s 1", .kib = 300};
const struct world world_fuse = {.name = "fuse"};
const struct world *world = &worlds[0];
struct ramblk world_disk;
uint8_t *world_image;
size_t world_image_size;

static const struct file_system *const file_systems[] = {
    &ext2_rw_file_system, &fat_file_system, NULL};
static uint8_t *empty; /* the image, when it was made */
static unsigned unmounts;

/* ---- Images -------------------------------------------------------------- */

static void image_make(void)
{
    char dir[] = "/tmp/torc_empty_XXXXXX";

    if (world->options == NULL)
        return;
    if (world_is_fat(world)) {
        empty = fat_image(world->options, NULL, world->kib, &world_image_size);
    } else {
        assert_non_null(mkdtemp(dir));
        empty = ext2_image(world->options, dir, world->kib, &world_image_size);
        rmdir(dir);
    }
    world_image = malloc(world_image_size);
    memcpy(world_image, empty, world_image_size);
}

static void image_drop(void)
{
    free(empty);
    free(world_image);
    empty = world_image = NULL;
}

int world_run_in(const struct world *in, const char *name,
                 const struct CMUnitTest *tests, size_t count)
{
    char title[100];
    int failed;

    world = in;
    image_make();
    snprintf(title, sizeof(title), "%s, %s", name, world->name);
    failed = _cmocka_run_group_tests(title, tests, count, NULL, NULL);
    image_drop();
    return failed;
}

int world_run(const char *name, const struct CMUnitTest *tests, size_t count)
{
    int failed = 0;

    for (unsigned i = 0; i < WORLDS; i++)
        failed += world_run_in(&worlds[i], name, tests, count);
    return failed;
}

/* ---- Mounting ------------------------------------------------------------ */

static bool is_fuse(void)
{
    return world == &world_fuse;
}

void world_attach(size_t mem_bytes)
{
    if (is_fuse()) {
        fuse_world_attach(mem_bytes);
        return;
    }
    machine_attach(mem_bytes);
    vfs_init(file_systems);
    if (world->options != NULL)
        ramblk_init(&world_disk, world_image, world_image_size);
}

void world_detach(void)
{
    if (is_fuse())
        fuse_world_detach();
    else
        machine_detach();
}

int world_setup(void **state)
{
    (void)state;
    world_attach(16 << 20);
    return 0;
}

int world_teardown(void **state)
{
    (void)state;
    world_detach();
    return 0;
}

void world_mount_again(void)
{
    assert_int_equal(file_mount(&world_disk.block.device, "/", "ext2"), 0);
}

int world_make(const char *path)
{
    struct file *file;
    int status = file_open(path, FILE_WRITE | FILE_CREATE, 0644, &file);

    if (status == 0)
        file_close(file);
    return status;
}

void world_mount(void)
{
    if (is_fuse()) {
        fuse_world_mount();
        return;
    }
    if (world->options == NULL) {
        assert_int_equal(file_mount_memory("/", NULL), 0);
        return;
    }
    memcpy(world_image, empty, world_image_size);
    if (world->prepare != NULL)
        world->prepare(world_image);
    assert_int_equal(file_mount(&world_disk.block.device, "/",
                                world_is_fat(world) ? "fat" : "ext2"),
                     0);
    if (!world_is_fat(world))
        assert_int_equal(file_rmdir("/lost+found"), 0);
}

static void check(void)
{
    const char *fault = world_fault();

    if (fault != NULL)
        fail_msg("fsck: %s", fault);
}

void world_unmount(void)
{
    if (is_fuse()) {
        fuse_world_unmount();
        return;
    }
    assert_int_equal(file_unmount("/"), 0);
    if (world->options != NULL)
        check();
}

void world_unmount_quick(void)
{
    if (is_fuse()) {
        fuse_world_unmount();
        return;
    }
    assert_int_equal(file_unmount("/"), 0);
    if (world->options != NULL && unmounts++ % QUICK == 0)
        check();
}

const char *world_fault(void)
{
    static char path[] = "/tmp/torc_world_XXXXXX", text[2000];
    char command[200];
    size_t len;
    FILE *pipe;
    int file;

    strcpy(path + sizeof(path) - 7, "XXXXXX");
    file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, world_image, world_image_size),
                     world_image_size);
    close(file);
    snprintf(command, sizeof(command), "PATH=$PATH:/sbin:/usr/sbin; %s %s 2>&1",
             world_is_fat(world) ? "fsck.fat -n" : "e2fsck -fn", path);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    len = fread(text, 1, sizeof(text) - 1, pipe);
    text[len] = '\0';
    while (fgetc(pipe) != EOF)
        ;
    if (pclose(pipe) == 0)
        len = 0;
    unlink(path);
    return len == 0 ? NULL : text;
}
