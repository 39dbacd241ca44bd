/*
 * Scan codes of a PC keyboard, of set 1, as a terminal's bytes: the US layout.
 * Pure.
 */
#ifndef TORC_DRIVERS_PS2_KEYS_H
#define TORC_DRIVERS_PS2_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PS2_KEY_MAX = 4 /* bytes of a key */ };

/* All zero at first. */
struct ps2_keys {
    bool shift, right_shift, control, right_control, alt, caps;
    bool is_extended; /* behind 0xe0 */
    uint8_t skip;     /* codes of the pause key */
};

/*
 * A code has come. Returns how many bytes it is, which are then in `out`: 0 for
 * keys that are let go, for shift and its like, and for keys that nothing
 * stands for.
 */
size_t ps2_key(struct ps2_keys *keys, uint8_t code, char out[PS2_KEY_MAX]);

#endif
