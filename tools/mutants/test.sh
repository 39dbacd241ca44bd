#!/bin/bash
# Test of mutants.pl: a tree of one source and one test, where it is known of each
# mutant what becomes of it.
tools="$(cd "$(dirname "$0")" && pwd)"
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
cd "$tree" || exit 1
mkdir -p toy tests/unit/toy tools/mutants
status=0

cat >toy/toy.c <<'END'
/* A comment: a < b && c; */
#define LESS(a, b) ((a) < (b))
extern void assert(int);

int toy_larger(int a, int b)
{
    (void)a;
    assert(a + b > 0);
    if (a > b)
        return a;
    return b; /* "a > b" */
}

long toy_distance(const char *from, const char *to)
{
    return to - from;
}

int toy_check(int value, int limit)
{
    if (value < 0 || value >= limit)
        return -EINVAL;
    toy_count++;
    return 0;
}

int toy_never_called(int value)
{
    return value * 2;
}

int toy_any(const signed char *from, int count)
{
    int sum = 0;

    for (int i = 0; i < count; i++)
        sum += from[i] != 0;
    return sum > 0;
}
END
cat >toy/wait.c <<'END'
#include "toy.h"

void toy_wait(volatile unsigned long *left)
{
    while (*left != 0)
        (*left)--;
}
END
# What the compiler needs, on the first line: line numbers stay.
sed -i '1s/^/#include "toy.h"\n/; 3,4d' toy/toy.c
cat >toy/toy.h <<'END'
#define EINVAL 22
#define assert(e) ((void)sizeof(e))
extern int toy_count;
int toy_larger(int a, int b);
int toy_any(const signed char *from, int count);
long toy_distance(const char *from, const char *to);
void toy_wait(volatile unsigned long *left);
int toy_check(int value, int limit);
int toy_never_called(int value);
END
cat >tests/unit/toy/test_toy.c <<'END'
#include "../../../toy/toy.h"
#include <stdlib.h>
int toy_count;
int main(void)
{
    char text[4];
    signed char *three = malloc(3);
    volatile unsigned long left = 3;

    toy_wait(&left);
    three[0] = three[1] = three[2] = 1;
    if (toy_any(three, 3) != 1)
        return 1;
    free(three);
    if (left != 0 || toy_larger(1, 3) != 3 || toy_larger(3, 1) != 3 ||
        toy_distance(text, text + 4) != 4)
        return 1;
    /* Its lower limit is not tested, nor what it counts. */
    return toy_check(4, 4) != -EINVAL || toy_check(3, 4) != 0;
}
END
cat >Makefile <<'END'
BUILD = build
V = 0
FLAGS-asan = -O1 -fsanitize=address
FLAGS-host = -O2
FLAGS-cov = --coverage -O0
host: $(BUILD)/host/toy/toy.o $(BUILD)/host/toy/wait.o
metal:
define rules
$(BUILD)/$(1)/%.o: %.c
	@mkdir -p $$(@D)
	gcc -g -ffile-prefix-map=$(CURDIR)/= $$(FLAGS-$(1)) -MMD -c $$< -o $$@
$(BUILD)/$(1)/libtorc.a: $(BUILD)/$(1)/toy/toy.o $(BUILD)/$(1)/toy/wait.o
	ar rcs $$@ $$^
$(BUILD)/$(1)/unit/%: $(BUILD)/$(1)/tests/unit/%.o $(BUILD)/$(1)/libtorc.a
	@mkdir -p $$(@D)
	gcc $$(FLAGS-$(1)) -Wl,--start-group $$^ -Wl,--end-group -o $$@
endef
.SECONDARY:
$(foreach v,asan host cov,$(eval $(call rules,$(v))))
END
echo 'toy 50 toy' >tools/mutants/parts.txt
cat >tools/mutants/accepted.txt <<'END'
elsewhere/toy.c toy_check
- toy_count++;
+ ;
For the test: found again in another directory.

toy/toy.c toy_larger
- if (a > b)
+ if (0)
Wrong: a test kills it.

toy/toy.c toy_gone
- gone();
+ ;
Wrong: it matches nothing.
END
make -s build/host/unit/toy/test_toy build/asan/unit/toy/test_toy build/cov/unit/toy/test_toy >make.log 2>&1 || {
    cat make.log
    exit 1
}
export MUTANTS_ROOT="$tree" BUILD=build
fail() {
    echo "$*"
    status=1
}
"$tools/mutants.pl" --count 1000 >out 2>&1 && fail "stale entries do not fail"
results=build/mutants/toy.results
[ -s "$results" ] || {
    cat out
    exit 1
}

# outcome | function | the line as changed
while IFS='|' read -r outcome function after; do
    [ -n "$outcome" ] || continue
    awk -F'\t' -v o="$outcome" -v f="$function" -v a="$after" '
        $2 == o && $5 == f && $8 == a { found = 1 } END { exit !found }' "$results" ||
        fail "not $outcome: $function(): $after"
done <<'END'
equivalent|toy_larger|;
killed|toy_larger|if (a <= b)
killed|toy_any|for (int i = 0; i <= count; i++)
killed|toy_larger|if (1)
killed|toy_larger|if (0)
unbuilt|toy_distance|return to + from;
late|toy_wait|(*left)++;
late|toy_wait|;
killed|toy_wait|while (0)
killed|toy_wait|while (*left == 0)
survived|toy_check|if (value <= 0 || value >= limit)
survived|toy_check|if (0 || value >= limit)
survived|toy_check|if (value < 1 || value >= limit)
survived|toy_check|toy_count--;
accepted|toy_check|;
killed|toy_check|if (value < 0 && value >= limit)
killed|toy_check|if (value < 0 || 0)
killed|toy_check|if (0)
killed|toy_check|if (1)
killed|toy_check|return 0;
killed|toy_check|return 1;
alone|toy_never_called|return value / 2;
alone|toy_never_called|return value * (2 + 1);
END
# What only the sanitizer sees, and what is seen without it.
grep -F 'i <= count' "$results" | cut -f3 | grep -qx 'toy/test_toy (asan)' ||
    fail "a read out of bounds is not killed by the sanitizer"
[ "$(cut -f3 "$results" | grep -c asan)" -eq 1 ] || fail "the sanitizer kills more"
cut -f8 "$results" | grep -qE 'assert|LESS|"a|comment' &&
    fail "a comment, a string, an assertion or a directive was changed"
cut -f6 "$results" | sort -u | paste -sd' ' |
    grep -qx 'arithmetic bounds branch condition constant error logical relational statement' ||
    fail "not every operator was used"
grep -q 'toy_larger: is killed by toy/test_toy: remove it' out ||
    fail "an accepted mutant that is killed is not named"
grep -q 'toy_gone: matches no mutation: remove it' out ||
    fail "an accepted mutant that does not exist is not named"
[ "$(grep -c 'remove it' out)" -eq 2 ] || fail "more is called stale"
grep -qF 'toy/toy.c:22' out || fail "the line of a survivor is wrong"

echo 'toy 50 toy/toy.c' >tools/mutants/parts.txt # without those that never end
# The same seed gives the same mutants, another seed others; one again by its name.
: >tools/mutants/accepted.txt
for run in 1,first 1,again 2,other; do
    "$tools/mutants.pl" --count 8 --seed "${run%,*}" >/dev/null 2>&1
    cut -f1 "$results" >"seed.${run#*,}"
done
cmp -s seed.first seed.again || fail "a seed does not give the same mutants again"
cmp -s seed.first seed.other && fail "another seed gives the same mutants"
# The survivors again, and they alone.
"$tools/mutants.pl" --count 1000 >out 2>&1
cut -f2 "$results" | grep -cE 'survived|alone' >alive
"$tools/mutants.pl" --count 1000 --again >out 2>&1
[ "$(cut -f2 "$results" | grep -cE 'survived|alone')" -eq "$(cat alive)" ] &&
    [ "$(wc -l <"$results")" -eq "$(cat alive)" ] || fail "--again judges others"
# By tests that are named alone: without the sanitizer more survive, unless it has killed
# them before, and which lines a test executes is not asked.
rm -r build/mutants/killed
"$tools/mutants.pl" --count 1000 --quick --tests 'toy/*' >out 2>&1
[ "$(grep -F 'i <= count' "$results" | cut -f2)" = survived ] ||
    fail "--quick runs the sanitizer"
cut -f2 "$results" | grep -qx alone && fail "--quick asks which lines are executed"
touch -d '1 hour' toy/toy.c
"$tools/mutants.pl" --quick --tests toy/test_toy >out 2>&1 && fail "--quick judges what is not built"
grep -q 'toy/toy.c is newer' out || fail "--quick does not name what is not built"
touch -d '-1 hour' toy/toy.c
"$tools/mutants.pl" --tests toy/test_toy >out 2>&1 && fail "--tests without --quick"
"$tools/mutants.pl" --quick --tests toy/none >out 2>&1 && fail "--quick without a test"
sed -i 's/50/99/' tools/mutants/parts.txt
"$tools/mutants.pl" --count 1000 >out 2>&1 && fail "a score under the bar does not fail"
sed -i 's/99/10/' tools/mutants/parts.txt
"$tools/mutants.pl" --count 1000 >out 2>&1 || fail "a score over the bar fails"
id=$(awk -F'\t' '$8 == "toy_count--;" { print $1 }' "$results")
"$tools/mutants.pl" --mutant "$id" >out 2>&1 && fail "one survivor again: no failure"
grep -q SURVIVED out || fail "one mutant again: not the same outcome"
"$tools/mutants.pl" --mutant "$id" --show | grep -q '^+    toy_count--;' ||
    fail "--show does not show the change"
exit $status
