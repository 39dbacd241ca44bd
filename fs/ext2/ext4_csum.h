/* The checksums of ext4. */
#ifndef TORC_FS_EXT2_EXT4_CSUM_H
#define TORC_FS_EXT2_EXT4_CSUM_H

#include <stddef.h>
#include <stdint.h>

/*
 * CRC-32C (Castagnoli, RFC 3720 appendix B.4): polynomial 0x1edc6f41, bits
 * reflected; `crc` goes in and comes out as it is, as ext4 has it.
 */
uint32_t ext4_crc32c(uint32_t crc, const void *data, size_t size);

/* CRC-16 (polynomial 0x8005, bits reflected), of group descriptors. */
uint16_t ext4_crc16(uint16_t crc, const void *data, size_t size);

#endif
