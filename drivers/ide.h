/*
 * What the files of the IDE driver share.
 *
 *   ide.c          finds controllers and drives, and is their block driver
 *   ide_channel.c  the registers of a channel; commands that are waited for
 *   ide_command.c  commands of requests: one at a time on a channel
 *   ide_dma.c      the bus master
 *
 * A channel belongs to the CPU that its first drive is dedicated to, and so
 * does its other drive. Its two drives take turns.
 *
 * Specifications: [ATA] ATA/ATAPI-6 (T13/1410D); [BM] Programming Interface for
 * Bus Master IDE Controller 1.0; [PCI] PCI IDE Controller Specification 1.0.
 */
#ifndef TORC_DRIVERS_IDE_H
#define TORC_DRIVERS_IDE_H

#include "drivers/ata.h"
#include "hal/hal.h"
#include "kernel/device/block_driver.h"
#include "kernel/thread/timer.h"

enum {
    IDE_SECTORS_MAX = 256,  /* of 512 bytes, in one command: 128 KiB */
    IDE_SEGMENTS_MAX = 256, /* pieces of memory, in one command */
    IDE_DRIVES = 2,         /* of a channel */
    IDE_NOBODY = IDE_DRIVES,
};

/* What the command of a channel waits for. */
enum ide_phase {
    IDE_IDLE,
    IDE_READY,     /* the drive to be ready for the command */
    IDE_DATA_IN,   /* DRQ, or the end */
    IDE_FIRST_OUT, /* DRQ for the first block, which does not interrupt */
    IDE_DATA_OUT,  /* DRQ for the next block, or the end */
    IDE_NO_DATA,   /* the end */
    IDE_DMA,       /* the bus master */
    IDE_BROKEN,    /* recovery: nothing else ends this command */
};

struct ide_channel;

struct ide_drive {
    /* constant once it is registered: */
    struct block_device block;
    struct ide_channel *channel;
    unsigned number; /* 0 or 1 */
    struct ata_identity id;

    /* owner CPU only: */
    bool uses_dma;
    bool is_started;
    bool cache_lost;       /* it was reset by itself; no flush has told */
    bool is_flushing;      /* a write with FUA: the flush behind it */
    uint8_t multiple;      /* sectors between two DRQ; 0: one */
    unsigned dma_failures; /* in a row */
    unsigned refusals;     /* in a row */
    struct block_request *request; /* NULL: none */
};

struct ide_channel {
    /* constant after the probe: */
    char where[32]; /* for the log: "pci 00:01.1 channel 0" */
    struct hal_io command, control, master;
    bool has_master;
    int irq;        /* 0: none, the channel is polled */
    uint8_t *table; /* the bus master's; NULL: none of the drives uses it */
    uint8_t *bounce;
    uint32_t table_bus, bounce_bus;
    struct ide_drive *drives[IDE_DRIVES]; /* NULL: none */
    int cpu; /* once a drive was dedicated; -1 before */

    /* this CPU only: */
    bool is_attached;   /* the interrupt */
    bool is_claimed;    /* by a thread, for commands that it waits for */
    unsigned claimants; /* threads that wait for that */
    unsigned selected;  /* drive, or IDE_NOBODY: not known */
    unsigned last;      /* drive whose turn it was */
    struct ide_drive *active;
    enum ide_phase phase;
    struct timer timer; /* always set: to look again, or to the end of time */

    /* of the active drive's command: */
    bool is_write, is_ext, is_dma, is_bounced;
    uint32_t left;  /* bytes to be moved by PIO */
    uint32_t block; /* bytes between two DRQ */
    struct block_cursor cursor;
    bool has_carry; /* the other half of a word that two pieces share */
    uint8_t carry;

    /* this CPU with interrupts off: */
    bool has_event; /* the bus master has told of its end */
};

/* ---- ide_channel.c: thread, but for the first group ---------------------- */

/* The status, without answering the interrupt. Any context. */
uint8_t ide_status(const struct ide_channel *channel);

/* Let 400 ns pass, after which the status is that of a command or of the drive
 * just selected: [ATA] chapter 9. */
void ide_settle(const struct ide_channel *channel);

/* Whether a drive may be selected: the one that is lets go. Any context. */
bool ide_is_idle(const struct ide_channel *channel);

/* Select a drive, while the channel is idle; it is settled then. */
void ide_select(struct ide_channel *channel, unsigned number);

/* Parameters of a command, and the command. */
struct ide_taskfile {
    uint8_t command;
    uint8_t features;
    uint16_t count;
    uint64_t lba; /* 28 or 48 bits */
    bool is_ext;
};

/* Write them to the drive that is selected, which is ready for them. */
void ide_issue(struct ide_channel *channel, const struct ide_taskfile *file);

/* Move `len` bytes (even) between memory and the data register. */
void ide_data_in(const struct ide_channel *channel, bool by_32, uint8_t *at,
                 uint32_t len);
void ide_data_out(const struct ide_channel *channel, bool by_32,
                  const uint8_t *at, uint32_t len);

/* The sector a failed command names. */
uint64_t ide_failed_lba(struct ide_channel *channel, bool is_ext);

/* Whether the registers are those of a reset: the drive has forgotten. */
bool ide_was_reset(const struct ide_channel *channel);

/* Let drives interrupt, or not. */
void ide_interrupts(const struct ide_channel *channel, bool on);

/*
 * Reset both drives (SRST), and wait until those that are known are not busy
 * any more. Interrupts are off afterwards. Returns 0, -ETIMEDOUT.
 */
must_check int ide_reset(struct ide_channel *channel, uint64_t timeout_ns);

/* Whether nobody is on the channel: so no time is lost with a reset. */
must_check bool ide_is_empty(struct ide_channel *channel);

/*
 * What a drive says after a reset. Commands to the other drive spoil it: so
 * look at both first. Returns 0, -ENODEV (there is none), -ETIMEDOUT (it stays
 * busy).
 */
must_check int ide_look(struct ide_channel *channel, unsigned number,
                        uint64_t timeout_ns, uint16_t *signature);

/* Whether that is an ATA drive: 0, -ENODEV (after all there is none), -ENOTSUP
 * (another kind), -ETIMEDOUT. */
must_check int ide_detect(struct ide_channel *channel, unsigned number,
                          uint16_t signature);

/* IDENTIFY DEVICE. Returns 0, -ETIMEDOUT, -EIO, or as ata_identity_parse(). */
must_check int ide_identify(struct ide_channel *channel, unsigned number,
                            struct ata_identity *id);

/*
 * Make a drive what the driver expects, after a reset: its transfer mode,
 * READ MULTIPLE, its cache. Returns 0, -ETIMEDOUT, -EIO, -ENODEV (it is another
 * drive).
 */
must_check int ide_setup(struct ide_drive *drive);

/*
 * Have the channel for commands that this thread waits for: when no request is
 * under way, or, with `at_once`, whatever is.
 */
void ide_claim(struct ide_channel *channel, bool at_once);
void ide_release(struct ide_channel *channel);

/* ---- ide_command.c ------------------------------------------------------- */

/* Start the next request, if there is one and the channel is free. */
void ide_next(struct ide_channel *channel);

/* Look how far the command is. Thread or irq work. */
void ide_advance(struct ide_channel *channel);

/* The timer of a channel. */
void ide_timer_run(struct timer *timer);

/* Take the active command off the channel; its drive keeps the request. */
void ide_forget(struct ide_channel *channel);

/* A DMA command has failed for a reason that is not the medium's: after some of
 * them in a row the drive is used by PIO. */
void ide_dma_failed(struct ide_drive *drive);

/* ---- ide_dma.c ----------------------------------------------------------- */

/* Give the channel its table and bounce buffer. Returns whether it has a bus
 * master now: not when there is no memory that it reaches. CPU 0, at boot. */
bool ide_dma_prepare(struct ide_channel *channel);

/* Describe a request to the bus master, before the command... */
void ide_dma_begin(struct ide_channel *channel,
                   const struct block_request *first);

/* ... and let it go, after the command. */
void ide_dma_go(struct ide_channel *channel);

/* What the bus master says: bits of its status register, [BM] 2.1. */
enum {
    IDE_MASTER_ACTIVE = 1,
    IDE_MASTER_ERROR = 1 << 1,
    IDE_MASTER_INTERRUPT = 1 << 2,
    IDE_MASTER_SIMPLEX = 1 << 7,
};
uint8_t ide_dma_status(const struct ide_channel *channel);

/* Clear these of its interrupt and error bits. Any context. */
void ide_dma_clear(const struct ide_channel *channel, uint8_t bits);

/* Stop it; whether it has stopped, and so reaches memory no more. */
must_check bool ide_dma_stop(const struct ide_channel *channel);

/* A read is done: what was bounced gets to where it belongs. */
void ide_dma_end(struct ide_channel *channel,
                 const struct block_request *first);

#endif
