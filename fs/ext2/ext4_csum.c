#include "fs/ext2/ext4_csum.h"

/* Four bits at a time: tables of 16. */
enum { STEP = 4, ENTRIES = 1 << STEP };

uint32_t ext4_crc32c(uint32_t crc, const void *data, size_t size)
{
    /* What four bits that fall out leave behind: polynomial 0x82f63b78. */
    static const uint32_t table[ENTRIES] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
    const uint8_t *byte = data;

    for (size_t i = 0; i < size; i++) {
        crc ^= byte[i];
        crc = crc >> STEP ^ table[crc % ENTRIES];
        crc = crc >> STEP ^ table[crc % ENTRIES];
    }
    return crc;
}

uint16_t ext4_crc16(uint16_t crc, const void *data, size_t size)
{
    const uint8_t *byte = data;

    for (size_t i = 0; i < size; i++) {
        crc = (uint16_t)(crc ^ byte[i]);
        for (unsigned bit = 0; bit < 8; bit++)
            crc = (uint16_t)(crc >> 1 ^ ((crc & 1) != 0 ? 0xa001 : 0));
    }
    return crc;
}
