/* The drivers an application may name in its torc_app.drivers. */
#ifndef TORC_DRIVERS_H
#define TORC_DRIVERS_H

struct driver;

extern const struct driver virtio_blk_driver; /* PCI and MMIO: vda, vdb .. */
extern const struct driver virtio_net_driver; /* PCI and MMIO: net0 .. */
extern const struct driver virtio_rng_driver; /* PCI and MMIO: no name */
extern const struct driver virtio_fs_driver;  /* PCI and MMIO: by their tags */
extern const struct driver virtio_balloon_driver; /* PCI and MMIO: no name */
extern const struct driver ne2000_driver;         /* PCI: net0 .. */
extern const struct driver e1000_driver;          /* Intel gigabit: net0 .. */
extern const struct driver ide_driver;            /* PCI: hda, hdb .. */
extern const struct driver leaf_blk_driver;       /* hosted files: vda .. */
extern const struct driver leaf_net_driver;   /* hosted tap, slirp: net0 .. */
extern const struct driver leaf_vsock_driver; /* hosted wire: vsock */
extern const struct driver leaf_tty_driver;   /* hosted terminal: the console */
extern const struct driver uart_driver;       /* serial port: the console */
extern const struct driver
    virtio_console_driver;                      /* PCI and MMIO: the console */
extern const struct driver virtio_vsock_driver; /* <torc/vsock.h> */
extern const struct driver ps2_driver;          /* PC keyboard: the console */
extern const struct driver vga_text_driver;     /* PC screen: the console */
extern const struct driver framebuffer_driver;  /* its pixels: the console */
extern const struct driver env_driver;          /* settings: <torc/env.h> */
extern const struct driver dump_driver;         /* no device: dump=console */
extern const struct driver asleep_driver;       /* no device: watchdog= looks
                                                 * at CPUs that sleep, too */
extern const struct driver ramdisk_driver;      /* boot modules: rda, rdb .. */

/* No device: gdb=. Behind dump_driver or dump_disk_driver: a debugger that is
 * attached takes a panic over when its turn comes, and ends its report. */
extern const struct driver gdb_driver;

/*
 * In place of dump_driver: dump=DISK, too. Behind the drivers of the disks, and
 * with those of them that can write when nothing else works any more.
 */
extern const struct driver dump_disk_driver;
extern const struct driver virtio_blk_dump_driver;
extern const struct driver ide_dump_driver;
extern const struct driver leaf_blk_dump_driver;

/*
 * What the drivers of virtio can. An image has all of it, of
 * drivers/virtio_parts.c, but where the application has a virtio_parts of its
 * own, with less. A device that needs another part is left out.
 */
struct virtio_part;
extern const struct virtio_part virtio_pci_part;    /* VIRTIO 1.x on PCI */
extern const struct virtio_part virtio_legacy_part; /* behind it: what was
                                                     * there before 1.0 */
extern const struct virtio_part virtio_mmio_part;   /* the other bus */
extern const struct virtio_part virtio_packed_part; /* rings of that format, as
                                                     * fast as the others */
extern const struct virtio_part *const virtio_parts[]; /* NULL-terminated */

/* In place of a bus: if there are devices on it the log says so. */
extern const struct virtio_part virtio_mmio_left_out;
extern const struct virtio_part virtio_pci_left_out;

/*
 * How the partitions of a disk are found; the image has a way
 * (kernel/device/partitions.c), but where the application has one of its own:
 * NULL, if disks are used whole.
 */
struct block_device;
extern int (*const disk_partitions)(struct block_device *disk);

#endif
