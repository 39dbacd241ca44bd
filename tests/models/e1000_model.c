/*
 * The e1000 model: its registers, EEPROM, PHY, link, statistics and reset. SDM
 * chapters 5, 8, 13 and 14; 82574 datasheet, chapters 3, 6 and 10.
 */
#include "tests/models/e1000_model.h"
#include "kernel/lib/bytes.h"
#include "tests/models/e1000_parts.h"
#include <stdlib.h>
#include <string.h>

enum { ON_82540 = 1, ON_82574 = 2, ON_BOTH = 3 };
enum { R = 1, W = 2, RW = 3 };

/* Registers that only keep what was written. Bits of `fixed` must be written
 * as they read. */
struct reg_row {
    uint16_t at;
    uint16_t count; /* of registers in a row */
    uint8_t chips;
    uint8_t access;
    uint32_t fixed;
};

/* clang-format off */
static const struct reg_row reg_rows[] = {
    {CTRL,        1,   ON_82540, RW, 0x2303e41e},
    {CTRL,        1,   ON_82574, RW, 0x23efe41a},
    {STATUS,      1,   ON_BOTH,  R,  0},
    {EECD,        1,   ON_BOTH,  R,  0},
    {EERD,        1,   ON_82540, RW, 0x000000ee},
    {EERD,        1,   ON_82574, RW, 0},
    {CTRL_EXT,    1,   ON_82540, RW, 0xff1d0330},
    {CTRL_EXT,    1,   ON_82574, RW, 0x42854fff},
    {MDIC,        1,   ON_BOTH,  RW, 0x80000000},
    {FCAL,        1,   ON_BOTH,  RW, 0},
    {FCAH,        1,   ON_BOTH,  RW, 0xffff0000},
    {FCT,         1,   ON_BOTH,  RW, 0xffff0000},
    {VET,         1,   ON_BOTH,  RW, 0xffff0000},
    {ICR,         1,   ON_BOTH,  RW, 0},
    {ITR,         1,   ON_BOTH,  RW, 0xffff0000},
    {ICS,         1,   ON_BOTH,  W,  0},
    {IMS,         1,   ON_BOTH,  RW, 0},
    {IMC,         1,   ON_BOTH,  W,  0},
    {EIAC,        1,   ON_82574, RW, 0xfe0fffff},
    {IAM,         1,   ON_82574, RW, 0},
    {IVAR,        1,   ON_82574, RW, 0x7ff00000},
    {EITR,        5,   ON_82574, RW, 0xffff0000},
    {RCTL,        1,   ON_BOTH,  RW, 0xf9204c01},
    {FCTTV,       1,   ON_BOTH,  RW, 0xffff0000},
    {TCTL,        1,   ON_82540, RW, 0xfc800005},
    {TCTL,        1,   ON_82574, RW, 0x80000005},
    {TCTL_EXT,    1,   ON_82574, RW, 0},
    {TIPG,        1,   ON_BOTH,  RW, 0xc0000000},
    {AIT,         1,   ON_BOTH,  RW, 0xffff0000},
    {LEDCTL,      1,   ON_BOTH,  RW, 0},
    {EXTCNF_CTRL, 1,   ON_82574, RW, 0},
    {PBA,         1,   ON_BOTH,  RW, 0xffffff80},
    {FCRTL,       1,   ON_BOTH,  RW, 0x7fff0007},
    {FCRTH,       1,   ON_BOTH,  RW, 0xffff0007},
    {RDTR,        1,   ON_BOTH,  RW, 0x7fff0000},
    {RADV,        1,   ON_BOTH,  RW, 0xffff0000},
    {RXDCTL,      1,   ON_BOTH,  RW, 0xfec0c0c0},
    {RXDCTL + RING_STRIDE, 1, ON_82574, RW, 0xfec0c0c0},
    {RSRPD,       1,   ON_BOTH,  RW, 0xfffff000},
    {TIDV,        1,   ON_82540, RW, 0xffff0000},
    {TIDV,        1,   ON_82574, RW, 0x7fff0000},
    {TADV,        1,   ON_BOTH,  RW, 0xffff0000},
    {TXDCTL,      1,   ON_82540, RW, 0x00c0c0c0},
    {TXDCTL,      1,   ON_82574, RW, 0x0080c0c0},
    {TXDCTL + RING_STRIDE, 1, ON_82574, RW, 0x0080c0c0},
    {TSPMT,       1,   ON_82540, RW, 0},
    {TARC0,       1,   ON_82574, RW, 0},
    {TARC0 + RING_STRIDE, 1, ON_82574, RW, 0},
    {STATISTICS,  (STATISTICS_END - STATISTICS) / 4, ON_BOTH, R, 0},
    {RXCSUM,      1,   ON_82540, RW, 0xfffffc00},
    {RXCSUM,      1,   ON_82574, RW, 0xffffcc00},
    {RFCTL,       1,   ON_82574, RW, 0},
    {MTA,         128, ON_BOTH,  RW, 0},
    {RAL,         32,  ON_BOTH,  RW, 0}, /* RAL and RAH in turn */
    {VFTA,        128, ON_BOTH,  RW, 0},
    {WUC,         1,   ON_BOTH,  RW, 0},
    {WUFC,        1,   ON_BOTH,  RW, 0},
    {WUS,         1,   ON_BOTH,  RW, 0},
    {MRQC,        1,   ON_82574, RW, 0x0000fffc},
    {MANC,        1,   ON_BOTH,  RW, 0},
    {MANC2H,      1,   ON_82574, RW, 0},
    {GCR,         1,   ON_82574, RW, 0},
    {FACTPS,      1,   ON_82574, R,  0},
    {SWSM,        1,   ON_82574, RW, 0},
    {FWSM,        1,   ON_82574, R,  0},
    {RETA,        32,  ON_82574, RW, 0},
    {RSSRK,       10,  ON_82574, RW, 0},
};
/* clang-format on */

#define RAH_VALID    UINT32_C(0x80000000)
#define CTRL_PHY_RST UINT32_C(0x80000000)

enum {
    RAH_RESERVED = 0x7ffc0000,
    RESET_NS = 1000,  /* until a register may be accessed: SDM 13.4.1 */
    RESET_READS = 2,  /* of CTRL that still have RST */
    ANSWER_READS = 2, /* of EERD and MDIC until they are done */
    PHY_ADDRESS = 1,
    PHY_CONTROL = 0,
    PHY_STATUS = 1,
    PHY_STATUS_LINK = 1 << 2,
    PHY_STATUS_DONE = 1 << 5,
    PHY_RESET = 1 << 15,
    PHY_RESTART = 1 << 9,
    PHY_POWER_DOWN = 1 << 11,
    MDIC_WRITE = 1 << 26,
    MDIC_READ = 2 << 26,
    MDIC_READY = 1 << 28,
    MDIC_INTERRUPT = 1 << 29,
    MDIC_ERROR = 1 << 30,
    EEPROM_SUM = 0xbaba,
};

static const struct reg_row *row_of(const struct e1000_model *model, size_t at)
{
    unsigned chip = e1k_is_82574(model) ? ON_82574 : ON_82540;

    for (size_t i = 0; i < sizeof(reg_rows) / sizeof(reg_rows[0]); i++) {
        const struct reg_row *row = &reg_rows[i];

        if ((row->chips & chip) != 0 && at >= row->at &&
            at < row->at + 4U * row->count)
            return row;
    }
    return NULL;
}

/* ---- Statistics ---------------------------------------------------------- */

void e1k_count(struct e1000_model *model, unsigned at, uint32_t count)
{
    uint32_t *value = &model->reg[at / 4];

    *value = *value > UINT32_MAX - count ? UINT32_MAX : *value + count;
}

void e1k_count64(struct e1000_model *model, unsigned at, uint32_t count)
{
    uint32_t *low = &model->reg[at / 4];

    if (*low > UINT32_MAX - count)
        low[1]++;
    *low += count;
}

void e1k_count_size(struct e1000_model *model, unsigned first, size_t size)
{
    static const size_t end[] = {64, 127, 255, 511, 1023};
    unsigned i = 0;

    while (i < 5 && size > end[i])
        i++;
    e1k_count(model, first + 4 * i, 1);
}

/* Reading clears: SDM 13.7. The low half of a pair is cleared with the high
 * one. */
static uint32_t statistic_read(struct e1000_model *model, size_t at)
{
    static const unsigned pairs[] = {GORCL, GOTCL, TORL, TOTL};
    uint32_t value = model->reg[at / 4];

    for (unsigned i = 0; i < 4; i++) {
        if (at == pairs[i])
            return value;
        if (at == pairs[i] + 4)
            model->reg[at / 4 - 1] = 0;
    }
    model->reg[at / 4] = 0;
    return value;
}

/* ---- Link and PHY -------------------------------------------------------- */

/* Whether the card accesses memory, or may: 82574 datasheet, 10.2.2.2. */
static uint32_t master_status(const struct e1000_model *model)
{
    bool is_off =
        (e1k_reg(model, CTRL) & CTRL_MASTER_OFF) != 0 && !model->master_stuck;

    return e1k_is_82574(model) && !is_off ? STATUS_MASTER : 0;
}

bool e1k_link_up(const struct e1000_model *model)
{
    return (e1k_reg(model, STATUS) & STATUS_LU) != 0;
}

/* The link as MAC and PHY see it; a change is a cause. */
static void link_update(struct e1000_model *model)
{
    bool phy_up = model->cable && !model->link_pending &&
                  (model->phy[PHY_CONTROL] & PHY_POWER_DOWN) == 0;
    bool up = phy_up && (e1k_reg(model, CTRL) & CTRL_SLU) != 0;
    bool was_up = e1k_link_up(model);

    if (phy_up)
        model->phy[PHY_STATUS] |= PHY_STATUS_DONE;
    else
        model->phy[PHY_STATUS] &=
            (uint16_t) ~(PHY_STATUS_LINK | PHY_STATUS_DONE); /* latches low */
    model->reg[STATUS / 4] = STATUS_FD | master_status(model) |
                             (up ? STATUS_LU | STATUS_SPEED_1000 : 0);
    if (up != was_up)
        e1k_raise(model, LSC);
}

void e1000_model_link(struct e1000_model *model, bool up)
{
    model->cable = up;
    model->link_pending = true;
}

/* IEEE 802.3, 22.2.4: what is only for reading, and what resets itself. */
static uint16_t phy_read(struct e1000_model *model, unsigned index)
{
    uint16_t value = model->phy[index];
    bool up = (value & PHY_STATUS_DONE) != 0;

    if (index == PHY_STATUS && up)
        model->phy[index] |= PHY_STATUS_LINK;
    return value;
}

static void phy_write(struct e1000_model *model, unsigned index, uint16_t value)
{
    if (index == 1 || index == 2 || index == 3 || index == 5 || index == 6 ||
        index == 10 || index == 15 || index == 17)
        model_breach("PHY register %u is read-only", index);
    model->phy[index] = value;
    if (index != PHY_CONTROL)
        return;
    model->phy[index] &= (uint16_t) ~(PHY_RESET | PHY_RESTART);
    if ((value & (PHY_RESET | PHY_RESTART)) != 0)
        model->link_pending = true;
    link_update(model);
}

static void phy_fill(struct e1000_model *model)
{
    static const uint16_t values[16] = {
        [0] = 0x1140, /* autonegotiation, 1000 Mb/s, full duplex */
        [1] = 0x7949, [2] = 0x0141, [3] = 0x0c20,  [4] = 0x0de1,  [5] = 0x45e1,
        [6] = 0x000f, [9] = 0x0300, [10] = 0x3c00, [15] = 0x3000,
    };

    memcpy(model->phy, values, sizeof(values));
    if (e1k_is_82574(model))
        model->phy[3] = 0x0cb1;
}

static bool is_late(uint64_t *until_ns)
{
    if (*until_ns != 0 && hal_time_ns() < *until_ns)
        return true;
    *until_ns = 0;
    return false;
}

/* What a request that is answered later meets. */
static bool request_begins(struct e1000_model *model, const char *name,
                           uint64_t *late_ns, bool *stuck)
{
    unsigned kinds =
        fault_bit(FAULT_FAIL) | fault_bit(FAULT_LATE) | fault_bit(FAULT_NEVER);
    enum model_fault fault = fault_among(model->faults, name, kinds);

    *stuck = fault == FAULT_NEVER;
    *late_ns = fault == FAULT_LATE ? e1k_late(model) : 0;
    return fault == FAULT_FAIL;
}

static void mdic_write(struct e1000_model *model, uint32_t value)
{
    uint32_t op = value & (MDIC_READ | MDIC_WRITE);
    bool fails;

    if (model->mdic_reads > 0)
        model_breach("MDIC is written before the last operation is ready");
    if ((value & MDIC_READY) != 0)
        model_breach("MDIC is written with the ready bit");
    if (op != MDIC_READ && op != MDIC_WRITE)
        model_breach("MDIC operation %u", value >> 26 & 3);
    fails =
        request_begins(model, "phy", &model->phy_late_ns, &model->phy_stuck) ||
        (value >> 21 & 31) != PHY_ADDRESS;
    model->reg[MDIC / 4] =
        (value & ~(uint32_t)MDIC_ERROR) | (fails ? MDIC_ERROR : 0);
    model->mdic_reads = ANSWER_READS;
}

static void mdic_finish(struct e1000_model *model)
{
    uint32_t *mdic = &model->reg[MDIC / 4];
    unsigned index = *mdic >> 16 & 31;

    model->mdic_reads = 0;
    if ((*mdic & MDIC_ERROR) != 0)
        *mdic |= 0xffff;
    else if ((*mdic & MDIC_READ) != 0)
        *mdic = (*mdic & 0xffff0000) | phy_read(model, index);
    else
        phy_write(model, index, (uint16_t)*mdic);
    *mdic |= MDIC_READY;
    if ((*mdic & MDIC_INTERRUPT) != 0)
        e1k_raise(model, MDAC);
}

/* ---- EEPROM -------------------------------------------------------------- */

/* SDM chapter 5: address, a few more words, the sum of all is 0xbaba. */
static void eeprom_fill(struct e1000_model *model)
{
    uint16_t sum = 0;

    memset(model->eeprom, 0xff, sizeof(model->eeprom));
    for (unsigned i = 0; i < 3; i++)
        model->eeprom[i] = le16_get(model->mac + 2 * i);
    model->eeprom[0x0a] = 0x4408;
    model->eeprom[0x0b] = le16_get(model->card.config + 0x2e);
    model->eeprom[0x0c] = 0x8086;
    model->eeprom[0x0d] = le16_get(model->card.config + 2);
    model->eeprom[0x0e] = 0x8086;
    for (unsigned i = 0; i < E1000_MODEL_EEPROM - 1; i++)
        sum = (uint16_t)(sum + model->eeprom[i]);
    model->eeprom[E1000_MODEL_EEPROM - 1] =
        (uint16_t)(EEPROM_SUM - sum + model->bad_eeprom);
}

/* EERD has two layouts: SDM 13.4.4. */
static unsigned eerd_address(const struct e1000_model *model, uint32_t value)
{
    return e1k_is_82574(model) ? value >> 2 & 0x3fff : value >> 8 & 0xff;
}

static uint32_t eerd_done(const struct e1000_model *model)
{
    return e1k_is_82574(model) ? 1 << 1 : 1 << 4;
}

static void eerd_write(struct e1000_model *model, uint32_t value)
{
    if ((value & 1) == 0)
        model_breach("EERD is written without START");
    if (model->eerd_reads > 0)
        model_breach("EERD is written before the last read is done");
    if (eerd_address(model, value) >= E1000_MODEL_EEPROM)
        model_breach("EEPROM word %u of %u", eerd_address(model, value),
                     E1000_MODEL_EEPROM);
    model->reg[EERD / 4] = value & 0xffff & ~eerd_done(model);
    if (request_begins(model, "eeprom", &model->eeprom_late_ns,
                       &model->eeprom_stuck))
        model->reg[EERD / 4] |= 0xffff0000;
    model->eerd_reads = ANSWER_READS;
}

static void eerd_finish(struct e1000_model *model)
{
    uint32_t *eerd = &model->reg[EERD / 4];
    uint32_t word = model->eeprom[eerd_address(model, *eerd & 0xffff)];

    model->eerd_reads = 0;
    if (*eerd >> 16 == 0)
        *eerd |= word << 16;
    *eerd = (*eerd & ~1U) | eerd_done(model);
}

/* What EERD and MDIC were asked for is done after some reads, or a step. */
static bool answers_step(struct e1000_model *model)
{
    bool did = false;

    if (model->mdic_reads > 0 && !model->phy_stuck &&
        !is_late(&model->phy_late_ns)) {
        mdic_finish(model);
        did = true;
    }
    if (model->eerd_reads > 0 && !model->eeprom_stuck &&
        !is_late(&model->eeprom_late_ns)) {
        eerd_finish(model);
        did = true;
    }
    return did;
}

static uint32_t answer_read(struct e1000_model *model, size_t at)
{
    unsigned *reads = at == MDIC ? &model->mdic_reads : &model->eerd_reads;

    if (*reads > 1)
        (*reads)--;
    else if (*reads == 1)
        (void)answers_step(model);
    return model->reg[at / 4];
}

/* ---- Reset --------------------------------------------------------------- */

static void station_address_load(struct e1000_model *model)
{
    model->reg[RAL / 4] = le32_get(model->mac);
    model->reg[RAH / 4] = le16_get(model->mac + 4) | RAH_VALID;
}

/* Everything but the PHY and configuration space: SDM 14.2. */
void e1k_reset(struct e1000_model *model)
{
    bool is_82574 = e1k_is_82574(model);

    for (unsigned i = 0; i < E1000_MODEL_RINGS; i++) {
        e1k_ring_forget(model, &model->rx[i]);
        e1k_ring_forget(model, &model->tx[i]);
        model->context[i].loaded = false;
        model->rx_timer_ns[i] = model->rx_limit_ns[i] = 0;
        model->tx_timer_ns[i] = model->tx_limit_ns[i] = 0;
    }
    memset(model->reg, 0, sizeof(model->reg));
    memset(model->mta_written, 0, sizeof(model->mta_written));
    memset(model->quiet_until_ns, 0, sizeof(model->quiet_until_ns));
    /* What is undefined until software sets it: 13.5.1 to 13.5.3. */
    memset(&model->reg[MTA / 4], 0xa5, 128 * 4);
    memset(&model->reg[VFTA / 4], 0xa5, 128 * 4);
    for (unsigned i = 1; i < 16; i++) {
        model->reg[RAL / 4 + 2 * i] = 0xa5a5a5a5;
        model->reg[RAH / 4 + 2 * i] = 0x0000a5a5; /* but valid it is not */
    }
    model->reg[CTRL / 4] = CTRL_FD | CTRL_SPEED_1000 | model->ctrl;
    model->reg[STATUS / 4] = STATUS_FD | master_status(model);
    model->reg[EECD / 4] = is_82574 ? 0x300 : 0x180;
    model->reg[FCAL / 4] = 0x00c28001;
    model->reg[FCAH / 4] = 0x100;
    model->reg[FCT / 4] = 0x8808;
    model->reg[VET / 4] = 0x8100;
    model->reg[PBA / 4] = is_82574 ? 0x00140014 : 0x00100030;
    model->reg[TIPG / 4] = is_82574 ? 0x00602006 : 0;
    model->reg[TXDCTL / 4] = is_82574 ? 1 << 22 : 0;
    station_address_load(model);
    model->cause = model->mask = model->messages = 0;
    model->met = (struct nic_faults){.lose_next = false};
    model->fifo_bytes = model->fifo_frames = 0;
    model->eerd_reads = model->mdic_reads = 0;
    model->rx_last = model->rx_counted = false;
    model->phy_stuck = model->eeprom_stuck = false;
    model->phy_late_ns = model->eeprom_late_ns = 0;
    e1k_irq_update(model);
}

void e1k_forget(struct e1000_model *model)
{
    e1k_reset(model);
    model->forgetful = true;
}

static void reset_begin(struct e1000_model *model)
{
    unsigned kinds = fault_bit(FAULT_LATE) | fault_bit(FAULT_NEVER);
    enum model_fault fault = fault_among(model->faults, "reset", kinds);

    e1k_reset(model);
    model->forgetful = false;
    model->resets++;
    model->resetting = true;
    model->reset_ns = hal_time_ns();
    model->reset_reads = RESET_READS;
    model->reset_stuck = fault == FAULT_NEVER;
    model->reset_late_ns = fault == FAULT_LATE ? e1k_late(model) : 0;
}

static uint32_t reset_read(struct e1000_model *model)
{
    if (hal_time_ns() < model->reset_ns + RESET_NS)
        model_breach("CTRL is read within 1 us of a reset");
    if (model->reset_stuck || is_late(&model->reset_late_ns))
        return e1k_reg(model, CTRL) | CTRL_RST;
    if (--model->reset_reads > 0)
        return e1k_reg(model, CTRL) | CTRL_RST;
    model->resetting = false;
    return e1k_reg(model, CTRL);
}

/* ---- Registers ----------------------------------------------------------- */

static void access_check(const struct e1000_model *model, size_t at,
                         unsigned width, const char *how)
{
    if (width != 4 || at % 4 != 0)
        model_breach("register %#zx is %s with %u bytes", at, how, width);
    if (model->resetting && at != CTRL)
        model_breach("register %#zx is %s during a reset", at, how);
}

static uint32_t bar_read(void *arg, size_t at, unsigned width)
{
    struct e1000_model *model = arg;
    const struct reg_row *row;

    access_check(model, at, width, "read");
    if (model->resetting)
        return reset_read(model);
    if (e1k_ring_has(model, at))
        return e1k_ring_read(model, at);
    row = row_of(model, at);
    if (row == NULL || (row->access & R) == 0)
        model_breach("register %#zx is not for reading", at);
    if (row->at == STATISTICS)
        return statistic_read(model, at);
    switch (at) {
    case ICR:
        return e1k_icr_read(model);
    case IMS:
        return model->mask;
    case MDIC:
    case EERD:
        return answer_read(model, at);
    default:
        return model->reg[at / 4];
    }
}

static void ctrl_write(struct e1000_model *model, uint32_t value)
{
    if ((value & CTRL_RST) != 0) {
        reset_begin(model);
        return;
    }
    model->reg[CTRL / 4] = value & ~CTRL_PHY_RST;
    if ((value & CTRL_PHY_RST) != 0) {
        phy_fill(model);
        model->link_pending = true;
    }
    link_update(model);
}

static void plain_write(struct e1000_model *model, size_t at, uint32_t value)
{
    bool is_table = at >= MTA && at < MTA + 128 * 4;

    if (at >= RAL && at < VFTA && at % 8 == 4 && (value & RAH_RESERVED) != 0)
        model_breach("reserved bits of RAH: %#x", value);
    if (at == RFCTL && (e1k_reg(model, RCTL) & RCTL_EN) != 0 &&
        ((value ^ e1k_reg(model, RFCTL)) & RFCTL_EXSTEN) != 0)
        model_breach("the kind of receive descriptor changes while the "
                     "receiver is on");
    if (is_table)
        model->mta_written[(at - MTA) / 4] = true;
    model->reg[at / 4] = value;
}

static void write_to(struct e1000_model *model, size_t at, uint32_t value)
{
    switch (at) {
    case CTRL:
        ctrl_write(model, value);
        break;
    case EERD:
        eerd_write(model, value);
        break;
    case MDIC:
        mdic_write(model, value);
        break;
    case ICR:
    case ICS:
    case IMS:
    case IMC:
        e1k_irq_write(model, at, value);
        break;
    case RCTL:
        e1k_rctl_write(model, value);
        break;
    case TCTL:
        e1k_tctl_write(model, value);
        break;
    default:
        plain_write(model, at, value);
    }
}

static void register_write(struct e1000_model *model, size_t at, uint32_t value)
{
    const struct reg_row *row;

    if (e1k_ring_has(model, at)) {
        e1k_ring_write(model, at, value);
        return;
    }
    row = row_of(model, at);
    if (row == NULL || (row->access & W) == 0)
        model_breach("register %#zx is not for writing", at);
    if (((value ^ model->reg[at / 4]) & row->fixed) != 0)
        model_breach("register %#zx: reserved bits change: %#x is written over "
                     "%#x",
                     at, value, model->reg[at / 4]);
    write_to(model, at, value);
}

static void bar_write(void *arg, size_t at, unsigned width, uint32_t value)
{
    struct e1000_model *model = arg;

    access_check(model, at, width, "written");
    if (model->resetting)
        model_breach("CTRL is written during a reset");
    register_write(model, at, value);
    if (model->work != NULL)
        model->work(model);
}

/* The MSI-X table and pending bits: 82574 datasheet, 9.3.4. */
static uint32_t msix_read(void *arg, size_t at, unsigned width)
{
    struct e1000_model *model = arg;

    return at < 0x2000
               ? pci_card_table_read(&model->card, at, width)
               : pci_card_pending_read(&model->card, at - 0x2000, width);
}

static void msix_write(void *arg, size_t at, unsigned width, uint32_t value)
{
    struct e1000_model *model = arg;

    pci_card_table_write(&model->card, at, width, value);
}

/* ---- The card ------------------------------------------------------------ */

bool e1000_model_step(struct e1000_model *model)
{
    bool did = answers_step(model);

    if (model->resetting)
        return did;
    if (model->link_pending) {
        model->link_pending = false;
        link_update(model);
        did = true;
    }
    did = e1k_irq_step(model) || did;
    did = did || e1000_model_step_transmit(model);
    did = did || e1000_model_step_receive(model);
    return did;
}

void e1000_model_plug(struct e1000_model *model, unsigned slot)
{
    struct pci_card *card = &model->card;
    bool is_82574 = e1k_is_82574(model);

    *card = (struct pci_card){
        .addr = {0, (uint8_t)slot, 0},
        .line = model->no_line ? 0 : E1000_MODEL_LINE,
        .bar[0] = {.base = 0xf0000000 + UINT64_C(0x100000) * slot,
                   .space = HAL_IO_MEMORY,
                   .size = E1000_MODEL_BAR_SIZE,
                   .window = {bar_read, bar_write, model}},
    };
    pci_card_identify(card, 0x8086, is_82574 ? 0x10d3 : 0x100e, 0x020000);
    pci_card_capability(card, is_82574 ? 0xc8 : 0xdc, 1);
    if (is_82574)
        pci_card_capability(card, 0xe0, 0x10);
    if (is_82574 && !model->no_msix) {
        card->bar[3] = (struct pci_card_bar){
            .base = card->bar[0].base + 0x80000,
            .space = HAL_IO_MEMORY,
            .size = 0x4000,
            .window = {msix_read, msix_write, model},
        };
        card->msix_cap = 0xa0;
        card->vectors = E1000_MODEL_VECTORS;
        pci_card_capability(card, 0xa0, 0x11);
        le32_put(card->config + 0xa4, 3);          /* the table in BAR 3 */
        le32_put(card->config + 0xa8, 0x2000 | 3); /* the pending bits */
    }
    pci_card_plug(card);
    eeprom_fill(model);
    phy_fill(model);
    model->cable = !model->no_cable;
    e1k_reset(model);
    link_update(model);
}
