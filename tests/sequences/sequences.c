/*
 * Every sequence of a few operations, on each file system that can be written
 * and on the one in memory: both answer the same and hold the same, behind each
 * operation's answer, before and behind an unmount. On a disk the checker finds
 * nothing then. docs/sequences.md tells more.
 *
 *   sequences --length 3                  all of three operations, each world
 *   sequences --length 4 --share 3/100    the third hundredth of them
 *   sequences --length 2 --memory         the n-th allocation fails, each n
 *   sequences --length 2 --disk           the n-th request fails, each n
 *   sequences --ops link-a-b,unlink-a     one
 */
#include "kernel/file/vfs.h"
#include "kernel/heap/heap.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/ext2_check.h"
#include "tests/fakes/ext2_image.h"
#include "tests/fakes/fat_image.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include "tests/sequences/ops.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <torc/file.h>
#include <torc/file_systems.h>
#include <torc/memory.h>
#include <torc/time.h>

enum { LENGTH_MAX = 8 };

static const struct file_system *const file_systems[] = {
    &ext2_rw_file_system, &fat_file_system, NULL};

static struct world {
    const char *name;
    const char *type;
    const char *options;
    unsigned kib;
    bool is_posix;
    unsigned names; /* in the root besides */
    uint8_t *base;  /* the image that each sequence begins with */
    size_t size;
} worlds[] = {
    {.name = "ext2-1k",
     .type = "ext2",
     .options = "-b 1024 -N 32",
     .kib = 200,
     .is_posix = true},
    {.name = "ext2-4k",
     .type = "ext2",
     .options = "-b 4096 -N 32 -I 128",
     .kib = 400,
     .is_posix = true},
    {.name = "ext2-index",
     .type = "ext2",
     .options = "-b 1024 -N 48",
     .kib = 200,
     .is_posix = true,
     .names = 16},
    {.name = "fat12", .type = "fat", .options = "-F 12 -s 1", .kib = 200},
};

/* What happened to a sequence in one world. */
struct course {
    int status[LENGTH_MAX];
    bool was_done[LENGTH_MAX];              /* though the answer is an error */
    char before[LOOK_MAX], after[LOOK_MAX]; /* the unmount */
};

enum fault { FAULT_NO, FAULT_MEMORY, FAULT_DISK };

static struct {
    /* Options: */
    unsigned length;
    unsigned long share, shares; /* which of how many */
    const char *ops, *world;
    enum fault fault;
    bool is_verbose;

    struct ramblk disk;
    uint8_t *image;
    int op[LENGTH_MAX];
    unsigned count;
    unsigned long nth; /* what fails */
    bool has_failed;   /* it has */

    unsigned long sequences, runs, operations, faults, failures;
} all = {.length = 2, .shares = 1};

/* ---- One sequence in one world ------------------------------------------- */

static void failed(const struct world *world, const char *what)
{
    all.failures++;
    printf("FAILED: %s: %s\n  again: build/sequences --world %s%s --verbose "
           "--ops ",
           world->name, what, world->name,
           all.fault == FAULT_MEMORY ? " --memory"
           : all.fault == FAULT_DISK ? " --disk"
                                     : "");
    for (unsigned i = 0; i < all.count; i++)
        printf("%s%s", i == 0 ? "" : ",", seq_ops[all.op[i]].name);
    if (all.fault != FAULT_NO)
        printf("   (number %lu failed)", all.nth);
    printf("\n");
    fflush(stdout);
}

static int mount(const struct world *world)
{
    return file_mount(&all.disk.block.device, "/", world->type);
}

static void fault_begin(void)
{
    all.has_failed = false;
    all.disk.failures = 0;
    if (all.fault == FAULT_MEMORY)
        heap_fail(all.nth);
    if (all.fault == FAULT_DISK)
        all.disk.fail_at = (unsigned)all.nth;
}

static bool is_fault(int status)
{
    return all.fault != FAULT_NO && (status == -ENOMEM || status == -EIO);
}

/* No more, and see whether it has been. */
static void fault_end(enum fault kind)
{
    if (all.fault != kind)
        return;
    all.has_failed =
        kind == FAULT_MEMORY ? heap_failed() : all.disk.failures > 0;
    all.faults += all.has_failed;
    heap_fail(0);
    all.disk.fail_at = 0;
}

/* Look without a fault. */
static void look(const struct world *world, char text[LOOK_MAX])
{
    unsigned fail_at = all.disk.fail_at;

    all.disk.fail_at = 0;
    seq_look(text, world->is_posix);
    all.disk.fail_at = fail_at;
}

/* Let the disk have all, which may fail once. */
static int all_write(void)
{
    int status = file_remount("/", true);

    if (all.is_verbose)
        printf("all is written: %d\n", status);
    if (status == -EIO && all.disk.failures > 0)
        status = file_remount("/", true);
    return status;
}

/* Run the operations of *course; returns 0, or the error of what writes all. */
static int world_run(const struct world *world, struct course *course)
{
    int status;

    memcpy(all.image, world->base, world->size);
    all.disk.block.sectors = world->size / BLOCK_SECTOR_SIZE;
    if (mount(world) != 0)
        abort();
    fault_begin();
    for (unsigned i = 0; i < all.count; i++) {
        const struct seq_op *op = &seq_ops[all.op[i]];

        course->status[i] = op->run(op, OP_ALL);
        course->was_done[i] = is_fault(course->status[i]) &&
                              op->was_done != NULL && op->was_done(op);
        all.operations++;
        if (all.is_verbose)
            printf("%s %s: %d\n", world->name, op->name, course->status[i]);
    }
    vfs_check();
    fault_end(FAULT_MEMORY);
    look(world, course->before);
    seq_ops_end();
    status = all.fault == FAULT_DISK ? all_write() : 0;
    fault_end(FAULT_DISK);
    if (file_unmount("/") != 0 || mount(world) != 0)
        abort();
    look(world, course->after);
    if (file_unmount("/") != 0)
        abort();
    return status;
}

/* ---- The reference ------------------------------------------------------- */

/* The same in memory: what has failed there by a fault is not done here, and
 * what was written in part is written so far. */
static void reference_run(const struct world *world, const struct course *like,
                          struct course *course)
{
    if (file_mount_memory("/", NULL) != 0 || seq_base_make(world->names) != 0)
        abort();
    for (unsigned i = 0; i < all.count; i++) {
        const struct seq_op *op = &seq_ops[all.op[i]];
        int got = like->status[i];

        course->status[i] = got;
        if (like->was_done[i])
            (void)op->run(op, OP_ALL);
        else if (!is_fault(got))
            course->status[i] = op->run(op, got > 0 ? got : OP_ALL);
    }
    seq_look(course->before, world->is_posix);
    seq_ops_end();
    seq_look(course->after, world->is_posix);
    if (file_unmount("/") != 0)
        abort();
}

static bool courses_agree(const struct world *world, const struct course *one,
                          const struct course *want)
{
    for (unsigned i = 0; i < all.count; i++) {
        if (one->status[i] != want->status[i]) {
            printf("  %s: %d, in memory %d\n", seq_ops[all.op[i]].name,
                   one->status[i], want->status[i]);
            failed(world, "another answer");
            return false;
        }
    }
    if (strcmp(one->before, want->before) != 0) {
        printf("--- it holds\n%s--- in memory\n%s", one->before, want->before);
        failed(world, "it does not hold the same");
        return false;
    }
    if (strcmp(one->after, want->after) != 0) {
        printf("--- it holds\n%s--- in memory\n%s", one->after, want->after);
        failed(world, "it does not hold the same behind an unmount");
        return false;
    }
    return true;
}

static bool is_clean(const struct world *world)
{
    struct ext2_checked checked = {.fail_alloc = 0};

    if (strcmp(world->type, "ext2") != 0)
        return true;
    ext2_check_image(all.image, world->size, &checked);
    if (checked.status == 0 && checked.count == 0)
        return true;
    ext2_check_print(stdout, &checked);
    return false;
}

/* ---- Sequences ----------------------------------------------------------- */

static bool fits(const struct world *world)
{
    if (all.world != NULL && strcmp(all.world, world->name) != 0)
        return false;
    for (unsigned i = 0; i < all.count; i++)
        if (seq_ops[all.op[i]].is_posix && !world->is_posix)
            return false;
    return true;
}

static void compare(const struct world *world)
{
    static struct course course, want;
    struct mem_stats before, after;
    int status;

    mem_get_stats(&before);
    all.runs++;
    status = world_run(world, &course);
    mem_get_stats(&after);
    if (status != 0) {
        printf("  status %d\n", status);
        failed(world, "what is in memory cannot be written");
    } else if (before.block_count != after.block_count) {
        failed(world, "memory is left");
    } else {
        reference_run(world, &course, &want);
        if (courses_agree(world, &course, &want) && !is_clean(world))
            failed(world, "it is not clean");
    }
}

static void sequence_run(void)
{
    all.sequences++;
    for (size_t i = 0; i < COUNT_OF(worlds); i++) {
        if (!fits(&worlds[i]))
            continue;
        all.nth = 1;
        do {
            compare(&worlds[i]);
            all.nth++;
        } while (all.has_failed);
    }
}

static void sequences_all(void)
{
    unsigned long total = 1;

    for (unsigned i = 0; i < all.length; i++)
        total *= seq_op_count;
    all.count = all.length;
    for (unsigned long i = all.share; i < total; i += all.shares) {
        unsigned long rest = i;

        for (unsigned k = 0; k < all.length; k++) {
            all.op[k] = (int)(rest % seq_op_count);
            rest /= seq_op_count;
        }
        sequence_run();
    }
}

static bool ops_read(const char *names)
{
    for (const char *at = names; *at != '\0';) {
        size_t len = strcspn(at, ",");
        int op = seq_op_find(at, len);

        if (op < 0 || all.count == LENGTH_MAX) {
            fprintf(stderr, "sequences: no such operation: %s\n", at);
            return false;
        }
        all.op[all.count++] = op;
        at += len + (at[len] == ',');
    }
    return true;
}

/* ---- All ----------------------------------------------------------------- */

static const char usage[] =
    "usage: sequences [--length N] [--share I/N] [--world NAME]\n"
    "  [--ops A,B,...] [--memory] [--disk] [--verbose] [--list]\n"
    "docs/sequences.md tells what it does.\n";

static bool value_take(const char *name, const char *value)
{
    if (strcmp(name, "--length") == 0)
        all.length = (unsigned)strtoul(value, NULL, 0);
    else if (strcmp(name, "--world") == 0)
        all.world = value;
    else if (strcmp(name, "--ops") == 0)
        all.ops = value;
    else if (strcmp(name, "--share") != 0 ||
             sscanf(value, "%lu/%lu", &all.share, &all.shares) != 2)
        return false;
    return true;
}

static bool options_take(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--memory") == 0) {
            all.fault = FAULT_MEMORY;
        } else if (strcmp(argv[i], "--disk") == 0) {
            all.fault = FAULT_DISK;
        } else if (strcmp(argv[i], "--verbose") == 0) {
            all.is_verbose = true;
        } else if (strcmp(argv[i], "--list") == 0) {
            for (size_t k = 0; k < seq_op_count; k++)
                printf("%s\n", seq_ops[k].name);
            exit(0);
        } else if (i + 1 == argc || !value_take(argv[i], argv[i + 1])) {
            return false;
        } else {
            i++;
        }
    }
    return all.length >= 1 && all.length <= LENGTH_MAX && all.shares > 0;
}

static void worlds_make(void)
{
    char empty[] = "/tmp/torc_sequences_XXXXXX", command[60];
    size_t largest = 0;

    if (mkdtemp(empty) == NULL)
        abort();
    for (size_t i = 0; i < COUNT_OF(worlds); i++) {
        struct world *world = &worlds[i];

        world->base =
            world->is_posix
                ? ext2_image(world->options, empty, world->kib, &world->size)
                : fat_image(world->options, NULL, world->kib, &world->size);
        if (world->size > largest)
            largest = world->size;
    }
    snprintf(command, sizeof(command), "rmdir %s", empty);
    if (system(command) != 0)
        abort();
    all.image = malloc(largest);
    ramblk_init(&all.disk, all.image, largest);
}

/* Begin each with the same files. */
static void worlds_fill(void)
{
    for (size_t i = 0; i < COUNT_OF(worlds); i++) {
        struct world *world = &worlds[i];

        memcpy(all.image, world->base, world->size);
        all.disk.block.sectors = world->size / BLOCK_SECTOR_SIZE;
        if (mount(world) != 0 ||
            (world->is_posix && file_rmdir("/lost+found") != 0) ||
            seq_base_make(world->names) != 0 || file_unmount("/") != 0)
            abort();
        memcpy(world->base, all.image, world->size);
    }
}

int main(int argc, char **argv)
{
    if (!options_take(argc, argv) || (all.ops != NULL && !ops_read(all.ops))) {
        fputs(usage, stderr);
        return 2;
    }
    machine_attach_cmdline(64 << 20, "log=error");
    clock_set(NS_PER_S);
    vfs_init(file_systems);
    worlds_make();
    worlds_fill();
    if (all.ops != NULL)
        sequence_run();
    else
        sequences_all();
    printf("sequences: %lu sequences, %lu runs of them, %lu operations, %lu "
           "runs met their fault, %lu failures\n",
           all.sequences, all.runs, all.operations, all.faults, all.failures);
    machine_detach();
    return all.failures > 0 ? 1 : 0;
}
