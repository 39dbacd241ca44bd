/*
 * What ATA drives understand, and what they say of themselves: ATA/ATAPI-6
 * (T13/1410D), and for sectors that are longer than 512 bytes ATA/ATAPI-7.
 * Nothing here touches a register.
 */
#ifndef TORC_DRIVERS_ATA_H
#define TORC_DRIVERS_ATA_H

#include <stdbool.h>
#include <stdint.h>
#include <torc/compiler.h>

/* Registers of the command block, and the one of the control block. */
enum {
    ATA_DATA = 0,
    ATA_ERROR = 1, /* read */
    ATA_FEATURES = 1,
    ATA_COUNT = 2,
    ATA_LOW = 3, /* of the address of a sector */
    ATA_MID = 4,
    ATA_HIGH = 5,
    ATA_DEVICE = 6,
    ATA_STATUS = 7, /* read: the interrupt is answered */
    ATA_COMMAND = 7,
};

/* Status. */
enum {
    ATA_ERR = 1,
    ATA_DRQ = 1 << 3,
    ATA_DF = 1 << 5,
    ATA_DRDY = 1 << 6,
    ATA_BSY = 1 << 7,
};

/* Error. */
enum {
    ATA_ABRT = 1 << 2,
    ATA_IDNF = 1 << 4,
    ATA_UNC = 1 << 6,
    ATA_ICRC = 1 << 7,
    ATA_PASSED = 1, /* after a reset, of the whole register */
};

/* Device. Device control. */
enum {
    ATA_DEVICE_OLD = 0xa0, /* set in the days of ATA-4 */
    ATA_DEVICE_LBA = 1 << 6,
    ATA_DEVICE_DEV = 1 << 4,
    ATA_CONTROL_NIEN = 1 << 1,
    ATA_CONTROL_SRST = 1 << 2,
    ATA_CONTROL_HOB = 1 << 7,
};

enum {
    ATA_READ_SECTORS = 0x20,
    ATA_READ_SECTORS_EXT = 0x24,
    ATA_READ_DMA_EXT = 0x25,
    ATA_READ_MULTIPLE_EXT = 0x29,
    ATA_WRITE_SECTORS = 0x30,
    ATA_WRITE_SECTORS_EXT = 0x34,
    ATA_WRITE_DMA_EXT = 0x35,
    ATA_WRITE_MULTIPLE_EXT = 0x39,
    ATA_WRITE_DMA_FUA_EXT = 0x3d,
    ATA_IDENTIFY_PACKET = 0xa1,
    ATA_READ_MULTIPLE = 0xc4,
    ATA_WRITE_MULTIPLE = 0xc5,
    ATA_SET_MULTIPLE = 0xc6,
    ATA_READ_DMA = 0xc8,
    ATA_WRITE_DMA = 0xca,
    ATA_FLUSH = 0xe7,
    ATA_FLUSH_EXT = 0xea,
    ATA_IDENTIFY = 0xec,
    ATA_SET_FEATURES = 0xef,
};

/* Subcommands of SET FEATURES, in the features register. */
enum {
    ATA_FEATURE_CACHE_ON = 0x02,
    ATA_FEATURE_MODE = 0x03, /* the transfer mode in the count register */
    ATA_FEATURE_CACHE_OFF = 0x82,
};

enum {
    ATA_IDENTITY_SIZE = 512,
    ATA_COUNT_28 = 256,   /* sectors of a command without EXT */
    ATA_COUNT_48 = 65536, /* with EXT */
    ATA_MODE_MULTIWORD = 0x20,
    ATA_MODE_ULTRA = 0x40,
};
/* That 28 bits reach: [ATA] 6.2, words 60 and 61. Not the one after them. */
#define ATA_SECTORS_28 UINT64_C(0x0fffffff)
#define ATA_SECTORS_48 (UINT64_C(1) << 48)

/* What a drive says of itself. */
struct ata_identity {
    uint64_t sectors;     /* logical ones, 1 .. ATA_SECTORS_48 */
    uint32_t sector_size; /* 512, 1024, 2048 or 4096 bytes */
    bool lba48;
    bool dma;
    bool fua; /* WRITE DMA FUA EXT and WRITE MULTIPLE FUA EXT */
    bool cache;
    bool flush;
    bool flush_ext;
    bool data32;          /* the data register takes 32 bits */
    uint8_t multiple_max; /* sectors of a READ MULTIPLE block; 0: has none */
    uint8_t dma_mode;     /* that is set, as in SET FEATURES 03h; 0: none */
    char model[41];       /* printable, without blanks at the end */
    char serial[21];
};

/*
 * Take apart the 512 bytes of IDENTIFY DEVICE. Returns 0, -EIO (the checksum is
 * wrong), -ENOTSUP (no ATA drive, or one without LBA, or with sectors of a size
 * that nobody knows), -EINVAL (no sectors); *out is written on success only.
 * Spec: ATA/ATAPI-6, 8.15; words 106 and 117: ATA/ATAPI-7, 6.16.
 */
must_check int ata_identity_parse(const uint8_t data[ATA_IDENTITY_SIZE],
                                  struct ata_identity *out);

#endif
