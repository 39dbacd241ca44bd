/*
 * A QEMU TCG plugin that counts the guest's instructions by function and by the
 * way it was called. For tools/profile/profile.sh; docs/profile.md.
 *
 *   functions=FILE     where each function begins: "ADDRESS ..." (hexadecimal),
 *                      one a line, in order, the last line being the end of all
 *   traps=ADDRESS      of the function where interrupts begin (hexadecimal)
 *   out=FILE           gets the counts when the machine ends
 *   window=FILE        count while the first byte of that file is '1'; or
 *   begin=ADDRESS      count from each begin of this function, to that of
 *   end=ADDRESS        this one, or to the machine's end
 *
 * Needs -accel tcg,thread=single: all virtual CPUs run on one thread of the
 * host, which is the only one in here.
 *
 * How calls are followed. The interface tells no registers, but it tells the
 * address of each access to memory. The store of a call instruction tells where
 * the return address is: what called is kept under that place (shadow.h). The
 * load of a return instruction tells from which place it takes its address, so
 * what is returned to is known, on whichever stack that is. A context switch
 * (hal_context_switch()) pushes a constant and later pops it into a register,
 * to which it jumps: these two count as call and return. Only when the address
 * at that place was not pushed this way, as on the stack of a thread that
 * begins, a new stack begins at the root of the tree.
 *
 * A jump into another function is a tail call. What begins at the stubs of
 * interrupts is an interrupt: it has a stack of its own below "interrupt", and
 * IRET ends it.
 */
#include "tools/profile/decode.h"
#include "tools/profile/shadow.h"
#include "tools/profile/tree.h"
#include "tools/qemu_plugin.h"
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int qemu_plugin_version = 1;

enum { CPU_MAX = 64, NESTING_MAX = 16, FUNCTIONS_MAX = 1 << 20 };

/* No function: code that is not the image's, and the bottom of interrupts. */
#define ELSEWHERE (TREE_ROOT - 1)
#define INTERRUPT (TREE_ROOT - 2)

/* A block of instructions as QEMU translated it. Never freed. */
struct block {
    struct block *next; /* of all */
    uint64_t at;
    uint64_t instructions;
    uint64_t repeats_at; /* its last instruction, if that has REP; or 0 */
    uint64_t ran;        /* how often, while counting */
    uint32_t function;
    bool begins;  /* the function */
    bool is_trap; /* a stub of interrupts */
    bool ends_interrupt;
};

/* How the last block of a virtual CPU ended. */
enum ending { ENDED_ANYHOW, ENDED_CALL, ENDED_RETURN, ENDED_INTERRUPT };

/* An instruction that puts a return address on the stack, or takes it off. */
struct access {
    const struct block *block;
    enum ending ending; /* what it is: CALL, RETURN; ANYHOW: a push */
    uint64_t address;   /* which it puts there */
    uint64_t seen;      /* in which execution of the block it was last told */
};

/* What a virtual CPU is doing. */
struct place {
    struct node *node;
    enum ending ending;
    struct slot returned; /* ENDED_RETURN: what was found on the stack */
};

struct cpu {
    struct place now;
    struct place interrupted[NESTING_MAX];
    unsigned nesting;
    const struct block *block; /* the last one */
    uint64_t execution;        /* its number */
    /* Counted beside the tree, whose sum must be the same. */
    uint64_t instructions;
    uint64_t steps;
};

static struct cpu cpus[CPU_MAX];
static struct block *blocks;
static uint64_t executions;  /* of blocks, by all */
static uint64_t unexplained; /* returns to what nobody pushed */
static bool counting;        /* the window is open */

static uint64_t *functions; /* where they begin */
static size_t function_count;
static uint64_t functions_end;

static uint64_t traps_at, begin_at, end_at;
static const volatile char *window; /* NULL: by begin_at and end_at */
static char out[4096];

/* ---- While the guest runs ------------------------------------------------ */

static void enter(struct cpu *cpu, struct node *parent,
                  const struct block *block, bool called)
{
    cpu->now.node = tree_child(parent, block->function);
    cpu->now.node->calls += called && counting;
}

static void interrupt(struct cpu *cpu, const struct block *block)
{
    if (cpu->nesting < NESTING_MAX)
        cpu->interrupted[cpu->nesting++] = cpu->now;
    else
        unexplained++;
    enter(cpu, tree_child(tree_root(), INTERRUPT), block, true);
}

static void land(struct cpu *cpu, const struct block *block)
{
    const struct slot *from = &cpu->now.returned;

    if (from->caller != NULL && from->returns_to == block->at) {
        cpu->now.node = from->caller;
    } else {
        unexplained++;
        enter(cpu, tree_root(), block, true);
    }
}

/* A jump, or on to the next instruction. */
static void go_on(struct cpu *cpu, const struct block *block)
{
    struct node *node = cpu->now.node;

    if (block->function == node->function)
        return;
    enter(cpu, node->parent != NULL ? node->parent : node, block,
          block->begins);
}

/* Which node the block belongs to. */
static void arrive(struct cpu *cpu, const struct block *block)
{
    if (cpu->now.node == NULL)
        cpu->now.node = tree_root();
    if (cpu->now.ending == ENDED_INTERRUPT && cpu->nesting > 0)
        cpu->now = cpu->interrupted[--cpu->nesting];
    if (block->is_trap)
        interrupt(cpu, block);
    else if (cpu->now.ending == ENDED_CALL)
        enter(cpu, cpu->now.node, block, true);
    else if (cpu->now.ending == ENDED_RETURN)
        land(cpu, block);
    else
        go_on(cpu, block);
}

static void count(struct cpu *cpu, struct block *block)
{
    struct node *node = cpu->now.node;

    block->ran++;
    node->instructions += block->instructions;
    cpu->instructions += block->instructions;
    if (cpu->block != NULL && block->at == cpu->block->repeats_at) {
        node->steps++;
        cpu->steps++;
    }
}

static void look_at_window(const struct block *block)
{
    if (window != NULL)
        counting = *window == '1';
    else if (block->at == begin_at)
        counting = true;
    else if (block->at == end_at)
        counting = false;
}

static void executed(unsigned vcpu, void *data)
{
    struct cpu *cpu = &cpus[vcpu % CPU_MAX];
    struct block *block = data;

    look_at_window(block);
    arrive(cpu, block);
    if (counting)
        count(cpu, block);
    cpu->block = block;
    cpu->execution = ++executions;
    cpu->now.ending = block->ends_interrupt ? ENDED_INTERRUPT : ENDED_ANYHOW;
}

/*
 * An access to memory. Only the first one after the block has begun is the
 * instruction's: QEMU 7.2 may tell accesses of what follows (an interrupt that
 * is delivered, say) as if they were of the instruction that it watched last.
 */
static void accessed(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t place,
                     void *data)
{
    struct cpu *cpu = &cpus[vcpu % CPU_MAX];
    struct access *access = data;
    bool stores = access->ending != ENDED_RETURN;

    if (access->block != cpu->block || access->seen == cpu->execution ||
        qemu_plugin_mem_is_store(info) != stores)
        return;
    access->seen = cpu->execution;
    cpu->now.ending = access->ending;
    if (stores)
        *shadow_slot(place) = (struct slot){.caller = cpu->now.node,
                                            .returns_to = access->address};
    else
        cpu->now.returned = *shadow_slot(place);
}

/* ---- As blocks are translated -------------------------------------------- */

static void *must_alloc(size_t size)
{
    void *memory = calloc(1, size);

    if (memory == NULL) {
        perror("profile plugin");
        abort();
    }
    return memory;
}

static uint32_t function_of(uint64_t at)
{
    size_t low = 0, high = function_count;

    if (at < functions[0] || at >= functions_end)
        return ELSEWHERE;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;

        if (functions[middle] <= at)
            low = middle;
        else
            high = middle;
    }
    return (uint32_t)low;
}

static struct insn decode(const struct qemu_plugin_insn *insn)
{
    return insn_decode(qemu_plugin_insn_data(insn),
                       qemu_plugin_insn_size(insn));
}

static void watch(const struct block *block, struct qemu_plugin_insn *insn,
                  enum ending ending, uint64_t address)
{
    struct access *access = must_alloc(sizeof(*access));

    *access =
        (struct access){.block = block, .ending = ending, .address = address};
    qemu_plugin_register_vcpu_mem_cb(insn, accessed, QEMU_PLUGIN_CB_NO_REGS,
                                     QEMU_PLUGIN_MEM_RW, access);
}

/* `previous` is the instruction before, NULL at the begin of a block. */
static void watch_stack(const struct block *block,
                        struct qemu_plugin_insn *previous, struct insn before,
                        struct qemu_plugin_insn *insn, struct insn what)
{
    uint64_t next = qemu_plugin_insn_vaddr(insn) + qemu_plugin_insn_size(insn);

    if (what.kind == INSN_CALL)
        watch(block, insn, ENDED_CALL, next);
    else if (what.kind == INSN_RETURN)
        watch(block, insn, ENDED_RETURN, 0);
    else if (what.kind == INSN_PUSH_CONSTANT &&
             function_of(what.value) != ELSEWHERE)
        watch(block, insn, ENDED_ANYHOW, what.value);
    else if (what.kind == INSN_JUMP_REGISTER && before.kind == INSN_POP &&
             before.value == what.value)
        watch(block, previous, ENDED_RETURN, 0);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    struct block *block = must_alloc(sizeof(*block));
    size_t n = qemu_plugin_tb_n_insns(tb);
    struct qemu_plugin_insn *insn = NULL, *previous;
    struct insn what = {.kind = INSN_OTHER}, before;

    (void)id;
    block->next = blocks;
    blocks = block;
    block->at = qemu_plugin_tb_vaddr(tb);
    block->instructions = n;
    block->function = function_of(block->at);
    block->begins =
        block->function != ELSEWHERE && functions[block->function] == block->at;
    block->is_trap = block->function == function_of(traps_at);
    for (size_t i = 0; i < n; i++) {
        previous = insn;
        before = what;
        insn = qemu_plugin_tb_get_insn(tb, i);
        what = decode(insn);
        watch_stack(block, previous, before, insn, what);
    }
    block->ends_interrupt = what.kind == INSN_IRET;
    if (what.kind == INSN_REPEAT)
        block->repeats_at = qemu_plugin_insn_vaddr(insn);
    qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, QEMU_PLUGIN_CB_NO_REGS,
                                         block);
}

/* ---- The end ------------------------------------------------------------- */

static void put_function(FILE *file, uint32_t function)
{
    if (function == TREE_ROOT)
        fprintf(file, "root");
    else if (function == ELSEWHERE)
        fprintf(file, "elsewhere");
    else if (function == INTERRUPT)
        fprintf(file, "interrupt");
    else
        fprintf(file, "%" PRIx64, functions[function]);
}

/*
 * Lines "total CPU INSTRUCTIONS STEPS", "unexplained NUMBER", for each node
 * "node ID PARENT FUNCTION CALLS INSTRUCTIONS STEPS", and for each block that
 * ran "block ADDRESS INSTRUCTIONS TIMES".
 */
static void ended(qemu_plugin_id_t id, void *p)
{
    FILE *file = fopen(out, "w");

    (void)id;
    (void)p;
    if (file == NULL) {
        perror(out);
        return;
    }
    for (unsigned i = 0; i < CPU_MAX; i++) {
        if (cpus[i].now.node != NULL)
            fprintf(file, "total %u %" PRIu64 " %" PRIu64 "\n", i,
                    cpus[i].instructions, cpus[i].steps);
    }
    fprintf(file, "unexplained %" PRIu64 "\n", unexplained);
    for (const struct node *node = tree_first(); node != NULL;
         node = node->next) {
        fprintf(file, "node %" PRIu32 " %" PRIu32 " ", node->id,
                node->parent != NULL ? node->parent->id : 0);
        put_function(file, node->function);
        fprintf(file, " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", node->calls,
                node->instructions, node->steps);
    }
    for (const struct block *block = blocks; block != NULL;
         block = block->next) {
        if (block->ran > 0)
            fprintf(file, "block %" PRIx64 " %" PRIu64 " %" PRIu64 "\n",
                    block->at, block->instructions, block->ran);
    }
    if (fclose(file) != 0)
        perror(out);
}

/* ---- Arguments ----------------------------------------------------------- */

static bool read_functions(const char *name)
{
    FILE *file = fopen(name, "r");
    char line[1024];

    functions = calloc(FUNCTIONS_MAX, sizeof(*functions));
    if (file == NULL || functions == NULL)
        return false;
    while (function_count < FUNCTIONS_MAX &&
           fgets(line, sizeof(line), file) != NULL)
        functions[function_count++] = strtoull(line, NULL, 16);
    fclose(file);
    if (function_count < 2)
        return false;
    functions_end = functions[--function_count];
    return true;
}

static bool map_window(const char *name)
{
    int fd = open(name, O_RDONLY);
    void *at = MAP_FAILED;

    if (fd >= 0)
        at = mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    if (at == MAP_FAILED)
        return false;
    window = at;
    return true;
}

static bool set(const char *name, const char *value)
{
    if (strcmp(name, "functions") == 0)
        return read_functions(value);
    if (strcmp(name, "window") == 0)
        return map_window(value);
    if (strcmp(name, "out") == 0)
        return snprintf(out, sizeof(out), "%s", value) < (int)sizeof(out);
    if (strcmp(name, "traps") == 0)
        traps_at = strtoull(value, NULL, 16);
    else if (strcmp(name, "begin") == 0)
        begin_at = strtoull(value, NULL, 16);
    else if (strcmp(name, "end") == 0)
        end_at = strtoull(value, NULL, 16);
    else
        return false;
    return true;
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info,
                        int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        char *value = strchr(argv[i], '=');

        if (value != NULL)
            *value++ = '\0';
        if (value == NULL || !set(argv[i], value)) {
            fprintf(stderr, "profile plugin: wrong argument %s\n", argv[i]);
            return -1;
        }
    }
    if (functions == NULL || traps_at == 0 || out[0] == '\0' ||
        (window == NULL && begin_at == 0)) {
        fprintf(stderr, "profile plugin: functions, traps, out, and window "
                        "or begin are needed\n");
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
