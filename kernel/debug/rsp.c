#include "kernel/debug/rsp.h"
#include <stdatomic.h>
#include <torc/string.h>
#include <torc/time.h>

enum {
    SIGNAL_TRAP = 5,
    BYTE_INTERRUPT = 3,                    /* Ctrl-C */
    BYTES_MAX = (RSP_PACKET_MAX - 16) / 2, /* of memory, in a packet */
    OPCODE_INT3 = 0xcc,
};

void rsp_init(struct rsp *rsp, const struct hal_debug_ops *ops,
              unsigned cpu_count)
{
    memset(rsp, 0, sizeof(*rsp));
    rsp->ops = ops;
    rsp->cpu_count = cpu_count;
    rsp->pushed_back = -1;
}

bool rsp_is_attached(const struct rsp *rsp)
{
    return atomic_load_explicit(&rsp->is_attached, memory_order_acquire);
}

static void attached_set(struct rsp *rsp, bool value)
{
    atomic_store_explicit(&rsp->is_attached, value, memory_order_release);
}

/* ---- Text ---------------------------------------------------------------- */

static const char digits[] = "0123456789abcdef";

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* A number in hexadecimal, and where it ends. Returns false: there is none, or
 * it is too large. */
static bool number_get(const char **at, uint64_t *value)
{
    const char *from = *at;

    *value = 0;
    for (; digit_of(**at) >= 0; ++*at) {
        if (*value >> 60 != 0)
            return false;
        *value = *value << 4 | (unsigned)digit_of(**at);
    }
    return *at > from;
}

static bool sign_get(const char **at, char sign)
{
    if (**at != sign)
        return false;
    ++*at;
    return true;
}

/* `size` bytes of two digits each. */
static bool bytes_get(const char **at, uint8_t *out, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        int high = digit_of((*at)[0]);
        int low = high < 0 ? -1 : digit_of((*at)[1]);

        if (low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
        *at += 2;
    }
    return true;
}

static bool starts(const char *text, const char *with)
{
    while (*with != '\0' && *text == *with) {
        text++;
        with++;
    }
    return *with == '\0';
}

static void out_char(struct rsp *rsp, char c)
{
    if (rsp->out_len < RSP_PACKET_MAX)
        rsp->out[rsp->out_len++] = c;
}

static void out_text(struct rsp *rsp, const char *text)
{
    for (; *text != '\0'; text++)
        out_char(rsp, *text);
}

static void out_bytes(struct rsp *rsp, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        out_char(rsp, digits[bytes[i] >> 4]);
        out_char(rsp, digits[bytes[i] & 15]);
    }
}

static void out_number(struct rsp *rsp, uint64_t value)
{
    unsigned shift = 60;

    while (shift > 0 && value >> shift == 0)
        shift -= 4;
    for (;; shift -= 4) {
        out_char(rsp, digits[value >> shift & 15]);
        if (shift == 0)
            break;
    }
}

static void out_byte(struct rsp *rsp, uint8_t byte)
{
    out_bytes(rsp, &byte, 1);
}

/* ---- Packets ------------------------------------------------------------- */

/* -1: the first packet has not come in time. */
static int next_byte(struct rsp *rsp)
{
    int byte = rsp->pushed_back;

    rsp->pushed_back = -1;
    if (byte >= 0)
        return byte;
    if (rsp_is_attached(rsp))
        return rsp->ops->get(0);
    if (rsp->first_left == 0)
        return -1;
    rsp->first_left--;
    return rsp->ops->get(hal_time_ns() + NS_PER_S);
}

static void packet_send(struct rsp *rsp)
{
    uint8_t sum = 0;

    do {
        rsp->ops->put('$');
        sum = 0;
        for (size_t i = 0; i < rsp->out_len; i++) {
            rsp->ops->put((uint8_t)rsp->out[i]);
            sum = (uint8_t)(sum + (uint8_t)rsp->out[i]);
        }
        rsp->ops->put('#');
        rsp->ops->put((uint8_t)digits[sum >> 4]);
        rsp->ops->put((uint8_t)digits[sum & 15]);
        do
            rsp->pushed_back = rsp->ops->get(0);
        while (rsp->pushed_back == BYTE_INTERRUPT);
    } while (rsp->pushed_back == '-');
    if (rsp->pushed_back == '+')
        rsp->pushed_back = -1; /* else it is the next packet's */
}

/* The rest of a packet, behind its '$'. Returns 1: its sum is right; 0; or -1
 * as next_byte(). */
static int packet_rest(struct rsp *rsp)
{
    uint8_t sum = 0, want = 0, sent[2];
    const char *at = (const char *)sent;
    bool fits = true;
    int byte;

    rsp->in_len = 0;
    while ((byte = next_byte(rsp)) != '#') {
        if (byte < 0)
            return -1;
        if (byte == '$') { /* a new one: the first has lost its end */
            rsp->in_len = 0;
            sum = 0;
            fits = true;
            continue;
        }
        sum = (uint8_t)(sum + byte);
        fits = fits && rsp->in_len < RSP_PACKET_MAX;
        if (fits)
            rsp->in[rsp->in_len++] = (char)byte;
    }
    for (unsigned i = 0; i < sizeof(sent); i++) {
        byte = next_byte(rsp);
        if (byte < 0)
            return -1;
        sent[i] = (uint8_t)byte;
    }
    return fits && bytes_get(&at, &want, 1) && want == sum;
}

/* The next packet whose sum is right, NUL-terminated. Returns false: none has
 * come in time. */
static bool packet_get(struct rsp *rsp)
{
    for (;;) {
        int byte, is_right;

        while ((byte = next_byte(rsp)) != '$') {
            if (byte < 0)
                return false;
        }
        is_right = packet_rest(rsp);
        if (is_right < 0)
            return false;
        if (is_right > 0)
            break;
        rsp->ops->put('-');
    }
    rsp->in[rsp->in_len] = '\0';
    rsp->ops->put('+');
    rsp->out_len = 0;
    return true;
}

/* ---- CPUs and registers -------------------------------------------------- */

static struct hal_debug_cpu *cpu_now(struct rsp *rsp)
{
    return rsp->ops->cpu(rsp->cpu);
}

static void registers_read(struct rsp *rsp)
{
    const struct hal_debug_cpu *cpu = cpu_now(rsp);
    uint8_t value[16];

    for (unsigned i = 0; i < RSP_REGISTERS; i++) {
        unsigned size = rsp_register_size(i);

        if (cpu != NULL) {
            rsp_register_get(cpu, i, value);
            out_bytes(rsp, value, size);
        }
        for (unsigned k = 0; cpu == NULL && k < size; k++)
            out_text(rsp, "xx");
    }
}

static void registers_write(struct rsp *rsp, const char *at)
{
    struct hal_debug_cpu *cpu = cpu_now(rsp);
    struct hal_debug_cpu changed;

    if (cpu == NULL) {
        out_text(rsp, "E01");
        return;
    }
    changed = *cpu;
    for (unsigned i = 0; i < RSP_REGISTERS; i++) {
        uint8_t value[16];

        if (!bytes_get(&at, value, rsp_register_size(i))) {
            out_text(rsp, "E02");
            return;
        }
        rsp_register_set(&changed, i, value);
    }
    *cpu = changed;
    out_text(rsp, "OK");
}

static void register_one(struct rsp *rsp, const char *at, bool is_write)
{
    struct hal_debug_cpu *cpu = cpu_now(rsp);
    uint8_t value[16];
    uint64_t number;

    if (!number_get(&at, &number) || number >= RSP_REGISTERS || cpu == NULL) {
        out_text(rsp, "E01");
        return;
    }
    if (!is_write) {
        rsp_register_get(cpu, (unsigned)number, value);
        out_bytes(rsp, value, rsp_register_size((unsigned)number));
        return;
    }
    if (!sign_get(&at, '=') ||
        !bytes_get(&at, value, rsp_register_size((unsigned)number))) {
        out_text(rsp, "E02");
        return;
    }
    rsp_register_set(cpu, (unsigned)number, value);
    out_text(rsp, "OK");
}

/* A thread's number, which is a CPU's and one more; 0, -1: any. */
static bool thread_get(const char **at, unsigned any, unsigned *cpu)
{
    uint64_t number = 0;

    *cpu = any;
    if (sign_get(at, '-'))
        return number_get(at, &number) && number == 1;
    if (!number_get(at, &number) || number > 256)
        return false;
    if (number == 0)
        return true;
    *cpu = (unsigned)number - 1;
    return *cpu < 256;
}

static bool cpu_exists(struct rsp *rsp, unsigned cpu)
{
    return cpu < rsp->cpu_count && rsp->ops->cpu(cpu) != NULL;
}

static void thread_choose(struct rsp *rsp, const char *at)
{
    char what = *at++;
    unsigned cpu;

    if ((what != 'g' && what != 'c') || !thread_get(&at, rsp->stop.cpu, &cpu) ||
        !cpu_exists(rsp, cpu)) {
        out_text(rsp, "E01");
        return;
    }
    *(what == 'g' ? &rsp->cpu : &rsp->step_cpu) = cpu;
    out_text(rsp, "OK");
}

static void threads_list(struct rsp *rsp)
{
    char before = 'm';

    for (unsigned i = 0; i < rsp->cpu_count; i++) {
        if (rsp->ops->cpu(i) == NULL)
            continue;
        out_char(rsp, before);
        out_number(rsp, i + 1);
        before = ',';
    }
}

static void thread_name(struct rsp *rsp, const char *at)
{
    static const uint8_t name[] = {'c', 'p', 'u', ' '};
    unsigned cpu;

    if (!thread_get(&at, 0, &cpu)) {
        out_text(rsp, "E01");
        return;
    }
    out_bytes(rsp, name, sizeof(name));
    if (cpu >= 100)
        out_byte(rsp, (uint8_t)('0' + cpu / 100));
    if (cpu >= 10)
        out_byte(rsp, (uint8_t)('0' + cpu / 10 % 10));
    out_byte(rsp, (uint8_t)('0' + cpu % 10));
}

/* ---- Memory -------------------------------------------------------------- */

static void memory_read(struct rsp *rsp, const char *at)
{
    static uint8_t bytes[BYTES_MAX]; /* of the CPU that serves */
    uint64_t address, size;
    size_t got;

    if (!number_get(&at, &address) || !sign_get(&at, ',') ||
        !number_get(&at, &size)) {
        out_text(rsp, "E01");
        return;
    }
    if (size > BYTES_MAX)
        size = BYTES_MAX;
    got = rsp->ops->read(address, bytes, size);
    if (got == 0 && size > 0)
        out_text(rsp, "E0e");
    out_bytes(rsp, bytes, got);
}

/* As the packet has them: escaped. Returns how many. */
static size_t binary_get(struct rsp *rsp, const char *at, uint8_t *out,
                         size_t max)
{
    const char *end = rsp->in + rsp->in_len;
    size_t count = 0;

    for (; at < end && count < max; at++) {
        if (*at == '}' && at + 1 < end)
            out[count++] = (uint8_t)(*++at ^ 0x20);
        else
            out[count++] = (uint8_t)*at;
    }
    return at == end ? count : max + 1;
}

static void memory_write(struct rsp *rsp, const char *at, bool is_binary)
{
    static uint8_t bytes[RSP_PACKET_MAX]; /* of the CPU that serves */
    uint64_t address, size;

    if (!number_get(&at, &address) || !sign_get(&at, ',') ||
        !number_get(&at, &size) || !sign_get(&at, ':') ||
        size > sizeof(bytes) ||
        !(is_binary ? binary_get(rsp, at, bytes, size) == size
                    : bytes_get(&at, bytes, size) && *at == '\0')) {
        out_text(rsp, "E01");
        return;
    }
    out_text(rsp, rsp->ops->write(address, bytes, size) == size ? "OK" : "E0e");
}

/* ---- Breakpoints and watchpoints ----------------------------------------- */

static const char *break_set(struct rsp *rsp, uintptr_t address)
{
    static const uint8_t int3 = OPCODE_INT3;
    unsigned at = RSP_BREAKPOINTS_MAX;

    for (unsigned i = RSP_BREAKPOINTS_MAX; i-- > 0;) {
        if (!rsp->breaks[i].is_set)
            at = i;
        else if (rsp->breaks[i].address == address)
            return "OK";
    }
    if (at == RSP_BREAKPOINTS_MAX)
        return "E0c";
    if (rsp->ops->read(address, &rsp->breaks[at].saved, 1) != 1 ||
        rsp->ops->write(address, &int3, 1) != 1)
        return "E0e";
    rsp->breaks[at].address = address;
    rsp->breaks[at].is_set = true;
    return "OK";
}

static const char *break_clear(struct rsp *rsp, uintptr_t address)
{
    for (unsigned i = 0; i < RSP_BREAKPOINTS_MAX; i++) {
        if (!rsp->breaks[i].is_set || rsp->breaks[i].address != address)
            continue;
        rsp->breaks[i].is_set = false;
        return rsp->ops->write(address, &rsp->breaks[i].saved, 1) == 1 ? "OK"
                                                                       : "E0e";
    }
    return "OK";
}

static const char *
point_change(struct rsp *rsp, const struct hal_debug_point *point, bool is_set)
{
    struct hal_debug_point *free = NULL;

    for (unsigned i = HAL_DEBUG_POINTS; i-- > 0;) {
        struct hal_debug_point *mine = &rsp->points[i];

        if (mine->kind == HAL_DEBUG_OFF) {
            free = mine;
        } else if (mine->kind == point->kind &&
                   mine->address == point->address &&
                   mine->size == point->size) {
            if (!is_set)
                mine->kind = HAL_DEBUG_OFF;
            rsp->ops->points(rsp->points);
            return "OK";
        }
    }
    if (!is_set)
        return "OK";
    if (free == NULL)
        return "E0c";
    *free = *point;
    rsp->ops->points(rsp->points);
    return "OK";
}

/* [Zz]TYPE,ADDRESS,SIZE */
static void point_packet(struct rsp *rsp, const char *at, bool is_set)
{
    struct hal_debug_point point = {.kind = HAL_DEBUG_OFF};
    uint64_t type, address, size;

    if (!number_get(&at, &type) || !sign_get(&at, ',') ||
        !number_get(&at, &address) || !sign_get(&at, ',') ||
        !number_get(&at, &size)) {
        out_text(rsp, "E01");
        return;
    }
    if (type == 0) {
        out_text(rsp,
                 is_set ? break_set(rsp, address) : break_clear(rsp, address));
        return;
    }
    if (type == 1)
        size = 1;
    if (type > 4)
        return; /* not known */
    if ((size != 1 && size != 2 && size != 4 && size != 8) ||
        address % size != 0) {
        out_text(rsp, "E16");
        return;
    }
    point.kind = type == 1   ? HAL_DEBUG_EXECUTE
                 : type == 2 ? HAL_DEBUG_WRITE
                             : HAL_DEBUG_ACCESS;
    point.address = address;
    point.size = (unsigned)size;
    out_text(rsp, point_change(rsp, &point, is_set));
}

static void forget_all(struct rsp *rsp)
{
    for (unsigned i = 0; i < RSP_BREAKPOINTS_MAX; i++) {
        if (rsp->breaks[i].is_set)
            (void)break_clear(rsp, rsp->breaks[i].address);
    }
    memset(rsp->points, 0, sizeof(rsp->points));
    rsp->ops->points(rsp->points);
    attached_set(rsp, false);
    rsp->owes_stop = false;
}

/* ---- Questions ----------------------------------------------------------- */

static void out_stop(struct rsp *rsp)
{
    static const char *const names[] = {"", "", "watch:", "awatch:"};
    int point = rsp->stop.point;

    out_char(rsp, 'T');
    out_byte(rsp, (uint8_t)rsp->stop.signal);
    if (point >= 0 && rsp->points[point].kind >= HAL_DEBUG_WRITE) {
        out_text(rsp, names[rsp->points[point].kind]);
        out_number(rsp, rsp->points[point].address);
        out_char(rsp, ';');
    }
    out_text(rsp, "thread:");
    out_number(rsp, rsp->stop.cpu + 1);
    out_char(rsp, ';');
}

/* qXfer:features:read:target.xml:OFFSET,SIZE */
static void features_read(struct rsp *rsp, const char *at)
{
    static const char text[] =
        "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\">"
        "<target><architecture>i386:x86-64</architecture>"
        "<osabi>none</osabi></target>";
    uint64_t from, size;

    if (!number_get(&at, &from) || !sign_get(&at, ',') ||
        !number_get(&at, &size) || from > sizeof(text) - 1) {
        out_text(rsp, "E01");
        return;
    }
    if (size > BYTES_MAX)
        size = BYTES_MAX;
    out_char(rsp, size < sizeof(text) - 1 - from ? 'm' : 'l');
    for (; size > 0 && text[from] != '\0'; size--)
        out_char(rsp, text[from++]);
}

static void query(struct rsp *rsp)
{
    static const char features[] = "qXfer:features:read:target.xml:";

    if (starts(rsp->in, "qSupported")) {
        out_text(rsp, "PacketSize=");
        out_number(rsp, RSP_PACKET_MAX);
        out_text(rsp, ";qXfer:features:read+;vContSupported+");
    } else if (starts(rsp->in, features)) {
        features_read(rsp, rsp->in + sizeof(features) - 1);
    } else if (starts(rsp->in, "qfThreadInfo")) {
        threads_list(rsp);
    } else if (starts(rsp->in, "qsThreadInfo")) {
        out_char(rsp, 'l');
    } else if (starts(rsp->in, "qThreadExtraInfo,")) {
        thread_name(rsp, rsp->in + 17);
    } else if (str_equal(rsp->in, "qC")) {
        out_text(rsp, "QC");
        out_number(rsp, rsp->stop.cpu + 1);
    } else if (starts(rsp->in, "qAttached")) {
        out_char(rsp, '1');
    }
}

/* ---- Going on ------------------------------------------------------------ */

enum action { STAY, RUN, STEP };

/* vCont;ACTION[:THREAD]..: one thread steps, or all go on. */
static enum action continue_of(struct rsp *rsp, const char *at)
{
    enum action action = STAY;

    while (sign_get(&at, ';')) {
        char what = *at == '\0' ? '\0' : *at++;
        unsigned cpu = rsp->stop.cpu;
        uint64_t signal;

        if ((what == 'C' || what == 'S') && !number_get(&at, &signal))
            return STAY;
        if (sign_get(&at, ':') && !thread_get(&at, rsp->stop.cpu, &cpu))
            return STAY;
        if (action != STAY)
            continue;
        if ((what == 's' || what == 'S') && cpu_exists(rsp, cpu)) {
            rsp->step_cpu = cpu;
            action = STEP;
        } else if (what == 'c' || what == 'C') {
            action = RUN;
        }
    }
    return *at == '\0' ? action : STAY;
}

static enum action action_of(struct rsp *rsp)
{
    switch (rsp->in[0]) {
    case 'c':
    case 'C':
        return RUN;
    case 's':
    case 'S':
        return STEP;
    case 'D':
        forget_all(rsp);
        out_text(rsp, "OK");
        return RUN;
    case 'v':
        return starts(rsp->in, "vCont;") ? continue_of(rsp, rsp->in + 5) : STAY;
    default:
        return STAY;
    }
}

static noinline void answer(struct rsp *rsp)
{
    const char *rest = rsp->in + 1;

    switch (rsp->in[0]) {
    case '?':
        out_stop(rsp);
        break;
    case 'g':
        registers_read(rsp);
        break;
    case 'G':
        registers_write(rsp, rest);
        break;
    case 'p':
    case 'P':
        register_one(rsp, rest, rsp->in[0] == 'P');
        break;
    case 'm':
        memory_read(rsp, rest);
        break;
    case 'M':
    case 'X':
        memory_write(rsp, rest, rsp->in[0] == 'X');
        break;
    case 'Z':
    case 'z':
        point_packet(rsp, rest, rsp->in[0] == 'Z');
        break;
    case 'H':
        thread_choose(rsp, rest);
        break;
    case 'q':
        query(rsp);
        break;
    case 'T': {
        unsigned cpu;

        out_text(rsp, thread_get(&rest, 0, &cpu) && cpu_exists(rsp, cpu)
                          ? "OK"
                          : "E01");
        break;
    }
    case 'v':
        if (str_equal(rsp->in, "vCont?"))
            out_text(rsp, "vCont;c;C;s;S");
        break;
    case 'k':
        hal_exit(1);
    default:
        break; /* an empty answer: not known */
    }
}

enum hal_debug_go rsp_serve(struct rsp *rsp, const struct hal_debug_stop *stop,
                            unsigned *cpu)
{
    if (!rsp_is_attached(rsp) && rsp->pushed_back < 0)
        return HAL_DEBUG_RUN;
    rsp->first_left = RSP_PACKET_MAX;
    rsp->stop = *stop;
    rsp->cpu = rsp->step_cpu = stop->cpu;
    if (rsp->owes_stop) {
        rsp->out_len = 0;
        out_stop(rsp);
        packet_send(rsp);
        rsp->owes_stop = false;
    }
    for (;;) {
        enum action action;

        if (!packet_get(rsp))
            return HAL_DEBUG_RUN;
        attached_set(rsp, true);
        action = action_of(rsp);
        if (action == STEP && !rsp->ops->can_step(rsp->step_cpu)) {
            out_text(rsp, "E01");
            action = STAY;
        } else if (action == STAY) {
            answer(rsp);
        }
        if (action == STAY || !rsp_is_attached(rsp))
            packet_send(rsp);
        if (action == STAY)
            continue;
        rsp->owes_stop = rsp_is_attached(rsp);
        *cpu = rsp->step_cpu;
        return action == STEP ? HAL_DEBUG_STEP : HAL_DEBUG_RUN;
    }
}
