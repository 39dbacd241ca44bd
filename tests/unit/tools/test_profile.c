/*
 * The parts of the profile's QEMU plugin that need no QEMU: instructions, the
 * call tree, what was pushed where. The rest is tested in QEMU itself:
 * tests/integration/run.sh profile.
 */
#include "tests/fakes/cmocka_all.h"
#include "tools/profile/decode.c"
#include "tools/profile/shadow.c"
#include "tools/profile/tree.c"

/* Bytes are those that the assembler makes of the name. */
static const struct {
    const char *name;
    uint8_t bytes[12];
    size_t size;
    enum insn_kind kind;
    uint64_t value;
} insns[] = {
    {"call rel32", {0xe8, 1, 2, 3, 4}, 5, INSN_CALL, 0},
    {"call *%rax", {0xff, 0xd0}, 2, INSN_CALL, 0},
    {"call *%r9", {0x41, 0xff, 0xd1}, 3, INSN_CALL, 0},
    {"call *8(%rdi)", {0xff, 0x57, 8}, 3, INSN_CALL, 0},
    {"call *sym(,%rax,8)", {0xff, 0x14, 0xc5, 0, 0, 1, 0}, 7, INSN_CALL, 0},
    {"ret", {0xc3}, 1, INSN_RETURN, 0},
    {"repz ret", {0xf3, 0xc3}, 2, INSN_RETURN, 0},
    {"ret $8", {0xc2, 8, 0}, 3, INSN_RETURN, 0},
    {"iretq", {0x48, 0xcf}, 2, INSN_IRET, 0},
    {"rep movsq", {0xf3, 0x48, 0xa5}, 3, INSN_REPEAT, 0},
    {"rep stosb", {0xf3, 0xaa}, 2, INSN_REPEAT, 0},
    {"repne scasb", {0xf2, 0xae}, 2, INSN_REPEAT, 0},
    {"rep outsb", {0xf3, 0x6e}, 2, INSN_REPEAT, 0},
    {"movsb", {0xa4}, 1, INSN_OTHER, 0},
    {"test $1,%al", {0xa8, 1}, 2, INSN_OTHER, 0},
    {"pause", {0xf3, 0x90}, 2, INSN_OTHER, 0},
    {"push $0x1234", {0x68, 0x34, 0x12, 0, 0}, 5, INSN_PUSH_CONSTANT, 0x1234},
    {"push $-2",
     {0x68, 0xfe, 0xff, 0xff, 0xff},
     5,
     INSN_PUSH_CONSTANT,
     UINT64_MAX - 1},
    {"push $5, one byte", {0x6a, 5}, 2, INSN_OTHER, 0},
    {"push %rax", {0x50}, 1, INSN_OTHER, 0},
    {"pop %rax", {0x58}, 1, INSN_POP, 0},
    {"pop %rbx", {0x5b}, 1, INSN_POP, 3},
    {"pop %r15", {0x41, 0x5f}, 2, INSN_POP, 15},
    {"jmp *%rax", {0xff, 0xe0}, 2, INSN_JUMP_REGISTER, 0},
    {"jmp *%r15", {0x41, 0xff, 0xe7}, 3, INSN_JUMP_REGISTER, 15},
    {"jmp *(%rax)", {0xff, 0x20}, 2, INSN_OTHER, 0},
    {"jmp rel32", {0xe9, 0, 0, 0, 0}, 5, INSN_OTHER, 0},
    {"incl (%rax)", {0xff, 0x00}, 2, INSN_OTHER, 0},
    {"push (%rax)", {0xff, 0x30}, 2, INSN_OTHER, 0},
    {"mov %gs:8,%rax",
     {0x65, 0x48, 0x8b, 0x04, 0x25, 8, 0, 0, 0},
     9,
     INSN_OTHER,
     0},
    {"cut after a prefix", {0xf3}, 1, INSN_OTHER, 0},
    {"cut after REX", {0x48}, 1, INSN_OTHER, 0},
    {"cut after 0xff", {0xff}, 1, INSN_OTHER, 0},
    {"cut in a constant", {0x68, 1, 2}, 3, INSN_OTHER, 0},
    {"nothing", {0}, 0, INSN_OTHER, 0},
};

static void test_decode_tells_calls_returns_and_repeats(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(insns) / sizeof(insns[0]); i++) {
        struct insn insn = insn_decode(insns[i].bytes, insns[i].size);

        ROW(insns[i].name, insn.kind == insns[i].kind);
        ROW(insns[i].name, insn.value == insns[i].value);
    }
}

static void test_tree_child_is_made_once(void **state)
{
    struct node *a = tree_child(tree_root(), 1);
    struct node *b = tree_child(tree_root(), 2);

    (void)state;
    assert_ptr_not_equal(a, b);
    assert_ptr_equal(tree_child(tree_root(), 1), a);
    assert_ptr_equal(tree_child(tree_root(), 2), b);
    assert_ptr_equal(tree_child(tree_root(), 2), b);
    assert_ptr_equal(a->parent, tree_root());
    assert_int_equal(tree_child(a, 2)->depth, 2);
    assert_ptr_not_equal(tree_child(a, 2), b);
}

/* The report reads a parent before its children. */
static void test_tree_lists_parents_first(void **state)
{
    uint32_t id = 0;

    (void)state;
    tree_child(tree_child(tree_root(), 3), 4);
    tree_child(tree_root(), 5);
    assert_ptr_equal(tree_first(), tree_root());
    for (struct node *node = tree_first(); node != NULL; node = node->next) {
        assert_int_equal(node->id, id++);
        if (node->parent != NULL)
            assert_true(node->parent->id < node->id);
    }
    assert_true(id >= 4);
}

static void test_tree_deep_stack_goes_on_at_the_root(void **state)
{
    struct node *node = tree_root();

    (void)state;
    for (unsigned i = 0; i < 10 * DEPTH_MAX; i++) {
        node = tree_child(node, 7);
        assert_true(node->depth <= DEPTH_MAX);
    }
}

static void test_shadow_slots_are_of_eight_bytes(void **state)
{
    struct slot *slot = shadow_slot(0x5008);

    (void)state;
    slot->caller = tree_root();
    slot->returns_to = 9;
    assert_ptr_equal(shadow_slot(0x5008), slot);
    assert_null(shadow_slot(0x5000)->caller);
    assert_null(shadow_slot(0x5010)->caller);
    /* The same bucket, and the same place in another page. */
    assert_null(
        shadow_slot(0x5008 + ((uint64_t)BUCKETS << PAGE_SHIFT))->caller);
    assert_null(shadow_slot(UINT64_C(0x8000005008))->caller);
    assert_ptr_equal(shadow_slot(0x5008), slot);
    assert_int_equal(shadow_slot(0x5008)->returns_to, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode_tells_calls_returns_and_repeats),
        cmocka_unit_test(test_tree_child_is_made_once),
        cmocka_unit_test(test_tree_lists_parents_first),
        cmocka_unit_test(test_tree_deep_stack_goes_on_at_the_root),
        cmocka_unit_test(test_shadow_slots_are_of_eight_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
