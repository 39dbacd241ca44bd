/*
 * Loads and stores of fixed byte order at any alignment. The only way disk and
 * wire data enter and leave host structures.
 */
#ifndef TORC_KERNEL_LIB_BYTES_H
#define TORC_KERNEL_LIB_BYTES_H

#include <stdint.h>

static inline uint16_t le16_get(const uint8_t *p)
{
    return (uint16_t)(p[0] | (unsigned)p[1] << 8);
}

static inline uint32_t le32_get(const uint8_t *p)
{
    return (uint32_t)le16_get(p) | (uint32_t)le16_get(p + 2) << 16;
}

static inline uint64_t le64_get(const uint8_t *p)
{
    return (uint64_t)le32_get(p) | (uint64_t)le32_get(p + 4) << 32;
}

static inline uint16_t be16_get(const uint8_t *p)
{
    return (uint16_t)((unsigned)p[0] << 8 | p[1]);
}

static inline uint32_t be32_get(const uint8_t *p)
{
    return (uint32_t)be16_get(p) << 16 | be16_get(p + 2);
}

/*
 * Stores are whole words: the compiler makes single bytes of them otherwise,
 * where it makes words of the loads.
 */
#define BYTES_ARE_LE (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)

static inline void le16_put(uint8_t *p, uint16_t v)
{
    v = BYTES_ARE_LE ? v : __builtin_bswap16(v);
    __builtin_memcpy(p, &v, sizeof(v));
}

static inline void le32_put(uint8_t *p, uint32_t v)
{
    v = BYTES_ARE_LE ? v : __builtin_bswap32(v);
    __builtin_memcpy(p, &v, sizeof(v));
}

static inline void le64_put(uint8_t *p, uint64_t v)
{
    v = BYTES_ARE_LE ? v : __builtin_bswap64(v);
    __builtin_memcpy(p, &v, sizeof(v));
}

static inline void be16_put(uint8_t *p, uint16_t v)
{
    v = BYTES_ARE_LE ? __builtin_bswap16(v) : v;
    __builtin_memcpy(p, &v, sizeof(v));
}

static inline void be32_put(uint8_t *p, uint32_t v)
{
    v = BYTES_ARE_LE ? __builtin_bswap32(v) : v;
    __builtin_memcpy(p, &v, sizeof(v));
}

/* The word whose bytes in memory are those of `v` in network order. */
static inline uint64_t be64_word(uint64_t v)
{
    return BYTES_ARE_LE ? __builtin_bswap64(v) : v;
}

#endif
