#include "tests/fakes/fuse_world.h"
#include "kernel/device/block_internal.h"
#include "kernel/device/driver.h"
#include "kernel/file/vfs.h"
#include "kernel/thread/thread.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/machine.h"
#include <torc/drivers.h>
#include <torc/file_systems.h>

struct fs_model fuse_model;
struct fuse_channel *fuse_channel;

static const struct file_system *const file_systems[] = {
    &ext2_rw_file_system, &fuse_file_system, NULL};
static struct wait_queue wake;
static bool is_told, stop;
static thread_id device_thread;

/* ---- The device's thread ------------------------------------------------- */

void fuse_world_wake(void)
{
    is_told = true;
    wait_wake_all(&wake);
}

static void notified(struct virtio_model *model, unsigned index)
{
    (void)model;
    (void)index;
    fuse_world_wake();
}

static int device_run(void *arg)
{
    (void)arg;
    while (!stop) {
        is_told = false;
        while (fs_model_step(&fuse_model))
            ;
        while (!is_told)
            wait_on(&wake);
    }
    return 0;
}

/* ---- The machine --------------------------------------------------------- */

void fuse_world_plug(size_t mem_bytes, bool over_mmio)
{
    const struct pci_model_options pci = {.no_msix = false};

    models_reset();
    fs_model_init(&fuse_model, "share");
    fuse_model.virtio.notified = notified;
    machine_attach(mem_bytes);
    vfs_init(file_systems);
    if (over_mmio)
        model_on_mmio(&fuse_model.virtio, 2);
    else
        model_on_pci(&fuse_model.virtio, &pci);
    fuse_channel = NULL;
}

int fuse_world_start(void)
{
    struct block_device *block;

    stop = is_told = false;
    wait_queue_init(&wake);
    assert_int_equal(thread_create(NULL, device_run, NULL, &device_thread), 0);
    assert_int_equal(virtio_fs_driver.probe(), 0);
    block = block_from_device(device_find(DEVICE_BLOCK, 0));
    if (block == NULL)
        return -ENODEV;
    fuse_channel = fuse_channel_of(block);
    assert_non_null(fuse_channel);
    atomic_store(&block->device.owner, 0);
    return block_start_bare(block);
}

void fuse_world_attach(size_t mem_bytes)
{
    fuse_world_plug(mem_bytes, false);
    assert_int_equal(fuse_world_start(), 0);
}

void fuse_world_detach(void)
{
    stop = true;
    fuse_world_wake();
    assert_int_equal(thread_join(device_thread, NULL), 0);
    if (fuse_channel != NULL)
        block_check(&fuse_channel->block);
    model_set_status(&fuse_model.virtio, 0);
    machine_detach();
    fs_model_fini(&fuse_model);
}

void fuse_world_mount(void)
{
    fs_model_clear(&fuse_model);
    assert_int_equal(file_mount(&fuse_channel->block.device, "/", "fuse"), 0);
}

void fuse_world_unmount(void)
{
    assert_int_equal(file_unmount("/"), 0);
    fs_model_left(&fuse_model);
}

int fuse_world_setup(void **state)
{
    (void)state;
    console_forget();
    fuse_world_attach(16 << 20);
    fuse_world_mount();
    return 0;
}

int fuse_world_teardown(void **state)
{
    (void)state;
    vfs_check();
    fuse_world_unmount();
    fuse_world_detach();
    return 0;
}

struct file *fuse_world_open(const char *path, unsigned flags)
{
    struct file *file;

    assert_int_equal(file_open(path, flags, 0644, &file), 0);
    return file;
}
