/*
 * The device's side of IDE, for tests: a controller with two channels and up to
 * four ATA or ATAPI drives. A strict and asynchronous referee, written from
 *
 *   [ATA]   ATA/ATAPI-6 (T13/1410D) and, for sectors of 4096 bytes, ATA/ATAPI-7
 *   [BM]    Programming Interface for Bus Master IDE Controller, revision 1.0
 *   [PCI]   PCI IDE Controller Specification, revision 1.0
 *   [PIIX]  Intel 82371AB data sheet: what the others leave open
 *
 * and not from a driver. A breach of the protocol fails the test with a
 * sentence. Nothing happens by itself: a command is only accepted, the test
 * steps the model.
 *
 * What the bus master was started with, table and memory, the driver must leave
 * alone until the drive has ended the command or the bus master is stopped: the
 * model compares it with what it was.
 *
 * The bus master knows 32 bits of address. A machine whose memory it reaches is
 * made by machine_attach_config() with host_config.memory_bus = 1 << 30, say.
 *
 * Times: [ATA] wants 400 ns between a write of the command or device register
 * and the first read of the status, 5 us of SRST and 2 ms after it. They pass
 * by hal_time_ns(), and each read of a status register takes 100 ns. Until then
 * a status register shows what it was before.
 */
#ifndef TORC_TESTS_MODELS_IDE_MODEL_H
#define TORC_TESTS_MODELS_IDE_MODEL_H

#include "tests/models/breach.h"
#include "tests/models/fault.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    IDE_MODEL_BLOCK_MAX = 128 * 512, /* bytes between two DRQ */
    IDE_MODEL_REGIONS = 8192,        /* entries of a PRD table */
    IDE_MODEL_DMA_STEP = 16,         /* sectors that one step transfers */
};

enum ide_model_kind { IDE_ABSENT, IDE_ATA, IDE_ATAPI };

enum ide_model_phase {
    IDE_IDLE,
    IDE_BUSY,     /* the next step goes on with the command */
    IDE_DATA_IN,  /* DRQ: the host reads the data register */
    IDE_DATA_OUT, /* DRQ: the host writes it */
    IDE_DMA,      /* the bus master, once started, transfers */
    IDE_HUNG,     /* until a reset */
    IDE_RESET,    /* SRST, or the work behind it */
};

struct ide_model_drive {
    /* What it is. Set before ide_model_add(). */
    enum ide_model_kind kind;
    uint64_t sectors;     /* logical ones */
    uint32_t sector_size; /* 512 or 4096; 0: 512 */
    uint8_t *data;        /* sectors data_first .. data_first + data_count - 1;
                             the others read as zero, and forget */
    uint64_t data_first;
    uint64_t data_count; /* 0: all of them */
    bool lba48;
    bool fua; /* WRITE DMA FUA EXT and its like */
    bool no_dma;
    bool no_udma;
    bool no_modes; /* the firmware has set no transfer mode */
    bool no_cache;
    bool no_flush;
    unsigned multiple_max; /* sectors of a READ MULTIPLE block; 0: none */
    bool slow_ready;       /* DRDY comes a step later than BSY goes */
    bool dma_drq; /* while it transfers by DMA it has DRQ instead of BSY: [ATA]
                     9.7 allows both */
    /* May change what IDENTIFY says before the checksum is made. */
    void (*identify)(struct ide_model_drive *drive, uint16_t word[256]);
    bool bad_checksum;
    uint64_t bad_read, bad_write; /* a sector that cannot be; 0: none */

    /* How it fails when it does: FAULT_FAIL, FAULT_LATE. May change. */
    uint8_t fail_error;  /* error register; 0: as usual for the command */
    bool fail_df;        /* the bit DF instead of ERR */
    unsigned late_steps; /* 0: 50 */

    /* What it has seen. */
    unsigned commands[256]; /* by code */
    unsigned aborts;        /* of them refused */
    unsigned power_ons;     /* FAULT_RESET */
    uint64_t unflushed;     /* sectors written and only in its cache */
    uint64_t strays;        /* sectors written outside of `data` */

    /* Its registers; [1] is what [0] was before: [ATA] 48-bit Address, HOB. */
    uint8_t features[2], count[2], low[2], mid[2], high[2];
    uint8_t device; /* without DEV */
    uint8_t status; /* while it is idle */
    uint8_t error;
    bool pending; /* it wants to interrupt */

    /* What it does. */
    struct ide_model_channel *channel;
    enum ide_model_phase phase;
    uint8_t command;
    enum model_fault fault; /* that the command meets, if it has not yet */
    unsigned delay;         /* steps until it goes on */
    bool again;             /* FAULT_TWICE */
    bool broken;            /* its diagnostic failed: it refuses all */
    bool is_write, is_ext, is_fua, is_dma;
    uint64_t lba;
    uint32_t total;   /* sectors that the command transfers */
    uint32_t done;    /* of them, transferred */
    uint32_t stop_at; /* where the fault strikes */
    uint32_t block;   /* sectors of a block, at most */
    uint32_t block_sectors, block_size, block_at; /* the current one */
    bool has_block; /* received from the host, not yet stored */
    uint8_t buffer[IDE_MODEL_BLOCK_MAX];

    /* What the host has set. */
    unsigned multiple; /* 0: not enabled */
    bool cache_on;
    uint8_t pio_mode; /* as in SET FEATURES, 0: none */
    uint8_t dma_mode;
    unsigned heads, track_sectors;
};

struct ide_model_region {
    uint64_t bus;
    uint32_t size;
    uint64_t sum;
};

struct ide_model_channel {
    struct ide_model *model;
    struct ide_model_drive drive[2];
    unsigned selected;
    bool is_checked; /* since it was selected its status was seen idle */
    uint8_t control;
    uint64_t reset_ns; /* SRST was set, or went, then */
    bool after_reset;  /* less than 2 ms ago */

    /* INTRQ. */
    bool line;
    bool lose; /* the next edge does not arrive */
    bool lost; /* the current one did not */
    unsigned interrupts;
    unsigned line_raises;

    /* The status register before the last 400 ns. */
    bool is_stale;
    uint8_t stale_status;
    unsigned stale_reads, stale_ns;
    uint64_t stale_since;
    unsigned busy_reads;

    /* Bus master. */
    uint8_t bm_command, bm_status;
    uint32_t bm_table;
    bool bm_has_table;
    bool bm_wanted;  /* a DMA command was given, and it was not started yet */
    bool bm_running; /* and the table is not at its end */
    bool bm_cleared; /* the interrupt bit, since it was started last */
    unsigned bm_starts;
    unsigned bm_aborts;   /* stopped before the drive was done */
    uint64_t table_bytes; /* that the entries describe */
    uint32_t table_size;
    uint64_t table_sum;
    unsigned region_count; /* 0: the device holds no memory */
    unsigned region_at;
    uint32_t region_offset;
    struct ide_model_region region[IDE_MODEL_REGIONS];
};

struct ide_model {
    /* What it is. Set before ide_model_add(). */
    uint8_t prog_if; /* [PCI]: bit 0 and 2 native mode, 1 and 3 may be
                        changed, 7 bus master. PIIX: 0x80 */
    uint16_t vendor_id, device_id; /* 0: PIIX3, 8086:7010 */
    bool no_line;                  /* no PCI interrupt (native mode) */
    bool bars_unset;               /* the firmware gave no addresses */
    bool no_data32;                /* the data register takes 16 bits only */
    bool bm_stuck;    /* may change: the bus master does not stop */
    bool simplex;     /* one channel at a time: [BM] status, bit 7 */
    bool other_bar4;  /* without a bus master: BAR 4 is there for something
                         else */
    uint8_t floating; /* what nobody drives; 0: 0x7f */

    /* May change. */
    struct fault_plan *faults;
    unsigned
        patience; /* a step by itself at each so many reads of BSY; 0: none */
    /* Called when there is work for ide_model_step(); NULL: nobody. */
    void (*work)(struct ide_model *model, unsigned channel);

    struct ide_model_channel channel[2];

    /* Configuration space. */
    uint8_t config[256];
    uint32_t bar_base[5];
    unsigned steps;
};

/*
 * Put the model, all of whose state is zero but what it is, into the machine:
 * PCI function 00:07.0, and the ports. One at a time; sim_reset() takes it out.
 */
void ide_model_add(struct ide_model *model);

/* Its interrupt: of a channel in compatibility mode, and in native mode. */
enum { IDE_MODEL_IRQ = 14, IDE_MODEL_LINE = 10 };

/* Do one unit of work, of the channels in turn or of one. Returns false when
 * there was none. */
bool ide_model_step(struct ide_model *model);
bool ide_model_step_channel(struct ide_model *model, unsigned channel);

/* Fails unless nothing is under way: no command, no memory held. */
void ide_model_check_idle(const struct ide_model *model);

#endif
