/* Frames of hosted cards as plain bytes, for tests. */
#ifndef TORC_TESTS_UNIT_POSIX_FRAMES_H
#define TORC_TESTS_UNIT_POSIX_FRAMES_H

#include "hal/hal.h"
#include "hal/leaf.h"
#include <stdlib.h>
#include <string.h>

/* Send bytes that ask for nothing; returns as hal_net_send(). The bytes lie in
 * memory of their own size, so that an access beyond them is found. */
static inline int frame_send(unsigned unit, const void *bytes, size_t len)
{
    void *copy = malloc(len);
    const struct hal_vec vec = {copy, len};
    const struct hal_net_frame frame = {
        .vec = &vec, .vec_count = 1, .len = (uint32_t)len};
    int err;

    memcpy(copy, bytes, len);
    err = hal_net_send(unit, 0, &frame);
    free(copy);
    return err;
}

/* Receive as a driver does: returns the length, or an error; with -EAGAIN an
 * interrupt is asked for. */
static inline int frame_recv(unsigned unit, void *bytes, size_t size)
{
    const struct hal_vec vec = {bytes, size};
    struct hal_net_frame frame = {.vec = &vec, .vec_count = 1};
    int err;

    do {
        err = hal_net_recv(unit, 0, &frame);
    } while (err == -EAGAIN && !hal_net_arm(unit, 0, true));
    return err != 0 ? err : (int)frame.len;
}

#endif
