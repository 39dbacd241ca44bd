/*
 * What is on a FAT volume: offsets and values. Microsoft Extensible Firmware
 * Initiative FAT32 File System Specification (fatgen103), version 1.03.
 */
#ifndef TORC_FS_FAT_FORMAT_H
#define TORC_FS_FAT_FORMAT_H

/* ---- The boot sector ----------------------------------------------------- */

enum {
    BOOT_JUMP = 0, /* to where code begins */
    BOOT_OEM = 3,  /* 8 bytes */
    BOOT_SECTOR_BYTES = 11,
    BOOT_CLUSTER_SECTORS = 13,
    BOOT_RESERVED = 14,
    BOOT_FAT_COUNT = 16,
    BOOT_ROOT_ENTRIES = 17,
    BOOT_SECTORS_16 = 19,
    BOOT_MEDIA = 21,
    BOOT_FAT_SECTORS_16 = 22,
    BOOT_TRACK_SECTORS = 24,
    BOOT_HEADS = 26,
    BOOT_HIDDEN = 28, /* sectors of the disk before the volume */
    BOOT_SECTORS_32 = 32,
    BOOT_DRIVE_16 = 36,
    BOOT_STATE_16 = 37, /* FAT12 and FAT16: BOOT_STATE_DIRTY */
    BOOT_EXTENDED_16 = 38,
    BOOT_SERIAL_16 = 39,
    BOOT_LABEL_16 = 43,
    BOOT_TYPE_16 = 54, /* 8 bytes of text */
    BOOT_CODE_16 = 62,
    BOOT_FAT_SECTORS_32 = 36,
    BOOT_FAT_FLAGS = 40,
    BOOT_VERSION = 42,
    BOOT_ROOT_CLUSTER = 44,
    BOOT_FSINFO = 48,
    BOOT_BACKUP = 50,
    BOOT_DRIVE_32 = 64,
    BOOT_STATE_32 = 65,
    BOOT_EXTENDED_32 = 66,
    BOOT_SERIAL_32 = 67,
    BOOT_LABEL_32 = 71,
    BOOT_TYPE_32 = 82,
    BOOT_CODE_32 = 90,
    BOOT_SIGNATURE = 510,
    BOOT_BYTES = 512,

    BOOT_SIGNATURE_VALUE = 0xaa55,
    BOOT_EXTENDED_VALUE = 0x29, /* a label follows */
    BOOT_STATE_DIRTY = 1,
    BOOT_FAT_ACTIVE = 0x0f,      /* of BOOT_FAT_FLAGS: which FAT is used, */
    BOOT_FAT_NO_MIRROR = 0x80,   /* if only one is */
    BOOT_BACKUP_USUAL = 6,       /* the sector with the backup */
    BOOT_MEDIA_REMOVABLE = 0xf0, /* or 0xf8 .. 0xff */
    BOOT_MEDIA_MIN = 0xf8,

    FAT12_CLUSTERS_MAX = 4084, /* more clusters: FAT16 */
    FAT16_CLUSTERS_MAX = 65524,
    FAT32_CLUSTERS_MAX = 0x0ffffff5,
};

/* ---- FSInfo -------------------------------------------------------------- */

enum {
    FSINFO_LEAD = 0,
    FSINFO_STRUCT = 484,
    FSINFO_FREE = 488,
    FSINFO_NEXT = 492,
    FSINFO_TRAIL = 508,
    FSINFO_BYTES = 512,
};

#define FSINFO_LEAD_VALUE   UINT32_C(0x41615252)
#define FSINFO_STRUCT_VALUE UINT32_C(0x61417272)
#define FSINFO_TRAIL_VALUE  UINT32_C(0xaa550000)
#define FSINFO_UNKNOWN      UINT32_C(0xffffffff)

/* ---- Entries of the FAT -------------------------------------------------- */

enum {
    FAT_FREE = 0,
    FAT_FIRST = 2, /* the first cluster */

    /* Of entry 1: the volume was unmounted. */
    FAT16_CLEAN = 0x8000,
    FAT32_CLEAN = 0x08000000,
};

/* ---- Directory entries --------------------------------------------------- */

enum {
    SLOT_BYTES = 32,
    SLOT_SHIFT = 5,
    SLOTS_MAX = 65536, /* of a directory */

    SLOT_NAME = 0,
    SLOT_NAME_BYTES = 11,
    SLOT_BASE_BYTES = 8, /* of the name; the rest is the extension */
    SLOT_ATTR = 11,
    SLOT_CASE = 12,
    SLOT_BIRTH_10MS = 13,
    SLOT_BIRTH_TIME = 14,
    SLOT_BIRTH_DATE = 16,
    SLOT_ACCESS_DATE = 18,
    SLOT_START_HIGH = 20,
    SLOT_WRITE_TIME = 22,
    SLOT_WRITE_DATE = 24,
    SLOT_START = 26,
    SLOT_SIZE = 28,

    /* The first byte of a name: */
    SLOT_END = 0x00, /* no entry from here on */
    SLOT_DELETED = 0xe5,
    SLOT_KANJI_E5 = 0x05, /* it is 0xe5 */

    ATTR_BIT_READ_ONLY = 0x01,
    ATTR_BIT_HIDDEN = 0x02,
    ATTR_BIT_SYSTEM = 0x04,
    ATTR_BIT_VOLUME = 0x08,
    ATTR_BIT_DIRECTORY = 0x10,
    ATTR_BIT_ARCHIVE = 0x20,
    ATTR_LONG = 0x0f, /* a part of a long name, */
    ATTR_LONG_MASK = 0x3f,

    CASE_LOWER_BASE = 0x08,
    CASE_LOWER_EXT = 0x10,

    /* A part of a long name: */
    LONG_ORDER = 0,
    LONG_CHECKSUM = 13,
    LONG_PART = 13,      /* UTF-16 units of a part */
    LONG_PARTS_MAX = 20, /* which have room for 260 */
    LONG_MAX = 255,      /* units of a name */
    LONG_LAST = 0x40,    /* of LONG_ORDER: the last part, which comes first */
    LONG_ORDER_MASK = 0x1f,
};

#endif
