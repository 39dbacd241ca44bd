#include "tests/sim/io/frames.h"
#include "tests/sim/io/work.h"
#include <string.h>

/* Of a frame: who it is. */
enum {
    SENDER = 7,
    NUMBER = 8,
    LENGTH = 9, /* three bytes */
    TYPE = 12,
    TYPE_HIGH = 0x88, /* for experiments: IEEE 802 */
    TYPE_LOW = 0xb5,
    TCP_OFFSET = FRAME_TCP + 12,
    TCP_NO_OPTIONS = 5 << 4,
};

struct frame {
    uint32_t len; /* 0: it was not sent */
    unsigned left, arrived, came;
};

const uint8_t frames_mac[6] = {0x52, 0x54, 0, 1, 2, 3};

static struct frame frames[FRAME_SENDERS][FRAMES_EACH];
static uint32_t padded_to;
static unsigned left, came;

void frames_begin(uint32_t card_pads_to)
{
    padded_to = card_pads_to;
}

/* What stands at a place of a frame. */
static uint8_t byte_of(unsigned sender, unsigned number, uint32_t len,
                       uint32_t at)
{
    bool to_all = (sender + number) % 2 != 0;

    if (at < 6)
        return to_all ? 255 : frames_mac[at];
    switch (at) {
    case SENDER:
        return (uint8_t)sender;
    case NUMBER:
        return (uint8_t)number;
    case LENGTH:
    case LENGTH + 1:
    case LENGTH + 2:
        return (uint8_t)(len >> 8 * (at - LENGTH));
    case TYPE:
        return TYPE_HIGH;
    case TYPE + 1:
        return TYPE_LOW;
    case TCP_OFFSET:
        return TCP_NO_OPTIONS;
    default:
        return (uint8_t)((sender * 59 + number * 7 + at) | 2);
    }
}

void frame_make(uint8_t *data, uint32_t len, unsigned sender, unsigned number)
{
    frames[sender][number].len = len;
    for (uint32_t i = 0; i < len; i++)
        data[i] = byte_of(sender, number, len, i);
}

/* Which one it is. */
static struct frame *frame_find(const uint8_t *data, uint32_t len)
{
    unsigned sender = data[SENDER], number = data[NUMBER];
    struct frame *frame;
    uint32_t whole;

    expect(len >= FRAME_MIN && sender < FRAME_SENDERS && number < FRAMES_EACH &&
               frames[sender][number].len != 0,
           "there is a frame that nobody has sent");
    frame = &frames[sender][number];
    whole = frame->len < padded_to ? padded_to : frame->len;
    expect(len == whole, "a frame has another length");
    for (uint32_t i = 0; i < frame->len; i++)
        expect(data[i] == byte_of(sender, number, frame->len, i),
               "a frame has other contents");
    for (uint32_t i = frame->len; i < len; i++)
        expect(data[i] == 0,
               "a short frame is filled up with other than zeros");
    return frame;
}

void frame_leaves(const uint8_t *data, uint32_t len)
{
    struct frame *frame = frame_find(data, len);

    frame->left++;
    expect(frame->left == 1, "the driver has sent a frame twice");
    left++;
}

void frame_arrives(const uint8_t *data, uint32_t len)
{
    frame_find(data, len)->arrived++;
}

void frame_comes(const uint8_t *data, uint32_t len)
{
    struct frame *frame = frame_find(data, len);

    frame->came++;
    expect(frame->came <= frame->arrived,
           "a frame came more often than the card has got it");
    came++;
}

unsigned frames_left(void)
{
    return left;
}

unsigned frames_came(void)
{
    return came;
}

bool frame_has_left(unsigned sender, unsigned number)
{
    return frames[sender][number].left != 0;
}
