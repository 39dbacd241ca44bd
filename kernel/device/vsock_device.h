/*
 * A device for sockets of the machine and its host (vsock): packets, each a
 * header of VSOCK_HEADER_SIZE bytes and data (VIRTIO 1.2, section 5.10.6). A
 * driver registers one, net/vsock/ is its client. A machine has at most one,
 * since it has one context identifier (CID).
 *
 * Owner: CPU 0. What the driver calls of its client it calls as irq work.
 */
#ifndef TORC_KERNEL_VSOCK_DEVICE_H
#define TORC_KERNEL_VSOCK_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>

enum { VSOCK_HEADER_SIZE = 44 };

struct vsock_device;

/* None of these waits. */
struct vsock_client {
    /* Whether it takes packets now. When not, send() has returned -EAGAIN, and
     * it is asked again behind writable(). */
    bool (*can_receive)(void *client);

    /* A packet has come: `len` bytes behind its header. It is the caller's. */
    void (*receive)(void *client, const uint8_t header[VSOCK_HEADER_SIZE],
                    const uint8_t *data, size_t len);

    /* send() has room again after it had none. */
    void (*writable)(void *client);

    /* The device has lost all connections; device->cid may be another one
     * (section 5.10.6.7). */
    void (*reset)(void *client);

    /* The device works no more; nothing is called behind it. */
    void (*gone)(void *client);
};

struct vsock_device_ops {
    /* Packets may come from now on, for device->client. */
    void (*begin)(struct vsock_device *device);

    /* Send a packet, copied, of at most device->data_max bytes behind its
     * header. Returns 0, -EAGAIN (no room: writable() will be called), -ENODEV
     * (the device is gone). */
    int (*send)(struct vsock_device *device,
                const uint8_t header[VSOCK_HEADER_SIZE], const uint8_t *data,
                size_t len);

    /* Tell the device of what was sent. */
    void (*flush)(struct vsock_device *device);
};

struct vsock_device {
    const struct vsock_device_ops *ops;
    size_t data_max; /* bytes */
    uint32_t cid;    /* ours */
    bool is_gone;

    const struct vsock_client *client; /* NULL: none yet */
    void *client_arg;
};

/* The machine has `device`, from now on. CPU 0. Returns 0, -EBUSY (it has
 * another one). */
must_check int vsock_device_register(struct vsock_device *device);

/* The machine's device; NULL: it has none, or has lost it. CPU 0. */
struct vsock_device *vsock_device_find(void);

#endif
