/* What the tests of reading ext2 and ext4 share. */
#ifndef TORC_TESTS_UNIT_EXT2_SWEEP_H
#define TORC_TESTS_UNIT_EXT2_SWEEP_H

#include "kernel/heap/heap.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/ext2_image.h"
#include <torc/errno.h>
#include <torc/file.h>
#include <torc/memory.h>

/*
 * Mount the volume, read all of it and unmount it, while the first, the
 * second, the third ... allocation fails, until none is left that can. An
 * allocation that fails is reported; or pages that were only read ahead are
 * missing. Nothing is kept. Returns how many rounds there were.
 */
static inline uint64_t walks_without_memory(struct device *device)
{
    uint64_t n = 1;

    for (;; n++) {
        struct mem_stats before, after;
        struct ext2_walk walk = {.errors = 0};
        bool failed;
        int status;

        mem_get_stats(&before);
        heap_fail(n);
        status = file_mount(device, "/", NULL);
        if (status == 0)
            ext2_walk_all(&walk);
        failed = heap_failed();
        heap_fail(0);
        if (status == 0)
            assert_int_equal(file_unmount("/"), 0);
        mem_get_stats(&after);
        assert_int_equal(before.block_count, after.block_count);
        if (!failed)
            return n;
        if (status != 0)
            assert_int_equal(status, -ENOMEM);
        else if (walk.errors > 0)
            assert_int_equal(walk.first_error, -ENOMEM);
    }
}

#endif
