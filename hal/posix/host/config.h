/*
 * What a hosted machine is made of: its CPUs, memory and devices.
 */
#ifndef TORC_HAL_POSIX_HOST_CONFIG_H
#define TORC_HAL_POSIX_HOST_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HOST_CPU_MAX = 256,
    HOST_NODE_MAX = 64, /* HAL_REGION_MAX */
    HOST_DISK_MAX = 16,
    HOST_NET_MAX = 8,
    HOST_MODULE_MAX = 4,
    HOST_FORWARD_MAX = 16,
    HOST_CMDLINE_MAX = 4096, /* with the NUL */
    HOST_PATH_MAX = 107,     /* of a socket */
};

#define HOST_MEM_MIN     ((size_t)2 << 20)
#define HOST_MEM_DEFAULT ((size_t)64 << 20)

/*
 * What fresh memory holds on real machines: not zero. A pointer of these bytes
 * is no address, a bool neither false nor true.
 */
enum { HOST_FILL_BYTE = 0xa5 };
#define HOST_FILL_MAX ((size_t)1 << 30)

/* What carries out the requests of a disk. ANY: io_uring where it is. */
enum host_disk_engine { HOST_DISK_ANY, HOST_DISK_URING, HOST_DISK_THREADS };

struct host_disk_config {
    const char *path;
    bool read_only;
    enum host_disk_engine engine;
    bool direct;          /* past the host's cache (O_DIRECT) */
    uint32_t sector_size; /* 512, 4096; 0: as small as possible */
    uint64_t offset;      /* bytes of the file before the disk: whole sectors */
};

enum host_net_kind {
    HOST_NET_TAP,
    HOST_NET_USER,
    HOST_NET_LINK,
    HOST_NET_UNIX
};

/* What a wire does to frames; all zero: nothing. */
struct host_line_config {
    uint64_t seed;
    uint32_t loss_ppm; /* of a million frames so many are lost */
    uint32_t repeat_ppm;
    uint32_t reorder_ppm;
    uint32_t corrupt_ppm;
    uint64_t delay_ns;
    uint64_t jitter_ns; /* more delay, between 0 and this */
    uint64_t rate_bps;  /* bits a second; 0: not limited */
    unsigned queue;     /* frames on their way; more are lost. 0: more wait */
};

/* A port of the host that leads into the machine; addresses in host order. */
struct host_forward {
    bool udp;
    uint32_t host_address; /* 0: all of the host's */
    uint16_t host_port;
    uint32_t guest_address; /* 0: the machine's own, 10.0.2.15 */
    uint16_t guest_port;
};

struct host_net_config {
    enum host_net_kind kind;
    const char *tap;  /* name of the interface */
    bool plain;       /* of a tap: neither checksums nor segments are left to
                        others */
    bool large;       /* of a tap: several segments may come as one frame */
    const char *link; /* name of the wire, shorter than HOST_LINK_NAME_MAX */
    struct host_line_config line; /* of a link: for what this card sends */
    uint16_t mtu;                 /* of a link; 0: HOST_MTU */
    const char *path, *peer; /* names of a wire's ends: this, the other one; at
                                most HOST_PATH_MAX letters */
    uint32_t vsock_cid;      /* of a wire: it is a socket device; 0: a card */
    uint8_t mac[6];          /* all 0: 52:54:00:12:34:56 plus the unit */
    unsigned forward_count;
    struct host_forward forward[HOST_FORWARD_MAX];
};

/* A file of the frames of all cards. */
struct host_capture_config {
    const char *path; /* NULL: none */
    uint32_t snap;    /* bytes of a frame that are written at most; 0: all */
};

/*
 * All fields zero describe a machine of one CPU with HOST_MEM_DEFAULT bytes and
 * no devices. Nothing a config points to is used after host_machine_prepare().
 */
struct host_config {
    unsigned cpus;       /* 0: 1 */
    size_t mem_bytes;    /* of each CPU; 0: HOST_MEM_DEFAULT */
    unsigned nodes;      /* NUMA nodes, at most HOST_NODE_MAX; 0: 1 */
    const char *cmdline; /* NULL: "" */
    unsigned disk_count; /* at most HOST_DISK_MAX */
    const struct host_disk_config *disks;
    unsigned net_count; /* at most HOST_NET_MAX */
    const struct host_net_config *nets;
    struct host_capture_config capture;
    unsigned module_count;      /* at most HOST_MODULE_MAX */
    const char *const *modules; /* paths */
    bool quiet;                 /* hal_console_write() prints nothing */
    bool fill; /* memory holds HOST_FILL_BYTE at first, up to HOST_FILL_MAX */

    /* > 0: the memory is this open file from memory_offset on (a multiple of
     * the page size), shared with everybody who has mapped it; the offset is
     * its bus address as well. 0: memory of the process's own. */
    int memory_file;
    uint64_t memory_offset;

    /* Without a file: the bus address of the memory, a multiple of the page
     * size; 0: DMA_BUS_BASE. For models of devices that know 32 bits. */
    uint64_t memory_bus;
};

#endif
