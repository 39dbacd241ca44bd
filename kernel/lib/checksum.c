#include "kernel/lib/checksum.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/mem.h"

/*
 * RFC 1071, section 2: the sum does not depend on byte order except for a final
 * swap, and carries may be folded late; so add native 64-bit words and swap
 * once at the end (here, where the piece is folded to 16 bits).
 */
uint32_t checksum_add(uint32_t sum, const void *data, size_t len)
{
    const uint8_t *p = data;
    uint64_t total = 0;

    for (; len >= 4; len -= 4, p += 4) {
        uint32_t word;

        memcpy(&word, p, 4);
        total += word;
    }
    if (len >= 2) {
        uint16_t word;

        memcpy(&word, p, 2);
        total += word;
        p += 2;
        len -= 2;
    }
    if (len == 1)
        total += *p; /* the high byte of a big-endian word: low here */
    while (total >> 16 != 0)
        total = (total & 0xffff) + (total >> 16);
    return sum + __builtin_bswap16((uint16_t)total);
}

uint16_t checksum_finish(uint32_t sum)
{
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}
