/*
 * Names: on one or two CPUs several threads make, remove, link, rename and look
 * at the same three names of one directory, which is on ext2, on a disk that
 * takes its time. Some seeds let memory be short, or the disk fail, write the
 * first part of what it is given only, or lie: say that it has written what it
 * has not, or has written elsewhere.
 *
 * What the threads were told must have an order that ends with what is there
 * (names_order.h); and what is there must be there behind an unmount, on a
 * volume in which the checker finds nothing. Of a disk that lies only this is
 * asked: nothing is used that is not there, and everything ends.
 */
#include "hal/posix/sim/sim.h"
#include "kernel/device/block_driver.h"
#include "kernel/device/block_internal.h"
#include "kernel/file/vfs_internal.h"
#include "kernel/heap/heap.h"
#include "tests/fakes/ext2_check.h"
#include "tests/fakes/ext2_image.h"
#include "tests/sim/names_order.h"
#include "tests/sim/runner.h"
#include <stdlib.h>
#include <string.h>
#include <torc/file.h>
#include <torc/file_systems.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/thread.h>

enum { CPUS = 2, THREADS = ORDER_THREADS, STEPS = 12 };

static const struct file_system *const file_systems[] = {&ext2_rw_file_system,
                                                         NULL};
static const char *const names[ORDER_NAMES] = {"/a", "/b", "/c"};
static bool broken;

static void expect(bool holds, const char *rule)
{
    if (!holds && !broken)
        log_error("names: %s", rule);
    broken = broken || !holds;
}

static unsigned draw(unsigned n)
{
    return hal_choose(n, SIM_WORK);
}

/* ---- The disk ------------------------------------------------------------ */

/* What each run begins with, and what it has. */
static uint8_t *base, *image;
static size_t image_size;

static struct {
    struct block_device block;
    struct queue held;
    unsigned count; /* of these */
    bool is_quick;  /* each request ends at once */
    bool fails, lies;
    bool is_ending;
} disk;

static struct block_request *request_of(struct queue_node *node)
{
    return container_of(node, struct block_request, priv.node);
}

static uint8_t *bytes_of(uint64_t sector)
{
    return image + sector * BLOCK_SECTOR_SIZE;
}

/* The first sectors only are written, and this is told. */
static int write_part(struct block_request *first)
{
    static uint8_t old[256 * BLOCK_SECTOR_SIZE];
    size_t size = (size_t)first->priv.sectors * BLOCK_SECTOR_SIZE;
    size_t part = hal_choose(first->priv.sectors + 1, SIM_FAULT) *
                  (size_t)BLOCK_SECTOR_SIZE;
    uint8_t *at = bytes_of(first->priv.sector);

    memcpy(old, at, size);
    block_copy(first, at);
    memcpy(at + part, old + part, size - part);
    return -EIO;
}

/* Another place, or none, and nobody is told. */
static int write_elsewhere(struct block_request *first)
{
    uint64_t room = image_size / BLOCK_SECTOR_SIZE - first->priv.sectors;

    if (hal_choose(2, SIM_FAULT) == 0)
        block_copy(first, bytes_of(hal_choose((unsigned)room, SIM_FAULT)));
    return 0;
}

static int meet(struct block_request *first)
{
    bool is_write = first->priv.op == BLOCK_WRITE;

    if (disk.fails && hal_choose(8, SIM_FAULT) == 0) {
        return is_write && hal_choose(2, SIM_FAULT) == 0 ? write_part(first)
                                                         : -EIO;
    }
    if (disk.lies && is_write && hal_choose(8, SIM_FAULT) == 0)
        return write_elsewhere(first);
    block_copy(first, bytes_of(first->priv.sector));
    return 0;
}

static int submit(struct block_queue *queue, struct block_request *first)
{
    if (disk.is_quick) {
        block_copy(first, bytes_of(first->priv.sector));
        block_done(queue, first, 0);
        return 0;
    }
    queue_push(&disk.held, &first->priv.node);
    disk.count++;
    return 0;
}

/* The thread that ends what is held, some time later. */
static int serve(void *arg)
{
    (void)arg;
    while (!disk.is_ending || disk.count > 0) {
        thread_sleep(500 + hal_choose(20000, SIM_DEVICE));
        while (disk.count > 0 && hal_choose(4, SIM_DEVICE) != 0) {
            struct block_request *first = request_of(queue_pop(&disk.held));

            disk.count--;
            block_done(disk.block.queues[0], first, meet(first));
        }
    }
    return 0;
}

static int start(struct block_device *block)
{
    block->queue_count = 1;
    return 0;
}

static const struct block_ops disk_ops = {.start = start, .submit = submit};

static int disk_begin(void)
{
    memcpy(image, base, image_size);
    queue_init(&disk.held);
    disk.block.ops = &disk_ops;
    disk.block.sectors = image_size / BLOCK_SECTOR_SIZE;
    disk.block.limits.sectors = 256;
    disk.block.features = BLOCK_HAS_CACHE;
    disk.block.queue_max = 1;
    disk.is_quick = true;
    if (block_register(&disk.block, "slow") != 0)
        return 1;
    disk.block.device.owner = (int)cpu_id();
    return block_start_bare(&disk.block) != 0;
}

/* ---- What threads do ----------------------------------------------------- */

static struct order_call calls[ORDER_CALLS_MAX];
static unsigned call_count;
static uint32_t moment;
static bool memory_fails;

/* A file says which call has made it. */
static void mark(struct file *file, unsigned call)
{
    char text[1500];

    memset(text, (int)call + 1, sizeof(text));
    (void)!file_write(file, text, sizeof(text));
    if (draw(3) == 0)
        (void)!file_sync(file);
}

static int create(const char *path, unsigned call)
{
    struct file *file;
    int status =
        file_open(path, FILE_WRITE | FILE_CREATE | FILE_EXCLUSIVE, 0644, &file);

    calls[call].end = ++moment; /* what follows is not of the name */
    if (status != 0)
        return status;
    mark(file, call);
    file_close(file);
    return 0;
}

static int look(const char *path)
{
    struct file_stat stat;
    int status = file_stat(path, false, &stat);

    return status != 0 ? status : (int)stat.type;
}

static int run(const struct order_call *call, unsigned index)
{
    const char *a = names[call->a], *b = names[call->b];

    switch (call->kind) {
    case ORDER_CREATE:
        return create(a, index);
    case ORDER_MKDIR:
        return file_mkdir(a, 0755);
    case ORDER_UNLINK:
        return file_unlink(a);
    case ORDER_RMDIR:
        return file_rmdir(a);
    case ORDER_RENAME:
        return file_rename(a, b, call->flags);
    case ORDER_LINK:
        return file_link(a, b);
    default:
        return look(a);
    }
}

static void step(unsigned thread)
{
    static const uint8_t kinds[] = {ORDER_CREATE, ORDER_CREATE, ORDER_MKDIR,
                                    ORDER_UNLINK, ORDER_RMDIR,  ORDER_RENAME,
                                    ORDER_RENAME, ORDER_LINK,   ORDER_STAT};
    static const uint8_t flags[] = {0, 0, FILE_RENAME_NOREPLACE,
                                    FILE_RENAME_EXCHANGE};
    unsigned index = call_count++;
    struct order_call *call = &calls[index];

    *call = (struct order_call){.kind = kinds[draw(COUNT_OF(kinds))],
                                .a = (uint8_t)draw(ORDER_NAMES),
                                .b = (uint8_t)draw(ORDER_NAMES),
                                .flags = flags[draw(COUNT_OF(flags))],
                                .thread = (uint8_t)thread,
                                .begin = ++moment,
                                .end = UINT32_MAX};
    if (memory_fails && cpu_id() == 0 && draw(6) == 0)
        heap_fail(1 + draw(12));
    call->status = run(call, index);
    if (call->end == UINT32_MAX)
        call->end = ++moment;
    vfs_check();
}

static int work(void *arg)
{
    unsigned thread = (unsigned)(uintptr_t)arg;

    for (unsigned i = 0; i < STEPS && !broken; i++) {
        step(thread);
        if (draw(4) == 0)
            thread_sleep(draw(10000));
    }
    return 0;
}

/* ---- The end ------------------------------------------------------------- */

static uint8_t made_by(const char *path)
{
    struct file *file;
    uint8_t byte = 0;

    if (file_open(path, FILE_READ, 0, &file) != 0)
        return 0;
    if (file_read(file, &byte, 1) != 1)
        byte = 0;
    file_close(file);
    return byte;
}

static void end_look(struct order_end *end)
{
    memset(end, 0, sizeof(*end));
    for (unsigned i = 0; i < ORDER_NAMES; i++) {
        struct file_stat stat;
        int status = file_stat(names[i], false, &stat);

        expect(status == 0 || status == -ENOENT, "a name cannot be looked at");
        if (status != 0)
            continue;
        end->is_there[i] = true;
        end->is_directory[i] = stat.type == FILE_DIRECTORY;
        end->inode[i] = stat.inode;
        if (stat.type == FILE_REGULAR)
            end->made_by[i] = made_by(names[i]);
    }
}

static void volume_check(void)
{
    struct ext2_checked checked = {.fail_alloc = 0};

    ext2_check_image(image, image_size, &checked);
    expect(checked.status == 0 && checked.count == 0,
           "the checker finds something");
}

static int mount_disk(void)
{
    return file_mount(&disk.block.device, "/", "ext2");
}

/* For who looks at a failure. */
static void calls_tell(const struct order_end *end)
{
    static const char *const kinds[ORDER_KINDS] = {
        "create", "mkdir", "unlink", "rmdir", "rename", "link", "stat"};

    for (unsigned i = 0; i < call_count; i++)
        log_error("names: %u: %u to %u: %s %s %s %u: %d", i + 1, calls[i].begin,
                  calls[i].end, kinds[calls[i].kind], names[calls[i].a],
                  names[calls[i].b], calls[i].flags, calls[i].status);
    for (unsigned i = 0; i < ORDER_NAMES; i++)
        log_error("names: %s: %u, directory %u, made by %u, inode %lu",
                  names[i], end->is_there[i], end->is_directory[i],
                  end->made_by[i], end->inode[i]);
}

/* All is well again: what was done must be there. */
static void judge(void)
{
    struct order_end end, again;

    end_look(&end);
    if (!order_exists(calls, call_count, &end)) {
        expect(false, "no order of the calls explains what they were told");
        calls_tell(&end);
    }
    expect(file_remount("/", true) == 0 || file_remount("/", true) == 0,
           "what is in memory cannot be written");
    expect(file_unmount("/") == 0, "it cannot be unmounted");
    volume_check();
    if (mount_disk() != 0) {
        expect(false, "it cannot be mounted again");
        return;
    }
    end_look(&again);
    expect(memcmp(&end, &again, sizeof(end)) == 0,
           "something else is there behind an unmount");
    expect(file_unmount("/") == 0, "it cannot be unmounted again");
}

/* Of a disk that has lied. */
static void suffer(void)
{
    (void)!file_unmount("/");
    if (mount_disk() != 0)
        return;
    for (unsigned i = 0; i < ORDER_NAMES; i++) {
        (void)look(names[i]);
        (void)made_by(names[i]);
        (void)!file_unlink(names[i]);
    }
    expect(file_unmount("/") == 0, "it cannot be unmounted");
}

/* ---- All of it ----------------------------------------------------------- */

static int far_begin(void *arg)
{
    (void)arg;
    return file_mount_cpu(0, "/");
}

static int far_end(void *arg)
{
    (void)arg;
    return file_unmount("/");
}

static int on_cpu(unsigned cpu, int (*fn)(void *), unsigned arg, thread_id *id)
{
    const struct thread_attr there = {.place = THREAD_ON_CPU, .cpu = cpu};

    return thread_create(&there, fn, (void *)(uintptr_t)arg, id);
}

static int run_on_cpu(unsigned cpu, int (*fn)(void *))
{
    thread_id id;
    int value;

    if (on_cpu(cpu, fn, 0, &id) != 0 || thread_join(id, &value) != 0)
        return 1;
    return value;
}

static void crowd(bool is_memory_short)
{
    thread_id ids[THREADS], server;

    expect(on_cpu(0, serve, 0, &server) == 0, "there is no server");
    disk.is_quick = false;
    for (unsigned i = 0; i < THREADS; i++)
        expect(on_cpu(i % cpu_count(), work, i, &ids[i]) == 0, "no thread");
    memory_fails = is_memory_short; /* all have begun */
    for (unsigned i = 0; i < THREADS; i++)
        expect(thread_join(ids[i], NULL) == 0, "a thread is lost");
    heap_fail(0);
    disk.fails = false;
    disk.is_ending = true;
    expect(thread_join(server, NULL) == 0, "the server is lost");
    disk.is_quick = true;
}

static int names_run(void *arg)
{
    unsigned faults = hal_choose(5, SIM_FAULT);

    (void)arg;
    vfs_init(file_systems);
    if (disk_begin() != 0 || mount_disk() != 0)
        return 1;
    if (cpu_count() > 1 && run_on_cpu(1, far_begin) != 0)
        return 1;
    disk.fails = faults == 1 || faults == 3;
    disk.lies = faults == 4;
    crowd(faults == 2 || faults == 3);
    if (cpu_count() > 1)
        expect(run_on_cpu(1, far_end) == 0, "the way to the other CPU stays");
    if (disk.lies)
        suffer();
    else
        judge();
    return broken;
}

static int names_main(void)
{
    return run_on_cpu(0, names_run);
}

int main(int argc, char **argv)
{
    static const struct scenario scenario = {
        .name = "names",
        .cpus_min = 1,
        .cpus_max = CPUS,
        .mem_bytes = 4 << 20,
        .run = names_main,
    };
    char empty[] = "/tmp/torc_names_XXXXXX";

    if (mkdtemp(empty) == NULL)
        abort();
    base = ext2_image("-b 1024 -N 32", empty, 200, &image_size);
    (void)!remove(empty);
    image = malloc(image_size);
    return sim_main(argc, argv, &scenario);
}
