#include "hal/baremetal/time/tsc_sync.h"
#include "hal/baremetal/base/cpu_block.h"
#include "hal/baremetal/base/insn.h"
#include <stdatomic.h>
#include <torc/format.h>

void tsc_sync_begin(struct cpu_block *block)
{
    block->tsc_earliest = tsc_read();
}

void tsc_sync_stamp(struct cpu_block *block)
{
    atomic_store_explicit(&block->tsc_stamp, tsc_read(), memory_order_release);
}

static void say(const struct cpu_block *block, int64_t offset)
{
    char text[160];
    size_t len = fmt_print(text, sizeof(text),
                           "warning: the TSC of cpu %u is %lld ticks %s that "
                           "of cpu 0: their times differ\n",
                           (unsigned)block->id,
                           (long long)(offset < 0 ? -offset : offset),
                           offset < 0 ? "behind" : "ahead of");

    hal_console_write(text, len);
}

void tsc_sync_check(void)
{
    for (unsigned i = 1; i < cpu_block_count; i++) {
        struct cpu_block *block = cpu_blocks[i];
        uint64_t stamp =
            atomic_load_explicit(&block->tsc_stamp, memory_order_acquire);
        int64_t offset;

        if (stamp == 0 || stamp == block->tsc_checked)
            continue;
        offset = tsc_sync_offset(block->tsc_earliest, stamp, tsc_read());
        if (offset != 0 && !block->tsc_is_off) {
            block->tsc_is_off = true;
            say(block, offset);
        }
        block->tsc_checked = stamp;
        block->tsc_earliest = stamp; /* the next one is later */
    }
}
