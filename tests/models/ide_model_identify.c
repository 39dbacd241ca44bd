/* What IDENTIFY DEVICE and IDENTIFY PACKET DEVICE say: [ATA] by these names;
 * words 106 and 117: ATA/ATAPI-7. */
#include "kernel/lib/bytes.h"
#include "tests/models/ide_model_internal.h"
#include <string.h>

/* Text: two characters a word, the first one in the upper half, padded with
 * blanks. */
static void put_text(uint16_t *word, unsigned count, const char *text)
{
    size_t len = strlen(text);

    for (unsigned i = 0; i < count; i++) {
        uint8_t first = 2 * i < len ? (uint8_t)text[2 * i] : ' ';
        uint8_t second = 2 * i + 1 < len ? (uint8_t)text[2 * i + 1] : ' ';

        word[i] = (uint16_t)(first << 8 | second);
    }
}

static void put_capacity(const struct ide_model_drive *drive, uint16_t *word)
{
    uint64_t sectors = drive->sectors;
    uint64_t low = sectors < 0x0fffffff ? sectors : 0x0fffffff;
    uint64_t chs = sectors < 16514064 ? sectors : 16514064; /* 16383*16*63 */
    unsigned current = drive->heads * drive->track_sectors;

    word[1] = (uint16_t)(chs / (16 * 63));
    word[3] = 16;
    word[6] = 63;
    word[53] |= 1; /* 54 to 58 are valid */
    word[54] = (uint16_t)(current == 0 ? 0 : chs / current);
    word[55] = (uint16_t)drive->heads;
    word[56] = (uint16_t)drive->track_sectors;
    word[57] = (uint16_t)(word[54] * current);
    word[58] = (uint16_t)((uint32_t)word[54] * current >> 16);
    word[60] = (uint16_t)low;
    word[61] = (uint16_t)(low >> 16);
    for (unsigned i = 0; drive->lba48 && i < 4; i++)
        word[100 + i] = (uint16_t)(sectors >> 16 * i);
    if (drive_sector_size(drive) != 512) {
        word[106] = 0x5000; /* valid; logical sectors are longer */
        word[117] = (uint16_t)(drive_sector_size(drive) / 2);
    }
}

/* Transfer modes: which there are, and which one is set. */
static void put_modes(const struct ide_model_drive *drive, uint16_t *word)
{
    word[49] |= 0x0c00; /* IORDY, which may be disabled */
    word[53] |= 2;      /* 64 to 70 are valid */
    word[64] = 3;       /* PIO modes 3 and 4 */
    for (unsigned i = 65; i <= 68; i++)
        word[i] = 120; /* ns of a cycle */
    if (drive->no_dma)
        return;
    word[49] |= 0x0100;
    word[63] = 7;
    if ((drive->dma_mode & 0xf8) == 0x20)
        word[63] |= (uint16_t)(0x100 << (drive->dma_mode & 7));
    if (drive->no_udma)
        return;
    word[53] |= 4; /* 88 is valid */
    word[88] = 0x3f;
    if ((drive->dma_mode & 0xf8) == 0x40)
        word[88] |= (uint16_t)(0x100 << (drive->dma_mode & 7));
    word[93] = 0x6001; /* a cable of 80 wires */
}

/* Command sets: 82 to 84 what there is, 85 to 87 what is enabled. */
static void put_features(const struct ide_model_drive *drive, uint16_t *word)
{
    word[80] = 0x7e; /* ATA-1 to ATA/ATAPI-6 */
    word[82] = (uint16_t)(0x4000 | (drive->no_cache ? 0 : 0x20));
    word[83] = (uint16_t)(0x4000 | (drive->lba48 ? 0x0400 : 0) |
                          (drive->no_flush ? 0 : 0x1000) |
                          (drive->lba48 && !drive->no_flush ? 0x2000 : 0));
    word[84] = (uint16_t)(0x4000 | (drive->fua ? 0x40 : 0));
    word[85] = (uint16_t)(0x4000 | (drive->cache_on ? 0x20 : 0));
    word[86] = word[83] & 0x3fff;
    word[87] = word[84];
}

void drive_identify(struct ide_model_drive *drive, uint8_t out[512])
{
    uint16_t word[256] = {0};
    uint8_t sum = 0xa5;
    bool is_packet = drive->kind == IDE_ATAPI;

    word[0] = is_packet ? 0x8580 : 0x0040; /* CD-ROM, removable; fixed */
    put_text(word + 10, 10, "MODEL-0001");
    put_text(word + 23, 4, "1.0");
    put_text(word + 27, 20, "Torc model of a drive");
    word[49] = 0x0200; /* LBA */
    put_modes(drive, word);
    put_features(drive, word);
    if (is_packet) {
        word[82] |= 0x0210; /* PACKET, DEVICE RESET */
    } else {
        word[47] = (uint16_t)(0x8000 | drive->multiple_max);
        word[50] = 0x4000;
        if (drive->multiple != 0)
            word[59] = (uint16_t)(0x0100 | drive->multiple);
        put_capacity(drive, word);
    }
    if (drive->identify != NULL)
        drive->identify(drive, word);
    for (unsigned i = 0; i < 255; i++) {
        le16_put(out + 2 * i, word[i]);
        sum = (uint8_t)(sum + out[2 * i] + out[2 * i + 1]);
    }
    out[510] = 0xa5;
    out[511] = (uint8_t)(0 - sum + drive->bad_checksum);
}
