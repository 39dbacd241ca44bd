/* What the files of the NE2000 model share: names as in the data sheet, chapter
 * "Internal registers". */
#ifndef TORC_TESTS_MODELS_NE2000_PARTS_H
#define TORC_TESTS_MODELS_NE2000_PARTS_H

#include "tests/models/ne2000_model.h"

enum {
    CR_STP = 1,
    CR_STA = 1 << 1,
    CR_TXP = 1 << 2,
    ISR_PRX = 1,
    ISR_PTX = 1 << 1,
    ISR_RXE = 1 << 2,
    ISR_TXE = 1 << 3,
    ISR_OVW = 1 << 4,
    ISR_CNT = 1 << 5,
    ISR_RDC = 1 << 6,
    ISR_RST = 1 << 7,
    RCR_SEP = 1,
    RCR_AR = 1 << 1,
    RCR_AB = 1 << 2,
    RCR_AM = 1 << 3,
    RCR_PRO = 1 << 4,
    RCR_MON = 1 << 5,
    TCR_CRC = 1, /* no check sequence is appended */
    TCR_LOOP = 3 << 1,
    RSR_PRX = 1,
    RSR_CRC = 1 << 1,
    RSR_MPA = 1 << 4,
    RSR_PHY = 1 << 5,
    RSR_DIS = 1 << 6,
    TSR_PTX = 1,
    TSR_ONE = 1 << 1, /* always 1: RTL8029AS */
    TSR_COL = 1 << 2,
    TSR_ABT = 1 << 3,
    TSR_CRS = 1 << 4,
    TALLY_FRAME = 0,
    TALLY_CRC = 1,
    TALLY_MISSED = 2,
};

/* When an operation goes on that is late from now on. */
static inline uint64_t ne2k_late(const struct ne2000_model *model)
{
    return hal_time_ns() +
           (model->late_ns != 0 ? model->late_ns : NE2000_MODEL_LATE_NS);
}

/* Set bits of ISR, and drive the line. */
void ne2k_raise(struct ne2000_model *model, uint8_t bits);
void ne2k_line_update(struct ne2000_model *model);
void ne2k_reset(struct ne2000_model *model);
/* The same, and nobody has asked for it. */
void ne2k_forget(struct ne2000_model *model);
bool ne2k_running(const struct ne2000_model *model);

/* Whether two runs of pages have one in common; `end` is not in it. */
static inline bool ne2k_overlap(unsigned first, unsigned end, unsigned first2,
                                unsigned end2)
{
    return first < end2 && first2 < end;
}

#endif
