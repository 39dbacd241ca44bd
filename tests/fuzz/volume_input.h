/*
 * What the fuzzers of writable volumes share: the operations of an input on a
 * volume that is mounted at "/". Four bytes each (tests/fakes/file_ops.h); the
 * highest values of the first byte are of their own: time, another mount, a
 * crash, a fault of the disk or of memory.
 *
 * A good volume meets no damage, whatever is done to it, until a request to the
 * disk fails, or a crash leaves something to be repaired.
 */
#ifndef TORC_TESTS_FUZZ_VOLUME_INPUT_H
#define TORC_TESTS_FUZZ_VOLUME_INPUT_H

#include "kernel/file/vfs.h"
#include "kernel/heap/heap.h"
#include "kernel/thread/timer.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/file_ops.h"
#include "tests/fakes/ramblk.h"
#include "tests/fuzz/field_mutator.h"
#include <stdlib.h>
#include <torc/thread.h>
#include <torc/time.h>

enum {
    FROM_CRASH = 236,
    FROM_UP = 238,
    FROM_DISK = 240,
    FROM_MEMORY = 243,
    FROM_TIME = 246,
    FROM_MOUNT = 252,
    SWEEP_MAX = 24, /* of the requests or allocations of an operation */
};

struct volume {
    struct ramblk *disk;
    const char *type;
    size_t size; /* bytes */
    /* Whether nothing is to be repaired; NULL: not known. */
    bool (*is_clean)(size_t size);
    bool is_good;
    bool may_refuse; /* to write: it is odd, or memory has failed */
    uint64_t now;
};

static inline void volume_must(bool holds)
{
    if (!holds)
        abort();
}

/* A good volume stays as it is. */
static inline void volume_answered(const struct volume *volume, int64_t status)
{
    volume_must(!volume->is_good || status != -EUCLEAN);
    volume_must(!volume->is_good || volume->may_refuse || status != -EROFS);
}

static inline bool volume_mount(struct volume *volume)
{
    int status = file_mount(&volume->disk->block.device, "/", volume->type);

    volume_must(status == 0 || !volume->is_good);
    return status == 0;
}

/* Faults end before it: it goes. */
static inline void volume_unmount(struct volume *volume)
{
    volume->disk->fail_at = volume->disk->fail_from = 0;
    file_ops_end();
    volume_must(file_unmount("/") == 0);
    file_ops_may_fail(false);
}

/* Let the flusher write what is old. */
static inline void volume_time_pass(struct volume *volume, uint8_t more)
{
    volume->now += (uint64_t)more * 100 * NS_PER_MS;
    clock_set(volume->now);
    timer_run(volume->now);
    for (unsigned i = 0; i < 8; i++)
        thread_yield();
}

/* What has not been written is lost. Returns whether it is mounted again. */
static inline bool volume_crash(struct volume *volume)
{
    uint8_t *then = malloc(volume->size);

    memcpy(then, volume->disk->data, volume->size);
    volume_unmount(volume);
    memcpy(volume->disk->data, then, volume->size);
    free(then);
    volume->is_good = volume->is_good && volume->is_clean != NULL &&
                      volume->is_clean(volume->size);
    return volume_mount(volume);
}

/* One request of the disk fails, or all until they are told not to. */
static inline void disk_fail(struct volume *volume, unsigned nth, bool for_ever)
{
    volume->is_good = false;
    file_ops_may_fail(true);
    volume->disk->fail_at = for_ever ? 0 : nth;
    volume->disk->fail_from = for_ever ? nth : 0;
}

/* An operation, or a mount and the operation, with the n-th request failing,
 * for each n; what has not been read yet is read then. Returns whether it is
 * still mounted. */
static inline bool disk_sweep(struct volume *volume, bool with_mount,
                              const uint8_t *op)
{
    for (unsigned nth = 1; nth <= SWEEP_MAX; nth++) {
        unsigned failures = volume->disk->failures;
        bool is_mounted;

        volume_unmount(volume);
        if (with_mount)
            disk_fail(volume, nth, false);
        is_mounted = volume_mount(volume);
        if (!with_mount && !is_mounted)
            return false;
        if (is_mounted) {
            disk_fail(volume, with_mount ? 0 : nth, false);
            (void)file_op_run(op);
        } else {
            volume->disk->fail_at = 0;
            if (!volume_mount(volume))
                return false;
        }
        vfs_check();
        if (volume->disk->failures == failures)
            break;
    }
    volume->disk->fail_at = 0;
    return true;
}

/* An operation during which the n-th allocation fails. Returns whether it came
 * to that. */
static inline bool memory_fail(struct volume *volume, unsigned nth,
                               const uint8_t *op)
{
    bool disk_may_fail = volume->disk->fail_at + volume->disk->fail_from > 0;
    bool has_failed;

    file_ops_may_fail(true);
    heap_fail(nth);
    volume_answered(volume, file_op_run(op));
    has_failed = heap_failed();
    heap_fail(0);
    volume->may_refuse = volume->may_refuse || has_failed;
    file_ops_may_fail(disk_may_fail);
    vfs_check();
    return has_failed;
}

/* A fault, and the operation behind it, which is done once more without.
 * Returns whether it is still mounted. */
static inline bool volume_fault(struct volume *volume, const uint8_t *op)
{
    unsigned nth = 1;

    if (op[0] < FROM_MEMORY) {
        if (op[2] % 4 == 3)
            return disk_sweep(volume, op[3] % 2 != 0, op + OP_BYTES);
        disk_fail(volume, 1 + op[3] % 32, op[2] % 4 == 1);
        return true;
    }
    if (op[3] % 2 == 0)
        memory_fail(volume, 1 + op[3] / 2, op + OP_BYTES);
    else
        while (nth <= SWEEP_MAX && memory_fail(volume, nth, op + OP_BYTES))
            nth++;
    return true;
}

/* `rest`: of the operations, this one and those behind it. */
static inline bool volume_op(struct volume *volume, const uint8_t *op,
                             size_t rest)
{
    if (op[0] >= FROM_MOUNT) {
        volume_unmount(volume);
        return volume_mount(volume);
    }
    if (op[0] >= FROM_TIME)
        volume_time_pass(volume, op[3]);
    else if (op[0] >= FROM_DISK)
        return rest == 1 || volume_fault(volume, op);
    else if (op[0] >= FROM_UP)
        volume_answered(volume, file_ops_up(op));
    else if (op[0] >= FROM_CRASH)
        return volume_crash(volume);
    else
        volume_answered(volume, file_op_run(op));
    return true;
}

/* Run them on a mounted volume. Returns whether it is still mounted. */
static inline bool volume_run(struct volume *volume, const uint8_t *ops,
                              size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!volume_op(volume, ops + i * OP_BYTES, count - i))
            return false;
        vfs_check();
    }
    return true;
}

#endif
