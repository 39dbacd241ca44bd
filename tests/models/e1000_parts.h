/* What the files of the e1000 model share: registers and bits by the names of
 * the SDM, chapter 13, and of the 82574 datasheet, chapter 10. */
#ifndef TORC_TESTS_MODELS_E1000_PARTS_H
#define TORC_TESTS_MODELS_E1000_PARTS_H

#include "tests/models/e1000_model.h"

/* clang-format off */
enum {
    CTRL = 0x0000, STATUS = 0x0008, EECD = 0x0010, EERD = 0x0014,
    CTRL_EXT = 0x0018, MDIC = 0x0020, FCAL = 0x0028, FCAH = 0x002c,
    FCT = 0x0030, VET = 0x0038, ICR = 0x00c0, ITR = 0x00c4, ICS = 0x00c8,
    IMS = 0x00d0, IMC = 0x00d8, EIAC = 0x00dc, IAM = 0x00e0, IVAR = 0x00e4,
    EITR = 0x00e8, RCTL = 0x0100, FCTTV = 0x0170, TCTL = 0x0400,
    TCTL_EXT = 0x0404, TIPG = 0x0410, AIT = 0x0458, LEDCTL = 0x0e00,
    EXTCNF_CTRL = 0x0f00, PBA = 0x1000, FCRTL = 0x2160, FCRTH = 0x2168,
    RDBAL = 0x2800, RDTR = 0x2820, RXDCTL = 0x2828, RADV = 0x282c,
    RSRPD = 0x2c00, TDBAL = 0x3800, TIDV = 0x3820, TXDCTL = 0x3828,
    TADV = 0x382c, TSPMT = 0x3830, TARC0 = 0x3840, STATISTICS = 0x4000,
    STATISTICS_END = 0x4128, RXCSUM = 0x5000, RFCTL = 0x5008, MTA = 0x5200,
    RAL = 0x5400, RAH = 0x5404, VFTA = 0x5600, WUC = 0x5800, WUFC = 0x5808,
    WUS = 0x5810, MRQC = 0x5818, MANC = 0x5820, MANC2H = 0x5860, GCR = 0x5b00,
    FACTPS = 0x5b30, SWSM = 0x5b50, FWSM = 0x5b54, RETA = 0x5c00,
    RSSRK = 0x5c80,
};

/* Where a ring's registers are, from RDBAL or TDBAL on; the next ring of the
 * 82574L is RING_STRIDE behind. */
enum {
    RING_BAL = 0x00, RING_BAH = 0x04, RING_LEN = 0x08, RING_HEAD = 0x10,
    RING_TAIL = 0x18, RING_DCTL = 0x28, RING_STRIDE = 0x100,
};

/* Statistics: SDM 13.7. */
enum {
    CRCERRS = 0x4000, MPC = 0x4010, PRC64 = 0x405c, GPRC = 0x4074,
    BPRC = 0x4078, MPRC = 0x407c, GPTC = 0x4080, GORCL = 0x4088,
    GORCH = 0x408c, GOTCL = 0x4090, GOTCH = 0x4094, RNBC = 0x40a0,
    RUC = 0x40a4, ROC = 0x40ac, TORL = 0x40c0, TORH = 0x40c4, TOTL = 0x40c8,
    TOTH = 0x40cc, TPR = 0x40d0, TPT = 0x40d4, PTC64 = 0x40d8, MPTC = 0x40f0,
    BPTC = 0x40f4, TSCTC = 0x40f8, TSCTFC = 0x40fc,
};

/* CTRL, CTRL_EXT, STATUS. */
enum {
    CTRL_FD = 1, CTRL_MASTER_OFF = 1 << 2, CTRL_SLU = 1 << 6,
    CTRL_SPEED_1000 = 1 << 9,
    CTRL_RST = 1 << 26, CTRL_VME = 1 << 30,
    STATUS_FD = 1, STATUS_LU = 1 << 1, STATUS_SPEED_1000 = 1 << 7,
    STATUS_MASTER = 1 << 19, /* 82574L */
    EXT_IAME = 1 << 27,
};

/* Causes: ICR, SDM 13.4.17; RXQ0 and up of the 82574L, 10.2.4.1. */
enum {
    TXDW = 1, TXQE = 1 << 1, LSC = 1 << 2, RXDMT0 = 1 << 4, RXO = 1 << 6,
    RXT0 = 1 << 7, MDAC = 1 << 9, TXD_LOW = 1 << 15, SRPD = 1 << 16,
    RXQ0 = 1 << 20, TXQ0 = 1 << 22, OTHER = 1 << 24,
    CAUSES_OTHER = LSC | RXO | MDAC | SRPD,
    CAUSES_82540 = 0x1e6d7, CAUSES_82574 = 0x1f782d7,
    CAUSE_FIRST_QUEUE = 20, CAUSES_QUEUE = 5,
};
#define INT_ASSERTED UINT32_C(0x80000000)

/* RCTL: SDM 13.4.22; TCTL: 13.4.33. */
enum {
    RCTL_EN = 1 << 1, RCTL_SBP = 1 << 2, RCTL_UPE = 1 << 3, RCTL_MPE = 1 << 4,
    RCTL_LPE = 1 << 5, RCTL_LBM_MAC = 1 << 6, RCTL_BAM = 1 << 15,
    RCTL_VFE = 1 << 18, RCTL_BSEX = 1 << 25, RCTL_SECRC = 1 << 26,
    TCTL_EN = 1 << 1, TCTL_PSP = 1 << 3,
};

/* RXCSUM, RFCTL, MRQC. */
enum {
    RXCSUM_IPOFL = 1 << 8, RXCSUM_TUOFL = 1 << 9, RXCSUM_PCSD = 1 << 13,
    RFCTL_EXSTEN = 1 << 15, MRQC_RSS = 1,
};

enum {
    CRC_SIZE = 4, FRAME_MIN = 60, FRAME_LONG = 1518,
    TIMER_NS = 1024, ITR_NS = 256,
};
/* clang-format on */

static inline bool e1k_is_82574(const struct e1000_model *model)
{
    return model->chip == E1000_82574L;
}

static inline unsigned e1k_rings(const struct e1000_model *model)
{
    return e1k_is_82574(model) ? 2 : 1;
}

static inline uint32_t e1k_reg(const struct e1000_model *model, unsigned at)
{
    return model->reg[at / 4];
}

/* When an operation goes on that is late from now on. */
static inline uint64_t e1k_late(const struct e1000_model *model)
{
    return hal_time_ns() +
           (model->late_ns != 0 ? model->late_ns : E1000_MODEL_LATE_NS);
}

/* e1000_model.c */
bool e1k_link_up(const struct e1000_model *model);
void e1k_reset(struct e1000_model *model);
/* The same, and nobody has asked for it. */
void e1k_forget(struct e1000_model *model);
/* A statistics register: more by `count`, up to all ones. */
void e1k_count(struct e1000_model *model, unsigned at, uint32_t count);
void e1k_count64(struct e1000_model *model, unsigned at, uint32_t count);
/* By the length of a frame with its check sequence: PRC64 or PTC64 and up. */
void e1k_count_size(struct e1000_model *model, unsigned first, size_t size);

/* e1000_irq.c */
void e1k_raise(struct e1000_model *model, uint32_t causes);
void e1k_irq_update(struct e1000_model *model);
uint32_t e1k_icr_read(struct e1000_model *model);
void e1k_irq_write(struct e1000_model *model, size_t at, uint32_t value);
bool e1k_irq_step(struct e1000_model *model);
void e1k_rx_done(struct e1000_model *model, unsigned queue);
void e1k_tx_done(struct e1000_model *model, unsigned queue, bool delayed);

/* e1000_ring.c */
uint32_t e1k_ring_count(const struct e1000_model_ring *ring);
uint32_t e1k_ring_held(const struct e1000_model_ring *ring);
uint8_t *e1k_descriptor(const struct e1000_model *model,
                        const struct e1000_model_ring *ring, uint32_t index);
uint32_t e1k_ring_read(struct e1000_model *model, size_t at);
/* Whether `at` is a register of a ring. */
bool e1k_ring_has(const struct e1000_model *model, size_t at);
void e1k_ring_write(struct e1000_model *model, size_t at, uint32_t value);
/* What the device holds at `index` is as it was. */
void e1k_ring_compare(const struct e1000_model *model,
                      const struct e1000_model_ring *ring, uint32_t index);
/* The device is done with the descriptor at head. */
void e1k_ring_advance(const struct e1000_model *model,
                      struct e1000_model_ring *ring);
void e1k_ring_forget(const struct e1000_model *model,
                     struct e1000_model_ring *ring);
void e1k_ring_ready(const struct e1000_model *model,
                    const struct e1000_model_ring *ring, const char *what);

/* e1000_rx.c */
uint32_t e1k_buffer_size(const struct e1000_model *model);
void e1k_rctl_write(struct e1000_model *model, uint32_t value);

/* e1000_tx.c */
void e1k_tctl_write(struct e1000_model *model, uint32_t value);
/* Check a descriptor that is given; how many bytes it sends. */
uint32_t e1k_tx_check(const struct e1000_model *model, const uint8_t *raw);

#endif
