/* Path MTU discovery: RFC 1191. */
#include "net/dst.h"
#include "kernel/lib/minmax.h"
#include <torc/compiler.h>

/* RFC 1191, 7.1: the MTUs of common links. */
static const uint16_t plateaus[] = {32000, 17914, 8166, 4352, 2002, 1492, 1006};

static uint32_t plateau_below(uint32_t len)
{
    for (unsigned i = 0; i < COUNT_OF(plateaus); i++) {
        if (plateaus[i] < len)
            return plateaus[i];
    }
    return 0;
}

bool dst_too_big(struct dst *dst, uint32_t mtu, uint32_t len)
{
    uint32_t old = dst->pmtu != 0 ? dst->pmtu : UINT16_MAX;
    bool was_whole = !dst->may_fragment;

    if (mtu == 0)
        mtu = plateau_below(len);
    if (mtu >= old)
        return false;
    if (mtu < DST_PMTU_MIN)
        dst->may_fragment = true;
    dst->pmtu = (uint16_t)max_u32(mtu, DST_PMTU_MIN);
    return dst->pmtu < old || (was_whole && dst->may_fragment);
}
