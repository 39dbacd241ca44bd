/*
 * Loads and stores of fixed byte order at any alignment. The only way disk and
 * wire data enter and leave host structures.
 */
#ifndef TORC_KERNEL_LIB_BYTES_H
#define TORC_KERNEL_LIB_BYTES_H

#include <stdint.h>

/*
 * Whole words are loaded and stored: of single bytes the compiler makes words
 * later than it decides that their function is too large for a place in line.
 */
#define BYTES_ARE_LE (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)

static inline uint16_t le16_get(const uint8_t *p)
{
    uint16_t v;

    __builtin_memcpy(&v, p, sizeof(v));
    return BYTES_ARE_LE ? v : __builtin_bswap16(v);
}

static inline uint32_t le32_get(const uint8_t *p)
{
    uint32_t v;

    __builtin_memcpy(&v, p, sizeof(v));
    return BYTES_ARE_LE ? v : __builtin_bswap32(v);
}

static inline uint64_t le64_get(const uint8_t *p)
{
    uint64_t v;

    __builtin_memcpy(&v, p, sizeof(v));
    return BYTES_ARE_LE ? v : __builtin_bswap64(v);
}

static inline uint16_t be16_get(const uint8_t *p)
{
    uint16_t v;

    __builtin_memcpy(&v, p, sizeof(v));
    return BYTES_ARE_LE ? __builtin_bswap16(v) : v;
}

static inline uint32_t be32_get(const uint8_t *p)
{
    uint32_t v;

    __builtin_memcpy(&v, p, sizeof(v));
    return BYTES_ARE_LE ? __builtin_bswap32(v) : v;
}

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
