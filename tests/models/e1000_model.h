/*
 * The device's side of two Intel network cards, for tests: a strict and
 * asynchronous referee, written from the specifications and not from the
 * driver.
 *
 * - 82540EM (8086:100e), with an interrupt line: "PCI/PCI-X Family of Gigabit
 *   Ethernet Controllers Software Developer's Manual", 317453 (SDM).
 * - 82574L (8086:10d3), with MSI-X besides, two queues each way, extended
 *   receive descriptors and receive-side scaling: "82574 GbE Controller Family
 *   Datasheet".
 *
 * Nothing happens by itself: a write to a tail is only noted, the test (or the
 * simulated machine) steps the device. Time is hal_time_ns().
 *
 * What the device holds (descriptors from head to tail, and their buffers) the
 * driver must leave alone until the device has written it back or is reset by
 * CTRL.RST; the model compares it with what it was. Taking RCTL.EN or TCTL.EN
 * away does not give memory back: a frame that is on its way still arrives
 * (13.4.22).
 *
 * A card that a fault has reset is as after CTRL.RST, but nobody has told the
 * driver: until its own reset, what it writes to a tail has no effect.
 *
 * Not there (a driver that uses it breaches): the EEPROM by EECD, packet
 * split, header split, MSI, wake-up, a BAR of ports.
 */
#ifndef TORC_TESTS_MODELS_E1000_MODEL_H
#define TORC_TESTS_MODELS_E1000_MODEL_H

#include "tests/models/breach.h"
#include "tests/models/nic_fault.h"
#include "tests/models/pci_card.h"

enum e1000_chip { E1000_82540EM, E1000_82574L };

enum {
    E1000_MODEL_BAR_SIZE = 0x20000,
    E1000_MODEL_REGISTERS = 0x6000 / 4,
    E1000_MODEL_RINGS = 2,
    E1000_MODEL_RING_MAX = 4096,     /* descriptors */
    E1000_MODEL_FIFO = 64 * 1024,    /* at most: PBA says how much is there */
    E1000_MODEL_FIFO_FRAMES = 1024,  /* in it */
    E1000_MODEL_TX_MAX = 256 * 1024, /* bytes of one packet to segment */
    E1000_MODEL_VECTORS = 5,         /* of MSI-X */
    E1000_MODEL_LINE = 10,
    E1000_MODEL_EEPROM = 64, /* words */
};

/* A descriptor that the device holds, as it was when it got it. */
struct e1000_model_slot {
    bool owned;
    uint8_t raw[16];
    uint32_t len; /* of its buffer; 0: it has none */
    uint64_t sum; /* of the buffer */
};

struct e1000_model_ring {
    uint64_t base;
    uint32_t bytes;
    uint32_t head;
    uint32_t tail;
    struct e1000_model_slot slot[E1000_MODEL_RING_MAX];
};

/* Parameters of TX context descriptors: SDM 3.3.6. */
struct e1000_model_context {
    bool loaded;
    uint8_t ipcss, ipcso, tucss, tucso, command, header_len;
    uint16_t ipcse, tucse, mss;
    uint32_t payload_len;
};

struct e1000_model {
    /* What it is; set before e1000_model_plug(). */
    enum e1000_chip chip;
    uint8_t mac[6];
    bool bad_eeprom;           /* its checksum is wrong */
    bool no_line;              /* no interrupt line is connected */
    bool no_msix;              /* the 82574L without the capability */
    bool no_cable;             /* no link, until e1000_model_link() */
    uint32_t ctrl;             /* bits of CTRL that its EEPROM sets */
    bool master_stuck;         /* its accesses to memory do not end */
    struct fault_plan *faults; /* NULL: none */
    uint64_t late_ns;          /* of "late" faults; 0: E1000_MODEL_LATE_NS */

    /* The driver has written to a register: there may be work to do. NULL: the
     * test steps the device without being told. */
    void (*work)(struct e1000_model *model);

    /* Every frame that leaves, without check sequence, padded. */
    void (*sent)(void *arg, const uint8_t *frame, size_t len);
    void *sent_arg;

    /* For tests to look at: */
    unsigned frames_sent;
    unsigned frames_received; /* into memory */
    unsigned resets;          /* by the driver */
    unsigned tail_writes[2];  /* doorbells: receive, transmit */

    /* The device's own: */
    struct pci_card card;
    uint32_t reg[E1000_MODEL_REGISTERS];
    struct e1000_model_ring rx[E1000_MODEL_RINGS];
    struct e1000_model_ring tx[E1000_MODEL_RINGS];
    struct e1000_model_context context[E1000_MODEL_RINGS];
    uint16_t eeprom[E1000_MODEL_EEPROM];
    uint16_t phy[32];
    bool mta_written[128];

    uint32_t cause, mask; /* ICR, IMS */
    uint32_t messages;    /* causes whose message was sent */
    struct nic_faults met;
    uint64_t quiet_until_ns[E1000_MODEL_VECTORS]; /* ITR or EITR */
    uint64_t rx_timer_ns[E1000_MODEL_RINGS], rx_limit_ns[E1000_MODEL_RINGS];
    uint64_t tx_timer_ns[E1000_MODEL_RINGS], tx_limit_ns[E1000_MODEL_RINGS];

    bool forgetful; /* was reset by itself, the driver does not know yet */
    bool resetting;
    uint64_t reset_ns;
    unsigned reset_reads; /* of CTRL, still to come */
    unsigned eerd_reads, mdic_reads;
    bool cable, link_pending;
    bool rx_last; /* RCTL.EN went while a frame was on its way */
    bool phy_stuck, eeprom_stuck, reset_stuck;
    uint64_t phy_late_ns, eeprom_late_ns, reset_late_ns;
    bool rx_counted; /* the first frame of the FIFO is in RNBC */

    uint8_t fifo[E1000_MODEL_FIFO];
    uint32_t fifo_bytes, fifo_frames;
    uint32_t fifo_len[E1000_MODEL_FIFO_FRAMES];
    bool fifo_bad[E1000_MODEL_FIFO_FRAMES]; /* the check sequence is wrong */
    uint8_t tx_data[E1000_MODEL_TX_MAX];
    uint8_t tx_frame[E1000_MODEL_FIFO];
};

/* After a "late" fault, the operation goes on so long afterwards. */
#define E1000_MODEL_LATE_NS UINT64_C(2000000000)

/* Put the card into the machine, at PCI 00:`slot`.0. */
void e1000_model_plug(struct e1000_model *model, unsigned slot);

/*
 * Do one unit of background work: a timer, a frame out, a frame in, a change
 * of the link, what PHY and EEPROM were asked for. Returns whether there was
 * any. The two others do the part that their name says.
 */
bool e1000_model_step(struct e1000_model *model);
bool e1000_model_step_transmit(struct e1000_model *model);
bool e1000_model_step_receive(struct e1000_model *model);

/* When the next timer is due; UINT64_MAX: none runs. */
uint64_t e1000_model_next_ns(const struct e1000_model *model);

/*
 * A frame arrives on the wire, without check sequence. It goes into the FIFO if
 * the receiver is on, the address matches and there is room; a later step
 * writes it to memory. Returns whether it is in the FIFO. The second: its check
 * sequence is wrong.
 */
bool e1000_model_receive(struct e1000_model *model, const uint8_t *frame,
                         size_t len);
bool e1000_model_receive_bad(struct e1000_model *model, const uint8_t *frame,
                             size_t len);

/* Put the cable in, or pull it. The link follows at the next step. */
void e1000_model_link(struct e1000_model *model, bool up);

/* Everything that the device holds is as it was: a breach if not. */
void e1000_model_check(const struct e1000_model *model);

/* Ethernet's check sequence (IEEE 802.3, 3.2.9). */
uint32_t model_crc32(const uint8_t *data, size_t size);

#endif
