/*
 * What torc-img takes from the host and gives to it. Errors are Torc's.
 */
#ifndef TORC_TOOLS_IMAGE_HOST_IO_H
#define TORC_TOOLS_IMAGE_HOST_IO_H

#include <stddef.h>
#include <stdint.h>

/* Write to the standard output. Returns 0, -EIO, -EPIPE, -ENOSPC. */
int io_write(const void *data, size_t size);

/* Open a file of the host to be read; "-" is the standard input. Returns 0 and
 * the low 12 bits of its mode, or an error after a line on stderr. */
int io_open(const char *path, uint32_t *mode);

/* Read from it. Returns how many bytes, 0 at the end, or an error. */
int64_t io_read(void *data, size_t size);

/* A moment as text, UTC: "2026-11-30 03:00:00". */
enum { IO_TIME_MAX = 32 };
void io_time(int64_t seconds, char text[IO_TIME_MAX]);

/* A line on stderr: what failed, and why. `status` is an error of Torc. */
void io_complain(const char *what, int status);

#endif
