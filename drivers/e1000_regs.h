/*
 * Registers and descriptors of two families of Intel gigabit cards:
 *
 *   SDM        "PCI/PCI-X Family of Gigabit Ethernet Controllers Software
 *              Developer's Manual", 317453: 82540EM and its kin
 *   datasheet  "82574 GbE Controller Family Datasheet", 317694
 *
 * Only what the driver uses. Bits stand below their register.
 */
#ifndef TORC_DRIVERS_E1000_REGS_H
#define TORC_DRIVERS_E1000_REGS_H

#include <stdint.h>
#include <torc/assert.h>

/* clang-format off */
enum e1000_register {
    /* General: SDM 13.4.1 ff. */
    E1000_CTRL     = 0x0000,
    E1000_STATUS   = 0x0008,
    E1000_EERD     = 0x0014, /* a word of the EEPROM */
    E1000_CTRL_EXT = 0x0018,
    E1000_FCAL     = 0x0028, /* pause frames: address, */
    E1000_FCAH     = 0x002c,
    E1000_FCT      = 0x0030, /* type, */
    E1000_FCTTV    = 0x0170, /* and how long a pause is */

    /* Interrupts: SDM 13.4.17 ff.; datasheet 10.2.4. */
    E1000_ICR      = 0x00c0, /* causes; reading or writing 1 clears */
    E1000_ITR      = 0x00c4, /* least time between two, 256 ns; 0: none */
    E1000_IMS      = 0x00d0, /* allows causes */
    E1000_IMC      = 0x00d8, /* forbids them */
    E1000_IVAR     = 0x00e4, /* 82574: which vector a cause has */
    E1000_EITR0    = 0x00e8, /* 82574: ITR of vector 0 */

    /* Receiving: SDM 13.4.22 ff. */
    E1000_RCTL     = 0x0100,
    E1000_RDBAL    = 0x2800, /* the ring: address, */
    E1000_RDBAH    = 0x2804,
    E1000_RDLEN    = 0x2808, /* bytes, a multiple of 128, */
    E1000_RDH      = 0x2810, /* first descriptor of the card, */
    E1000_RDT      = 0x2818, /* and the one behind its last */
    E1000_RDTR     = 0x2820, /* delay of interrupts */
    E1000_RADV     = 0x282c,
    E1000_RXCSUM   = 0x5000,
    E1000_MTA      = 0x5200, /* 4096 bits: groups, by a hash of the address */
    E1000_RAL      = 0x5400, /* own addresses: 16 pairs */
    E1000_RAH      = 0x5404,

    /* Sending: SDM 13.4.33 ff. */
    E1000_TCTL     = 0x0400,
    E1000_TIPG     = 0x0410, /* gaps between frames */
    E1000_TDBAL    = 0x3800,
    E1000_TDBAH    = 0x3804,
    E1000_TDLEN    = 0x3808,
    E1000_TDH      = 0x3810,
    E1000_TDT      = 0x3818,
    E1000_TIDV     = 0x3820,
    E1000_TXDCTL   = 0x3828,
    E1000_TADV     = 0x382c,

    /* Statistics: SDM 13.7; reading clears. */
    E1000_MPC      = 0x4010, /* frames lost for want of descriptors */
};

enum {
    E1000_BAR_SIZE = 0x20000,
    E1000_MTA_COUNT = 128,
    E1000_RA_COUNT = 16,
};

/* CTRL. */
#define E1000_CTRL_MASTER_OFF UINT32_C(0x00000004) /* 82574 */
#define E1000_CTRL_ASDE       UINT32_C(0x00000020) /* speed: not the PHY's */
#define E1000_CTRL_SLU        UINT32_C(0x00000040) /* the link may come up */
#define E1000_CTRL_ILOS       UINT32_C(0x00000080) /* loss of signal inverted */
#define E1000_CTRL_FRCSPD     UINT32_C(0x00000800)
#define E1000_CTRL_FRCDPX     UINT32_C(0x00001000)
#define E1000_CTRL_RST        UINT32_C(0x04000000)
#define E1000_CTRL_RFCE       UINT32_C(0x08000000) /* obey pause frames */
#define E1000_CTRL_TFCE       UINT32_C(0x10000000) /* send them */
#define E1000_CTRL_VME        UINT32_C(0x40000000) /* VLAN tags */

/* STATUS. */
#define E1000_STATUS_LU     UINT32_C(0x00000002)
#define E1000_STATUS_MASTER UINT32_C(0x00080000) /* 82574: may access memory */

/* EERD has two layouts: SDM 13.4.4. */
#define E1000_EERD_START      UINT32_C(0x00000001)
#define E1000_EERD_DONE       UINT32_C(0x00000010)
#define E1000_EERD_DONE_82574 UINT32_C(0x00000002)
enum {
    E1000_EERD_SHIFT = 8,
    E1000_EERD_SHIFT_82574 = 2,
    E1000_EERD_DATA_SHIFT = 16,
    E1000_EEPROM_WORDS = 64,    /* that have a checksum */
    E1000_EEPROM_SUM = 0xbaba,  /* of all of them */
};

/* CTRL_EXT of the 82574: a message clears its pending bit. */
#define E1000_EXT_PBA UINT32_C(0x80000000)

/* ICR, IMS, IMC. */
#define E1000_TXDW   UINT32_C(0x00000001) /* a descriptor is done */
#define E1000_LSC    UINT32_C(0x00000004) /* the link has changed */
#define E1000_RXDMT0 UINT32_C(0x00000010) /* few descriptors are left */
#define E1000_RXO    UINT32_C(0x00000040) /* none was left */
#define E1000_RXT0   UINT32_C(0x00000080) /* a frame is there */
#define E1000_RXQ0   UINT32_C(0x00100000) /* 82574: RXT0, TXDW, and others */
#define E1000_TXQ0   UINT32_C(0x00400000) /* as vectors know them */
#define E1000_OTHER  UINT32_C(0x01000000)

/* IVAR: every cause has vector 0. */
#define E1000_IVAR_ALL_0 UINT32_C(0x00088888)

/* RCTL; buffers of 2048 bytes are 0 in BSIZE and BSEX. */
#define E1000_RCTL_EN    UINT32_C(0x00000002)
#define E1000_RCTL_BAM   UINT32_C(0x00008000) /* broadcast */
#define E1000_RCTL_SECRC UINT32_C(0x04000000) /* without check sequence */

#define E1000_RAH_VALID UINT32_C(0x80000000)

/* RXCSUM: check IPv4 headers, TCP and UDP. */
#define E1000_RXCSUM_IP  UINT32_C(0x00000100)
#define E1000_RXCSUM_TCP UINT32_C(0x00000200)

/* TCTL. */
#define E1000_TCTL_EN       UINT32_C(0x00000002)
#define E1000_TCTL_PSP      UINT32_C(0x00000008) /* pad to 60 bytes */
#define E1000_TCTL_CT       UINT32_C(0x000000f0) /* 15 collisions */
#define E1000_TCTL_CT_MASK  UINT32_C(0x00000ff0)
#define E1000_TCTL_COLD     UINT32_C(0x00040000) /* 64 bytes: full duplex */
#define E1000_TCTL_COLD_MASK UINT32_C(0x003ff000)

/* TIPG for copper: 10, 8 and 6 (SDM 13.4.34). */
#define E1000_TIPG_COPPER UINT32_C(0x0060200a)

/* TXDCTL of the 82574: must be 1. */
#define E1000_TXDCTL_COUNT UINT32_C(0x00400000)
/* clang-format on */

/*
 * A descriptor, as the card and we see it; little-endian, as this processor is.
 * The last word is what the card writes back while we look.
 */
struct e1000_desc {
    uint64_t addr;
    uint32_t command; /* receive: length and checksum, by the card */
    _Atomic uint32_t status;
};
static_assert(sizeof(struct e1000_desc) == 16, "SDM 3.2.3, 3.3.3");

/* Receive, legacy layout (SDM 3.2.3): `status`. */
enum {
    E1000_RXD_DD = 1 << 0,    /* done */
    E1000_RXD_EOP = 1 << 1,   /* and the last of its frame */
    E1000_RXD_IXSM = 1 << 2,  /* the checksums mean nothing */
    E1000_RXD_TCPCS = 1 << 5, /* TCP or UDP was checked */
    /* Errors, from bit 8 on. */
    E1000_RXD_FRAME_ERRORS = 0x97 << 8, /* CE SE SEQ CXE RXE */
    E1000_RXD_SUM_ERRORS = 0x60 << 8,   /* TCPE IPE */
};

/* Transmit, data and context (SDM 3.3.6, 3.3.7): `command`. */
#define E1000_TXD_DATA UINT32_C(0x00100000) /* else a context */
#define E1000_TXD_EOP  UINT32_C(0x01000000) /* data: the last one */
#define E1000_TXD_TCP  UINT32_C(0x01000000) /* context: else UDP */
#define E1000_TXD_IFCS UINT32_C(0x02000000) /* data: add a check sequence */
#define E1000_TXD_IP4  UINT32_C(0x02000000) /* context: else IPv6 */
#define E1000_TXD_TSE  UINT32_C(0x04000000) /* segments */
#define E1000_TXD_RS   UINT32_C(0x08000000) /* say when it is done */
#define E1000_TXD_DEXT UINT32_C(0x20000000) /* not the legacy layout */

/* Transmit: `status`. */
enum {
    E1000_TXD_DD = 1 << 0,
    E1000_TXD_FAILED = 6 << 0,  /* EC, LC: collisions */
    E1000_TXD_IXSM = 1 << 8,    /* put the checksum of IPv4, */
    E1000_TXD_TXSM = 1 << 9,    /* of TCP or UDP */
    E1000_TXD_HEADER_SHIFT = 8, /* context: bytes of all headers, */
    E1000_TXD_MSS_SHIFT = 16,   /* of payload in a segment */
};

#endif
