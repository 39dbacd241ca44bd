/* The ChaCha20 block function: RFC 8439, section 2.3. Pure. */
#ifndef TORC_KERNEL_LIB_CHACHA20_H
#define TORC_KERNEL_LIB_CHACHA20_H

#include <stdint.h>

enum { CHACHA20_BLOCK = 64, CHACHA20_KEY_WORDS = 8, CHACHA20_NONCE_WORDS = 3 };

/* The block `counter` of the stream with that key and nonce, which are words as
 * the RFC has them: little-endian. */
void chacha20_block(const uint32_t key[CHACHA20_KEY_WORDS], uint32_t counter,
                    const uint32_t nonce[CHACHA20_NONCE_WORDS],
                    uint8_t out[CHACHA20_BLOCK]);

#endif
