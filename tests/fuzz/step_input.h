/* What fuzzers of steps share: an input that is taken byte by byte; behind its
 * end are zeros. */
#ifndef TORC_TESTS_FUZZ_STEP_INPUT_H
#define TORC_TESTS_FUZZ_STEP_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct input {
    const uint8_t *data;
    size_t len;
};

static inline uint8_t take(struct input *input)
{
    if (input->len == 0)
        return 0;
    input->len--;
    return *input->data++;
}

static inline uint32_t take32(struct input *input)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < 4; i++)
        value = value << 8 | take(input);
    return value;
}

/* The next `len` bytes, `max` at most, as far as there are any. Returns how
 * many. */
static inline size_t take_part(struct input *input, uint8_t *out, size_t len,
                               size_t max)
{
    len = len < max ? len : max;
    len = len < input->len ? len : input->len;
    if (len > 0)
        memcpy(out, input->data, len);
    input->data += len;
    input->len -= len;
    return len;
}

/* The same; a byte says how many. */
static inline size_t take_bytes(struct input *input, uint8_t *out, size_t max)
{
    size_t len = take(input);

    return take_part(input, out, len, max);
}

#endif
