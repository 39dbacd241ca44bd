/*
 * A machine with a virtio file system whose server is in the test: a thread is
 * the device, so that others may wait for it.
 */
#ifndef TORC_TESTS_FAKES_FUSE_WORLD_H
#define TORC_TESTS_FAKES_FUSE_WORLD_H

#include "kernel/device/fuse_channel.h"
#include "tests/models/virtio_fs_model.h"

extern struct fs_model fuse_model;
extern struct fuse_channel *fuse_channel; /* NULL: there is none */

/* A machine of that many bytes, a model, not yet found. */
void fuse_world_plug(size_t mem_bytes, bool over_mmio);

/* Find it, and start it. Returns 0, -ENODEV (it was left out), or an error. */
int fuse_world_start(void);

/* Both of these: what the tests usually want. */
void fuse_world_attach(size_t mem_bytes);
void fuse_world_detach(void);

/* Mount it at "/"; a server with other files than before. */
void fuse_world_mount(void);
void fuse_world_unmount(void);

/* A test's set-up and its end: a machine of 16 MiB with a server, mounted. */
int fuse_world_setup(void **state);
int fuse_world_teardown(void **state);

/* Open a file, which must succeed; one that is created has mode 0644. */
struct file *fuse_world_open(const char *path, unsigned flags);

/* The device does something without being told: after a test has changed what
 * it is to do. */
void fuse_world_wake(void);

#endif
