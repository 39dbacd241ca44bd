#include "fs/ext2/inode_time.h"
#include "kernel/lib/bytes.h"

void ext2_time_put(uint8_t *raw, uint32_t at, uint32_t extra_at, uint32_t end,
                   struct file_time time)
{
    const bool has_extra = extra_at + 4 <= end;
    const int64_t max =
        has_extra ? ((int64_t)3 << 32) + INT32_MAX : (int64_t)INT32_MAX;
    int64_t s = time.s < INT32_MIN ? INT32_MIN : time.s > max ? max : time.s;

    le32_put(raw + at, (uint32_t)s);
    if (has_extra)
        le32_put(raw + extra_at,
                 (uint32_t)((s - (int32_t)(uint32_t)s) >> 32 & 3) | time.ns
                                                                        << 2);
}
