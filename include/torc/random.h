/* Random bytes that nobody can predict. */
#ifndef TORC_RANDOM_H
#define TORC_RANDOM_H

#include <stddef.h>
#include <torc/compiler.h>
#include <torc/errno.h>

/*
 * Fill `buf` with `len` bytes from this CPU's generator, ChaCha20 (RFC 8439)
 * over what the machine's own source, an entropy device and the time have given
 * it. What it has given once it cannot be made to give again, even by somebody
 * who sees all of its memory afterwards.
 *
 * Returns 0, or -EAGAIN: no source has given it enough yet (the machine's own
 * has 128 bits at least, an entropy device gives 256). The bytes are there all
 * the same, different for each call, each CPU and most starts, but somebody may
 * guess them: good for a seed of a simulation, bad for a key. Never waits. Any
 * thread, irq work.
 */
must_check int random_bytes(void *buf, size_t len);

#endif
