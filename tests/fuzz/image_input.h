/*
 * What the fuzzers of images share. An input is a byte that chooses a good
 * image and records that patch it: an offset of 3 bytes, a length (1 to 8) and
 * that many bytes; or "RAW" and what an image begins with.
 */
#ifndef TORC_TESTS_FUZZ_IMAGE_INPUT_H
#define TORC_TESTS_FUZZ_IMAGE_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { RAW_MAX = 64 * 1024 }; /* bytes of an image that is an input itself */

/* Whether the input is an image: then it is copied, RAW_MAX bytes with zeros
 * behind it. */
static inline bool image_is_raw(uint8_t *image, const uint8_t *data,
                                size_t size)
{
    if (size <= 3 || memcmp(data, "RAW", 3) != 0)
        return false;
    size = size - 3 < RAW_MAX ? size - 3 : RAW_MAX;
    memset(image, 0, RAW_MAX);
    memcpy(image, data + 3, size);
    return true;
}

/* Apply the records to an image of `image_size` bytes. */
static inline void image_patch(uint8_t *image, size_t image_size,
                               const uint8_t *data, size_t size)
{
    while (size >= 5) {
        size_t at = (data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16) %
                    image_size;
        size_t len = 1 + data[3] % 8;

        data += 4;
        size -= 4;
        for (size_t i = 0; i < len && i < size && at + i < image_size; i++)
            image[at + i] = data[i];
        data += len < size ? len : size;
        size -= len < size ? len : size;
    }
}

#endif
