/*
 * CRC-32 as in GPT, Ethernet, gzip: polynomial 0x04c11db7, bits reflected, all
 * ones before and after (ISO 3309; UEFI specification 2.10, section 4.2).
 */
#ifndef TORC_KERNEL_LIB_CRC32_H
#define TORC_KERNEL_LIB_CRC32_H

#include <stddef.h>
#include <stdint.h>

/*
 * The sum over `size` bytes more, where `crc` is that of the bytes before: 0
 * when there are none.
 */
uint32_t crc32(uint32_t crc, const void *data, size_t size);

#endif
